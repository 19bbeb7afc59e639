"""Which version each conversation began with, for callers who do not hand the pin back; bounded, this process only."""

from __future__ import annotations

from ..core.traffic.route import Route
from ..core.units import AgentName

__all__ = ["Conversation", "Conversations"]


Conversation = tuple[AgentName, str]
"""The agent and the session. A bare tuple: it is made with every turn, and a named one takes ten times as long."""


class Conversations:
    """
    The first routes of the conversations last heard of: at least half of `most`, and never more than `most`.

    Two generations: when the young one is full it becomes the old one, and what was old and silent is forgotten. Every
    step is one operation on one dict, so threads need no lock; a race loses at worst a note of a conversation.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._young: dict[Conversation, Route] = {}
        self._old: dict[Conversation, Route] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def first(self, conversation: Conversation) -> Route | None:
        """Its first route, or None for one that is new or forgotten."""
        route = self._young.get(conversation)
        if route is None:
            route = self._old.get(conversation)
            if route is not None:
                self.keep(conversation, route)
        return route

    def keep(self, conversation: Conversation, route: Route) -> None:
        """From now on it goes on with this route."""
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[conversation] = route

    def forget(self, conversation: Conversation) -> None:
        """It begins anew with its next turn."""
        self._young.pop(conversation, None)
        self._old.pop(conversation, None)

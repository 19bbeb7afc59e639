"""Streams in a shadow stage: their pieces put together, so that two answers can be compared as wholes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, TypeAlias

from ..core.artifact.version import AgentVersion
from .run import Run

__all__ = ["MOST_CHARACTERS", "MOST_PIECES", "Gathered", "Whole", "gathered", "gathered_async"]

MOST_PIECES: Final = 10_000
MOST_CHARACTERS: Final = 1_000_000
"""Of one stream that is kept until its end. What is longer is not mirrored."""

Gathered: TypeAlias = Callable[[AgentVersion, Any, Run], Any]
"""A function that answers in one piece what another one answers in many."""


class _Pieces:
    """Pieces in their order, as many as the bounds let in."""

    __slots__ = ("_characters", "_kept")

    def __init__(self) -> None:
        self._kept: list[object] = []
        self._characters = 0

    def add(self, piece: object) -> bool:
        """Keep it. False: it is not kept, nor is anything after it."""
        self._characters += len(piece) if isinstance(piece, str | bytes) else 1
        if self._characters > MOST_CHARACTERS or len(self._kept) >= MOST_PIECES:
            self._characters = MOST_CHARACTERS
            return False
        self._kept.append(piece)
        return True

    def together(self) -> object:
        """A text, if the pieces are texts."""
        texts = [piece for piece in self._kept if isinstance(piece, str)]
        return "".join(texts) if len(texts) == len(self._kept) else list(self._kept)


class Whole:
    """What is kept of a user's stream until it is over, and what is to happen then."""

    __slots__ = ("_is_over", "_pieces", "_too_long")

    def __init__(self, is_over: Callable[[object], None], too_long: Callable[[], None]) -> None:
        self._pieces: _Pieces | None = _Pieces()
        """None: it is too long, and nothing of it is kept."""

        self._is_over = is_over
        self._too_long = too_long

    def add(self, piece: object) -> None:
        """One more piece."""
        if self._pieces is not None and not self._pieces.add(piece):
            self._pieces = None

    def over(self, error: type[BaseException] | None) -> None:
        """The user's stream has ended. Who stopped reading has no whole answer, and nothing is mirrored."""
        if error is not None:
            if issubclass(error, Exception):
                self._is_over(None)
        elif self._pieces is None:
            self._too_long()
        else:
            self._is_over(self._pieces.together())


def gathered(function: Callable[[AgentVersion, Any, Run], Iterator[Any]]) -> Gathered:
    """The generator function as one that answers in one piece."""

    def answer(version: AgentVersion, request: object, ctx: Run) -> object:
        pieces = _Pieces()
        for piece in function(version, request, ctx):
            ctx.first_token()
            pieces.add(piece)  # or not: it is read to its end, as a user would, whatever is kept
        return pieces.together()

    return answer


def gathered_async(function: Callable[[AgentVersion, Any, Run], AsyncIterator[Any]]) -> Gathered:
    """The asynchronous generator function as a coroutine function."""

    async def answer(version: AgentVersion, request: object, ctx: Run) -> object:
        pieces = _Pieces()
        async for piece in function(version, request, ctx):
            ctx.first_token()
            pieces.add(piece)
        return pieces.together()

    return answer

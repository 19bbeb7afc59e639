"""Experiments that a flag assigns: the flag is asked before the decision, and its answer is the request's cohort."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from ..core.traffic.closure import Decide
from ..core.traffic.route import AgentTraffic, Reason, Request, Route, unit_of
from ..core.units import AgentName
from ..ports.flags import Flags

__all__ = ["FlagArms", "cohort_of"]

_log: Final = logging.getLogger("surefoot")


def cohort_of(flag: str, *, is_on: bool | None) -> str:
    """The segment that stands for a flag's answer: the cohort itself, another, or none where nobody answered."""
    if is_on is None:
        return ""
    return flag if is_on else f"not {flag}"


class FlagArms:
    """Puts flags before decisions. Agents whose split no flag assigns keep their closure, and pay nothing."""

    def __init__(self, flags: Mapping[AgentName, Flags]) -> None:
        self.unassigned = 0
        """Runs that a flag should have assigned, and did not. Only grows."""

        self._flags = flags
        self._said: set[tuple[AgentName, str]] = set()
        self._lock = threading.Lock()

    def around(self, traffic: AgentTraffic, decide: Decide) -> Decide:
        """The decision with the flag asked where it matters, else the decision itself."""
        split = traffic.split
        if split is None or not split.targeting.flag or not split.share:
            return decide
        agent, flag, kind = traffic.agent, split.targeting.cohort, split.unit

        def assigned(
            user: str, tenant: str, session: str, feature: str, segment: str, request: str, pin: str, /
        ) -> Route:
            # As if it were on: only where that draws the candidate's arm has a flag a say.
            route = decide(user, tenant, session, feature, flag, request, pin)
            if route.reason is not Reason.CANDIDATE:
                return route  # a switch, a list, an earlier turn
            asked = Request(
                agent=agent,
                user=user,
                tenant=tenant,
                session=session,
                feature=feature,
                segment=segment,
                request=request,
            )
            cohort = cohort_of(flag, is_on=self._ask(flag, unit_of(kind, asked), asked))
            return route if cohort == flag else decide(user, tenant, session, feature, cohort, request, pin)

        return assigned

    def _ask(self, flag: str, unit: str, asked: Request) -> bool | None:
        """The flag's answer; None, counted and logged once for each flag, if there is none."""
        flags = self._flags.get(asked.agent)
        if flags is None:
            trouble = "nobody can ask it: open the agent with sf.agent(name, flags=client)"
        else:
            try:
                return flags.is_on(flag, unit, _known(asked))
            except Exception as error:  # noqa: BLE001  # whatever is wrong with a flag, a request must not fail for it
                trouble = str(error) or type(error).__name__
        with self._lock:
            self.unassigned += 1
            is_new = (asked.agent, flag) not in self._said
            self._said.add((asked.agent, flag))
        if is_new:
            _log.warning(
                "%s: the flag %r assigns nobody, so stable answers and nothing is analysed: %s",
                asked.agent,
                flag,
                trouble,
            )
        return None


def _known(asked: Request) -> dict[str, str]:
    """What the request says of itself, by the names that people pass it by."""
    said = {
        "agent": asked.agent,
        "user": asked.user,
        "session": asked.session,
        "tenant": asked.tenant,
        "feature": asked.feature,
        "segment": asked.segment,
        "request_id": asked.request,
    }
    return {name: text for name, text in said.items() if text}

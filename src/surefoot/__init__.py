"""
Progressive delivery for AI agents: move live traffic to a new version step by step, and take it back when it does harm.

    import surefoot

    sf = surefoot.open()
    agent = sf.agent("support-agent")

    @agent.runs
    def answer(version, request, ctx): ...

    reply = agent.run("Where is my order?", user="u-42", session="s-7")

`import surefoot` loads nothing; each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .app import Surefoot, open  # noqa: A004 - `surefoot.open()`, as `shelve.open()` and `dbm.open()`
    from .app.replaying import replay
    from .client.agent import Agent
    from .client.reply import Reply
    from .client.run import Run, current_run
    from .client.shadow import ShadowLimits
    from .client.streams import AsyncStream, Stream
    from .core.artifact.version import AgentVersion
    from .core.traffic.route import Reason, Route
    from .errors import Killed, SurefootError

__all__ = [
    "Agent",
    "AgentVersion",
    "AsyncStream",
    "Killed",
    "Reason",
    "Reply",
    "Route",
    "Run",
    "ShadowLimits",
    "Stream",
    "Surefoot",
    "SurefootError",
    "current_run",
    "open",
    "replay",
]

_WHERE: Final = MappingProxyType(
    {
        "Agent": ".client.agent",
        "AgentVersion": ".core.artifact.version",
        "AsyncStream": ".client.streams",
        "Killed": ".errors",
        "Reason": ".core.traffic.route",
        "Reply": ".client.reply",
        "Route": ".core.traffic.route",
        "Run": ".client.run",
        "ShadowLimits": ".client.shadow",
        "Stream": ".client.streams",
        "Surefoot": ".app",
        "SurefootError": ".errors",
        "current_run": ".client.run",
        "open": ".app",
        "replay": ".app.replaying",
    }
)


def __getattr__(name: str) -> object:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    found: object = getattr(import_module(module, __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

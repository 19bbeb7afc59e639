"""`surefoot kill`, `unkill`, `kills`: what a person reaches for at two in the morning."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, NamedTuple

import msgspec
import typer

from ..app.control import Control
from ..core.traffic.kill import KillSwitch
from ..core.units import AgentName, Digest
from ..errors import UsageError
from ..service import switch
from ..service.switch import Scope
from .control import ByOption, JsonOption, controlled, whoever
from .output import say, say_json, say_table

__all__ = ["kill_app", "kills_app", "unkill_app"]

kill_app = typer.Typer(add_completion=False)
unkill_app = typer.Typer(add_completion=False)
kills_app = typer.Typer(add_completion=False)


@kill_app.command(epilog='Example: surefoot kill --agent support-agent --version v1.3.3 --reason "leaks addresses"')
def _kill(
    ctx: typer.Context,
    *,
    reason: Annotated[str, typer.Option(help="Why: it is shown to everybody who meets the switch.")],
    agent: Annotated[str | None, typer.Option(help="Only this agent.")] = None,
    version: Annotated[str | None, typer.Option(help="Only this version: a label (with --agent) or a digest.")] = None,
    feature: Annotated[str | None, typer.Option(help="Only requests for this feature.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only requests of this tenant.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All agents, everywhere.")] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop an agent, a version, a feature, a tenant, or everything, in every running process, now."""
    if not everything and not any((agent, version, feature, tenant)):
        raise UsageError(
            "nothing says what to stop", hint="give --agent, --version, --feature or --tenant; or --everything"
        )
    if everything and any((agent, version, feature, tenant)):
        raise UsageError("--everything and a narrower scope", hint="give one or the other")

    async def order(control: Control) -> KillSwitch:
        if not (await control.store.snapshot()).agents:
            raise UsageError(
                "this project's store knows no agent: a switch here would stop nobody",
                hint="go to the project that is served, give --project DIR, or set SUREFOOT_STORE to its store",
            )
        digest = await _version(version, agent, control) if version else None
        scope = Scope(AgentName(agent) if agent else None, digest, feature, tenant)
        return await switch.kill(
            scope, reason=reason, author=whoever(by), store=control.store, clock=control.clock, ids=control.ids
        )

    raised, words = controlled(ctx, lambda control: _worded(order(control), control))
    if as_json:
        say_json(msgspec.to_builtins(raised))
    else:
        say(f"killed: {words}", f"lift it with: surefoot unkill {raised.id}")


@unkill_app.command(epilog="Example: surefoot unkill 01JD3K...")
def _unkill(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `surefoot kills` shows it.", show_default=False)],
    by: ByOption = None,
) -> None:
    """Lift a kill switch. What it rolled back stays back."""
    controlled(ctx, lambda control: switch.unkill(id, by=whoever(by), store=control.store, clock=control.clock))
    say(f"lifted: {id}")


@kills_app.command(epilog="Example: surefoot kills --json")
def _kills(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """The kill switches that are up, oldest first."""

    async def read(control: Control) -> list[_Worded]:
        return [_Worded(kill, await _scope_words(kill, control)) for kill in await switch.kills(store=control.store)]

    found = controlled(ctx, read)
    if as_json:
        say_json([msgspec.to_builtins(kill) for kill, _ in found])
    elif found:
        say_table(
            ("id", "stops", "by", "since", "reason"),
            [
                (kill.id, words, kill.author, f"{kill.raised_at:%Y-%m-%d %H:%M:%S %Z}", kill.reason)
                for kill, words in found
            ],
        )
    else:
        say("no kill switch is up")


class _Worded(NamedTuple):
    """A switch, and what it stops in words."""

    kill: KillSwitch
    words: str


async def _worded(raised: Awaitable[KillSwitch], control: Control) -> _Worded:
    kill = await raised
    return _Worded(kill, await _scope_words(kill, control))


async def _scope_words(kill: KillSwitch, control: Control) -> str:
    """What a switch stops, with the version's label."""
    parts = [
        f"{name} {value}"
        for name, value in (
            ("agent", kill.agent),
            ("version", kill.version and (await control.store.version(kill.version)).label),
            ("feature", kill.feature),
            ("tenant", kill.tenant),
        )
        if value is not None
    ]
    return ", ".join(parts) or "everything"


async def _version(text: str, agent: str | None, control: Control) -> Digest:
    if text.startswith("sha256:"):
        return Digest(text)
    if agent is None:
        raise UsageError("a version's label without --agent", hint="labels belong to an agent: give --agent NAME")
    return await control.digest(agent, text)

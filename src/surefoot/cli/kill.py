"""`surefoot kill`, `unkill`, `kills`: what a person reaches for at two in the morning."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
import typer

from ..app.control import Control
from ..app.recovery import unknown_kills
from ..core.lifecycle.rollout import Kill, Phase, Rollout
from ..core.traffic.kill import KillSwitch, covering
from ..core.units import AgentName, RolloutId
from ..errors import UsageError
from ..service import switch
from .control import ByOption, controlled, whoever
from .output import JsonOption, say, say_json, say_table

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
    version: Annotated[
        str | None, typer.Option(help="Only this version: a label (with --agent), a digest, or its start.")
    ] = None,
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

    async def order(control: Control) -> _Raised:
        raised = await control.kill(
            reason=reason, by=whoever(by), agent=agent, version=version, feature=feature, tenant=tenant
        )
        return _Raised(raised, await _scope_words(raised, control), await _rolled_back_by(raised, control))

    raised, words, ended = controlled(ctx, order)
    if as_json:
        say_json({**msgspec.to_builtins(raised), "rolls_back": [row.rollout for row in ended]})
    else:
        say(f"killed: {words}", f"lift it with: surefoot unkill {raised.id}")
        for row in ended:
            say(f"this rolls back {row.agent} {row.label}, for good; for another try, afterwards: {row.again}")


@unkill_app.command(epilog="Example: surefoot unkill 01JD3K...")
def _unkill(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `surefoot kills` shows it.", show_default=False)],
    *,
    lost: Annotated[
        bool, typer.Option("--lost", help="Also one that this store never had, seen elsewhere before a store was lost.")
    ] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift a kill switch. What it rolled back stays back."""
    who = whoever(by)

    async def order(control: Control) -> list[_Ended]:
        # One that was seen on this machine and that `kills` shows is no typing error, whatever the store says.
        is_known = lost or id in {kill.id for kill in await unknown_kills(control.project, control.store)}
        await switch.unkill(id, by=who, store=control.store, clock=control.clock, lost=is_known)
        return await _stays_back(id, control)

    ended = controlled(ctx, order)
    if as_json:
        say_json({"lifted": id, "by": who, "rolled_back": [row.rollout for row in ended]})
    else:
        say(f"lifted: {id}")
        for row in ended:
            say(f"{row.agent} {row.label} stays rolled back; for another try: {row.again}")


@kills_app.command(epilog="Example: surefoot kills --json")
def _kills(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """The kill switches that are up, oldest first, and those of a lost store that are obeyed all the same."""

    async def read(control: Control) -> _Found:
        up = [_Worded(kill, await _scope_words(kill, control)) for kill in await switch.kills(store=control.store)]
        return _Found(up, await unknown_kills(control.project, control.store))

    found, unknown = controlled(ctx, read)
    if as_json:
        ours = [{**msgspec.to_builtins(kill), "in_store": True} for kill, _ in found]
        say_json([*ours, *({**msgspec.to_builtins(kill), "in_store": False} for kill in unknown)])
        return
    for kill in unknown:
        say(
            f"the store has never heard of {kill.id} by {kill.author}: {kill.reason}",
            f"it was seen here and is obeyed until you say: surefoot unkill {kill.id}",
        )
    if found:
        say_table(
            ("id", "stops", "by", "since", "reason"),
            [
                (kill.id, words, kill.author, f"{kill.raised_at:%Y-%m-%d %H:%M:%S %Z}", kill.reason)
                for kill, words in found
            ],
        )
    elif not unknown:
        say("no kill switch is up")


class _Found(NamedTuple):
    """Switches that the store has, and those it has never heard of."""

    up: list[_Worded]
    unknown: tuple[KillSwitch, ...]


class _Ended(NamedTuple):
    """A rollout that a switch ends, and its candidate."""

    rollout: RolloutId
    agent: AgentName
    label: str

    @property
    def again(self) -> str:
        """What a person says to bring the candidate on its way once more."""
        return (
            f"surefoot rollout reopen {self.agent} {self.label}, then surefoot rollout start {self.agent} {self.label}"
        )


class _Raised(NamedTuple):
    """A switch that has just been raised, what it stops, and the rollouts that end with it."""

    kill: KillSwitch
    words: str
    ended: list[_Ended]


class _Worded(NamedTuple):
    """A switch, and what it stops in words."""

    kill: KillSwitch
    words: str


async def _rolled_back_by(kill: KillSwitch, control: Control) -> list[_Ended]:
    """The rollouts under way whose candidate the switch covers everywhere: a controller's next look takes them back."""
    rows = [stored.rollout for stored in await control.store.rollouts()]
    return [
        await _ended(row, control)
        for row in rows
        if not row.phase.is_final
        and covering([kill], agent=row.agent, version=row.candidate, feature="", tenant="") is not None
    ]


async def _stays_back(id: str, control: Control) -> list[_Ended]:
    """The rollouts that a switch has ended, whose candidates nobody has re-opened since."""
    found: list[_Ended] = []
    for stored in await control.store.rollouts():
        row = stored.rollout
        if row.phase is Phase.ROLLED_BACK and row.candidate in await control.store.denied(row.agent):
            event = (await control.store.audit(row.id))[-1].transition.event
            if isinstance(event, Kill) and event.switch == id:
                found.append(await _ended(row, control))
    return found


async def _ended(row: Rollout, control: Control) -> _Ended:
    return _Ended(row.id, row.agent, (await control.store.version(row.candidate)).label)


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

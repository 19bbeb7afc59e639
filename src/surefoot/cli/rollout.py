"""`surefoot rollout`: bring a candidate on its way, watch it, say yes or no, and ask why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, NamedTuple

import msgspec
import typer

from ..app.control import ChosenPlan, Control
from ..config.plans import ROLLOUTS_FOLDER
from ..core.lifecycle.machine import news
from ..core.lifecycle.rollout import Phase, Rollout, Transition
from ..core.units import AgentName, Digest
from ..service import rollouts
from ..service.explain import explain, recompute
from ..service.views import RolloutView
from .control import ByOption, controlled, whoever
from .output import JsonOption, say, say_json
from .rollout_view import (
    say_comparison,
    say_explained,
    say_lines,
    say_now,
    say_recomputed,
    say_shadow,
    say_view,
    watch_view,
)
from .simulation import simulate

__all__ = ["app"]

_FOUND_EXIT: Final = 1
"""The command did its work and found something to object to."""

app = typer.Typer(
    name="rollout",
    help="Rollouts: a candidate on its way to its users, step by step, and back by itself when it does harm.",
    epilog="Example: surefoot rollout start support-agent v1.3.3",
    no_args_is_help=True,
    add_completion=False,
)
app.command("simulate", epilog="Example: surefoot rollout simulate canary --drops 1,2,5,10 --plot forecast.png")(
    simulate
)

_Which = Annotated[
    str,
    typer.Argument(metavar="ROLLOUT", help="A rollout's id, or an agent: its newest rollout.", show_default=False),
]
_Why = Annotated[str, typer.Option("--why", help="The reason, for the audit trail.")]


@app.command("start", epilog="Example: surefoot rollout start support-agent v1.3.3 --plan canary")
def _start(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(help="The agent: a folder of agents/.", show_default=False)],
    candidate: Annotated[str, typer.Argument(help="The candidate's label.", show_default=False)],
    *,
    stable: Annotated[
        str | None, typer.Option(help="The label that serves users now. Needed once, for an agent's first rollout.")
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="A plan file, or a preset. Default: rollouts/AGENT.yaml, else canary.")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a candidate on its way."""

    async def order(control: Control) -> _Started:
        chosen = control.chosen_plan(agent, plan)
        started = await control.start(agent, candidate, by=whoever(by), stable=stable, plan=plan)
        return _Started(await control.view(started.id), chosen)

    now, chosen = controlled(ctx, order, creates=True)
    if as_json:
        say_json({**msgspec.to_builtins(now), "plan": chosen.name})
    else:
        if chosen.is_default:
            say(f"no {ROLLOUTS_FOLDER}/{agent}.yaml, so the default canary")
        say_view(now)
        say(f"     plan: {chosen.name}")


@app.command("list", epilog="Example: surefoot rollout list --all --json")
def _list(
    ctx: typer.Context,
    *,
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Rollouts, newest first."""
    found = controlled(ctx, lambda control: control.lines(agent, everything=everything))
    if as_json:
        say_json(msgspec.to_builtins(list(found)))
    else:
        say_lines(found)


@app.command("status", epilog="Example: surefoot rollout status support-agent")
def _status(ctx: typer.Context, which: _Which, *, as_json: JsonOption = False) -> None:
    """Where a rollout is, what its evidence says, and what it waits for."""
    _said(controlled(ctx, lambda control: control.view(which)), as_json=as_json)


@app.command("watch", epilog="Example: surefoot rollout watch support-agent")
def _watch(
    ctx: typer.Context,
    which: _Which,
    *,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
) -> None:
    """The same, live, until the rollout is over or you press Ctrl-C. It only looks."""

    async def follow(control: Control) -> None:
        with watch_view() as screen:
            while True:
                now = await control.view(which)
                screen.show(now)
                if now.is_final:
                    return
                await asyncio.sleep(every)

    controlled(ctx, follow)


@app.command("approve", epilog="Example: surefoot rollout approve support-agent --why 'looked at 50 answers'")
def _approve(
    ctx: typer.Context, which: _Which, *, why: _Why = "", by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Agree to the stage that is asked for."""

    def yes(row: Rollout, at: Control) -> Awaitable[Transition]:
        # The stage named here is the one the person sees now; if another is asked for by then, the yes is refused.
        asked = row.plan.stages[row.opened].name if row.phase is Phase.WAITING else ""
        return rollouts.approve(
            row.id, candidate=row.candidate, by=whoever(by), why=why, stage=asked, store=at.store, clock=at.clock
        )

    _order(ctx, which, yes, as_json=as_json)


@app.command("reject", epilog="Example: surefoot rollout reject support-agent --why 'answers in the wrong language'")
def _reject(ctx: typer.Context, which: _Which, *, why: _Why, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Refuse the stage that is asked for: the candidate goes back."""
    _order(
        ctx,
        which,
        lambda row, at: rollouts.reject(row.id, by=whoever(by), why=why, store=at.store, clock=at.clock),
        as_json=as_json,
    )


@app.command("pause", epilog="Example: surefoot rollout pause support-agent")
def _pause(
    ctx: typer.Context, which: _Which, *, why: _Why = "", by: ByOption = None, as_json: JsonOption = False
) -> None:
    """Stop advancing. Shares stay, and so does protection."""
    _order(
        ctx,
        which,
        lambda row, at: rollouts.pause(row.id, by=whoever(by), why=why, store=at.store, clock=at.clock),
        as_json=as_json,
    )


@app.command("resume", epilog="Example: surefoot rollout resume support-agent")
def _resume(ctx: typer.Context, which: _Which, *, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Go on where it stopped."""
    _order(
        ctx,
        which,
        lambda row, at: rollouts.resume(row.id, by=whoever(by), store=at.store, clock=at.clock),
        as_json=as_json,
    )


@app.command("promote", epilog="Example: surefoot rollout promote support-agent --why 'the old model is switched off'")
def _promote(ctx: typer.Context, which: _Which, *, why: _Why, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Give the candidate all traffic now, without proof."""
    _order(
        ctx,
        which,
        lambda row, at: rollouts.promote(row.id, by=whoever(by), why=why, store=at.store, clock=at.clock),
        as_json=as_json,
    )


@app.command("abort", epilog="Example: surefoot rollout abort support-agent --why 'wrong version'")
def _abort(ctx: typer.Context, which: _Which, *, why: _Why, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Take the candidate out now."""
    _order(
        ctx,
        which,
        lambda row, at: rollouts.abort(row.id, by=whoever(by), why=why, store=at.store, clock=at.clock),
        as_json=as_json,
    )


@app.command("reopen", epilog="Example: surefoot rollout reopen support-agent v1.3.3")
def _reopen(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(help="The agent.", show_default=False)],
    label: Annotated[str, typer.Argument(help="The version that was rolled back.", show_default=False)],
    *,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Allow a version again that was rolled back."""
    who = whoever(by)

    async def order(control: Control) -> Digest:
        digest = await control.digest(agent, label)
        await rollouts.reopen(AgentName(agent), digest, by=who, store=control.store, clock=control.clock)
        return digest

    digest = controlled(ctx, order)
    if as_json:
        say_json({"agent": agent, "version": label, "digest": digest, "reopened_by": who})
    else:
        say(f"{agent} {label} may be rolled out again")


@app.command("explain", epilog="Example: surefoot rollout explain support-agent --recompute")
def _explain(
    ctx: typer.Context,
    which: _Which,
    *,
    again: Annotated[
        bool, typer.Option("--recompute", help="Take every decision again from the audit trail and compare.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Every step of a rollout and why it was taken. With --recompute, exit code 1 if a decision is not reproduced."""

    async def ask(control: Control) -> int:
        rollout = await control.find(which)
        records = await control.store.audit(rollout)
        steps = explain(records)
        if not again:
            beside, now = await control.comparison(which), await control.view(which)
            given, shadow = await control.met(which), await control.shadow(which)
            if as_json:
                both = {"steps": list(steps), "both": list(beside), "now": now.verdict, "next": now.next_step}
                say_json(msgspec.to_builtins({**both, "met": given, "shadow": shadow}))
            else:
                say_explained(steps)
                say_shadow(shadow)
                say_comparison(beside, given)
                say_now(now)
            return 0
        row = (await control.store.rollout(rollout)).rollout
        found = recompute(records, await control.store.ticks(rollout), row=row)
        if as_json:
            say_json(msgspec.to_builtins({"reproduced": found.is_reproduced, "decisions": list(found.decisions)}))
        else:
            say_explained(steps)
            say_recomputed(found)
        return 0 if found.is_reproduced else _FOUND_EXIT

    if code := controlled(ctx, ask):
        raise typer.Exit(code)


@app.command("history", epilog="Example: surefoot rollout history support-agent --json")
def _history(ctx: typer.Context, which: _Which, *, as_json: JsonOption = False) -> None:
    """The audit trail as it was written: every step with its hash."""

    async def read(control: Control) -> None:
        records = await control.store.audit(await control.find(which))
        if as_json:
            say_json(
                [
                    {
                        "sequence": record.sequence,
                        "at": record.transition.at.isoformat(),
                        "event": type(record.transition.event).__name__,
                        "phase": record.transition.after.phase.value,
                        "note": news(record.transition),
                        "previous": record.previous,
                        "hash": record.hash,
                    }
                    for record in records
                ]
            )
            return
        for record in records:
            move = record.transition
            say(f"{record.sequence:>4}  {move.at:%Y-%m-%d %H:%M:%S}  {type(move.event).__name__:<12} {news(move)}")
            say(f"      {record.hash}")
        say_shadow(await control.shadow(which))

    controlled(ctx, read)


class _Started(NamedTuple):
    """A rollout that has just been started, and the plan it goes by."""

    now: RolloutView
    plan: ChosenPlan


def _said(now: RolloutView, *, as_json: bool) -> None:
    if as_json:
        say_json(msgspec.to_builtins(now))
    else:
        say_view(now)


def _order(
    ctx: typer.Context, which: str, call: Callable[[Rollout, Control], Awaitable[Transition]], *, as_json: bool
) -> None:
    """Give one order to a rollout, and say what became of it."""

    async def given(control: Control) -> Transition:
        stored = await control.store.rollout(await control.find(which))
        return await call(stored.rollout, control)

    move = controlled(ctx, given)
    if as_json:
        after = move.after
        say_json(
            {
                "id": after.id,
                "agent": after.agent,
                "phase": after.phase.value,
                "stage": after.stage.name if after.stage else "",
                "share": after.share,
                "note": news(move),
                "at": move.at.isoformat(),
            }
        )
        return
    say(f"{move.after.id}: {move.after.phase.replace('_', ' ')}", news(move))

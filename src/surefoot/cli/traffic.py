"""`surefoot traffic`: tenants that take part in no rollout, and tenants that have one version whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
import typer

from ..app.control import Control
from ..core.traffic.orders import TrafficOrder
from ..core.traffic.presets import share_text
from ..service.traffic import TrafficView
from .control import ByOption, JsonOption, controlled, whoever
from .output import say, say_json, say_table

__all__ = ["app"]

app = typer.Typer(
    name="traffic",
    help="Who gets what of an agent: tenants kept out of rollouts, and tenants pinned to a version.",
    epilog='Example: surefoot traffic opt-out support-agent acme --reason "their contract"',
    no_args_is_help=True,
    add_completion=False,
)

_Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent.", show_default=False)]
_Tenant = Annotated[
    str, typer.Argument(metavar="TENANT", help="As your requests name it, letter by letter.", show_default=False)
]
_Reason = Annotated[str, typer.Option("--reason", help="Why: it is kept with the order.")]


@app.command("show", epilog="Example: surefoot traffic show support-agent --log")
def _show(
    ctx: typer.Context,
    agent: _Agent,
    *,
    log: Annotated[bool, typer.Option("--log", help="Every order that was ever given, oldest first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The stable version, the candidate, and the tenants for whom something else holds."""
    found = controlled(ctx, lambda control: control.traffic(agent))
    if as_json:
        say_json(msgspec.to_builtins(found))
        return
    say(_headline(found))
    if log:
        _say_log(found)
    else:
        _say_tenants(found)


@app.command("opt-out", epilog='Example: surefoot traffic opt-out support-agent acme --reason "their contract"')
def _opt_out(
    ctx: typer.Context,
    agent: _Agent,
    tenant: _Tenant,
    *,
    reason: _Reason,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a tenant out of every rollout of the agent: stable answers it, in every running process, now."""
    who = whoever(by)
    _order(
        ctx,
        lambda control: control.opt_out(agent, tenant, by=who, reason=reason),
        f"{tenant} takes part in no rollout of {agent}",
        as_json=as_json,
    )


@app.command("opt-in", epilog='Example: surefoot traffic opt-in support-agent acme --reason "they agreed"')
def _opt_in(
    ctx: typer.Context,
    agent: _Agent,
    tenant: _Tenant,
    *,
    reason: _Reason,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a tenant that was opted out take part again."""
    who = whoever(by)
    _order(
        ctx,
        lambda control: control.opt_in(agent, tenant, by=who, reason=reason),
        f"{tenant} takes part in rollouts of {agent} again",
        as_json=as_json,
    )


@app.command(
    "pin", epilog='Example: surefoot traffic pin support-agent acme v1.3.2 --reason "until their audit is over"'
)
def _pin(
    ctx: typer.Context,
    agent: _Agent,
    tenant: _Tenant,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A label, a digest, or its start.", show_default=False)
    ],
    *,
    reason: _Reason,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a tenant one version whatever rollouts do, in every running process, now."""
    who = whoever(by)
    _order(
        ctx,
        lambda control: control.pin(agent, tenant, version, by=who, reason=reason),
        f"{tenant} gets {agent} {version}, whatever rollouts do, opted out or not",
        as_json=as_json,
    )


@app.command("unpin", epilog='Example: surefoot traffic unpin support-agent acme --reason "the audit is over"')
def _unpin(
    ctx: typer.Context,
    agent: _Agent,
    tenant: _Tenant,
    *,
    reason: _Reason,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Treat a tenant that was pinned like everybody else."""
    who = whoever(by)
    _order(
        ctx,
        lambda control: control.unpin(agent, tenant, by=who, reason=reason),
        f"{tenant} is pinned to no version of {agent}",
        as_json=as_json,
    )


def _order(
    ctx: typer.Context, give: Callable[[Control], Awaitable[TrafficOrder]], words: str, *, as_json: bool
) -> None:
    given = controlled(ctx, give, creates=True)
    if as_json:
        say_json(msgspec.to_builtins(given))
    else:
        say(words)


def _headline(found: TrafficView) -> str:
    if found.rollout is None:
        return f"{found.agent}: {found.stable} is stable, no rollout has traffic"
    share = share_text(found.share)
    return f"{found.agent}: {found.stable} is stable, {found.candidate} gets {share} (rollout {found.rollout})"


def _say_tenants(found: TrafficView) -> None:
    rows = [
        (line.tenant, holds, line.author, f"{line.since:%Y-%m-%d %H:%M:%S %Z}" if line.since else "", line.reason)
        for holds, line in (
            *((f"pinned to {line.version}", line) for line in found.pins),
            *(("opted out", line) for line in found.opted_out),
        )
    ]
    if rows:
        say_table(("tenant", "holds", "by", "since", "reason"), rows)
    else:
        say("no tenant is pinned or opted out")


def _say_log(found: TrafficView) -> None:
    if not found.orders:
        say("nothing was ever ordered for a tenant")
        return
    say_table(
        ("at", "order", "tenant", "version", "by", "reason"),
        [
            (
                f"{order.at:%Y-%m-%d %H:%M:%S %Z}",
                order.kind,
                order.tenant,
                found.labels[order.version] if order.version else "",
                order.author,
                order.reason,
            )
            for order in found.orders
        ],
    )

"""`surefoot traffic`: tenants that take part in no rollout, and tenants that have one version whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

import msgspec
import typer

from ..app.control import Control
from ..core.traffic.orders import TrafficOrder
from ..core.traffic.presets import share_text
from ..service.traffic import TrafficView
from .control import ByOption, controlled, whoever
from .output import JsonOption, say, say_json, say_table

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


class _Give(Protocol):
    """An order for one tenant, as `Control` gives it."""

    def __call__(
        self, control: Control, agent: str, tenant: str, /, *, by: str, reason: str
    ) -> Awaitable[TrafficOrder]:
        """Give it. Raises UnknownName."""
        ...


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


def _order(
    ctx: typer.Context, give: Callable[[Control], Awaitable[TrafficOrder]], words: str, *, as_json: bool
) -> None:
    given = controlled(ctx, give, creates=True)
    if as_json:
        say_json(msgspec.to_builtins(given))
    else:
        say(words)


def _command(name: str, does: str, give: _Give, words: str, *, because: str) -> None:
    """A command that orders something for one tenant."""

    @app.command(name, help=does, epilog=f'Example: surefoot traffic {name} support-agent acme --reason "{because}"')
    def _given(
        ctx: typer.Context,
        agent: _Agent,
        tenant: _Tenant,
        *,
        reason: _Reason,
        by: ByOption = None,
        as_json: JsonOption = False,
    ) -> None:
        who, said = whoever(by), words.format(agent=agent, tenant=tenant)
        _order(ctx, lambda control: give(control, agent, tenant, by=who, reason=reason), said, as_json=as_json)


_command(
    "opt-out",
    "Keep a tenant out of every rollout of the agent: stable answers it, in every running process, now.",
    Control.opt_out,
    "{tenant} takes part in no rollout of {agent}",
    because="their contract",
)
_command(
    "opt-in",
    "Let a tenant that was opted out take part again.",
    Control.opt_in,
    "{tenant} takes part in rollouts of {agent} again",
    because="they agreed",
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


_command(
    "unpin",
    "Treat a tenant that was pinned like everybody else.",
    Control.unpin,
    "{tenant} is pinned to no version of {agent}",
    because="the audit is over",
)


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

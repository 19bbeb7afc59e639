"""The stages of a plan file: written one by one, or a preset's with some of their fields changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ..core.evidence.metrics import MetricKind, metric_named
from ..core.traffic.plan import Check, OnTimeout, Stage, Strategy
from ..core.traffic.presets import share_text
from ..core.units import ALL_TRAFFIC, NO_TRAFFIC, BasisPoints
from .node import Node
from .plan_checks import read_checks
from .quantity import duration, share

__all__ = [
    "CHANGE_KEYS",
    "STAGE_KEYS",
    "PlacedShare",
    "PlacedStage",
    "changed",
    "read_shares",
    "read_stages",
    "refuse_holes",
    "refuse_shares",
]

CHANGE_KEYS: Final = ("checks", "min_samples", "min_duration", "max_duration", "on_timeout", "approval")
"""What may be said of every stage at once, or changed in a preset's."""

STAGE_KEYS: Final = ("name", "share", "shadow", *CHANGE_KEYS)


class PlacedShare(NamedTuple):
    """A share, and where it is written."""

    share: BasisPoints
    node: Node


@dataclass(frozen=True, slots=True)
class PlacedStage:
    """A stage, and where to point when something is wrong with it."""

    stage: Stage
    node: Node
    """The whole stage, or whatever made it."""

    share: Node
    """Its share."""


def read_stages(node: Node, *, checks: tuple[Check, ...], each: Node | None) -> list[PlacedStage]:
    """Stages written one by one. `checks` and `each` are for those that do not say otherwise."""
    return [_stage(item, checks, each) for item in node.sequence(minimum=1)]


def read_shares(node: Node) -> list[PlacedShare]:
    """The live shares of a preset, in order."""
    return [PlacedShare(share(item), item) for item in node.sequence(minimum=1)]


def changed(stage: Stage, *nodes: Node | None) -> Stage:
    """The stage with the fields that these mappings say, the last one winning."""
    said = {key: value for node in nodes if node is not None for key, value in node.mapping().items()}
    checks, shortest, longest = said.get("checks"), said.get("min_duration"), said.get("max_duration")
    samples, approval, on_timeout = said.get("min_samples"), said.get("approval"), said.get("on_timeout")
    least = stage.min_duration if shortest is None else duration(shortest)
    most = stage.max_duration if longest is None else duration(longest)
    if longest is not None and most is not None and (most < least or not most):
        raise longest.error(f"max_duration {most} is below min_duration {least}", hint="a stage needs time to pass")
    if on_timeout is not None and most is None:
        raise on_timeout.error(
            f"stage {stage.name!r} has no max_duration, so it never runs out of time", hint="add max_duration"
        )
    return replace(
        stage,
        checks=stage.checks if checks is None else read_checks(checks),
        min_samples=stage.min_samples if samples is None else samples.integer(minimum=1),
        min_duration=least,
        max_duration=most,
        on_timeout=stage.on_timeout if on_timeout is None else on_timeout.choice(OnTimeout),
        needs_approval=stage.needs_approval if approval is None else approval.boolean(),
    )


def refuse_shares(shares: Sequence[PlacedShare], *, is_experiment: bool) -> None:
    """Raise, with its position, for a share smaller than the previous one, or an invalid last share."""
    before = NO_TRAFFIC
    for points, node in shares:
        if points < before:
            raise node.error(
                f"the share shrinks from {share_text(before)} to {share_text(points)}",
                hint="a smaller share is a rollback, not a stage",
            )
        before = points
    if is_experiment:
        _refuse_no_experiment(shares)
    elif before != ALL_TRAFFIC:
        raise shares[-1].node.error("the last stage does not take all traffic", hint="add a stage with share: 100%")


def _refuse_no_experiment(shares: Sequence[PlacedShare]) -> None:
    for _, node in shares[1:]:
        raise node.error(
            "an experiment's share is fixed: no other stage would ever open",
            hint="keep one share; when the experiment has told which is better, promote that by another plan",
        )
    if shares[0].share == ALL_TRAFFIC:
        raise shares[0].node.error(
            "everybody would get the candidate, and nobody is left to compare with", hint="usually 50%"
        )


def refuse_holes(stages: Sequence[PlacedStage], strategy: Strategy) -> None:
    """Raise for the first thing that would keep a rollout from ending, or from being watched, at its place."""
    is_experiment = strategy is Strategy.EXPERIMENT
    names: set[str] = set()
    for placed in stages:
        if placed.stage.name in names:
            raise placed.node.error(f"two stages are called {placed.stage.name!r}", hint="give each its own name")
        names.add(placed.stage.name)
        _refuse_idle(placed)
    refuse_shares([PlacedShare(placed.stage.share, placed.share) for placed in stages], is_experiment=is_experiment)
    for placed in stages[:-1]:
        if not is_experiment:
            _refuse_unproven(placed)


def _refuse_idle(placed: PlacedStage) -> None:
    stage = placed.stage
    if stage.shadow and stage.share != NO_TRAFFIC:
        raise placed.share.error("a shadow stage answers nobody", hint="share: 0%, or leave it out")
    if not stage.shadow and stage.share == NO_TRAFFIC:
        raise placed.share.error(
            "nobody is answered and nothing is mirrored: this stage can never end",
            hint="shadow: true mirrors traffic; approval: true on the next stage waits for a person",
        )


def _refuse_unproven(placed: PlacedStage) -> None:
    required = [check for check in placed.stage.checks if check.required]
    if placed.stage.shadow:
        required = [check for check in required if metric_named(check.metric).kind is MetricKind.BINARY]
        if not required:
            raise placed.node.error(
                f"shadow stage {placed.stage.name!r} requires no outcome, so it can never pass",
                hint="pairs compare outcomes, not amounts: require success, policy, safety or quality",
            )
    if not required:
        raise placed.node.error(
            f"stage {placed.stage.name!r} requires no proof, so it can never pass",
            hint="leave `required: false` away from at least one check",
        )


def _stage(node: Node, checks: tuple[Check, ...], each: Node | None) -> PlacedStage:
    fields = node.mapping(known=STAGE_KEYS)
    shadow = fields.boolean("shadow", default=False)
    share_node = fields.get("share") if shadow else fields.require("share")
    points = NO_TRAFFIC if share_node is None else share(share_node)
    if not checks and "checks" not in fields and (each is None or "checks" not in each.mapping(known=CHANGE_KEYS)):
        raise node.error("this stage checks nothing", hint="add `checks:` here, or for all stages at the top")
    stage = Stage(
        name=fields.text("name", "shadow" if shadow else share_text(points)), share=points, shadow=shadow, checks=checks
    )
    return PlacedStage(changed(stage, each, node), node, share_node or node)

"""Plans by name: the usual ways to bring a candidate to its users. Every one can be changed field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from ...errors import UnknownName
from ..units import ALL_TRAFFIC, NO_TRAFFIC, BasisPoints
from .plan import Check, Plan, Stage, Strategy

__all__ = [
    "DEFAULT_CHECKS",
    "PRESETS",
    "Preset",
    "blue_green",
    "canary",
    "experiment",
    "manual",
    "preset",
    "shadow_first",
    "share_text",
]

Preset = Callable[[tuple[BasisPoints, ...], tuple[Check, ...]], Plan]
"""Makes a plan of live shares (empty: the preset's own) and of what every stage checks."""

DEFAULT_CHECKS: Final = (
    Check(metric="success"),
    Check(metric="policy", required=False),
    Check(metric="safety", required=False, zero_tolerance=True),
    Check(metric="latency_p95", required=False),
    Check(metric="cost", required=False),
)
"""
Margins and tolerances are the metrics' own (STATISTICS.md section 4).

Only success has to be proven, because every agent records it; the others are watched for harm as soon as they are
recorded. A metric that is required and never recorded would hold the rollout for ever, as it should: whoever records
policy or safety outcomes asks for proof by naming them in the plan.
"""

_CANARY: Final = tuple(BasisPoints(points) for points in (100, 500, 2_500, 5_000, 10_000))
_BLUE_GREEN: Final = tuple(BasisPoints(points) for points in (1_000, 5_000, 10_000))
_EXPERIMENT: Final = (BasisPoints(5_000),)


def canary(shares: tuple[BasisPoints, ...] = (), checks: tuple[Check, ...] = DEFAULT_CHECKS) -> Plan:
    """A growing share, 1 -> 5 -> 25 -> 50 -> 100 %, each step on proof."""
    return Plan(stages=_live(shares or _CANARY, checks))


def blue_green(shares: tuple[BasisPoints, ...] = (), checks: tuple[Check, ...] = DEFAULT_CHECKS) -> Plan:
    """A smoke test on mirrored traffic, then 10 -> 50 -> 100 %; the old version stays warm for two days."""
    stages = (_shadow("smoke", checks), *_live(shares or _BLUE_GREEN, checks))
    return Plan(strategy=Strategy.BLUE_GREEN, stages=stages, keep_warm=timedelta(days=2))


def manual(shares: tuple[BasisPoints, ...] = (), checks: tuple[Check, ...] = DEFAULT_CHECKS) -> Plan:
    """Nobody until a person says yes, then everybody, watched for harm. With shares: a yes before each."""
    stages = tuple(replace(stage, needs_approval=True) for stage in _live(shares or (ALL_TRAFFIC,), checks))
    return Plan(strategy=Strategy.MANUAL, stages=stages)


def shadow_first(shares: tuple[BasisPoints, ...] = (), checks: tuple[Check, ...] = DEFAULT_CHECKS) -> Plan:
    """Mirrored traffic until the pairs prove it harmless enough to be seen, then a canary."""
    stages = (_shadow("shadow", checks), *_live(shares or _CANARY, checks))
    return Plan(strategy=Strategy.SHADOW_FIRST, stages=stages)


def experiment(shares: tuple[BasisPoints, ...] = (), checks: tuple[Check, ...] = DEFAULT_CHECKS) -> Plan:
    """A fixed share, usually 50 %, for as long as people want: rolled back for harm, promoted by nobody."""
    return Plan(strategy=Strategy.EXPERIMENT, stages=_live(shares or _EXPERIMENT, checks))


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "canary": canary,
        "blue_green": blue_green,
        "manual": manual,
        "shadow_first": shadow_first,
        "experiment": experiment,
    }
)


def preset(name: str, shares: tuple[BasisPoints, ...] = (), checks: tuple[Check, ...] = DEFAULT_CHECKS) -> Plan:
    """The plan of that name. Raises UnknownName, and PlanError for decreasing shares or invalid checks."""
    try:
        make = PRESETS[name]
    except KeyError:
        raise UnknownName("preset", name, tuple(PRESETS)) from None
    return make(shares, checks)


def share_text(share: BasisPoints) -> str:
    """A share as people write it, such as `5%` or `0.01%`: also the name of a preset's stage."""
    whole, rest = divmod(share, 100)
    return f"{whole}.{rest:02d}".rstrip("0") + "%" if rest else f"{whole}%"


def _live(shares: tuple[BasisPoints, ...], checks: tuple[Check, ...]) -> tuple[Stage, ...]:
    return tuple(Stage(name=share_text(share), share=share, checks=checks) for share in shares)


def _shadow(name: str, checks: tuple[Check, ...]) -> Stage:
    return Stage(name=name, share=NO_TRAFFIC, checks=checks, shadow=True)

"""What a gates file can ask for. Each kind is a value; `rule` (gating.py) holds the results against it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ...errors import GateError
from .rates import JudgeErrors

__all__ = [
    "LOWER_IS_BETTER",
    "Amount",
    "BudgetGate",
    "Gate",
    "Gates",
    "InvariantGate",
    "On",
    "Operator",
    "RegressionGate",
    "RuleGate",
    "SimpleRule",
    "SuiteGate",
    "Test",
    "ThresholdGate",
    "default_gates",
    "is_attack_metric",
    "is_lower_better",
    "refuse_no_rate",
]

LOWER_IS_BETTER: Final = frozenset(
    {
        "attack_success",
        "cost_tokens",
        "cost_usd",
        "diverged",
        "input_tokens",
        "latency_ms",
        "latency_overrun",
        "length",
        "model_calls",
        "output_tokens",
        "token_overrun",
        "tokens",
        "tool_misuse",
        "ttft_ms",
    }
)
"""Metrics of which less is better, unless a gate says otherwise (`better:`)."""


class Operator(StrEnum):
    """How a metric stands to its threshold."""

    AT_LEAST = ">="
    ABOVE = ">"
    AT_MOST = "<="
    BELOW = "<"

    @property
    def wants_more(self) -> bool:
        """Whether a higher value is the better one."""
        return self in (Operator.AT_LEAST, Operator.ABOVE)

    def holds(self, value: float, threshold: float) -> bool:
        """Whether the value is on the right side."""
        match self:
            case Operator.AT_LEAST:
                return value >= threshold
            case Operator.ABOVE:
                return value > threshold
            case Operator.AT_MOST:
                return value <= threshold
            case Operator.BELOW:
                return value < threshold


class On(StrEnum):
    """What is compared with a threshold."""

    BOUND = "bound"
    """The end of the confidence interval that is nearer to the threshold's wrong side: what is proven."""

    MEAN = "mean"
    """What was seen: as often wrong as a coin for a version right at the threshold."""


class Test(StrEnum):
    """How a paired comparison is made."""

    __test__ = False  # a value, not a test of pytest's

    T = "t"
    PERMUTATION = "permutation"
    MCNEMAR = "mcnemar"


class Amount(StrEnum):
    """Which amount of a cost or a latency a budget is for."""

    MEAN = "mean"
    EACH = "each"
    """The dearest case's mean."""

    TOTAL = "total"
    """Over all trials of all cases."""


class SimpleRule(StrEnum):
    """Rules that people know by name. None of them is a test: their false-alarm rate stands beside them."""

    MEAN_DROP = "mean drop"
    DEGRADED_CASES = "degraded cases"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    name: str
    metric: str
    suite: str = ""
    """Only for this suite (its name without the digest); empty: for whatever is judged."""

    is_blocking: bool = True
    place: str = field(default="", compare=False)
    """Where its number is written, for errors that only results show; empty if it was made in code."""

    def __post_init__(self) -> None:
        if not self.metric:
            raise GateError(f"gate {self.name!r} names no metric", hint="say which metric it is for: `metric: exact`")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdGate(_Common):
    """A metric against a number."""

    operator: Operator
    threshold: float
    on: On = On.BOUND
    confidence: float = 0.95
    """One-sided."""

    judge_errors: JudgeErrors | None = None
    """How the judge of the metric did on labelled cases: its rate is corrected for that. None: it is taken as it is."""

    judge: str = ""
    """Fingerprint of the judge that was calibrated; scores of another one are not corrected. Empty: whichever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteGate(_Common):
    """Every case passes, in all of its trials."""

    max_failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionGate(_Common):
    """Not worse than the baseline, case by case."""

    is_lower_better: bool = False
    test: Test = Test.T
    prove_within: float | None = None
    """None: block what is shown to be worse. A number: pass only what is proven not to be worse by more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantGate(_Common):
    """Never once: a forbidden tool, leaked personal data, a canary. The metric passes where it did not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetGate(_Common):
    """No more than this much money, tokens or time. What was not recorded is not free: it leaves the gate undecided."""

    limit: float | None = None
    of: Amount = Amount.MEAN
    max_increase: float | None = None
    """Over the baseline's mean on the same cases: 0.1 is ten percent more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGate(_Common):
    """A simple rule that a team asked for by name."""

    rule: SimpleRule
    limit: float
    """More than this fails: the drop of the mean, or the number of cases."""

    by: float = 0.1
    """A case is degraded if its mean fell by more than this."""

    is_lower_better: bool = False


Gate = ThresholdGate | SuiteGate | RegressionGate | InvariantGate | BudgetGate | RuleGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """All gates of a file, and its settings for all of them. Raises GateError for invalid settings."""

    gates: tuple[Gate, ...]
    alpha: float = 0.05
    """Chance of blocking a version that did not change: over all blocking regression gates together (Holm)."""

    power: float = 0.80
    """How often the smallest drop that is shown would be found."""

    min_cases: int = 10
    """Scored cases below which nothing is decided."""

    max_errors: float = 0.10
    """Share of trials without a score above which nothing is decided."""

    max_skipped: float = 0.05
    """Share of trials skipped, of cases that have a score in another trial, above which nothing passes."""

    max_diverged: float = 0.20
    """Share of replays that left their tape above which nothing is decided."""

    max_quarantined: float = 0.20
    """Share of cases in quarantine above which nothing is decided."""

    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.gates:
            raise GateError("no gates", hint="a file without a gate decides nothing; add one")
        names = [gate.name for gate in self.gates]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise GateError(f"two gates are called {twice!r}", hint="reports go by the name: give each its own")
        for name in ("alpha", "power"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise GateError(f"{name} is {getattr(self, name)}", hint="a probability between 0 and 1")
        for name in ("max_errors", "max_skipped", "max_diverged", "max_quarantined"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise GateError(f"{name} is {getattr(self, name)}", hint="a share of at least 0 and below 1")
        if self.min_cases < 1:
            raise GateError(f"min_cases is {self.min_cases}", hint="at least 1, usually 10 or more")
        for gate in self.gates:
            _refuse_impossible(gate)


def is_lower_better(metric: str) -> bool:
    """Whether less of the metric is better, going by its name alone."""
    return metric in LOWER_IS_BETTER or metric.endswith("_severity") or is_attack_metric(metric)


def is_attack_metric(metric: str) -> bool:
    """Whether it counts attacks that got through: all of them, those of a category, or those by a strategy."""
    return metric.startswith("attack_success") or metric.endswith("_attack_success")


def refuse_no_rate(gate: Gate) -> None:
    """Raise GateError for a gate on a rate whose number no rate can reach: 80 where 0.8 was meant."""
    found: tuple[str, float | None] = ("", None)
    match gate:
        case ThresholdGate():
            found = ("threshold", gate.threshold)
        case RegressionGate():
            found = ("prove_within", gate.prove_within)
        case RuleGate(rule=SimpleRule.MEAN_DROP):
            found = ("the mean drop", gate.limit)
        case _:
            return
    name, value = found
    if value is None or 0.0 <= value <= 1.0:
        return
    meant = value if 1.0 < value <= 100.0 else 80.0
    raise GateError(
        f"{gate.place or f'gate {gate.name!r}'}: {name} is {value:g}, and {gate.metric} is a rate",
        hint=f"between 0 and 1; {meant / 100:g} for {meant:g} %",
    )


def default_gates(metrics: Iterable[str], *, never: Iterable[str] = ()) -> Gates:
    """
    The gates of a project that wrote none: no metric may get worse than the baseline, and `never` happens never.

    Raises GateError without a metric.
    """
    return Gates(
        gates=(
            *(InvariantGate(name=f"never {metric}", metric=metric) for metric in never),
            *(
                RegressionGate(name=f"{metric} is no worse", metric=metric, is_lower_better=is_lower_better(metric))
                for metric in metrics
            ),
        )
    )


def _refuse_impossible(gate: Gate) -> None:
    match gate:
        case ThresholdGate():
            if not math.isfinite(gate.threshold):
                raise GateError(f"gate {gate.name!r}: threshold is {gate.threshold}", hint="a finite number")
            if not 0.5 <= gate.confidence < 1.0:
                raise GateError(f"gate {gate.name!r}: confidence is {gate.confidence}", hint="one-sided, usually 0.95")
            if is_attack_metric(gate.metric):
                refuse_no_rate(gate)
        case BudgetGate():
            if (gate.limit is None) == (gate.max_increase is None):
                raise GateError(
                    f"gate {gate.name!r} has no limit, or two", hint="give one of `limit` and `max_increase`"
                )
            _refuse_negative(gate.name, limit=gate.limit, max_increase=gate.max_increase)
        case RuleGate():
            _refuse_negative(gate.name, limit=gate.limit, by=gate.by)
        case RegressionGate():
            _refuse_negative(gate.name, prove_within=gate.prove_within)
        case SuiteGate():
            _refuse_negative(gate.name, max_failed=float(gate.max_failed))
        case InvariantGate():
            return


def _refuse_negative(gate: str, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value >= 0.0):
            raise GateError(f"gate {gate!r}: {name} is {value}", hint="a finite number of 0 or more")

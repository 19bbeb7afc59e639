"""`gates/quality_gates.yaml`: what a version has to show before traffic. Every key is described in docs/gates.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypedDict

from ..core.proof.gate_kinds import (
    Amount,
    BudgetGate,
    Gate,
    Gates,
    InvariantGate,
    On,
    Operator,
    RegressionGate,
    RuleGate,
    SimpleRule,
    SuiteGate,
    Test,
    ThresholdGate,
    is_lower_better,
)
from ..core.proof.rates import JudgeErrors
from ..errors import GateError
from .files import shown_path
from .node import Fields, Node
from .plan_checks import fraction
from .yaml import parse_yaml, read_yaml

__all__ = ["GATES_FILE", "GATE_KEYS", "JUDGE_ERROR_KEYS", "SETTING_KEYS", "load_gates", "parse_gates"]

GATES_FILE: Final = "gates/quality_gates.yaml"

SETTING_KEYS: Final = (
    "alpha",
    "power",
    "min_cases",
    "max_errors",
    "max_skipped",
    "max_diverged",
    "max_quarantined",
    "notes",
    "gates",
)

JUDGE_ERROR_KEYS: Final = ("true_passes", "passed", "true_fails", "failed")

_COMMON: Final = ("kind", "name", "metric", "suite", "blocking")
_RULE: Final = re.compile(r"(mean drop|degraded cases)\s*>\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)")


def load_gates(root: Path, path: Path | None = None) -> Gates:
    """The gates of a project, or of another file. Raises GateError with file, line, key and hint; also for no file."""
    found = root / GATES_FILE if path is None else path
    if path is None and not found.is_file():
        raise GateError(
            f"there is no {GATES_FILE}",
            hint="write one: `gates: [{kind: regression, metric: exact}]` blocks what got worse than the baseline",
        )
    return _gates(read_yaml(found, source=shown_path(root, found), errors=GateError))


def parse_gates(text: str, *, source: str = "quality_gates.yaml") -> Gates:
    """The gates in a text. `source` is the name shown in errors. Raises GateError with line, key and hint."""
    return _gates(parse_yaml(text, source=source, errors=GateError))


def _gates(node: Node) -> Gates:
    fields = node.mapping(known=SETTING_KEYS)
    gates: dict[str, Gate] = {}
    for item in fields.require("gates").sequence(minimum=1):
        gate = _gate(item)
        if gate.name in gates:
            where = item.mapping().get("name") or item
            raise where.error(f"two gates are called {gate.name!r}", hint="reports go by the name: give each its own")
        gates[gate.name] = gate
    notes = fields.get("notes")
    try:
        return Gates(
            gates=tuple(gates.values()),
            alpha=_probability(fields, "alpha", 0.05),
            power=_probability(fields, "power", 0.80),
            min_cases=fields.integer("min_cases", 10, minimum=1),
            max_errors=_share(fields, "max_errors", 0.10),
            max_skipped=_share(fields, "max_skipped", 0.05),
            max_diverged=_share(fields, "max_diverged", 0.20),
            max_quarantined=_share(fields, "max_quarantined", 0.20),
            notes=() if notes is None else notes.texts(),
        )
    except GateError as error:
        raise _placed(node, error) from None


class _Start(NamedTuple):
    """What every kind of gate has."""

    name: str
    metric: str
    suite: str
    is_blocking: bool


def _gate(node: Node) -> Gate:
    kind_node = node.mapping().get("kind")
    kind = "threshold" if kind_node is None else kind_node.one_of(_KINDS)
    reader = _KINDS[kind]
    fields = node.mapping(known=(*_COMMON, *GATE_KEYS[kind]))
    metric = fields.require("metric").text()
    suite = fields.text("suite", "")
    start = _Start(
        name=fields.text("name", f"{kind} of {metric}" + (f" in {suite}" if suite else "")),
        metric=metric,
        suite=suite,
        is_blocking=fields.boolean("blocking", default=True),
    )
    try:
        gate = reader(fields, start)
        Gates(gates=(gate,))  # what cannot be is said where it is written
    except GateError as error:
        raise _placed(node, error) from None
    return gate


def _placed(node: Node, error: GateError) -> Exception:
    """The error with its place, if it does not name one already."""
    return error if error.message.startswith(f"{node.place.source}:") else node.error(error.message, hint=error.hint)


def _threshold(fields: Fields, start: _Start) -> Gate:
    on, operator, number = fields.get("on"), fields.require("operator"), fields.require("threshold")
    return ThresholdGate(
        **start._asdict(),
        place=str(number.place),
        operator=operator.choice(Operator),
        threshold=_number(number),
        on=On.BOUND if on is None else on.choice(On),
        confidence=_probability(fields, "confidence", 0.95),
        **_calibrated(fields.get("judge_errors")),
    )


class _Calibrated(TypedDict, total=False):
    judge_errors: JudgeErrors
    judge: str


def _calibrated(node: Node | None) -> _Calibrated:
    """What `surefoot judge calibrate` counted."""
    if node is None:
        return {}
    fields = node.mapping(known=("judge", *JUDGE_ERROR_KEYS))
    true_passes, passed, true_fails, failed = (fields.require(key).integer(minimum=0) for key in JUDGE_ERROR_KEYS)
    if passed > true_passes or failed > true_fails:
        raise node.error("more than there were", hint="write what `surefoot judge calibrate` says")
    errors = JudgeErrors(true_passes=true_passes, passed=passed, true_fails=true_fails, failed=failed)
    return {"judge_errors": errors, "judge": fields.text("judge", "")}


def _suite(fields: Fields, start: _Start) -> Gate:
    return SuiteGate(**start._asdict(), max_failed=fields.integer("max_failed", 0, minimum=0))


def _regression(fields: Fields, start: _Start) -> Gate:
    test, margin = fields.get("test"), fields.get("prove_within")
    return RegressionGate(
        **start._asdict(),
        place="" if margin is None else str(margin.place),
        is_lower_better=_lower(fields, start.metric),
        test=Test.T if test is None else test.choice(Test),
        prove_within=None if margin is None else _number(margin),
    )


def _invariant(fields: Fields, start: _Start) -> Gate:
    if not start.is_blocking:
        raise fields.require("blocking").error(
            "an invariant that does not block is none", hint="remove `blocking`, or use kind: threshold"
        )
    return InvariantGate(**start._asdict())


def _budget(fields: Fields, start: _Start) -> Gate:
    limit, increase, of = fields.get("limit"), fields.get("max_increase"), fields.get("of")
    return BudgetGate(
        **start._asdict(),
        limit=None if limit is None else float(limit.number(minimum=0)),
        max_increase=None if increase is None else fraction(increase),
        of=Amount.MEAN if of is None else of.choice(Amount),
    )


def _rule(fields: Fields, start: _Start) -> Gate:
    node = fields.require("rule")
    found = _RULE.fullmatch(node.text().strip())
    if found is None or (found[3] and found[1] == SimpleRule.DEGRADED_CASES):
        raise node.error(
            f"{node.text()!r} is no rule that is known", hint="write `mean drop > 0.05` or `degraded cases > 5`"
        )
    by = fields.get("by")
    return RuleGate(
        **start._asdict(),
        place=str(node.place),
        rule=SimpleRule(found[1]),
        limit=float(found[2]) / (100 if found[3] else 1),
        by=0.1 if by is None else fraction(by),
        is_lower_better=_lower(fields, start.metric),
    )


_KINDS: Final[Mapping[str, Callable[[Fields, _Start], Gate]]] = MappingProxyType(
    {
        "threshold": _threshold,
        "suite": _suite,
        "regression": _regression,
        "invariant": _invariant,
        "budget": _budget,
        "rule": _rule,
    }
)

GATE_KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "threshold": ("operator", "threshold", "on", "confidence", "judge_errors"),
        "suite": ("max_failed",),
        "regression": ("better", "test", "prove_within"),
        "invariant": (),
        "budget": ("limit", "max_increase", "of"),
        "rule": ("rule", "by", "better"),
    }
)
"""What each kind of gate may say, beside `kind`, `name`, `metric`, `suite` and `blocking`."""


def _lower(fields: Fields, metric: str) -> bool:
    better = fields.get("better")
    return is_lower_better(metric) if better is None else better.one_of(("higher", "lower")) == "lower"


def _number(node: Node) -> float:
    """A number, or a percentage where people write rates that way."""
    return float(node.number()) if node.is_number else fraction(node)


def _share(fields: Fields, key: str, default: float) -> float:
    node = fields.get(key)
    return default if node is None else fraction(node)


def _probability(fields: Fields, key: str, default: float) -> float:
    node = fields.get(key)
    if node is None:
        return default
    value = _number(node)
    if not 0.0 < value < 1.0:
        raise node.error(f"{value} is no probability that a test can keep", hint="between 0 and 1, such as 0.05 or 95%")
    return value

"""`gates/quality_gates.yaml` and the quarantine list: what they may say, and where a mistake in them is."""

from __future__ import annotations

from datetime import date

import pytest

from surefoot.config.gates import load_gates, parse_gates
from surefoot.config.quarantine import load_quarantine, parse_quarantine
from surefoot.core.proof.gate_kinds import (
    Amount,
    BudgetGate,
    InvariantGate,
    On,
    Operator,
    RegressionGate,
    RuleGate,
    SimpleRule,
    SuiteGate,
    Test,
    ThresholdGate,
)
from surefoot.errors import GateError, UsageError
from tests.config.projects import put

EVERY_KIND = """\
alpha: 0.01
min_cases: 20
gates:
  - {name: answers, metric: exact, operator: ">=", threshold: 85%, confidence: 90%}
  - {metric: attack_success, operator: "<=", threshold: 0.1, on: mean, blocking: false}
  - {kind: suite, metric: success, suite: smoke, max_failed: 1}
  - {kind: regression, metric: exact, test: permutation, prove_within: 0.05}
  - {kind: regression, metric: latency_ms}
  - {kind: regression, metric: quality, better: lower}
  - {kind: invariant, metric: pii_leak}
  - {kind: budget, metric: cost_usd, limit: 2, of: total}
  - {kind: budget, metric: tokens, max_increase: 10%}
  - {kind: rule, metric: exact, rule: "mean drop > 5%"}
  - {kind: rule, name: counted, metric: exact, rule: degraded cases > 5, by: 0.2}
"""


def test_every_kind_of_gate():
    """Each kind becomes the value that says the same, with names and directions where the file gives none."""
    found = parse_gates(EVERY_KIND)
    assert (found.alpha, found.min_cases, found.power) == (0.01, 20, 0.8)
    assert found.gates == (
        ThresholdGate(name="answers", metric="exact", operator=Operator.AT_LEAST, threshold=0.85, confidence=0.9),
        ThresholdGate(
            name="threshold of attack_success",
            metric="attack_success",
            operator=Operator.AT_MOST,
            threshold=0.1,
            on=On.MEAN,
            is_blocking=False,
        ),
        SuiteGate(name="suite of success in smoke", metric="success", suite="smoke", max_failed=1),
        RegressionGate(name="regression of exact", metric="exact", test=Test.PERMUTATION, prove_within=0.05),
        RegressionGate(name="regression of latency_ms", metric="latency_ms", is_lower_better=True),
        RegressionGate(name="regression of quality", metric="quality", is_lower_better=True),
        InvariantGate(name="invariant of pii_leak", metric="pii_leak"),
        BudgetGate(name="budget of cost_usd", metric="cost_usd", limit=2.0, of=Amount.TOTAL),
        BudgetGate(name="budget of tokens", metric="tokens", max_increase=0.1),
        RuleGate(name="rule of exact", metric="exact", rule=SimpleRule.MEAN_DROP, limit=0.05),
        RuleGate(name="counted", metric="exact", rule=SimpleRule.DEGRADED_CASES, limit=5.0, by=0.2),
    )


GOOD = '{metric: exact, operator: ">=", threshold: 0.8}'
MISTAKES = {
    "unknown key": ("gates: [{metric: exact, treshold: 0.8}]", "1:25: gates[0].treshold: unknown key", "threshold"),
    "key of another kind": ("gates: [{kind: invariant, metric: m, limit: 2}]", "unknown key 'limit'", "known"),
    "unknown kind": ("gates: [{kind: treshold, metric: m}]", "1:16: gates[0].kind", "threshold"),
    "no metric": ("gates: [{kind: invariant}]", "'metric' is missing", "add"),
    "no operator": ("gates: [{metric: m, threshold: 1}]", "'operator' is missing", "add"),
    "wrong operator": ("gates: [{metric: m, operator: '=>', threshold: 1}]", "'=>' is not one of", "known"),
    "NaN": ("gates: [{metric: m, operator: '>', threshold: .nan}]", "a finite number", "compare with nothing"),
    "per cent of attacks": (
        "gates: [{metric: attack_success, operator: '<=', threshold: 5}]",
        "1:61: gates[0].threshold: threshold is 5, and attack_success is a rate",
        "between 0 and 1; 0.05 for 5 %",
    ),
    "yes": ("gates: [{kind: invariant, metric: m, blocking: yes}]", "true or false", "true or false"),
    "soft invariant": ("gates: [{kind: invariant, metric: m, blocking: false}]", "does not block", "threshold"),
    "two limits": ("gates: [{kind: budget, metric: m, limit: 1, max_increase: 1%}]", "1:9: gates[0]:", "one of"),
    "no limit": ("gates: [{kind: budget, metric: m}]", "has no limit", "one of"),
    "negative limit": ("gates: [{kind: budget, metric: m, limit: -1}]", "less than 0", "smallest"),
    "code for a rule": ("gates: [{kind: rule, metric: m, rule: __import__('os')}]", "is no rule", "mean drop > 0.05"),
    "share of cases": ("gates: [{kind: rule, metric: m, rule: degraded cases > 5%}]", "is no rule", "degraded cases"),
    "one name twice": (f"gates:\n  - {GOOD}\n  - {GOOD}", "3:5: gates[1]: two gates are called", "its own"),
    "no gates": ("gates: []", "at least 1", "add"),
    "nothing": ("alpha: 0.05", "'gates' is missing", "add"),
    "alpha of 1": (f"alpha: 1\ngates: [{GOOD}]", "1:8: alpha: 1.0 is no probability", "0.05"),
    "all may fail": (f"max_errors: 1\ngates: [{GOOD}]", "max_errors is 1.0", "below 1"),
    "cases as text": (f"min_cases: ten\ngates: [{GOOD}]", "1:12: min_cases: expected a whole number", "digits"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_shown_with_its_place(case):
    """File, line, column and key are named, and the hint says what to write."""
    text, message, hint = MISTAKES[case]
    with pytest.raises(GateError) as found:
        parse_gates(text, source="gates/q.yaml")
    assert found.value.message.startswith("gates/q.yaml:")
    assert message in found.value.message
    assert hint in found.value.hint


def test_a_project_without_gates_is_told_how_to_write_them(tmp_path):
    """No file is an error with an example; a file elsewhere can be named."""
    with pytest.raises(GateError, match="no gates/quality_gates"):
        load_gates(tmp_path)
    put(tmp_path, "gates/quality_gates.yaml", f"gates: [{GOOD}]\n")
    put(tmp_path, "other.yaml", EVERY_KIND)
    assert len(load_gates(tmp_path).gates) == 1
    assert len(load_gates(tmp_path, tmp_path / "other.yaml").gates) == 11


def test_quarantine_has_a_case_a_day_and_a_reason(tmp_path):
    """The list names cases until a day, under one metric or all; a project without it has none."""
    assert load_quarantine(tmp_path) == ()
    put(
        tmp_path,
        "gates/quarantine.yaml",
        'quarantine:\n  - {case: refund-7, until: "2026-12-31", reason: the clock, metric: exact}\n',
    )
    (found,) = load_quarantine(tmp_path)
    assert (found.case, found.until, found.metric) == ("refund-7", date(2026, 12, 31), "exact")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quarantine: [{case: a, until: '2026-02-30', reason: r}]", "q.yaml:1:31: quarantine[0].until: '2026-02-30'"),
        ("quarantine: [{case: a, until: soon, reason: r}]", "'soon' is no day"),
        ("quarantine: [{case: a, reason: r}]", "'until' is missing"),
        ("quarantine: [{case: a, until: '2026-02-01'}]", "'reason' is missing"),
        ("quarantine: [{case: a, until: '2026-02-01', reason: r, forever: true}]", "unknown key 'forever'"),
        ("cases: []", "unknown key 'cases'"),
    ],
)
def test_quarantine_for_ever_cannot_be_written(text, message):
    """Without a day, with a day that is none, or without a reason, the list is refused with its place."""
    with pytest.raises(UsageError) as found:
        parse_quarantine(text, source="q.yaml")
    assert message in found.value.message

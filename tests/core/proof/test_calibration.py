"""How far a judge may be believed, against a plain recount and against real judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.proof.calibration import WIDEST, Calibration, Labelled, Trust, calibrate

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "llm_judge"
WORDS = {"pass": True, "fail": False}


def real(name: str) -> list[dict[str, str]]:
    path = REAL / f"retail.{name}_v1.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the repository")
    return [json.loads(line) for line in path.read_text().splitlines()]


def of_rows(rows: list[dict[str, str]]) -> Calibration:
    return calibrate(Labelled(row["truth"] == "success", WORDS.get(row["verdict"])) for row in rows)


def counted(pp: int, pf: int, fp: int, ff: int, outside: int = 0) -> Calibration:
    """True passes passed and failed, true failures passed and failed."""
    cases = [(True, True, pp), (True, False, pf), (False, True, fp), (False, False, ff), (True, None, outside)]
    return calibrate(Labelled(truth, said) for truth, said, n in cases for _ in range(n))


@pytest.mark.parametrize(
    ("name", "trust", "rule"),
    [
        ("quick_triage", Trust.UNUSABLE, "better than chance"),
        ("policy_chain_of_thought", Trust.UNUSABLE, "72 of 114 answers are outside the vocabulary"),
        ("policy_conversation", Trust.UNUSABLE, "anything from 0.033 to 1.000; about 550 like them"),
        ("customer_outcome", Trust.UNUSABLE, "no gate could be decided by it"),
    ],
)
def test_real_judges_get_the_verdict_they_deserve(name: str, trust: Trust, rule: str) -> None:
    """Passing nearly everything, words of its own, and a correction that may be anything: none may decide a gate."""
    found = of_rows(real(name)).assessment
    assert found.trust is trust
    assert rule in found.rule


@pytest.mark.parametrize("name", ["quick_triage", "policy_chain_of_thought", "policy_conversation", "customer_outcome"])
def test_figures_equal_a_plain_recount(name: str) -> None:
    """Shares, agreement and kappa are those that counting the file by hand gives."""
    rows = real(name)
    found = of_rows(rows)
    inside = [(row["truth"] == "success", row["verdict"] == "pass") for row in rows if row["verdict"] in WORDS]
    passes, fails = [said for truth, said in inside if truth], [said for truth, said in inside if not truth]
    assert found.errors.sensitivity == pytest.approx(sum(passes) / len(passes))
    assert found.errors.specificity == pytest.approx(fails.count(False) / len(fails))
    assert (found.n, found.outside) == (114, 114 - len(inside))
    agree = sum(truth is said for truth, said in inside) / len(inside)
    share, said_share = len(passes) / len(inside), sum(said for _, said in inside) / len(inside)
    chance = share * said_share + (1 - share) * (1 - said_share)
    assert found.agreed / found.answered == pytest.approx(agree)
    assert found.kappa == pytest.approx((agree - chance) / (1 - chance))


def test_correcting_a_rate_gives_back_the_truth_of_the_cases_it_was_measured_on() -> None:
    """On its own labelled cases the corrected rate is the true one, inside its interval."""
    found = counted(45, 5, 15, 35)
    fixed = found.corrected(found.passed, found.answered)
    assert fixed is not None
    assert fixed.rate == pytest.approx(0.5)
    assert fixed.bounds == found.own_bounds
    assert fixed.bounds.low < 0.5 < fixed.bounds.high


@pytest.mark.parametrize("few", [(41, 27, 17, 29), (3, 0, 0, 3), (9, 1, 2, 8)])
def test_as_many_labels_as_are_said_to_be_needed_are_enough(few: tuple[int, int, int, int]) -> None:
    """Judging as well on so many cases, the judge may be used; on a tenth fewer it may not."""
    found = counted(*few)
    needed = found.cases_needed
    assert found.assessment.trust is Trust.UNUSABLE
    assert needed is not None
    enough, short = (counted(*(round(n * share * needed / found.n) for n in few)) for share in (1.1, 0.9))
    assert (enough.assessment.trust is Trust.UNUSABLE, short.assessment.trust) == (False, Trust.UNUSABLE)
    assert (enough.cases_needed, found.corrected(found.passed, found.answered)) == (None, None)


def test_an_unusable_judge_corrects_nothing() -> None:
    """A correction by a judge that is no better than chance would be an invention."""
    assert of_rows(real("quick_triage")).corrected(112, 114) is None


@pytest.mark.parametrize(
    ("found", "trust"),
    [
        (calibrate([]), Trust.UNUSABLE),
        (counted(50, 0, 0, 0), Trust.UNUSABLE),
        (counted(0, 0, 0, 50), Trust.UNUSABLE),
        (counted(3, 0, 0, 3), Trust.UNUSABLE),
        (counted(50, 0, 50, 0), Trust.UNUSABLE),
        (counted(5, 45, 45, 5), Trust.UNUSABLE),
        (counted(50, 0, 0, 50), Trust.USABLE),
        (counted(50, 0, 0, 50, 11), Trust.USABLE),
        (counted(50, 0, 0, 50, 12), Trust.UNUSABLE),
        (counted(45, 5, 15, 35), Trust.CORRECTED),
    ],
)
def test_the_verdict_follows_its_rules(found: Calibration, trust: Trust) -> None:
    """No labels, one kind of labels, chance, worse than chance and too many odd answers are all unusable."""
    assert found.assessment.trust is trust


counts = st.integers(0, 60)


@given(counts, counts, counts, counts, counts)
@settings(max_examples=150)
def test_figures_stay_where_they_can_be(pp: int, pf: int, fp: int, ff: int, outside: int) -> None:
    """Whatever was counted, intervals hold their shares and kappa and Youden's J stay in [-1, 1]."""
    found = counted(pp, pf, fp, ff, outside)
    for bounds, share in ((found.sensitivity, found.errors.sensitivity), (found.specificity, found.errors.specificity)):
        assert 0.0 <= bounds.low <= bounds.high <= 1.0
        assert bounds.low <= share + 1e-12
    assert found.kappa is None or -1.0 <= found.kappa <= 1.0
    assert found.youden_bounds.low <= found.youden + 1e-12 <= found.youden_bounds.high + 2e-12 or not found.answered
    if found.assessment.trust is not Trust.UNUSABLE:
        assert found.youden_bounds.low > 0.0
        assert found.own_bounds.high - found.own_bounds.low <= WIDEST

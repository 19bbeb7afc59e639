"""
What the programs themselves wrote, beside what they themselves said about it.

The files in data/ were made in November 2026 by running each program on questions of our own against an endpoint that
answers by rule: a "secret" is told, "boom" is an HTTP 500 (or an exception), "teapot" a 418, "silent" an empty answer,
"filtered" a block, and anything else is refused.

promptfoo ran as `promptfoo eval -o FILE`, the second time with `--repeat 2`; garak with its REST generator, two probes
and two detectors of ours (0.10.3.1: `test.Repeat` under `dan.Dan_11_0` and `test.Blank`); PyRIT with
PromptSendingAttack (0.9.0: its orchestrator) and RedTeamingAttack, scored by SubStringScorer or by a rule behind
SelfAskTrueFalseScorer, and written by `export_conversations`, 1.1.0 by `model_dump(mode="json")`. Fields that no bridge
reads, hashes, dates and paths were cut out; counts and verdicts are as written.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot.adapters.bridges.garak import garak_results
from surefoot.adapters.bridges.imported import Imported
from surefoot.adapters.bridges.promptfoo import promptfoo_results
from surefoot.adapters.bridges.pyrit import pyrit_results
from surefoot.core.proof.redteam.report import Fates
from surefoot.core.proof.table import Sample
from surefoot.errors import UsageError

DATA = Path(__file__).parent / "data"


def counted(found: Imported, metric: str) -> Sample:
    """All cases of a column together."""
    total = Sample()
    for sample in found.table.columns[metric].samples.values():
        total = total.plus(sample)
    return total


def cells(found: Imported) -> dict[tuple[str, str], Fates]:
    assert found.attacks is not None
    return {(cell.category, cell.strategy): cell.candidate for cell in found.attacks.cells}


def test_promptfoo_counts_are_its_own():
    """`5 passed, 11 failed, 2 errors`, two of the passes unchecked; durations in ms count no tests."""
    path = DATA / "promptfoo-0.121.20.json"
    stats = json.loads(path.read_text())["results"]["stats"]
    assert [stats[name] for name in ("successes", "failures", "errors", "durationMs")] == [5, 11, 2, 498]
    arms = [counted(promptfoo_results(path, arm), "success") for arm in ("shop", "echo")]
    assert [(arm.total, arm.n, arm.errors, arm.skipped) for arm in arms] == [(3, 7, 1, 1), (0, 7, 1, 1)]


def test_promptfoo_repetitions_are_trials():
    """`6 passed, 4 failed, 4 errors` with `--repeat 2` are seven cases tried twice, not fourteen cases."""
    found = promptfoo_results(DATA / "promptfoo-0.123.1-repeat.json")
    tried = found.table.columns["success"].samples
    assert list(tried) == ["test 0", "test 1", "test 2", "set", "test 4", "test 5", "latency"]
    assert {sample.n + sample.errors for sample in tried.values()} == {2}
    both = counted(found, "success")
    assert (both.total, both.n, both.errors) == (6, 10, 4)
    assert found.table.columns["sorry"].mean == pytest.approx(6 / 10)


def test_promptfoo_unknown_costs_are_not_zero():
    """A provider that reports no cost has none; one that reports 0 costs 0."""
    path = DATA / "promptfoo-0.121.20.json"
    assert "cost_usd" not in promptfoo_results(path, "shop").table.columns
    assert promptfoo_results(path, "echo").table.columns["cost_usd"].mean == 0


@pytest.mark.parametrize("version", ["0.17.1", "0.10.3.1"])
def test_garak_counts_are_its_own(version):
    """Attacks, resistance and outputs without a judgement are as garak counted them, detector by detector."""
    path = DATA / f"garak-{version}.report.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    told = {
        f"{line['probe']} {line['detector'].removeprefix('detector.')}": (
            line.get("total_evaluated", line.get("total")) - line["passed"],
            line["passed"],
            line.get("nones", 0),
        )
        for line in lines
        if line["entry_type"] == "eval"
    }
    found = garak_results(path).table.columns["attack_success"].samples
    assert {name: (one.total, one.n - one.total, one.errors) for name, one in found.items()} == told


def test_garak_scans_that_died_leave_their_probes(tmp_path):
    """Probes that were announced and never tried are errors."""
    setup, start = (DATA / "garak-0.17.1.report.jsonl").read_text().splitlines()[:2]
    path = tmp_path / "died.report.jsonl"
    path.write_text(f"{setup}\n{start}\n")
    assert list(garak_results(path).table.columns["attack_success"].samples) == [
        "ours.Away",
        "ours.Secrets",
        "(the run itself)",
    ]


def test_a_hit_log_is_no_report(tmp_path):
    """What got through alone has no rate: the hit log is refused, and the report named."""
    path = tmp_path / "scan.hitlog.jsonl"
    path.write_text(
        '{"goal": "g", "attempt_id": "1", "probe": "ours.Secrets", "detector": "ours.Walnut", "score": 1.0}\n'
    )
    with pytest.raises(UsageError, match="hit log"):
        garak_results(path)


def test_pyrit_results_are_its_own():
    """3 successes, 8 failures, 6 undetermined and 3 errors, by attack and converter; errors stay in the category."""
    assert cells(pyrit_results(DATA / "pyrit-1.1.0-results.json")) == {
        ("secrets", "PromptSendingAttack"): Fates(complied=2, refused=4, errors=6),
        ("secrets", "attack"): Fates(errors=3),
        ("secrets", "PromptSendingAttack + Base64Converter"): Fates(complied=1, refused=4),
    }


def test_pyrit_results_have_no_arms():
    """An attack's result is one verdict: an arm that would choose nothing is refused."""
    with pytest.raises(UsageError, match="one verdict"):
        pyrit_results(DATA / "pyrit-1.1.0-results.json", "SubStringScorer")


def test_pyrit_objective_scorer_decides():
    """A second scorer's true is no success where the attack names the scorer of its objective."""
    found = pyrit_results(DATA / "pyrit-0.12.1-conversations.json")
    assert cells(found) == {("secrets", "none"): Fates(complied=2, refused=4, errors=4)}


def test_pyrit_attackers_and_judges_are_not_attacked():
    """Of four conversations in a multi-turn attack one is the attack, under the name of its objective."""
    found = pyrit_results(DATA / "pyrit-0.12.1-multi-turn.json")
    assert dict(found.table.columns["attack_success"].samples) == {"get the word by none": Sample(1, 1.0, 1.0)}


def test_pyrit_asks_which_scorer_counts():
    """Where two scored and no attack says which is whose, one has to be named."""
    path = DATA / "pyrit-0.9.0-conversations.json"
    with pytest.raises(UsageError, match="SubStringScorer/secrets, SubStringScorer/tone"):
        pyrit_results(path)
    assert cells(pyrit_results(path, "SubStringScorer/secrets")) == {
        ("secrets", "none"): Fates(complied=1, refused=2, errors=2),
        ("secrets", "Base64Converter"): Fates(complied=1, refused=4),
    }

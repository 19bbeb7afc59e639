"""Documents of proofs can be read back, and nothing in them makes a green or broken JUnit file."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from surefoot.adapters.reports.documents import (
    AttacksDocument,
    GateDocument,
    ScoresDocument,
    document_in,
    documents_under,
    written,
)
from surefoot.adapters.reports.junit import junit
from surefoot.core.proof.gate import Decision, GateReport, Ruling
from surefoot.core.proof.redteam.report import AttackReport, Cell, Fates
from surefoot.core.proof.table import Column, Lack, Sample, ScoreTable
from surefoot.core.units import Digest
from surefoot.errors import UsageError

VERSION = Digest("sha256:" + "a" * 64)


def ruling(decision=Decision.FAILED, **more):
    return Ruling(gate="success", kind="regression", metric="success", decision=decision, reason="it is worse", **more)


def gates(*rulings, decision=Decision.FAILED):
    return GateDocument(gate=GateReport(decision=decision, version=VERSION, suite="support@1", rulings=rulings))


def scores(**samples):
    column = Column(samples=samples, is_rate=True)
    return ScoresDocument(candidate=ScoreTable(suite="support@1", version=VERSION, columns={"success": column}))


ATTACKS = AttacksDocument(
    attacks=AttackReport(
        suite="mild@1", version=VERSION, cells=(Cell(category="pii", strategy="rot13", candidate=Fates(1, 8)),)
    )
)


@pytest.mark.parametrize("document", [gates(ruling(cases=("a",))), scores(a=Sample(3, 2.0, 2.0)), ATTACKS])
def test_a_document_is_read_back_as_it_was_written(document, tmp_path):
    """Whatever a proof leaves behind, the next step of a pipeline reads the same."""
    path = tmp_path / "any-name.json"
    path.write_bytes(written(document))
    assert document_in(path) == document
    assert list(documents_under(tmp_path)) == [document]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"surefoot": "gate/2"}', b"\xff", b'{"surefoot": "gate/1"}'])
def test_what_is_no_document_is_an_error_with_the_files_name(raw, tmp_path):
    """A torn or foreign file never counts as a result."""
    path = tmp_path / "torn.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match=r"torn\.json"):
        document_in(path)


def test_a_document_with_one_name_twice_is_refused(tmp_path):
    """A count that stands twice in a document is no count: every parser would take the last one."""
    path = tmp_path / "scores.json"
    path.write_bytes(written(scores(a=Sample(3, 0.0, 0.0))).replace(b'"a":', b'"a": [3, 3.0, 3.0, 0, 0], "a":'))
    with pytest.raises(UsageError, match=r"scores\.json: stands twice: .*\.samples\.a"):
        document_in(path)


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_folder_without_results_is_an_error(name, tmp_path):
    """Nothing there is nothing proved."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no results"):
        list(documents_under(tmp_path / name))


def suite_of(*documents):
    """The one suite of the file, as what became of each case."""
    (suite,) = ET.fromstring(junit(documents))  # noqa: S314  # our own output
    return suite, {case.get("name"): [child.tag for child in case] for case in suite}


def test_a_case_fails_errs_or_is_skipped_as_its_trials_did():
    """Half passed is failed; only errors is an error, never a pass; nothing to score is skipped."""
    suite, became = suite_of(
        scores(good=Sample(3, 2.0, 2.0), half=Sample(2, 1.0, 1.0), broken=Sample(errors=2), none=Sample(skipped=1))
    )
    assert became == {"good": [], "half": ["failure"], "broken": ["error"], "none": ["skipped"]}
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip


def test_why_nothing_was_scored_outlives_the_document(tmp_path):
    """A report made from documents alone still says what the judge did wrong."""
    column = Column(samples={"a": Sample(errors=2)}, is_rate=False, lacks=(Lack("the judge said prose", 2),))
    table = ScoreTable(suite="support@1", version=VERSION, columns={"success": column})
    (tmp_path / "scores.json").write_bytes(written(ScoresDocument(candidate=table)))
    said = junit(documents_under(tmp_path)).decode()
    assert 'message="2 trials gave no score; over all cases: the judge said prose (2)"' in said


def test_gates_that_were_not_decided_are_errors_and_no_gate_at_all_is_one():
    """A report without a verdict is not green."""
    undecided = ruling(Decision.UNDECIDED)
    assert suite_of(gates(undecided))[1] == {"success": ["error"]}
    assert suite_of(gates(ruling()))[1] == {"success": ["failure"]}
    assert suite_of(gates(ruling(is_blocking=False)))[1] == {"success": ["skipped"]}
    assert suite_of(gates(ruling(Decision.PASSED)))[1] == {"success": []}
    assert suite_of(gates())[1] == {"any gate": ["error"]}


def test_model_output_cannot_break_the_xml():
    """Control characters, half surrogates and markup in names stay text."""
    _, became = suite_of(scores(**{'<b>&\x00\x1b[31m"\ud800': Sample(1, 1.0, 1.0)}))
    assert list(became) == ['<b>&\ufffd\ufffd[31m"\ufffd']

"""Results of other programs as counts: what they found, and everything that did not run as an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.bridges.garak import garak_results
from surefoot.adapters.bridges.imported import Imported
from surefoot.adapters.bridges.inspect import inspect_results
from surefoot.adapters.bridges.junit import junit_results
from surefoot.adapters.bridges.promptfoo import promptfoo_results
from surefoot.adapters.bridges.pyrit import pyrit_results
from surefoot.core.proof.redteam.report import Fates
from surefoot.core.proof.table import Sample
from surefoot.errors import UsageError

READERS = [promptfoo_results, junit_results, inspect_results, garak_results, pyrit_results]


def put(root: Path, content: Any, name: str = "results.json") -> Path:
    path = root / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def samples(found: Imported, metric: str) -> dict[str, Sample]:
    return dict(found.table.columns[metric].samples)


PASS, FAIL, ERROR, SKIP = Sample(1, 1.0, 1.0), Sample(1), Sample(errors=1), Sample(skipped=1)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "content",
    [
        "",
        "  \n",
        "{}",
        "[]",
        "null",
        "hello",
        '{"a": ',
        "<html></html>",
        "\x00",
        "<testsuites/>",
        '{"results": {"results": []}}',
    ],
)
def test_what_is_empty_or_something_else_is_refused(read, content, tmp_path):
    """No bridge makes a table of nothing, or of a file of another kind."""
    with pytest.raises(UsageError, match=r"results\.json"):
        read(put(tmp_path, content))


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_not_there_is_refused(read, tmp_path):
    """A path without a file is an error with its name."""
    with pytest.raises(UsageError, match=r"none\.json"):
        read(tmp_path / "none.json")


def row(number: int, *, success: Any, provider: str = "openai:m", **more: Any) -> dict[str, Any]:
    return {
        "testIdx": number,
        "provider": {"id": provider},
        "prompt": {"raw": "x", "label": "x"},
        "vars": {"q": number},
        "success": success,
        "failureReason": 0 if success else 1,
        "testCase": {"vars": {"q": number}, "assert": [{"type": "equals"}]},
        **more,
    }


def promptfoo(*rows: dict[str, Any], **stats: int) -> dict[str, Any]:
    return {"evalId": "e", "results": {"version": 3, "results": list(rows), "stats": stats}}


def test_promptfoo_tests_pass_fail_and_err(tmp_path):
    """An assertion that failed fails; a test that did not run, and one that is missing, are errors."""
    found = promptfoo_results(
        put(
            tmp_path,
            promptfoo(
                row(0, success=True, latencyMs=12, cost=0.01, namedScores={"tone": 0.5}),
                row(1, success=False, latencyMs=10, cost=0.01),
                row(2, success=False, failureReason=2, error="API error: 500"),
                row(3, success="yes", latencyMs=9, cost=0.01),
                successes=2,
                failures=1,
                errors=2,
            ),
        )
    )
    assert samples(found, "success") == {
        "test 0": PASS,
        "test 1": FAIL,
        "test 2": ERROR,
        "test 3": ERROR,
        "(the run itself)": ERROR,
    }
    assert samples(found, "tone") | {"(the run itself)": ERROR} == {
        "test 0": Sample(1, 0.5, 0.25),
        "test 1": SKIP,
        "test 2": ERROR,
        "test 3": SKIP,
        "(the run itself)": ERROR,
    }
    assert found.table.columns["latency_ms"].mean == pytest.approx(31 / 3)


def test_promptfoo_passes_nothing_that_was_not_checked(tmp_path):
    """A test without assertions succeeds there, and is skipped here."""
    found = promptfoo_results(put(tmp_path, promptfoo(row(0, success=True, testCase={"vars": {}}))))
    assert samples(found, "success") == {"test 0": SKIP}


def test_promptfoo_arms_are_not_mixed(tmp_path):
    """Two providers are two versions: one has to be named, and only its tests count."""
    rows = (row(0, success=True, provider="a"), row(0, success=False, provider="b"))
    path = put(tmp_path, promptfoo(*rows))
    with pytest.raises(UsageError, match="2 arms: a/x, b/x"):
        promptfoo_results(path)
    with pytest.raises(UsageError, match="'c' is not one"):
        promptfoo_results(path, "c")
    assert samples(promptfoo_results(path, "b"), "success") == {"test 0": FAIL}
    lines = put(tmp_path, "\n".join(map(json.dumps, rows)), "results.jsonl")
    assert samples(promptfoo_results(lines, "a/x"), "success") == {"test 0": PASS}


TESTS = """
import pytest
def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip(reason="later")
def test_later(): pass
@pytest.fixture
def broken(): raise OSError("away")
def test_broken(broken): pass
"""


def test_junit_as_pytest_writes_it(tmp_path):
    """A real run of pytest: passes, failures, errors of fixtures and skipped tests keep their kind."""
    put(tmp_path, TESTS, "test_agent.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=out.xml", "test_agent.py"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    found = junit_results(tmp_path / "out.xml")
    assert samples(found, "passed") == {
        "test_agent::test_good": PASS,
        "test_agent::test_bad": FAIL,
        "test_agent::test_later": SKIP,
        "test_agent::test_broken": ERROR,
    }


@pytest.mark.parametrize(
    ("suites", "lost"),
    [
        ('<testsuite name="s" tests="3"><testcase name="a"/></testsuite>', 2),
        ('<testsuite name="s" tests="1" failures="1"><testcase name="a"/></testsuite>', 1),
        ('<testsuite name="s" tests="2" failures="1" errors="1"><testcase name="a"/></testsuite>', 2),
        ('<testsuites tests="2"><testsuite name="s" tests="1"><testcase name="a"/></testsuite></testsuites>', 1),
        ('<testsuites tests="2"><testsuite name="s" tests="2"><testcase name="a"/></testsuite></testsuites>', 1),
        ('<testsuites errors="1"><testsuite name="s"><testcase name="a"/></testsuite></testsuites>', 1),
        ('<testsuites tests="1" failures="0"><testsuite name="s"><testcase name="a"/></testsuite></testsuites>', 0),
    ],
)
def test_junit_that_was_cut_off_is_noticed(tmp_path, suites, lost):
    """Tests, failures and errors that are announced anywhere and not there are one error each."""
    path = put(tmp_path, suites)
    missing = {f"(missing {nth})": ERROR for nth in range(1, lost + 1)}
    assert samples(junit_results(path), "passed") == {"a": PASS, **missing}
    assert samples(junit_results(path, "s"), "passed")["a"] == PASS


def test_a_score_that_is_no_number_is_an_error_of_its_case(tmp_path):
    """NaN, as Python writes it, refuses no file: the other samples are counted."""
    scored = [{"id": "a", "scores": {"mean": {"value": float("nan")}}}, {"id": "b", "scores": {"mean": {"value": 0.5}}}]
    found = inspect_results(put(tmp_path, {"eval": {"task": "t"}, "status": "success", "samples": scored}))
    assert samples(found, "mean")["a"].errors == 1
    assert samples(found, "mean")["b"].errors == 0


def test_junit_suites_may_be_nested_to_any_depth(tmp_path):
    """Thousands of suites in one another are read, and what the innermost lacks is lost once."""
    depth = 3_000
    inner = '<testsuite name="s" tests="2"><testcase name="a"/></testsuite>'
    path = put(tmp_path, f"{'<testsuite>' * depth}{inner}{'</testsuite>' * depth}", "out.xml")
    assert samples(junit_results(path), "passed") == {"a": PASS, "(missing 1)": ERROR}
    assert samples(junit_results(path, "s"), "passed") == {"a": PASS, "(missing 1)": ERROR}


def test_junit_counts_that_are_none_are_noticed(tmp_path):
    """A count that is no number is an error, and one beyond reason is refused."""
    path = put(tmp_path, '<testsuite name="s" tests="many"><testcase name="a"/></testsuite>')
    assert samples(junit_results(path), "passed") == {"a": PASS, "(the run itself)": ERROR}
    with pytest.raises(UsageError, match="more than it holds"):
        junit_results(put(tmp_path, f'<testsuite tests="{"9" * 5000}"><testcase name="a"/></testsuite>'))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_junit_with_entities_is_refused(tmp_path, encoding):
    """A document type is refused in any encoding, before anything in it is expanded."""
    path = tmp_path / "results.json"
    path.write_bytes('<!DOCTYPE t [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>'.encode(encoding))
    with pytest.raises(UsageError, match="document type"):
        junit_results(path)


def log(*found: dict[str, Any], status: str = "success", **more: Any) -> dict[str, Any]:
    """The fields that are read of a log of Inspect 0.3, as it wrote them with its mock model."""
    about = {
        "task": "capitals",
        "dataset": {"samples": 2, "sample_ids": ["a", "b"]},
        "config": {"epochs": 1},
        "scorers": [{"name": "match"}],
    }
    return {"version": 2, "status": status, "eval": about, "samples": list(found), **more}


def sample(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": name, "epoch": 1, "scores": {"match": {"value": value, "explanation": "e"}}, **more}


@pytest.mark.parametrize(
    ("value", "metric", "expected"),
    [
        ("C", "match", PASS),
        ("I", "match", FAIL),
        ("N", "match", FAIL),
        (True, "match", PASS),
        ("P", "match", Sample(1, 0.5, 0.25)),
        (5, "match", Sample(1, 5.0, 25.0)),
        ("great", "match", ERROR),
        (None, "match", ERROR),
        ({"tone": 2}, "match.tone", Sample(1, 2.0, 4.0)),
    ],
)
def test_inspect_scores(tmp_path, value, metric, expected):
    """Grades and booleans pass or fail, numbers measure, and any other word is an error."""
    found = inspect_results(put(tmp_path, log(sample("a", value), sample("b", value))))
    assert samples(found, metric) == {"a": expected, "b": expected}


def test_inspect_logs_that_are_not_whole_say_so(tmp_path):
    """Samples with an error, samples that are missing and runs that were stopped are errors."""
    broken = {"id": "a", "epoch": 1, "scores": {}, "error": {"message": "away"}}
    found = inspect_results(put(tmp_path, log(broken, status="error", error={"message": "away"})))
    assert samples(found, "match") == {"a": ERROR, "b": ERROR, "(the run itself)": ERROR}
    found = inspect_results(put(tmp_path, log(sample("a", "C"))))
    assert samples(found, "match") == {"a": PASS, "b": ERROR}


def test_an_eval_file_says_how_to_unpack_it(tmp_path):
    """The packed form is refused with what to do."""
    path = tmp_path / "log.eval"
    path.write_bytes(b"PK\x03\x04xyz")
    with pytest.raises(UsageError, match="convert"):
        inspect_results(path)


def garak(*lines: dict[str, Any], ended: bool = True) -> str:
    every = [{"entry_type": "start_run setup"}, {"entry_type": "init"}, *lines]
    if ended:
        every.append({"entry_type": "completion", "run": "r"})
    return "\n".join(map(json.dumps, every))


def test_garak_counts_are_attacks(tmp_path):
    """What a detector hit complied, what passed was refused, what it could not judge is an error."""
    lines = (
        {"entry_type": "eval", "probe": "dan.Dan_11_0", "detector": "dan.DAN", "passed": 3, "total": 5},
        {"entry_type": "eval", "probe": "encoding.InjectBase64", "detector": "detector.encoding.DecodeMatch",
         "passed": 4, "nones": 1, "total_evaluated": 4, "total_processed": 5},
    )  # fmt: skip
    found = garak_results(put(tmp_path, garak(*lines)))
    assert found.attacks is not None
    assert [(cell.category, cell.strategy, cell.candidate) for cell in found.attacks.cells] == [
        ("dan", "dan.Dan_11_0", Fates(complied=2, refused=3)),
        ("encoding", "encoding.InjectBase64", Fates(refused=4, errors=1)),
    ]
    assert samples(found, "dan_attack_success") == {"dan.Dan_11_0 dan.DAN": Sample(5, 2.0, 2.0)}
    assert found.table.columns["attack_success"].errors == 1
    only = garak_results(put(tmp_path, garak(*lines)), "encoding.DecodeMatch")
    assert list(samples(only, "attack_success")) == ["encoding.InjectBase64 encoding.DecodeMatch"]


def test_garak_scans_that_are_not_whole_say_so(tmp_path):
    """No completion, a probe without a judgement, and a judgement of nothing are errors, not resistance."""
    attempt = {"entry_type": "attempt", "probe_classname": "dan.X", "status": 1}
    nothing = {"entry_type": "eval", "probe": "dan.Y", "detector": "d", "passed": 0, "total": 0}
    found = garak_results(put(tmp_path, garak(attempt, nothing, ended=False)))
    assert samples(found, "attack_success") == {"dan.Y d": ERROR, "dan.X": ERROR, "(the run itself)": ERROR}


@pytest.mark.parametrize(
    "counts", [{"passed": 6, "total": 5}, {"passed": -1, "total": 5}, {"passed": 0, "total": 10**12}, {}]
)
def test_garak_counts_that_cannot_be_are_refused(tmp_path, counts):
    """More passed than tried is a broken file."""
    with pytest.raises(UsageError, match="impossible counts"):
        garak_results(put(tmp_path, garak({"entry_type": "eval", "probe": "a.B", "detector": "d", **counts})))


def test_pyrit_attack_results(tmp_path):
    """Success is the attack's; what is undetermined is an error."""
    rows = [
        {"objective": f"o{i}", "outcome": outcome, "attack_identifier": {"__type__": "RedTeamingAttack"}}
        for i, outcome in enumerate(["success", "failure", "undetermined"])
    ]
    found = pyrit_results(put(tmp_path, rows))
    assert samples(found, "attack_success") == {
        "o0 by RedTeamingAttack": PASS,
        "o1 by RedTeamingAttack": FAIL,
        "o2 by RedTeamingAttack": ERROR,
    }


def piece(conversation: str, role: str, *values: tuple[str, str], **more: Any) -> dict[str, Any]:
    scores = [
        {"score_type": kind, "score_value": value, "score_category": ["violence"],
         "scorer_class_identifier": {"__type__": "SelfAskTrueFalseScorer"}}
        for kind, value in values
    ]  # fmt: skip
    given = {"original_value": conversation, "converter_identifiers": [{"__type__": "Base64Converter"}]}
    return {"conversation_id": conversation, "role": role, "scores": scores, **given, **more}


@pytest.mark.parametrize(
    ("scores", "more", "expected"),
    [
        ([("true_false", "True")], {}, PASS),
        ([("true_false", "False")], {}, FAIL),
        ([("true_false", "False"), ("true_false", "True")], {}, PASS),
        ([], {}, ERROR),
        ([("float_scale", "0.0")], {}, ERROR),
        ([("true_false", "perhaps")], {}, ERROR),
        ([], {"response_error": "blocked"}, FAIL),
        ([("true_false", "False")], {"response_error": "processing"}, ERROR),
        ([("true_false", "True")], {"response_error": "processing"}, PASS),
    ],
)
def test_pyrit_conversations(tmp_path, scores, more, expected):
    """One true score is a success of the attack; only false ones, or a filter's block, are a refusal."""
    rows = [piece("tell me", "user"), piece("tell me", "assistant", *scores, **more)]
    found = pyrit_results(put(tmp_path, rows))
    assert samples(found, "attack_success") == {"tell me by Base64Converter": expected}
    assert found.attacks is not None
    assert found.attacks.cells[0].strategy == "Base64Converter"


def test_pyrit_refusals_are_no_success(tmp_path):
    """A scorer that asks whether the target refused says true where the attack failed."""
    for value, expected in (("True", FAIL), ("False", PASS)):
        answer = piece("tell me", "assistant", ("true_false", value))
        answer["scores"][0]["scorer_class_identifier"] = {"class_name": "SelfAskRefusalScorer"}
        found = pyrit_results(put(tmp_path, [piece("tell me", "user"), answer]))
        assert list(samples(found, "attack_success").values()) == [expected]


def test_the_same_questions_are_the_same_suite(tmp_path):
    """Two runs can be compared whatever they found, and other questions cannot."""
    first = promptfoo_results(put(tmp_path, promptfoo(row(0, success=True))))
    second = promptfoo_results(put(tmp_path, promptfoo(row(0, success=False))))
    other = promptfoo_results(put(tmp_path, promptfoo(row(0, success=True), row(1, success=True))))
    assert first.table.suite == second.table.suite != other.table.suite

"""`surefoot gate check`, `eval gate` and `eval bless`: the exit code is the verdict, and bad input is never a pass."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from surefoot.adapters.reports.documents import GateDocument, ScoresDocument, document_in, written
from surefoot.config.baselines import table_text
from surefoot.config.suites import load_suite
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.score import Attempt, Result, Score
from surefoot.ports.results import ProofRun
from surefoot.store.results import SqliteResults
from tests.cli.projects_with_rollouts import bot_project
from tests.cli.terminal import surefoot
from tests.config.projects import put
from tests.core.proof.tables import rate, table

GATES = """\
gates:
  - {name: floor, metric: exact, operator: ">=", threshold: 0.8}
"""
NO_WORSE = "gates: [{kind: regression, metric: exact}]\n"


@pytest.fixture
def project(tmp_path):
    """A project with one gate."""
    put(tmp_path, "gates/quality_gates.yaml", GATES)
    return tmp_path


def checked(root, metrics, *words):
    """`gate check` of plain counts."""
    put(root, "m.json", metrics if isinstance(metrics, str) else json.dumps(metrics))
    return surefoot(root, "gate", "check", "--metrics", str(root / "m.json"), *words)


@pytest.mark.parametrize(
    ("metrics", "code", "said"),
    [
        ({"exact": {"n": 100, "passed": 95}}, 0, "passed"),
        ({"exact": {"n": 100, "passed": 70}}, 1, "FAILED"),
        ({"exact": {"n": 20, "passed": 18}}, 2, "too few"),
        ({"exact": {"n": 0, "passed": 0}}, 2, "nothing ran"),
        ({"exact": {"n": 0, "errors": 30}}, 2, "without a score"),
        ({"exact": 0.95}, 2, "without n"),
        ({"other": 1.0}, 2, "was not measured"),
        ({}, 2, "was not measured"),
    ],
)
def test_exit_code_is_the_verdict(project, metrics, code, said):
    """0 passed, 1 failed, 2 not decided: and a bare mean, no cases or only errors are never a pass."""
    ended = checked(project, {"metrics": metrics})
    assert (ended.code, ended.err) == (code, "")
    assert said in " ".join(ended.out.split())


@pytest.mark.parametrize(
    "metrics",
    [
        "{",
        "[]",
        '{"metrics": {"exact": NaN}}',
        '{"metrics": {"exact": {"n": 5, "passed": 9}}}',
        '{"metrics": {"exact": {"n": 100, "passed": 10}, "exact": {"n": 100, "passed": 99}}}',
        '{"surefoot": "x"}',
    ],
)
def test_what_is_no_result_is_wrong_usage(project, metrics):
    """A broken file ends with 3, one error and a hint, and says nothing that looks like a verdict."""
    ended = checked(project, metrics)
    assert (ended.code, ended.out) == (3, "")
    assert "m.json" in ended.err
    assert "hint: " in ended.err


@pytest.mark.parametrize("metrics", ["", "\n", "{}"])
def test_a_file_without_any_result_decides_nothing(project, metrics):
    """Nothing was executed, which is 2 everywhere, and neither a pass nor a failure."""
    ended = checked(project, metrics)
    assert (ended.code, ended.out) == (2, "")
    assert "holds no result" in ended.err


@pytest.mark.parametrize(
    "gate",
    [
        'metric: exact, operator: ">=", threshold: 80',
        "kind: regression, metric: exact, prove_within: 5",
        "kind: rule, metric: exact, rule: mean drop > 5",
    ],
)
def test_a_rate_is_not_held_against_a_number_that_is_none(project, gate):
    """80 for 80 % is wrong usage with its line, whichever the gate; the hint says how it is written."""
    put(project, "gates/quality_gates.yaml", f"gates:\n  - {{{gate}}}\n")
    ended = checked(project, {"metrics": {"exact": {"n": 100, "passed": 99}}})
    assert (ended.code, ended.out) == (3, "")
    assert "gates/quality_gates.yaml:2:" in ended.err
    assert "between 0 and 1; 0." in " ".join(ended.err.split())
    put(project, "gates/quality_gates.yaml", 'gates: [{metric: exact, operator: ">=", threshold: 80%}]')
    assert checked(project, {"metrics": {"exact": {"n": 100, "passed": 99}}}).code == 0


def test_missing_files_are_wrong_usage(tmp_path):
    """No gates, no results, no baseline and no option: 3, each with its own hint."""
    assert checked(tmp_path, {"metrics": {"exact": 1.0}}).code == 3
    put(tmp_path, "gates/quality_gates.yaml", GATES)
    assert surefoot(tmp_path, "gate", "check", "--metrics", str(tmp_path / "nothing.json")).code == 3
    assert checked(tmp_path, {"metrics": {"exact": 1.0}}, "--baseline", str(tmp_path / "nothing.json")).code == 3
    assert surefoot(tmp_path, "gate", "check").code == 3


def test_a_store_that_cannot_be_written_is_infrastructure(project):
    """A verdict that could not be kept ends with 4, whatever the verdict."""
    put(project, "surefoot.yaml", "store: sqlite:///m.json\n")
    put(project, "t.json", table_text(table("c", exact=rate([1] * 60))))
    put(project, "m.json", "not a database")
    assert surefoot(project, "gate", "check", "--metrics", str(project / "t.json"), "--record").code == 4


def test_a_made_up_number_is_not_recorded(run):
    """Results without cases or without their own digest are told and not kept, whoever's they are said to be."""
    root, _ = run
    put(root, "own.yaml", GATES)
    put(root, "t.json", table_text(replace(table("c", exact=rate([1] * 60)), version="")))
    for name, metrics in (("m.json", {"metrics": {"exact": {"n": 99, "passed": 99}}}), ("t.json", None)):
        if metrics is not None:
            put(root, name, json.dumps(metrics))
        words = ("gate", "check", "--metrics", str(root / name), "--gates", str(root / "own.yaml"))
        assert surefoot(root, *words, "--version", "bot@v2").code == 0
        refused = surefoot(root, *words, "--version", "bot@v2", "--record")
        assert (refused.code, "cannot be recorded" in refused.err) == (3, True)


def test_only_the_projects_own_gates_open_a_rollout(run):
    """A report under another file, or of a part of the suite, says that it stands aside."""
    root, ran = run
    ran("r1", broken=())
    put(root, "own.yaml", GATES)
    words = ("eval", "gate", "support", "--version", "bot@v2", "--against", "bot@v1", "--json")
    assert surefoot(root, *words).json["aside"] == ""
    assert surefoot(root, *words, "--gates", str(root / "gates/quality_gates.yaml")).json["aside"] == ""
    ended = surefoot(root, *words, "--gates", str(root / "own.yaml"))
    assert (ended.code, "own.yaml" in ended.json["aside"], "opens no rollout" in ended.err) == (0, True, True)


def test_baseline_beside_results_in_one_document(project):
    """A document of a proof brings its own baseline, and the report can be written as one for the comment."""
    put(project, "gates/release.yaml", NO_WORSE)
    document = ScoresDocument(
        candidate=table("c", exact=rate([0] * 12 + [1] * 48)), baseline=table("b", exact=rate([1] * 60)), label="v2"
    )
    (project / "scores.json").write_bytes(written(document))
    ended = surefoot(
        project, "gate", "check", "--metrics", str(project / "scores.json"),
        "--gates", str(project / "gates/release.yaml"), "--out", str(project / "out.json"), "--json",
    )  # fmt: skip
    assert (ended.code, ended.json["exit_code"]) == (1, 1)
    kept = document_in(project / "out.json")
    assert isinstance(kept, GateDocument)
    assert (kept.gate.decision, kept.label) == (Decision.FAILED, "v2")


def test_worst_of_several_files_decides(project):
    """One failed table fails them all; one undecided leaves all undecided."""
    for name, passes in (("good", 60), ("bad", 20), ("few", 5)):
        put(
            project,
            f"{name}.json",
            table_text(table("c", exact=rate([1] * passes + [0] * (0 if name == "few" else 60 - passes)))),
        )

    def code(*names):
        words = [word for name in names for word in ("--metrics", str(project / f"{name}.json"))]
        return surefoot(project, "gate", "check", *words).code

    assert (code("good"), code("good", "few"), code("good", "few", "bad")) == (0, 2, 1)


def test_a_gate_whose_suite_did_not_run_is_not_decided(project):
    """A smoke suite that nobody ran cannot let anything pass."""
    put(project, "gates/quality_gates.yaml", GATES + "  - {kind: suite, metric: exact, suite: smoke}\n")
    put(project, "t.json", table_text(table("c", exact=rate([1] * 60))))
    ended = surefoot(project, "gate", "check", "--metrics", str(project / "t.json"), "--json")
    assert ended.code == 2
    assert "'smoke'" in ended.json["rulings"][-1]["reason"]


SUITE = "cases:\n" + "".join(f"  - {{id: c{n}, request: hi, expected: hello}}\n" for n in range(60))


@pytest.fixture
def run(tmp_path):
    """A bot with two versions that ran the same suite: v2 breaks what is asked for."""
    root = bot_project(tmp_path, stable="v1")
    put(root, "evals/support.yaml", SUITE + "evaluators: [exact]\n")
    put(root, "gates/quality_gates.yaml", NO_WORSE)
    suite = load_suite(root, "support")
    digests = {label: surefoot(root, "agents", "digest", "bot", label).out.strip() for label in ("v1", "v2")}

    def ran(id, broken, labels=("v1", "v2"), trials=range(1), cases=range(60)):
        results = SqliteResults(root / ".surefoot/results.db")
        results.begin(ProofRun(id=id, suite=suite.identity))
        results.append(
            id,
            [
                Result(
                    attempt=Attempt(f"c{case}", digests[label], trial),
                    scores=(Score.scored("exact", float(ok), passed=ok),),
                )
                for label in labels
                for case in cases
                for trial in trials
                for ok in [label == "v1" or case not in broken]
            ],
        )
        results.close()

    return root, ran


def test_a_run_is_held_against_the_gates_and_kept(run):
    """The arm beside it is the baseline; flipped cases are named; the verdict is in the store under its digest."""
    root, ran = run
    ran("r1", broken=range(12))
    ended = surefoot(root, "eval", "gate", "support", "--version", "bot@v2", "--against", "bot@v1")
    assert (ended.code, ended.err) == (1, "")
    assert "flipped, to be tried again in both arms: c0, c1" in ended.out
    assert "exact: 60 no evidence" in ended.out
    assert (root / ".surefoot/surefoot.db").is_file()


def test_what_became_of_each_case_is_said(project):
    """Degraded, improved and flaky cases are named with their tier, in words and in JSON."""
    put(project, "gates/quality_gates.yaml", NO_WORSE)
    document = ScoresDocument(
        candidate=table("c", exact=rate([0, 5, 2] + [5] * 20, n=5)),
        baseline=table("b", exact=rate([5, 0, 3] + [5] * 20, n=5)),
    )
    (project / "s.json").write_bytes(written(document))
    words = ("gate", "check", "--metrics", str(project / "s.json"))
    said = surefoot(project, *words).out
    assert "exact: 1 improved, 1 degraded, 20 no evidence, 1 flaky" in said
    assert "  degraded: c0 (hard)\n  improved: c1 (hard)\n  flaky: c2\n" in said
    found = surefoot(project, *words, "--json").json
    assert found["summary"] == {
        "improved": 1, "degraded": 1, "no evidence": 20, "flaky": 1, "new": 0, "missing": 0,
    }  # fmt: skip
    assert [case["case"] for case in found["cases"]] == ["c0", "c1", "c2"]


def test_fresh_trials_of_flipped_cases_decide(run):
    """What flipped and passes when tried again was chance."""
    root, ran = run
    ran("r1", broken=range(6))
    words = ("eval", "gate", "support", "--version", "bot@v2", "--against", "bot@v1")
    assert surefoot(root, *words).code == 1
    ran("r1", broken=(), trials=range(1, 6), cases=range(6))
    assert surefoot(root, *words).code == 0


def test_what_was_tried_again_is_what_became_of_a_case(run):
    """Tried five times more in both arms, a case that never passes now is degraded; one not tried again is not new."""
    root, ran = run
    ran("r1", broken=range(6))
    words = ("eval", "gate", "support", "--version", "bot@v2", "--against", "bot@v1")
    ran("r1", broken=range(3), trials=range(1, 6), cases=range(5))
    assert (
        "exact: 3 degraded, 57 no evidence\n  degraded: c0 (hard), c1 (hard), c2 (hard)\n" in surefoot(root, *words).out
    )
    found = surefoot(root, *words, "--json").json
    assert (found["summary"]["degraded"], found["summary"]["no evidence"]) == (3, 57)
    assert [(case["case"], case["change"]) for case in found["cases"]] == [(f"c{at}", "degraded") for at in range(3)]
    assert "flipped, to be tried again in both arms: c5\n" in surefoot(root, *words).out


def test_the_newest_run_that_holds_the_versions_is_judged(run):
    """A later run of another version hides nothing; named together, they have to stand in one run."""
    root, ran = run
    ran("both", broken=())
    ran("old", broken=range(12), labels=("v2",))
    ran("new", broken=(), labels=("v1",))
    words = ("eval", "gate", "support", "--version", "bot@v2")
    assert surefoot(root, *words, "--against", "bot@v1").code == 0
    assert surefoot(root, "eval", "bless", "support", "--version", "bot@v1").code == 0
    assert surefoot(root, *words).code == 1
    refused = surefoot(root, *words, "--run", "new")
    assert (refused.code, "run new does not hold" in refused.err) == (3, True)


def test_a_blessed_run_is_what_later_ones_are_compared_with(run):
    """Without a baseline nothing is decided; with a blessed one an equal version passes and a worse one fails."""
    root, ran = run
    ran("old", broken=(), labels=("v1",))
    assert surefoot(root, "eval", "gate", "support").code == 2
    blessed = surefoot(root, "eval", "bless", "support", "--by", "ada", "--why", "spring", "--json")
    assert (blessed.code, blessed.json["file"]) == (0, "baselines/support.json")
    assert surefoot(root, "eval", "gate", "support").code == 0
    ran("new", broken=range(12), labels=("v2",))
    assert surefoot(root, "eval", "gate", "support").code == 1


def test_a_run_that_skipped_what_others_scored_does_not_pass(run):
    """Without a baseline too: twenty cases that lack an answer, beside forty like them, leave a threshold open."""
    root, ran = run
    put(root, "own.yaml", GATES)
    ran("r1", broken=(), labels=("v1",), cases=range(40))
    results = SqliteResults(root / ".surefoot/results.db")
    digest = surefoot(root, "agents", "digest", "bot", "v1").out.strip()
    empty = Score.skipped("exact", "the run recorded no answer")
    results.append("r1", [Result(attempt=Attempt(f"c{at}", digest, 0), scores=(empty,)) for at in range(40, 60)])
    results.close()
    ended = surefoot(root, "eval", "gate", "support", "--gates", str(root / "own.yaml"))
    assert (ended.code, "20 runs were" in " ".join(ended.out.split())) == (2, True)


def test_half_a_run_is_neither_blessed_nor_passed(run):
    """Cases that were not tried leave a run undecided and unfit for a baseline."""
    root, ran = run
    ran("old", broken=(), labels=("v1",))
    assert surefoot(root, "eval", "bless", "support").code == 0
    ran("new", broken=(), labels=("v2",), cases=range(59))
    ended = surefoot(root, "eval", "gate", "support")
    assert (ended.code, "59 of 60 attempts" in ended.out) == (2, True)
    refused = surefoot(root, "eval", "bless", "support")
    assert (refused.code, "not complete" in refused.err) == (3, True)


def test_a_run_of_another_suite_is_not_found(run):
    """A suite that was changed since is not decided; unknown suites, runs and versions are wrong usage."""
    root, ran = run
    assert "there is no run" in surefoot(root, "eval", "gate", "support").err
    ran("r1", broken=())
    for words in (["nothing"], ["support", "--run", "r2"], ["support"], ["support", "--version", "bot@v9"]):
        assert surefoot(root, "eval", "gate", *words).code == 3
    put(root, "evals/support.yaml", SUITE + "evaluators: [contains]\n")
    for words in ([], ["--run", "r1"]):
        ended = surefoot(root, "eval", "gate", "support", "--version", "bot@v1", *words)
        assert (ended.code, "have changed since run r1" in " ".join(ended.out.split())) == (2, True)

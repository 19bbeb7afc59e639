"""`surefoot eval`: exit codes, what is shown, resuming, comparing, calibrating."""

from __future__ import annotations

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import put

BOT = """\
model: test/m
prompt: {system: %s}
executor: {kind: python, callable: bot_%s:answer}
"""
CODE = """\
asked = []
async def answer(version, request, ctx):
    asked.append(request)
    %s
    return f"order {request}"
"""
SUITE = """\
tags: [smoke]
cases:
- {id: a, request: one, expected: order one, tags: [first]}
- {id: b, request: two, expected: order two}
evaluators: [exact, {kind: length}]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An agent whose function each test may write; its module has a name of its own, because modules are cached."""
    name = tmp_path.name.replace("-", "_")
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "evals/smoke.yaml", SUITE)

    def with_versions(**bodies):
        for label, body in bodies.items():
            put(tmp_path, f"agents/bot/{label}.yaml", BOT % (label, f"{name}_{label}"))
            put(tmp_path, f"bot_{name}_{label}.py", CODE % body)
        return tmp_path

    monkeypatch.syspath_prepend(tmp_path)
    return with_versions


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ("pass", 0, "passed: smoke, bot v1"),
        ("if request == 'two': return 'wrong'", 1, "FAILED: smoke, bot v1"),
        ("if request == 'two': raise ValueError('it broke')", 2, "not decided: smoke, bot v1"),
        ("raise ValueError('it broke')", 2, "error (2): ValueError: it broke"),
    ],
)
def test_a_run_says_its_verdict_and_ends_with_its_code(project, body, code, word):
    """0 passed, 1 failed, 2 not decided: the same in words."""
    ended = surefoot(project(v1=body), "eval", "run", "smoke", "--version", "v1")
    assert (ended.code, word in ended.out, ended.err) == (code, True, "")


def test_wrong_usage_is_3_and_never_a_verdict(project):
    """A suite, a version, a tag or a callable that is not there."""
    root = project(v1="pass")
    put(root, "agents/bot/v2.yaml", BOT % ("x", "nowhere"))
    for words in (
        ["smok", "--version", "v1"],
        ["smoke", "--version", "v9"],
        ["smoke", "--version", "v1", "--tag", "nothing"],
        ["smoke", "--version", "v1", "--baseline", "v1"],
        ["smoke", "--version", "v1", "--again", "zz"],
        ["smoke", "--version", "v2"],
        ["smoke"],
    ):
        ended = surefoot(root, "eval", "run", *words)
        assert (ended.code, ended.out) == (3, ""), words
        assert "hint:" in ended.err


def test_a_suite_that_asks_nothing_decides_nothing(project):
    """Nothing was executed: 2, and what to do."""
    root = project(v1="pass")
    put(root, "evals/empty.yaml", "cases: []\nevaluators: [exact]\n")
    ended = surefoot(root, "eval", "run", "empty", "--version", "v1")
    assert (ended.code, ended.out, "hint:" in ended.err) == (2, "", True)


def test_results_that_cannot_be_kept_are_4(project):
    """A broken disk is infrastructure, neither failed nor undecided."""
    root = project(v1="pass")
    put(root, ".surefoot/results.db", "this is no database, and was not made by surefoot" * 40)
    assert surefoot(root, "eval", "run", "smoke", "--version", "v1").code == 4


def test_why_scores_were_skipped_is_said(project):
    """By metric, with how often: a case that lacks what its evaluator needs is not left unexplained."""
    root = project(v1="pass")
    put(
        root, "evals/smoke.yaml", "cases: [{id: a, request: one}, {id: b, request: two}]\nevaluators: [exact, length]\n"
    )
    ended = surefoot(root, "eval", "run", "smoke", "--version", "v1")
    assert "skipped (2): exact: " in ended.out
    (skipped,) = surefoot(root, "eval", "run", "smoke", "--version", "v1", "--json").json["skipped"]
    assert (skipped["metric"], skipped["count"]) == ("exact", 2)


@pytest.mark.parametrize(
    ("evaluators", "code", "heading", "is_explained"),
    [
        ("[token_f1]", 2, "mean", True),
        ("[{kind: token_f1, threshold: 0.5}]", 0, "passed", False),
        ("[token_f1, exact]", 0, "passed or mean", False),
    ],
)
def test_a_share_that_passed_is_not_called_a_mean(project, evaluators, code, heading, is_explained):
    """Nor is a suite undecided without a reason whose metrics are only measured."""
    root = project(v1="pass")
    put(root, "evals/smoke.yaml", SUITE.replace("[exact, {kind: length}]", evaluators))
    ended = surefoot(root, "eval", "run", "smoke", "--version", "v1")
    (head,) = (line for line in ended.out.splitlines() if line.split()[:1] == ["metric"])
    assert (ended.code, " ".join(head.split()[1:-3])) == (code, heading)
    assert ("nothing here can pass or fail" in ended.out) is is_explained
    told = surefoot(root, "eval", "run", "smoke", "--version", "v1", "--json").json
    assert told["metrics"]["token_f1"]["is_rate"] is (heading == "passed")


def test_two_versions_stand_side_by_side(project):
    """The baseline's mean, the version's, and the difference; the exit code is the version's."""
    root = project(v1="if request == 'one': return 'wrong'", v2="pass")
    ended = surefoot(root, "eval", "run", "smoke", "--version", "bot@v2", "--baseline", "v1")
    assert ended.code == 0
    row = next(line for line in ended.out.splitlines() if line.strip().startswith("exact"))
    assert row.split()[:3] == ["exact", "50.0%", "100.0%"]
    assert "+50.0 points" in row
    told = surefoot(root, "eval", "run", "smoke", "--version", "v2", "--baseline", "v1", "--json").json
    assert (told["decision"], told["metrics"]["exact"]["mean"], told["baseline"]["metrics"]["exact"]["mean"]) == (
        "passed",
        1.0,
        0.5,
    )


def test_a_resumed_run_asks_only_for_what_is_missing(project):
    """What ended in an error is asked again; without --resume everything is."""
    root = project(v1="if request == 'two' and len(asked) < 3: raise ValueError('once')")
    words = ("eval", "run", "smoke", "--version", "v1", "--json")
    first = surefoot(root, *words)
    again = surefoot(root, *words, "--resume")
    assert (first.code, again.code) == (2, 0)
    assert (again.json["run"], again.json["made"], again.json["resumed"]) == (first.json["run"], 1, 1)
    assert surefoot(root, *words).json["made"] == 2


def test_a_finished_run_of_code_is_not_resumed(project):
    """Nothing that ran decides nothing: a finished run of a function is begun anew, and so is one of other code."""
    root = project(v1="if request == 'two': raise ValueError('once')", v2="pass")
    words = ("eval", "run", "smoke", "--json", "--resume", "--version")
    done = [surefoot(root, *words, "v2").json for _ in range(2)]
    assert [(told["made"], told["resumed"]) for told in done] == [(2, 0), (2, 0)]
    first = surefoot(root, *words, "v1").json
    with next(root.glob("bot_*_v1.py")).open("a") as source:
        source.write("# other code\n")
    again = surefoot(root, *words, "v1").json
    assert (again["run"] != first["run"], again["resumed"]) == (True, 0)


def test_flipped_cases_can_be_tried_again_in_the_same_run(project):
    """--again adds fresh trials of single cases to the newest run."""
    root = project(v1="pass")
    words = ("eval", "run", "smoke", "--version", "v1", "--json")
    surefoot(root, *words)
    told = surefoot(root, *words, "--again", "b", "--trials", "3").json
    assert (told["made"], told["metrics"]["exact"]["cases"]["b"]["n"]) == (3, 4)


def test_what_flipped_is_tried_again_by_the_commands_that_the_gate_says(project):
    """From a run of one arm over one of both to fresh trials: each command is the one before it said, and works."""
    root = project(v1="pass", v2="if request == 'two': return 'wrong'")
    put(root, "gates/quality_gates.yaml", "min_cases: 2\ngates: [{kind: regression, metric: exact}]\n")
    surefoot(root, "eval", "run", "smoke", "--version", "v1")
    surefoot(root, "eval", "bless", "smoke", "--version", "v1")
    surefoot(root, "eval", "run", "smoke", "--version", "v2")
    refused = surefoot(root, "eval", "run", "smoke", "--version", "v2", "--baseline", "v1", "--again", "b")
    assert (refused.code, "the newest run has only one arm, and bot v1 did not run in it" in refused.err) == (3, True)
    said = surefoot(root, "eval", "gate", "smoke", "--version", "v2").out

    def commands(text):
        return [line.split()[1:] for line in text.splitlines() if line.startswith("  surefoot ")]

    both, ask = commands(said)
    assert surefoot(root, *both).code == 1
    again, _ = commands(surefoot(root, *ask).out)
    assert again[-4:] == ["--again", "b", "--trials", "5"]
    assert surefoot(root, *again).code == 1
    assert "  degraded: b (hard)" in surefoot(root, *ask).out
    assert commands(surefoot(root, "eval", "gate", "smoke", "--version", "v2").out) == [ask]


def test_a_limit_leaves_the_suite_undecided(project):
    """What was answered before the limit is kept, and says so."""
    root = project(v1="pass")
    put(root, "evals/smoke.yaml", SUITE + "limits: {max_calls: 1}\nconcurrency: 1\n")
    ended = surefoot(root, "eval", "run", "smoke", "--version", "v1", "--json")
    assert (ended.code, ended.json["made"], "limit of 1 calls" in ended.json["stopped"]) == (2, 1, True)


def test_money_needs_a_price(project):
    """Under a cap in money a model without a price is not run: the hint says where prices go, and then it is."""
    root = project(v1="pass")
    put(root, "evals/smoke.yaml", SUITE + "limits: {max_cost_usd: 1}\n")
    put(
        root,
        "agents/bot/v2.yaml",
        "model: test/m\nprompt: x\nexecutor: {kind: openai, base_url: 'http://127.0.0.1:9'}\n",
    )
    ended = surefoot(root, "eval", "run", "smoke", "--version", "v2")
    assert (ended.code, "price of test/m is not known" in ended.err) == (3, True)
    assert surefoot(root, "eval", "run", "smoke", "--version", "v1").code == 2
    put(root, "surefoot.yaml", "prices: {test/m: {input: 1, output: -1}}\n")
    assert "surefoot.yaml:1:" in surefoot(root, "eval", "run", "smoke", "--version", "v2").err


def test_suites_are_listed_and_shown(project):
    """Names, cases, metrics, tags; a broken one does not hide the others."""
    root = project(v1="pass")
    put(root, "evals/broken.yaml", "cases: 1\n")
    ended = surefoot(root, "eval", "list")
    assert (ended.code, "smoke" in ended.out, "broken.yaml:1" in ended.err) == (3, True, True)
    put(root, "evals/also.yaml", "cases: 2\n")
    table, found = surefoot(root, "eval", "list"), surefoot(root, "eval", "list", "--json")
    assert (table.code, table.out.count("cannot be read"), "also.yaml:1" in table.err) == (3, 2, True)
    assert (found.code, [one["name"] for one in found.json]) == (3, ["also", "broken", "smoke"])
    assert ["error" in one for one in found.json] == [True, True, False]
    (root / "evals/also.yaml").unlink()
    (root / "evals/broken.yaml").unlink()
    assert [suite["name"] for suite in surefoot(root, "eval", "list", "--tag", "smoke", "--json").json] == ["smoke"]
    assert surefoot(root, "eval", "list", "--tag", "nightly", "--json").json == []
    assert "order" not in surefoot(root, "eval", "show", "smoke").out
    surefoot(root, "eval", "run", "smoke", "--version", "v1")
    assert len(surefoot(root, "eval", "show", "smoke", "--json").json["runs"]) == 1


def test_a_version_against_itself_shows_what_can_be_seen(project):
    """Flaky cases with their rate, the gate's false alarms and the smallest drop; apart from the runs a gate reads."""
    root = project(v1="if request in '0 1 2' and asked.count(request) % 2: return 'wrong'")
    cases = "".join(f"- {{id: c{i}, request: '{i}', expected: order {i}}}\n" for i in range(12))
    put(root, "evals/smoke.yaml", "cases:\n" + cases + "evaluators: [exact]\n")
    ended = surefoot(root, "eval", "calibrate", "smoke", "--version", "v1", "--trials", "4", "--json")
    told = ended.json
    assert {flake["case"] for flake in told["flaky"]} == {"c0", "c1", "c2"}
    assert all(0.5 <= flake["rate"] <= 0.6 for flake in told["flaky"])
    (gate,) = told["gates"]
    assert 0 <= gate["false_alarms"] <= 0.2
    assert gate["smallest_drop"] > 0
    assert ended.code == 0
    assert surefoot(root, "eval", "show", "smoke", "--json").json["runs"] == []
    shown = surefoot(root, "eval", "calibrate", "smoke", "--version", "v1", "--resume", "--trials", "4").out
    assert "two runs disagree" in shown


def test_what_a_run_found_can_be_handed_on(project, tmp_path):
    """Counts for `gate check`, and JUnit for a build server."""
    root = project(v1="if request == 'two': return 'wrong'")
    counts, xml = tmp_path / "out/scores.json", tmp_path / "out/junit.xml"
    surefoot(root, "eval", "run", "smoke", "--version", "v1", "--scores", str(counts), "--junit", str(xml))
    put(
        root, "gates/quality_gates.yaml", "gates:\n- {kind: threshold, metric: exact, operator: '>=', threshold: 0.9}\n"
    )
    assert surefoot(root, "gate", "check", "--metrics", str(counts)).code in (1, 2)
    assert "failures=" in xml.read_text(encoding="utf-8")

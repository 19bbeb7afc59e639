"""`surefoot judge`, and suites with judges, against a real endpoint on loopback and real labelled cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surefoot.core.proof.rubrics import RUBRICS
from tests.adapters.judges.endpoint import Script, said, serving
from tests.cli.terminal import surefoot
from tests.docs.pages import REPOSITORY

REAL = REPOSITORY.parent / "shared" / "data" / "llm_judge"


def labelled(root: Path, *rows: object) -> str:
    path = root / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def traces(root: Path, *outcomes: str) -> str:
    path = root / "runs.jsonl"
    lines = [
        {"trace_id": f"t{i}", "request": "Where?", "tool_calls": [], "tool_results": [], "response": f"Graz {outcome}",
         "outcome": outcome, "latency_ms": 5, "cost_tokens": 9}
        for i, outcome in enumerate(outcomes)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_list_and_show_print_what_a_model_is_asked(tmp_path):
    """Every rubric is listed; the prompt shown is the whole one; a wrong name lists the right ones."""
    assert all(name in surefoot(tmp_path, "judge", "list").out for name in RUBRICS)
    shown = surefoot(tmp_path, "judge", "show", "self_harm")
    assert '"score": <whole number from 0 to 7>' in shown.out
    wrong = surefoot(tmp_path, "judge", "show", "beauty")
    assert (wrong.code, "groundedness" in wrong.err) == (3, True)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "code", "trust", "outside"),
    [
        ("quick_triage", 1, "unusable", 0),
        ("policy_chain_of_thought", 1, "unusable", 72),
        ("policy_conversation", 1, "unusable", 0),
        ("customer_outcome", 1, "unusable", 0),
    ],
)
def test_real_judges_are_calibrated(tmp_path, name, code, trust, outside):
    """Passing nearly everything, words of its own, a correction that may be anything: 1, and by which rule."""
    path = REAL / f"retail.{name}_v1.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the repository")
    ended = surefoot(tmp_path, "judge", "calibrate", str(path), "--json")
    (judge,) = ended.json["judges"]
    assert (ended.code, judge["trust"], judge["outside"]) == (code, trust, outside)
    assert judge["rule"] in surefoot(tmp_path, "judge", "calibrate", str(path)).out


def test_judges_in_one_file_are_told_apart(tmp_path):
    """Each judge has its own verdict, and one that is unusable decides the exit code."""
    rows = [
        {"judge": judge, "truth": truth, "verdict": verdict}
        for judge, verdicts in (("good", {True: "pass", False: "fail"}), ("yes", {True: "pass", False: "pass"}))
        for truth, verdict in verdicts.items()
        for _ in range(30)
    ]
    ended = surefoot(
        tmp_path, "judge", "calibrate", labelled(tmp_path, *rows), "--passed", "24", "--of", "30", "--json"
    )
    good, yes = ended.json["judges"]
    assert (ended.code, good["trust"], yes["trust"]) == (1, "usable", "unusable")
    assert good["asked"]["corrected"]["rate"] == pytest.approx(0.8)
    assert yes["asked"]["corrected"] is None


def test_no_labelled_case_decides_nothing(tmp_path):
    """An empty file is not decided."""
    assert surefoot(tmp_path, "judge", "calibrate", labelled(tmp_path)).code == 2


@pytest.mark.parametrize(
    "row",
    [{"verdict": "pass"}, {"truth": None, "verdict": "pass"}, {"truth": "maybe", "verdict": "pass"}, {"truth": True}],
)
def test_a_case_without_truth_is_refused_with_its_line(tmp_path, row):
    """What is not known to be true or false calibrates nothing."""
    ended = surefoot(tmp_path, "judge", "calibrate", labelled(tmp_path, {"truth": True, "verdict": "pass"}, row))
    assert ended.code == 3
    assert "labelled.jsonl:2:" in ended.err


def run(root: Path, script: Script, *words: str, outcomes: tuple[str, ...] = ("success", "failure")):
    with serving(script) as url:
        where = ("--rubric", "relevance", "--model", "m", "--base-url", url, "--tries", "1", "--concurrency", "1")
        return surefoot(root, "judge", "run", traces(root, *outcomes), *where, *words)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(said(5)), 0),
        (Script(said(5), said(1)), 1),
        (Script(said(5), "prose"), 2),
        (Script("prose"), 2),
        (Script(429), 2),
    ],
)
def test_run_ends_as_its_worst_run(tmp_path, script, code):
    """A fail is 1; what could not be judged is not decided; only runs that all pass are 0."""
    assert run(tmp_path, script).code == code


def test_a_run_without_an_answer_is_skipped_without_a_call_and_leaves_it_open(tmp_path):
    """It counts in no limit of calls, and what some runs lacked keeps the others from being all that was asked."""
    path = traces(tmp_path, "success", "failure", "success")
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    lines[0]["response"] = None
    Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with serving(Script(said(5))) as url:
        where = ("--rubric", "relevance", "--model", "m", "--base-url", url, "--tries", "1", "--concurrency", "1")
        ended = surefoot(tmp_path, "judge", "run", path, *where, "--max-calls", "2", "--json")
    found = ended.json
    assert (ended.code, found["passed"], found["skipped"], found["stopped"]) == (2, 2, 1, "")
    assert found["spent"]["calls"] == 2


def test_no_run_is_not_decided(tmp_path):
    """Nothing judged is never a pass; nor is a cap that ends it early."""
    assert run(tmp_path, Script(said(5)), outcomes=()).code == 2
    capped = run(tmp_path, Script(said(5)), "--max-calls", "1", "--json")
    assert (capped.code, capped.json["not_reached"], "limit of 1 calls" in capped.json["stopped"]) == (2, 1, True)


def test_what_run_writes_calibrates(tmp_path):
    """The lines of a run with known outcomes are labelled cases; prose is outside the vocabulary there."""
    out = tmp_path / "verdicts.jsonl"
    script = Script(lambda body: said(5 if "success" in body["messages"][1]["content"] else 1))
    outcomes = ("success", "failure") * 20
    ended = run(tmp_path, script, "--truth", "--out", str(out), "--json", outcomes=outcomes)
    assert (ended.code, ended.json["passed"], ended.json["spent"]["tokens"]) == (1, 20, 40 * 110)
    found = surefoot(tmp_path, "judge", "calibrate", str(out), "--json")
    (judge,) = found.json["judges"]
    assert (found.code, judge["trust"], judge["judge"]) == (0, "usable", ended.json["judge"])


@pytest.mark.parametrize("words", [("--votes", "2"), ("--threshold", "9"), ("--rubric", "beauty")])
def test_a_judge_that_cannot_be_is_refused(tmp_path, words):
    """Wrong usage is 3, before anything is asked."""
    script = Script(said(5))
    assert run(tmp_path, script, *words).code == 3
    assert script.bodies == []


SUITE = """
agent: bot
judge: {model: m, base_url_env: JUDGE_URL}
cases: [{id: a, request: Where?}, {id: b, request: When?}]
evaluators:
  - {kind: judge, rubric: relevance}
  - {kind: judge, rubric: groundedness}
"""


def project(root: Path) -> Path:
    (root / "evals").mkdir()
    (root / "evals/s.yaml").write_text(SUITE)
    (root / "agents/bot").mkdir(parents=True)
    (root / "agents/bot/v1.yaml").write_text(
        "model: local/x\nprompt: {system: Be brief.}\nexecutor: {kind: python, callable: 'judged_bot:answer'}\n"
    )
    (root / "judged_bot.py").write_text("def answer(version, request, ctx):\n    return 'In Graz.'\n")
    return root


@pytest.mark.parametrize(
    ("script", "code", "scored", "errors"),
    [(Script(said(5)), 2, 2, 0), (Script(said(1)), 1, 2, 0), (Script("prose"), 2, 0, 2)],
)
def test_judges_score_a_suite(tmp_path, monkeypatch, script, code, scored, errors):
    """Judges count like any evaluator: a fail fails, errors and skipped cases leave it open, and each has a judge."""
    with serving(script) as url:
        monkeypatch.setenv("JUDGE_URL", url)
        out = tmp_path / "scores.json"
        ended = surefoot(project(tmp_path), "eval", "run", "s", "--version", "v1", "--scores", str(out))
    assert ended.code == code, ended.err
    table = json.loads(out.read_text())
    relevance, grounded = table["columns"]["relevance"], table["columns"]["groundedness"]
    counts = [tuple(map(int, sample)) for sample in relevance["samples"].values()]
    assert (sum(sample[0] for sample in counts), sum(sample[3] for sample in counts)) == (scored, errors)
    assert [int(sample[4]) for sample in grounded["samples"].values()] == [1, 1]
    assert all(name.startswith("relevance/m@") for name in relevance["judges"])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I would say sk-hidden it is quite good!", "it is no JSON; it answered: I would say *** it is quite good!"),
        (said(9), "the score is not from 1 to 5"),
        ('{"reason": "r", "score": NaN}', "NaN is no number"),
        (429, "answered 429"),
    ],
)
def test_why_a_judge_gave_no_score_is_told_wherever_the_run_is(tmp_path, monkeypatch, answer, why):
    """Text, JSON, JUnit and `eval show` name the reason with its count; the errors are counted, and no key is shown."""
    root, junit = project(tmp_path), tmp_path / "junit.xml"
    suite = SUITE.replace("JUDGE_URL}", "JUDGE_URL, api_key_env: JUDGE_KEY}") + "tries: 1\n"
    (root / "evals/s.yaml").write_text(suite)
    monkeypatch.setenv("JUDGE_KEY", "sk-hidden")
    words = ("eval", "run", "s", "--version", "v1")
    with serving(Script(answer)) as url:
        monkeypatch.setenv("JUDGE_URL", url)
        plain = surefoot(root, *words, "--junit", str(junit))
        asked = surefoot(root, *words, "--json").json
    shown = surefoot(root, "eval", "show", "s", "--json").json
    (lack,) = asked["evaluator_errors"]
    assert (plain.code, asked["errors"], lack["metric"], lack["count"]) == (2, 2, "relevance", 2)
    (ruling,) = (one for one in asked["rulings"] if one["metric"] == "relevance")
    everywhere = [" ".join(plain.out.split()), lack["reason"], ruling["reason"], junit.read_text()]
    everywhere += [" ".join(surefoot(root, "eval", "show", "s").out.split()), shown["evaluator_errors"][0]["reason"]]
    assert [why in text for text in everywhere] == [True] * 6
    assert "; 2 errors;" in everywhere[0]
    assert not any("sk-hidden" in text for text in everywhere)


def test_a_suite_whose_judge_has_no_address_is_refused(tmp_path, monkeypatch):
    """A variable that is not set is wrong usage, with its name."""
    monkeypatch.delenv("JUDGE_URL", raising=False)
    ended = surefoot(project(tmp_path), "eval", "run", "s", "--version", "v1")
    assert (ended.code, "JUDGE_URL" in ended.err) == (3, True)

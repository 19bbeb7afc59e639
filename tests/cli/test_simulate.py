"""`surefoot rollout simulate`: a forecast that can be repeated, and mistakes that are found before the work."""

from __future__ import annotations

import json

import pytest

from tests.cli.projects_with_rollouts import bot_project
from tests.cli.terminal import surefoot
from tests.config.projects import contents, put

SMALL = ["--rollouts", "4", "--requests", "2000", "--workers", "1", "--drops", "40"]


def traces(root, name, failures, **more):
    """A file of fifty recorded runs."""
    lines = [
        {"trace_id": f"t{i}", "request": "hi", "outcome": "failure" if i < failures else "success", **more}
        for i in range(50)
    ]
    return put(root, name, "".join(json.dumps(line) + "\n" for line in lines))


def forecast(root, *words):
    """A forecast for a plan that looks at success alone."""
    put(root, "p.yaml", "checks: [{metric: success, margin: 0.1}]\nstages: [{share: 20%}, {share: 100%}]\n")
    return surefoot(root, "rollout", "simulate", str(root / "p.yaml"), *SMALL, *words)


def test_a_forecast_says_what_harm_costs(tmp_path):
    """Nothing changed: hardly ever back. Forty points worse: always back, and fewer users met it."""
    same, worse = forecast(tmp_path, "--json").json["cases"]
    assert (same["case"], same["rolled_back"]) == ("no change", 0)
    assert (worse["case"], worse["rolled_back"], worse["promoted"]) == ("success 40 points worse", 4, 0)
    assert worse["exposed"]["median"] < same["exposed"]["median"]
    assert worse["culprits"] == ["success"]


def test_detection_is_told_apart_from_duration(tmp_path):
    """Until the rollback, of those rolled back; until the promotion, of those promoted; a dash where there was none."""
    same, worse = forecast(tmp_path, "--json").json["cases"]
    assert (same["detection"], worse["promotion"]) == (None, None)
    assert sorted(worse["detection"]) == ["exposed", "failures", "hours", "requests"]
    assert 0 < worse["detection"]["hours"]["median"] <= worse["detection"]["hours"]["p90"]
    assert worse["detection"]["exposed"] == worse["exposed"]
    assert same["promotion"]["hours"]["median"] > worse["detection"]["hours"]["p90"]
    shown = [line.split() for line in forecast(tmp_path).out.splitlines()]
    assert ["no", "change", "0", "of", "4", "-", "-", "-", "-"] in shown
    [row] = [line for line in shown if line[:3] == ["success", "40", "points"] and "of" in line]
    assert "-" not in row


def test_the_same_seed_gives_the_same_forecast(tmp_path):
    """Word for word, however many processes work at it."""
    once = forecast(tmp_path, "--seed", "7").out
    assert forecast(tmp_path, "--seed", "7", "--workers", "2").out == once
    assert "4 rollouts each of 20 % > 100 %" in once
    assert "at most 5% of rollouts are taken back when nothing changed; here it was 0 of 4" in once


def test_recorded_runs_are_what_is_simulated(tmp_path):
    """Own traces replace the made-up agent, and the recorded candidate is a case of its own."""
    old, new = traces(tmp_path, "old.jsonl", 2), traces(tmp_path, "new.jsonl", 40)
    ended = forecast(tmp_path, "--stable", str(old), "--candidate", str(new), "--json")
    assert [case["case"] for case in ended.json["cases"]][-1] == "the recorded candidate"
    assert ended.json["cases"][-1]["rolled_back"] == 4


def test_both_versions_may_stand_in_one_file(tmp_path):
    """--agent A,B takes stable's and the candidate's runs from the same file."""
    both = (
        traces(tmp_path, "a.jsonl", 2, agent="a").read_text() + traces(tmp_path, "b.jsonl", 40, agent="b").read_text()
    )
    file = put(tmp_path, "both.jsonl", both)
    assert forecast(tmp_path, "--stable", str(file), "--agent", "a,b", "--json").json["cases"][-1]["rolled_back"] == 4
    assert "holds no run of c" in forecast(tmp_path, "--stable", str(file), "--agent", "c").err
    empty = put(tmp_path, "empty.jsonl", "\n")
    said = forecast(tmp_path, "--stable", str(empty)).err
    assert ("holds no run\n" in said, "record runs" in said) == (True, True)


def test_a_plot_is_drawn(tmp_path):
    """--plot writes a picture and says where: how rollouts ended, what noticing costs, how long it takes."""
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    picture = tmp_path / "forecast.svg"
    assert f"drawn in {picture}" in forecast(tmp_path, "--plot", str(picture)).out
    drawn = picture.read_text()
    assert "<svg" in drawn
    for said in ("How the rollouts ended", "What noticing costs", "How long it takes", "no change", "-"):
        assert f"<!-- {said} -->" in drawn


MISTAKES = {
    "no such plan": (["canery"], "unknown plan 'canery'"),
    "no sizes": (["canary", "--drops", "many"], "not a list of sizes"),
    "a drop of nothing": (["canary", "--drops", "0"], "not a list of sizes"),
    "more than there is": (["canary", "--drops", "99"], "cannot drop by 99 points"),
    "no such metric": (["canary", "--metric", "sucess"], "unknown metric 'sucess'"),
    "half a comparison": (["canary", "--candidate", "new.jsonl"], "--candidate without --stable"),
    "no such file": (["canary", "--stable", "none.jsonl"], "none.jsonl"),
    "no picture": (["canary", "--plot", "forecast.exe"], "is no picture"),
    "no folder": (["canary", "--plot", "nowhere/forecast.svg"], "no such folder"),
    "nothing to decide": (["manual"], "nothing to simulate"),
    "no rollouts": (["canary", "--rollouts", "0"], "--rollouts"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_before_the_work(mistake, tmp_path):
    """Code 2, an error and a hint, and no file is written."""
    words, message = MISTAKES[mistake]
    root = bot_project(tmp_path)
    before = contents(root)
    ended = surefoot(root, "rollout", "simulate", *words)
    assert (ended.code, ended.out, message in ended.err, "hint: " in ended.err) == (2, "", True, True)
    assert contents(root) == before


def test_a_recording_without_one_success_is_said(tmp_path):
    """Every run failed, because success is spelt otherwise: the file, the line and the word are told."""
    old, new = traces(tmp_path, "old.jsonl", 2), traces(tmp_path, "new.jsonl", 0)
    new.write_text(new.read_text().replace("success", "Success"))
    ended = forecast(tmp_path, "--stable", str(old), "--candidate", str(new), "--json")
    assert ended.json["cases"][-1]["rolled_back"] == 4
    assert f"warning: {new}:1:outcome: 'Success' counts as a failure (50 run(s))" in ended.err
    assert f"warning: {new}: not one success: all 50 run(s)" in ended.err
    assert len(ended.json["warnings"]) == 2
    assert forecast(tmp_path, "--stable", str(old)).err == ""


def test_what_lint_refuses_is_refused_or_said(tmp_path):
    """One id on two lines ends it; numbers that cannot be are named with their lines, and count as not recorded."""
    twice = put(tmp_path, "twice.jsonl", '{"trace_id": "t", "request": "x", "outcome": "success"}\n' * 2)
    ended = forecast(tmp_path, "--stable", str(twice))
    assert (ended.code, f"{twice}:2:trace_id" in ended.err) == (2, True)
    wrong = traces(tmp_path, "wrong.jsonl", 2, latency_ms=-5)
    said = forecast(tmp_path, "--stable", str(wrong)).err
    assert f"warning: {wrong}:1:latency_ms: -5.0 cannot be, so it counts as not recorded" in said
    assert said.count("warning: ") == 4
    assert "47 more numbers that cannot be" in said


BROKEN = {
    "no JSON": ("{not json", "no JSON"),
    "null where text is needed": ('{"trace_id": null, "request": "x"}', "trace_id"),
    "text where a number is needed": ('{"trace_id": "t", "request": "x", "latency_ms": "fast"}', "latency_ms"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_trace_is_named_with_its_line(case, tmp_path):
    """File, line and what is wrong with it; nothing is simulated without it."""
    line, message = BROKEN[case]
    file = put(tmp_path, "old.jsonl", '{"trace_id": "t", "request": "x", "cost_tokens": null}\n' + line + "\n")
    ended = forecast(tmp_path, "--stable", str(file))
    assert (ended.code, ended.out) == (2, "")
    assert f"error[trace]: {file}:2" in ended.err
    assert message in ended.err
    assert "left out" not in ended.err

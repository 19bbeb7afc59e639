"""Two versions on one tape, in real processes: what is shown, what is kept, what a death costs."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

import surefoot
from surefoot.adapters.distributed.process_workers import InProcess, ProcessWorkers
from surefoot.adapters.reports.replay_rows import why_it_ended
from surefoot.app.replay_parts import ReplaySpec
from surefoot.app.replaying import kept_results, planned_replay
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import ToolSpec
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.gate_kinds import Gates, RegressionGate
from surefoot.core.proof.replay import Level, Outcome
from surefoot.core.proof.score import Result
from surefoot.core.proof.tape import schema_digest
from surefoot.errors import ArtifactError, StoreUnavailable, UnknownName, UsageError
from surefoot.ports.workers import Lost
from surefoot.store.results import MemoryResults
from tests.service.replay_projects import project, tape_line, write_tape


def replayed(root, candidate, baseline="good", level=Level.RUN, tape="tape.jsonl", **spec):
    """In this process, and nothing is kept."""
    plan = planned_replay(
        root / tape, ReplaySpec(root=root, level=level, **spec), baseline=baseline, candidate=candidate
    )
    return plan.run(workers=InProcess(), results=MemoryResults())


def kinds(found):
    return dict(found.candidate_totals.misuse)


def outcomes(totals):
    return {outcome: count for outcome, count in totals.outcomes.items() if count}


def test_a_version_against_itself_has_nothing_to_report(tmp_path):
    """The same function on the same tape: every run passes, exactly as recorded, and the gates pass."""
    found = replayed(project(tmp_path), "good")
    assert found.gates.decision is Decision.PASSED
    assert (outcomes(found.candidate_totals), found.candidate_totals.fidelity) == ({Outcome.PASS: 12}, 1.0)
    assert not any(row.is_changed for row in found.rows)


def test_what_a_careless_version_does_is_found(tmp_path):
    """A second refund is a duplicate write, an unrecorded one leaves the tape, and one too few is missing."""
    root = project(tmp_path)
    greedy, lazy = replayed(root, "greedy"), replayed(root, "lazy")
    assert kinds(greedy) == {"duplicate_write": 11}
    assert outcomes(greedy.candidate_totals) == {Outcome.PASS: 11, Outcome.DIVERGED: 1}
    assert kinds(lazy) == {"missing_call": 12}
    assert outcomes(lazy.candidate_totals) == {Outcome.FAIL: 12}
    assert greedy.gates.decision is lazy.gates.decision is Decision.FAILED


def test_a_fake_world_judges_by_what_is_different_at_its_end(tmp_path):
    """Refunding twice leaves another world than the recorded run did, whatever was answered."""
    root = project(tmp_path)
    same = replayed(root, "good", level=Level.WORLD, world="w3_agent:Shop")
    twice = replayed(root, "greedy", level=Level.WORLD, world="w3_agent:Shop")
    assert outcomes(same.candidate_totals) == {Outcome.PASS: 12}
    assert outcomes(twice.candidate_totals) == {Outcome.FAIL: 12}


def test_rules_of_a_file_are_held_against_every_run(tmp_path):
    """What has to be read first, what is denied and what is required, by a file."""
    root = project(tmp_path)
    (root / "rules.yaml").write_text(
        "tools:\n  refund: {requires: [approve], denied: {properties: {amount: {minimum: 5}}, required: [amount]}}\n"
        "required: [log]\n",
        encoding="utf-8",
    )
    found = replayed(root, "good", rules=root / "rules.yaml")
    assert kinds(found) == {"denied_arguments": 12, "missing_call": 12, "missing_read": 12}


def test_a_stale_tape_is_counted_and_left_out(tmp_path):
    """A recording made with another schema of a tool proves nothing about this one."""
    root = project(tmp_path)
    lines = [tape_line(number) for number in range(12)]
    digest = schema_digest(ToolSpec(name="refund", arguments=canonical({"type": "object"})))
    for line in lines[:2]:
        line["tool_calls"][1]["schema"] = digest
    write_tape(root / "tape.jsonl", lines)
    found = replayed(root, "good")
    assert outcomes(found.candidate_totals) == {Outcome.PASS: 10, Outcome.STALE: 2}
    assert found.gates.decision is Decision.PASSED


def test_why_a_run_raised_is_shown_once(tmp_path):
    """Two of its scores say it, a person reads it once; and errors alone decide nothing."""
    found = replayed(project(tmp_path), "broken")
    assert {why_it_ended(row.candidate) for row in found.rows} == {"ValueError: no such thing; missing_call: refund"}
    assert found.exit_code == 2
    assert found.gates.rulings[-1].reason.startswith("every run of the candidate ended in an error")


@pytest.mark.parametrize("gates", [None, Gates(gates=(RegressionGate(name="success", metric="success"),))])
def test_a_process_that_dies_costs_the_run_that_it_died_of(tmp_path, gates):
    """Neither its neighbours nor the baseline pay for it; it is no success, and no share of good runs is a pass."""
    root = project(tmp_path)
    asked = {"baseline": "good", "candidate": "deadly", "project": root, "workers": 2, "gates": gates}
    found = surefoot.replay(root / "tape.jsonl", **asked)
    assert outcomes(found.baseline_totals) == {Outcome.PASS: 12}
    assert outcomes(found.candidate_totals) == {Outcome.PASS: 11, Outcome.ERROR: 1}
    assert found.candidate_totals.success == pytest.approx(11 / 12)
    (row,) = (row for row in found.rows if row.is_changed)
    assert row.case == "t003"
    assert why_it_ended(row.candidate) == "its process died 2 times (exit code 7)"
    assert found.gates.decision is Decision.UNDECIDED
    assert "t003: its process died 2 times (exit code 7)" in found.gates.rulings[-1].reason


def test_two_versions_that_die_alike_are_told_apart_from_none(tmp_path):
    """A trace that kills both is a failure of both, and the candidate is no worse for it."""
    root = project(tmp_path)
    twin = (root / "agents" / "shop" / "deadly.yaml").read_text(encoding="utf-8").replace("prompt: ", "prompt: a ")
    (root / "agents" / "shop" / "twin.yaml").write_text(twin, encoding="utf-8")
    found = surefoot.replay(root / "tape.jsonl", baseline="deadly", candidate="twin", project=root, workers=2)
    assert outcomes(found.baseline_totals) == outcomes(found.candidate_totals) == {Outcome.PASS: 11, Outcome.ERROR: 1}
    assert "the process survives" not in {ruling.gate for ruling in found.gates.rulings}


def test_a_run_that_hangs_is_ended(tmp_path):
    """Its process is killed after the time that it has; the replay goes on, and the baseline is not harmed."""
    root = project(tmp_path, count=2)
    asked = {"baseline": "good", "candidate": "hanging", "project": root, "workers": 1}
    found = surefoot.replay(root / "tape.jsonl", timeout=1.5, **asked)
    assert found.exit_code == 2
    assert outcomes(found.baseline_totals) == {Outcome.PASS: 2}
    assert {why_it_ended(row.candidate) for row in found.rows} == {"it was not done after 1.5 s"}


def test_a_run_that_exits_fails_alone(tmp_path):
    """`sys.exit` in an agent ends its run and not its process; what it prints is not printed among the results."""
    root = project(tmp_path)
    words = ["--traces", str(root / "tape.jsonl"), "--baseline", "good", "--candidate", "leaving", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "surefoot.cli", "--project", str(root), "replay", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["candidate"]["outcomes"]["error"] == 12
    assert "about to leave" in done.stderr


def test_processes_and_this_process_find_the_same(tmp_path):
    """Where it runs changes nothing that is found."""
    root = project(tmp_path)
    one = replayed(root, "greedy")
    other = surefoot.replay(root / "tape.jsonl", baseline="good", candidate="greedy", project=root, workers=2)
    assert stable(other) == stable(one)


def stable(found):
    """Everything but the time that a function took."""
    return [
        [(score.metric, score.value, score.reason) for score in result.scores if "latency" not in score.metric]
        for row in found.rows
        for result in (row.baseline, row.candidate)
    ]


@pytest.mark.slow
def test_ray_finds_the_same(tmp_path, monkeypatch):
    """A cluster on this machine gives the results that processes give."""
    pytest.importorskip("ray", reason="surefoot[ray] is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(surefoot.__file__).parents[1]), str(tmp_path)]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    root = project(tmp_path)
    other = surefoot.replay(root / "tape.jsonl", baseline="good", candidate="greedy", project=root, on="ray", workers=2)
    assert stable(other) == stable(replayed(root, "greedy"))


PROGRAM = """
import sys, surefoot
surefoot.replay(sys.argv[1] + "/tape.jsonl", baseline="good", candidate="lazy", project=sys.argv[1], workers=1,
                resume=True)
"""
"""Without asking whether it is `__main__`: workers must not run it again."""


def test_a_killed_replay_goes_on_where_it_was(tmp_path):
    """kill -9, then the same again: what was kept is not made again, and the verdict is that of one whole replay."""
    root = project(tmp_path, count=150)
    script = root / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    process = subprocess.Popen([sys.executable, str(script), str(root)], stderr=subprocess.DEVNULL)
    kept = 0
    with closing(kept_results(root)) as results:
        while not kept and process.poll() is None:
            Event().wait(0.005)
            kept = sum(len(results.finished(run.id)) for run in results.runs())
        process.send_signal(signal.SIGKILL)
        process.wait()
        (run,) = results.runs()
        before = results.finished(run.id)
    assert 0 < len(before) < 300
    spec = ReplaySpec(root=root, level=Level.RUN)
    told = []
    with closing(kept_results(root)) as results:
        plan = planned_replay(root / "tape.jsonl", spec, baseline="good", candidate="lazy", resume=results)
        found = plan.run(workers=InProcess(), results=results, told=told.append)
    assert told[-1].done == 300 - len(before)
    assert stable(found) == stable(replayed(root, "lazy"))


class FullDisk(MemoryResults):
    """A disk with room for one batch."""

    def append(self, run: str, results: Sequence[Result]) -> None:
        if list(self.results(run)):
            raise StoreUnavailable("the disk is full", hint="make room")
        super().append(run, results)


def test_a_full_disk_is_an_error_and_no_verdict(tmp_path):
    """What cannot be kept is not counted: there is an error, and never a pass."""
    root = project(tmp_path)
    plan = planned_replay(
        root / "tape.jsonl", ReplaySpec(root=root, level=Level.RUN), baseline="good", candidate="good"
    )
    with pytest.raises(StoreUnavailable):
        plan.run(workers=InProcess(), results=FullDisk())


def test_a_disk_that_is_really_full_ends_the_command_with_4(tmp_path):
    """The operating system's refusal arrives as the exit code of infrastructure."""
    root = project(tmp_path)
    words = ["--traces", str(root / "tape.jsonl"), "--baseline", "good", "--candidate", "good", "--level", "policy"]
    done = subprocess.run(
        [sys.executable, "-m", "surefoot.cli", "--project", str(root), "replay", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384)),
    )
    assert done.returncode == 4, done.stderr
    assert "passed" not in done.stdout


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"candidate": "goood"}, UnknownName, "goood"),
        ({"level": Level.STEP}, UsageError, "next action"),
        ({"level": Level.WORLD}, UsageError, "--world"),
        ({"level": Level.WORLD, "world": "w3_agent:nothing"}, ArtifactError, "the world, w3_agent:nothing"),
        ({"candidate": "recorded:nobody"}, UsageError, "no run of 'nobody'"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_hint(given, error, says, tmp_path):
    """A wrong name, a level without what it needs: said before a verdict could be made of it."""
    with pytest.raises(error, match=says):
        replayed(project(tmp_path), **{"candidate": "good", **given})


def _fails(job: int) -> int:
    if job == 2:
        raise UsageError("no such thing", hint="look")
    if job == 3:
        os._exit(9)
    return job * 10


def test_an_error_of_a_job_reaches_whoever_asked():
    """What a function refuses in another process is refused here, with its hint; jobs whose worker died are lost."""
    with pytest.raises(UsageError, match="no such thing"):
        list(ProcessWorkers(2).run(_fails, [1, 2]))
    found = {one.job: one.answer for one in ProcessWorkers(2).run(_fails, [0, 1, 3])}
    assert (found[0], found[1]) == (0, 10)
    assert isinstance(found[3], Lost)


@pytest.mark.real_data
def test_the_fine_tune_succeeds_more_often_and_breaks_its_token_budget(shared_data, tmp_path):
    """tau2 telecom, gpt-4.1 to its fine-tune: success 0.45 to 0.75, and the budget of tokens fails."""
    path = shared_data / "tau2-bench/traces/telecom.gpt-4.1_vs_sft.jsonl"
    found = surefoot.replay(
        path,
        baseline="recorded:gpt-4.1",
        candidate="recorded:ft-gpt-4.1-sft",
        project=tmp_path,
        max_cost_tokens=200_000,
    )
    decisions = {ruling.gate: ruling.decision for ruling in found.gates.rulings}
    assert (found.baseline_totals.success, found.candidate_totals.success) == (0.45, 0.75)
    assert decisions["success is no worse"] is Decision.PASSED
    assert decisions["tokens within budget"] is decisions["token_overrun is no worse"] is Decision.FAILED
    assert found.exit_code == 1


@pytest.mark.real_data
def test_hallucinated_tools_of_real_runs_are_misuse(shared_data, tmp_path):
    """AgentDojo workspace at the policy level: names that the environment does not have are found, in both versions."""
    path = shared_data / "agentdojo/traces/workspace.important_instructions.jsonl"
    asked = {"baseline": "recorded:gpt-4o-2024-05-13", "project": tmp_path, "level": "policy"}
    found = surefoot.replay(path, candidate="recorded:gpt-4o-2024-05-13-repeat_user_prompt", **asked)
    same = surefoot.replay(path, candidate="recorded:gpt-4o-2024-05-13", **asked)
    assert (found.baseline_totals.misuse["forbidden_tool"], kinds(found)["forbidden_tool"]) == (1, 2)
    said = json.dumps([score.reason for row in found.rows for score in (row.candidate.scores if row.candidate else ())])
    assert "search_files_by_content" in said
    assert (same.exit_code, sum(row.is_changed for row in same.rows)) == (0, 0)

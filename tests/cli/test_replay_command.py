"""`surefoot replay`: one verdict as a table, as JSON, as JUnit and as a page, and an exit code that CI can trust."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree as ET

import pytest

from surefoot.adapters.reports.documents import GateDocument, ScoresDocument, documents_under
from tests.cli.terminal import surefoot
from tests.service.replay_projects import project, tape_line, write_tape


def replay(root, candidate="greedy", *words, level="run"):
    return surefoot(
        root, "replay", "--traces", str(root / "tape.jsonl"), "--baseline", "good", "--candidate", candidate,
        "--level", level, *words,
    )  # fmt: skip


def test_both_versions_stand_side_by_side(tmp_path):
    """The table has both totals, what changed with its reason, each gate with its own, and the verdict last."""
    ended = replay(project(tmp_path), "greedy", "--max-cost-tokens", "200")
    assert ended.code == 1
    for part in ("good", "greedy", "diverged", "duplicate_write", "token overruns", "refund was not", "FAILED"):
        assert part in ended.out.replace("(write) was", "was")
    assert ended.out.rstrip().endswith("FAILED: greedy against good")


def test_every_report_says_the_same(tmp_path):
    """JSON, JUnit, the documents that later steps read and the page agree on the verdict."""
    root = project(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    files = ("--out", str(out / "replay.json"), "--junit", str(out / "r.xml"), "--html", str(out / "r.html"))
    ended = replay(root, "greedy", *files, "--json")
    assert (ended.code, ended.json["decision"], ended.json["exit_code"]) == (1, "failed", 1)
    assert len(ended.json["traces"]) == 12
    gate, scores = sorted(documents_under(out), key=lambda document: type(document).__name__)
    assert isinstance(gate, GateDocument)
    assert gate.gate.decision.value == "failed"
    assert isinstance(scores, ScoresDocument)
    assert scores.baseline is not None
    suites = ET.parse(out / "r.xml").getroot()  # noqa: S314 - written above
    assert suites.find("testsuite/testcase/failure") is not None
    page = (out / "r.html").read_text(encoding="utf-8")
    assert "duplicate_write" in page
    assert "<svg" in page


def test_nothing_that_changed_is_said_in_one_line(tmp_path):
    """A version against itself passes, and there is nothing to read."""
    ended = replay(project(tmp_path), "good")
    assert ended.code == 0
    assert "nothing to report" in ended.out


@pytest.mark.parametrize("candidate", ["broken", "lazy"])
def test_a_baseline_that_does_not_work_decides_nothing(tmp_path, candidate):
    """Where every run of the baseline raises, nothing is worse: that is said, and it is no pass."""
    root = project(tmp_path)
    tape = ("replay", "--traces", str(root / "tape.jsonl"))
    ended = surefoot(root, *tape, "--baseline", "broken", "--candidate", candidate)
    assert (ended.code, "nothing to report" in ended.out) == (2, False)
    assert "every run of the baseline ended in an error" in " ".join(ended.out.split())


def test_a_finished_replay_of_code_is_made_again(tmp_path):
    """--resume rests on runs: what a function reads may have changed; a run half made is gone on with."""
    root = project(tmp_path)
    assert "24 replayed, 0 there before" in replay(root, "good").out
    assert "24 replayed, 0 there before" in replay(root, "good", "--resume").out
    words = ("replay", "--traces", str(root / "tape.jsonl"), "--resume", "--level", "policy", "--json")
    recorded = put_recorded(root)
    for made, before in ((24, 0), (0, 24)):
        told = surefoot(root, *words, "--baseline", recorded, "--candidate", recorded).json
        assert (told["made"], told["before"]) == (made, before)


def put_recorded(root):
    """The name of a recording of an agent that runs no code."""
    write_tape(root / "tape.jsonl", [tape_line(n, agent="shop") for n in range(12)])
    return "recorded:shop"


def test_a_page_shows_what_a_trace_says_as_text(tmp_path):
    """Markup in a recording, or in an agent's name, is never markup on the page; nothing is fetched."""
    root = project(tmp_path)
    evil = "<script>alert(1)</script>"
    lines = [tape_line(n, trace_id=f"{evil}{n}", agent=f"<img src=x>{evil}", response=evil) for n in range(3)]
    write_tape(root / "tape.jsonl", lines)
    name = f"recorded:<img src=x>{evil}"
    words = ["--baseline", name, "--candidate", name, "--html", str(root / "r.html")]
    surefoot(root, "replay", "--traces", str(root / "tape.jsonl"), *words)
    page = (root / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--candidate", "nobody"], 3),
        (["--level", "step"], 3),
        (["--on", "moon"], 3),
        (["--traces", "/nowhere.jsonl"], 3),
        (["--html", "/dev/full"], 4),
        (["--rules", "/nowhere.yaml"], 3),
        (["--gates", "/nowhere.yaml"], 3),
        (["--key-file", "/nowhere.key"], 3),
        (["--pool", "/nowhere.jsonl"], 3),
    ],
)
def test_what_cannot_be_done_is_neither_failed_nor_passed(words, code, tmp_path):
    """Wrong words end with 3, a disk that refuses with 4."""
    root = project(tmp_path, count=2)
    ended = replay(root, "good", *words)
    assert ended.code == code
    assert "hint" in ended.err


@pytest.mark.parametrize(("text", "code"), [("", 2), ("{", 3), ("\xff\xfe", 3)])
def test_a_file_without_a_whole_trace_is_no_pass(text, code, tmp_path):
    """Empty (nothing was executed), torn, or no UTF-8: an error that names the file."""
    root = project(tmp_path)
    (root / "tape.jsonl").write_bytes(text.encode("latin-1"))
    ended = replay(root, "good")
    assert ended.code == code
    assert "tape.jsonl" in ended.err


def test_runs_that_all_fail_to_run_are_not_decided(tmp_path):
    """A candidate without a recorded run of any task executed nothing: 2, never 0."""
    root = project(tmp_path)
    lines = [tape_line(n, agent="one", task_id=f"a{n}") for n in range(12)]
    lines += [tape_line(n + 50, agent="two", task_id=f"b{n}") for n in range(12)]
    write_tape(root / "tape.jsonl", lines)
    words = ["--baseline", "recorded:one", "--candidate", "recorded:two"]
    ended = surefoot(root, "replay", "--traces", str(root / "tape.jsonl"), *words)
    assert ended.code == 2
    assert "NOT DECIDED" in ended.out


def test_a_latency_that_was_not_recorded_is_told(tmp_path):
    """Null is neither within the budget nor over it, so a budget on it is not decided."""
    root = project(tmp_path)
    write_tape(root / "tape.jsonl", [tape_line(n, latency_ms=None, agent="one") for n in range(12)])
    words = ["--baseline", "recorded:one", "--candidate", "recorded:one", "--max-latency-ms", "500"]
    ended = surefoot(root, "replay", "--traces", str(root / "tape.jsonl"), *words)
    assert ended.code == 2
    assert "not recorded" in ended.out


class _Model(BaseHTTPRequestHandler):
    """Finds the order, refunds it, answers; version 2 refunds too much."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        order = next(m["content"] for m in body["messages"] if m["role"] == "user")
        turn = sum(m["role"] == "tool" for m in body["messages"])
        amount = 5 if body["model"] == "model-1" else 500
        wanted = [("find", {"order": order}), ("refund", {"order": order, "amount": amount})]
        message = {"content": "done"}
        if turn < len(wanted) and not body["model"].startswith("prose"):
            name, arguments = wanted[turn]
            call = {"id": "x", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            message = {"content": None, "tool_calls": [call]}
        usage = {"prompt_tokens": 10, "completion_tokens": 2}
        answer = json.dumps({"choices": [{"message": message}], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):
        """Nothing on standard error."""


@contextmanager
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Model) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def asked(root, baseline, candidate, level):
    """A replay of two models behind one endpoint."""
    with endpoint() as url:
        for label in (baseline, candidate):
            text = (root / "agents/shop/good.yaml").read_text(encoding="utf-8").replace("model-1", label)
            executor = f"executor: {{kind: openai, base_url: {url}}}\n"
            text = text[: text.index("executor:")] + executor
            (root / f"agents/shop/{label}.yaml").write_text(text, encoding="utf-8")
        words = ["--baseline", baseline, "--candidate", candidate, "--level", level, "--json", "--workers", "1"]
        return surefoot(root, "replay", "--traces", str(root / "tape.jsonl"), *words)


@pytest.mark.parametrize("candidate", ["prose-2", "model-1"])
def test_a_baseline_that_calls_no_tool_where_tools_were_called_decides_nothing(candidate, tmp_path):
    """An endpoint that passes no tools on makes every step prose, for both versions alike: 2, and where to look."""
    ended = asked(project(tmp_path), "prose-1", candidate, "step")
    assert ended.code == 2, ended.out + ended.err
    assert "look whether the endpoint passes tools on" in ended.out


@pytest.mark.parametrize(
    ("level", "code", "said"), [("run", 2, "refund (write) was not recorded"), ("step", 1, "refund instead of refund")]
)
def test_a_model_is_replayed_through_its_endpoint(level, code, said, tmp_path):
    """Any OpenAI-compatible endpoint: whole runs through the tape, and single decisions after the recorded ones."""
    ended = asked(project(tmp_path), "model-1", "model-2", level)
    assert ended.code == code, ended.out + ended.err
    assert ended.json["baseline"]["outcomes"]["diverged"] == 0
    assert ended.json["candidate"]["outcomes"]["diverged"] == 12
    assert said in json.dumps(ended.json["traces"][0]["candidate"])


def test_whatever_an_agent_says_every_report_can_be_written(tmp_path):
    """Half characters, NaN, objects and arguments that are no JSON harm no report."""
    root = project(tmp_path)
    module = root / "w3_agent.py"
    module.write_text(
        module.read_text(encoding="utf-8")
        + """
def lazy(version, request, ctx):
    ctx.tool("find", {"order": request, "what": object(), "x": float("nan"), "y": {1: 2}}, find)
    return "half \\ud83d"
""",
        encoding="utf-8",
    )
    files = ("--out", str(root / "o.json"), "--junit", str(root / "r.xml"), "--html", str(root / "r.html"))
    ended = replay(root, "lazy", *files, "--json")
    assert ended.code in (1, 2), ended.err
    assert ended.json["candidate"]["outcomes"]["diverged"] == 12
    ET.parse(root / "r.xml")  # noqa: S314 - written above


def recorded_pair(root, *words, baseline=20, candidate=20, **outcomes):
    """A replay of two recordings in one file, with the outcomes of each agent."""
    lines = [
        tape_line(100 * place + n, agent=agent, task_id=f"t{n}", outcome=outcomes.get(agent, "success"))
        for place, (agent, count) in enumerate((("one", baseline), ("two", candidate)))
        for n in range(count)
    ]
    write_tape(root / "tape.jsonl", lines)
    names = ("--baseline", "recorded:one", "--candidate", "recorded:two")
    return surefoot(root, "replay", "--traces", str(root / "tape.jsonl"), *names, *words)


@pytest.mark.parametrize("outcomes", [{"one": "passed", "two": "passed"}, {"one": "passed"}, {"two": "PASS"}])
@pytest.mark.parametrize("level", ["run", "policy"])
def test_successes_that_are_spelled_otherwise_decide_nothing(tmp_path, outcomes, level):
    """`passed` counts as a failure: what `traces lint` says about it is the reason, on whichever side it is."""
    ended = recorded_pair(project(tmp_path), "--level", level, **outcomes)
    assert ended.code == 2
    assert "counts as a failure" in " ".join(ended.out.split())


@pytest.mark.parametrize(("baseline", "code"), [(20, 0), (19, 0), (15, 2)])
def test_runs_that_only_the_candidate_has_are_told(tmp_path, baseline, code):
    """They are in no rate, which is said; many of them leave the rest unlike the whole."""
    ended = recorded_pair(project(tmp_path), baseline=baseline)
    assert ended.code == code
    assert ("runs of the candidate have none" in ended.out) is (baseline < 20)


def test_recorded_runs_that_all_ended_in_errors_are_not_decided(tmp_path):
    """Without an outcome beside the error, it may have been the machine."""
    root = project(tmp_path)
    lines = [tape_line(n, agent="one", task_id=f"t{n}") for n in range(12)]
    lines += [tape_line(n + 50, agent="two", task_id=f"t{n}", outcome=None, error="Down: no host") for n in range(12)]
    write_tape(root / "tape.jsonl", lines)
    words = ("--baseline", "recorded:one", "--candidate", "recorded:two")
    ended = surefoot(root, "replay", "--traces", str(root / "tape.jsonl"), *words)
    assert ended.code == 2
    assert "every run of the candidate ended in an error" in " ".join(ended.out.split())

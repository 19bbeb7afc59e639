"""`surefoot traces`: files of recorded runs looked through, counted, thinned out, redacted and converted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.terminal import surefoot


def run(number: int, **members: object) -> dict[str, object]:
    """One line of a file."""
    known = {"trace_id": f"t{number}", "request": f"question {chr(97 + number % 26)}", "agent": "bot", "version": "v1"}
    return known | {"outcome": "success", "latency_ms": 100 + number} | members


def write(folder: Path, *lines: object, name: str = "t.jsonl") -> Path:
    """A file with these lines; a text stands there as it is."""
    path = folder / name
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def rows(path: Path) -> list[dict[str, object]]:
    """The lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lint_says_every_problem_and_ends_with_one(tmp_path):
    """Broken lines, ids that stand twice and impossible numbers are all said, with file, line and field."""
    file = write(tmp_path, run(1), "{cut o", run(1), run(2, latency_ms=-5), run(3, cost_tokens="many"))
    ended = surefoot(tmp_path, "traces", "lint", str(file), "--json")
    said = [row["message"].removeprefix(f"{file}:") for row in ended.json["shown"]]
    assert (ended.code, ended.json["traces"], ended.json["problems"]) == (1, 2, 4)
    assert [text.split(": ")[0] for text in said] == ["2", "3:trace_id", "4:latency_ms", "5:cost_tokens"]
    assert "hint: " in surefoot(tmp_path, "traces", "lint", str(file)).out


def test_lint_of_good_files_ends_with_zero_and_of_nothing_with_one(tmp_path):
    """No trace at all is a problem: nothing was looked through."""
    assert surefoot(tmp_path, "traces", "lint", str(write(tmp_path, run(1), run(2)))).code == 0
    assert surefoot(tmp_path, "traces", "lint", str(write(tmp_path, name="empty.jsonl"))).code == 1


def test_stats_count_by_agent_and_version(tmp_path):
    """Each version has its number, its rate with an interval, its latency, and what it did not record."""
    file = write(tmp_path, *(run(n) for n in range(8)), run(8, outcome="failure"), run(9, version="v2", outcome=None))
    first, second = surefoot(tmp_path, "traces", "stats", str(file), "--json").json["groups"]
    assert (first["n"], first["judged"], first["succeeded"], first["group"]["version"]) == (9, 9, 8, "v1")
    assert first["success"]["low"] < 8 / 9 < first["success"]["high"]
    assert first["amounts"]["latency_ms"]["p50"] == 104
    assert (second["success"], second["missing"]["outcome"]) == (None, 1)
    shown = surefoot(tmp_path, "traces", "stats", str(file)).out
    assert "88.9%" in shown
    assert "not recorded" in shown


def test_lint_finds_a_key_that_stands_twice(tmp_path):
    """In the run and in its arguments, written out or escaped; equal names in two objects are none."""
    args = '{"id": 1, "i\\u0064": 2}'
    first = '{"trace_id": "t1", "request": {"x": {"x": 1}}, "latency_ms": 5, "latency_ms": 7, "mine": 1'
    file = write(tmp_path, f'{first}, "tool_calls": [{{"name": "f", "args": {args}}}]}}', run(2))
    ended = surefoot(tmp_path, "traces", "lint", str(file), "--json")
    said = [row["message"].removeprefix(f"{file}:") for row in ended.json["shown"]]
    assert [text.split(": ")[0] for text in said] == ["1:latency_ms", "1:tool_calls[0].args.id"]
    assert (ended.code, ended.json["traces"]) == (1, 2)


@pytest.mark.parametrize(("word", "code", "problems", "warnings"), [("Success", 1, 1, 1), ("sucess", 0, 0, 2)])
def test_lint_finds_a_success_that_is_spelt_otherwise(tmp_path, word, code, problems, warnings):
    """Once a file, with its first line: letter case is a problem; a likely typo a warning, and so is no success."""
    file = write(tmp_path, *(run(n, outcome=word) for n in range(10)))
    ended = surefoot(tmp_path, "traces", "lint", str(file), "--json")
    assert (ended.code, ended.json["problems"], len(ended.json["warnings"])) == (code, problems, warnings)
    said = [row["message"] for row in (*ended.json["shown"], *ended.json["warnings"])]
    assert said[0].startswith(f"{file}:1:outcome: {word!r} counts as a failure (10 run(s))")
    assert said[1].startswith(f"{file}: not one success: all 10 run(s)")
    assert "warning: " in surefoot(tmp_path, "traces", "lint", str(file)).out


def test_a_hint_names_nothing_that_the_command_cannot_do(tmp_path):
    """`lint` has no option that leaves lines out, so no hint speaks of one."""
    file = write(tmp_path, run(1), "{cut o", run(1), '{"trace_id": "' + "x" * 5_000_000 + '"}')
    file.write_bytes(file.read_bytes() + b'{"trace_id": "\xff", "request": "x"}\n')
    hints = [row["hint"] for row in surefoot(tmp_path, "traces", "lint", str(file), "--json").json["shown"]]
    assert len(hints) == 4
    assert not [hint for hint in hints if "left out" in hint or "leave" in hint or "limit" in hint]


def test_lint_takes_a_failure_for_one(tmp_path):
    """Failures beside successes, and outcomes of one's own that are expected so, are no warning."""
    own = run(3, outcome="refused", expected_outcome="refused")
    file = write(tmp_path, run(1), run(2, outcome="failure"), own, run(4, outcome=None))
    ended = surefoot(tmp_path, "traces", "lint", str(file), "--json")
    assert (ended.code, ended.json["problems"], ended.json["warnings"]) == (0, 0, [])


def test_lint_goes_on_after_a_line_of_any_shape(tmp_path):
    """A value of any depth and a number of any length are read or are problems: the lines after them are read."""
    deep = [f'{{"trace_id": "d{depth}", "request": {"[" * depth}{"]" * depth}}}' for depth in (300, 900, 5_000)]
    long = '{"trace_id": "long", "request": ' + "7" * 5_000 + "}"
    ended = surefoot(tmp_path, "traces", "lint", str(write(tmp_path, *deep, long, run(2), run(3))), "--json")
    assert ended.json["traces"] >= 2
    assert ended.json["traces"] + ended.json["problems"] >= 6


def test_stats_count_what_cannot_be_as_unusable(tmp_path):
    """It is named with its number of runs and changes no figure, even where it is too large for one."""
    bad = [run(7, latency_ms=-5, cost_usd=1e308), run(8, latency_ms=-0.1, cost_tokens=-3), run(9, cost_tokens=10**30)]
    good, file = write(tmp_path, run(1), run(2), name="good.jsonl"), write(tmp_path, run(1), run(2), *bad[:2])
    [clean] = surefoot(tmp_path, "traces", "stats", str(good), "--json").json["groups"]
    [group] = surefoot(tmp_path, "traces", "stats", str(file), "--json").json["groups"]
    assert group["unusable"] == {"latency_ms": 2, "cost_usd": 1, "cost_tokens": 1}
    assert (group["amounts"]["latency_ms"], clean["unusable"]) == (clean["amounts"]["latency_ms"], {})
    assert "cost_usd" not in group["amounts"]
    assert "tokens" not in group["amounts"]
    only = write(tmp_path, *bad, name="bad.jsonl")
    shown = surefoot(tmp_path, "traces", "stats", str(only)).out
    assert "unusable, in no figure: latency_ms 2, cost_tokens 2, cost_usd 1" in " ".join(shown.split())
    assert surefoot(tmp_path, "traces", "lint", str(only), "--json").json["problems"] == 5


@pytest.mark.parametrize("words", [["stats"], ["sample", "--out", "o"], ["redact", "--out", "o"]])
def test_a_broken_line_stops_unless_it_may_be_left_out(tmp_path, words):
    """An error by default; with --skip-broken the others are used, and the number left out is said."""
    file = write(tmp_path, run(1), "nonsense", run(2))
    words = [str(tmp_path / word) if word == "o" else word for word in words]
    ended = surefoot(tmp_path, "traces", *words, str(file))
    assert ended.code == 2
    assert f"{file}:2" in ended.err
    assert "or leave such lines out with --skip-broken" in ended.err
    assert not (tmp_path / "o").exists()
    assert surefoot(tmp_path, "traces", *words, str(file), "--skip-broken", "--json").json["left_out"] == 1


def test_sample_keeps_failures_and_copies_lines_as_they_stand(tmp_path):
    """Fields that nobody knows survive; every failure is there; the same seed gives the same file."""
    lines = [run(n, request=f"{chr(97 + n % 26)}{chr(97 + n // 26)}", mine={"x": [n]}) for n in range(90)]
    lines += [run(n, outcome="failure") for n in range(90, 100)]
    file, out, again = write(tmp_path, *lines), tmp_path / "out.jsonl", tmp_path / "again.jsonl"
    said = surefoot(tmp_path, "traces", "sample", str(file), "--size", "20", "--out", str(out), "--json").json
    assert (said["read"], said["kept"], said["failures"]) == (100, 20, 10)
    kept = rows(out)
    assert sum(row["outcome"] == "failure" for row in kept) == 10
    assert all(row in lines for row in kept)
    surefoot(tmp_path, "traces", "sample", str(file), "--size", "20", "--out", str(again))
    assert again.read_bytes() == out.read_bytes()


def test_redact_replaces_equal_values_by_equal_tokens_everywhere(tmp_path):
    """In requests, arguments, results and fields that nobody knows; the rest of a line stays, and so does its id."""
    line = run(1, request="I am bob@example.com", tool_calls=[{"name": "f", "args": {"to": "Bob@example.com"}}])
    file = write(tmp_path, line | {"trace_id": "call-555-123-2002", "mine": {"phone": "+43 1 588 580 1"}})
    said = surefoot(tmp_path, "traces", "redact", str(file), "--out", str(file), "--json").json
    [row] = rows(file)
    token = row["tool_calls"][0]["args"]["to"]
    assert said == {"traces": 1, "replaced": {"email": 2, "phone": 1}, "left_out": 0}
    assert row["request"] == f"I am {token}"
    assert token.startswith("<email:")
    assert row["mine"]["phone"].startswith("<phone:")
    assert (row["trace_id"], row["latency_ms"]) == ("call-555-123-2002", 101)


def test_redact_reads_the_name_of_a_field_that_stands_beside_those_of_a_trace(tmp_path):
    """A column of one's own is found by its name, as tool arguments are."""
    file = write(tmp_path, run(1, customer_phone="5551234567", tool_calls=[{"name": "f", "args": {"ssn": 78051120}}]))
    said = surefoot(tmp_path, "traces", "redact", str(file), "--out", str(file), "--json").json
    assert said["replaced"] == {"phone": 1, "ssn": 1}
    assert list(rows(file)[0]) == [*run(1), "customer_phone", "tool_calls"]


def test_a_key_gives_other_tokens_and_a_short_one_is_refused(tmp_path):
    """Without the key nobody makes the same tokens."""
    file, key = write(tmp_path, run(1, request="a@example.com")), tmp_path / "key"
    key.write_text("0123456789abcdef")
    surefoot(tmp_path, "traces", "redact", str(file), "--out", str(tmp_path / "a"))
    surefoot(tmp_path, "traces", "redact", str(file), "--out", str(tmp_path / "b"), "--key-file", str(key))
    assert rows(tmp_path / "a")[0]["request"] != rows(tmp_path / "b")[0]["request"]
    key.write_text("short")
    ended = surefoot(tmp_path, "traces", "redact", str(file), "--out", str(tmp_path / "c"), "--key-file", str(key))
    assert (ended.code, (tmp_path / "c").exists()) == (2, False)
    assert surefoot(tmp_path, "traces", "redact", str(file), "--out", "c", "--kinds", "emial").code == 2


def test_convert_writes_what_lint_accepts(tmp_path):
    """A log becomes a trace file; the same run given twice is an error, or left out."""
    log = {"request": {"messages": [{"role": "user", "content": "Hi"}]}, "response": {"id": "r", "choices": []}}
    file, out = write(tmp_path, json.dumps(log), name="log.json"), tmp_path / "out.jsonl"
    assert surefoot(tmp_path, "traces", "convert", str(file), "--out", str(out)).code == 0
    assert surefoot(tmp_path, "traces", "lint", str(out)).code == 0
    assert rows(out)[0]["request"] == "Hi"
    twice = ("traces", "convert", str(file), str(file), "--out", str(out))
    assert surefoot(tmp_path, *twice).code == 2
    assert surefoot(tmp_path, *twice, "--skip-broken", "--json").json == {"traces": 1, "left_out": 1}
    assert "otlp" in surefoot(tmp_path, "traces", "convert", str(file), "--from", "otpl", "--out", str(out)).err


@pytest.mark.parametrize("words", [["stats"], ["sample", "--out", "o"], ["redact", "--out", "o"]])
def test_a_file_without_a_run_is_an_error(tmp_path, words):
    """Nothing counted is no answer, and nothing copied is no file."""
    words = [str(tmp_path / word) if word == "o" else word for word in words]
    ended = surefoot(tmp_path, "traces", *words, str(write(tmp_path)))
    assert ended.code == 2
    assert "holds no trace" in ended.err
    assert not (tmp_path / "o").exists()


def test_what_is_nested_too_deeply_for_redaction_is_never_written_as_it_is(tmp_path):
    """It is an error, or left out and counted."""
    file, out = write(tmp_path, run(1), run(2, request=json.loads("[" * 400 + "]" * 400))), tmp_path / "o"
    assert surefoot(tmp_path, "traces", "redact", str(file), "--out", str(out)).code in {0, 2}
    said = surefoot(tmp_path, "traces", "redact", str(file), "--out", str(out), "--skip-broken", "--json").json
    assert said["traces"] + said["left_out"] == 2


def test_a_folder_that_cannot_be_written_is_an_error_with_a_hint(tmp_path):
    """Nothing half written, and no traceback."""
    ended = surefoot(tmp_path, "traces", "redact", str(write(tmp_path, run(1))), "--out", str(tmp_path / "no" / "x"))
    assert ended.code == 2
    assert "hint" in ended.err

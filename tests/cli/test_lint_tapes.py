"""`surefoot agents lint` reads tapes, so that no user's request is the first to find that one cannot be played."""

from __future__ import annotations

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import put

TAPES = {
    "missing": (None, "none.jsonl"),
    "empty": ("", "holds no run"),
    "broken": ('{"trace_id": "1", "request": "hi"}\nno json\n', ":2: this line is no JSON"),
    "of another shape": ('{"trace_id": "1", "request": "hi", "latency_ms": "fast"}\n', ":1:"),
}


def with_tape(root, text):
    """A project whose version plays that tape back."""
    tape = "none.jsonl" if text is None else "tape.jsonl"
    put(root, "agents/bot/v1.yaml", f"model: local/tiny-1\nprompt: Hi.\nexecutor: {{kind: tape, path: ../../{tape}}}\n")
    if text is not None:
        put(root, "tape.jsonl", text)
    return root


@pytest.mark.parametrize("tape", TAPES)
def test_a_tape_that_cannot_be_played_is_an_error(tape, tmp_path):
    """Exit code 1, and the finding names version, file and what to do."""
    text, says = TAPES[tape]
    for words in ([], ["bot"], ["bot", "v1"]):
        ended = surefoot(with_tape(tmp_path, text), "agents", "lint", *words)
        assert (ended.code, "agents/bot/v1.yaml: error[trace]: " in ended.out, says in ended.out) == (1, True, True)


def test_a_good_tape_has_nothing_to_say(tmp_path):
    """Nor does a broken version file speak of its tape; the file itself is what is wrong."""
    root = with_tape(tmp_path, '{"trace_id": "1", "request": "hi", "response": "you"}\n')
    put(root, "agents/bot/v2.yaml", "model: [")
    found = surefoot(root, "agents", "lint", "--json").json
    assert [finding["rule"] for finding in found if finding["severity"] == "error"] == ["artifact"]

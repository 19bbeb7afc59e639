"""Inspect logs: tokens that a cache answered, and numbers that are no JSON."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from surefoot.adapters.converters.files import converted

CACHED = {"input_tokens": 10, "output_tokens": 5, "input_tokens_cache_read": 20, "input_tokens_cache_write": 5}


def log(**sample: object) -> dict[str, object]:
    """A log of one sample."""
    known = {"id": 1, "epoch": 1, "input": "Q", "messages": [], "output": {"completion": "A", "choices": []}}
    return {"status": "success", "eval": {"task": "t", "eval_id": "e"}, "samples": [known | sample]}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({**CACHED, "total_tokens": 40}, 40),
        (CACHED, 40),
        ({**CACHED, "total_tokens": 15}, 15),
        ({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}, 15),
    ],
)
def test_tokens_of_a_cache_are_tokens(tmp_path: Path, usage: dict[str, object], tokens: int) -> None:
    """What was read from a cache or written to it is counted once, whether the log counts it apart or not."""
    file = tmp_path / "log.json"
    file.write_text(json.dumps(log(model_usage={"m": usage})))
    [trace] = converted(file)
    assert trace.cost_tokens == tokens
    model = {"event": "model", "timestamp": "2026-01-01T00:00:00Z", "output": {"usage": usage, "choices": []}}
    file.write_text(json.dumps(log(events=[model])))
    [trace] = converted(file)
    assert trace.cost_tokens == tokens


def test_a_score_that_is_no_number_is_no_outcome(tmp_path: Path) -> None:
    """NaN, as Python writes it, is not known: in JSON as in `.eval`, and with a mark of the encoding before it."""
    value = log(scores={"mean": {"value": float("nan")}})
    (tmp_path / "log.json").write_text(f"\ufeff{json.dumps(value)}", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", json.dumps({name: value[name] for name in ("status", "eval")}))
        archive.writestr("samples/1.json", json.dumps(value["samples"][0]))
    for name in ("log.json", "log.eval"):
        [trace] = converted(tmp_path / name)
        assert (trace.response, trace.outcome) == ("A", None)

"""Inspect logs: `.eval` files (zip) and their JSON form. One sample of one epoch is one run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...core.proof.trace import Trace
from ...errors import TraceError
from .assembling import Asked, Recorded, Used, assembled
from .messages import arguments_of, last_user_text, messages_of
from .untyped import as_count, as_list, as_mapping, as_number, as_text, at, first_of, is_array, is_object, millis_of

__all__ = ["eval_traces", "inspect_traces", "is_inspect"]

_LARGEST: Final = 256 << 20
"""Bytes of one sample, unpacked: a small zip can unpack to more than a disk holds."""

_GOOD: Final = frozenset({"C", "1", "1.0", "True", "yes"})
_BAD: Final = frozenset({"I", "N", "0", "0.0", "False", "no"})
_ATTACHED: Final = "attachment://"


def is_inspect(value: object) -> bool:
    """Whether it is a log in JSON."""
    return is_object(value) and is_object(value.get("eval")) and "status" in value


def inspect_traces(value: object) -> Iterator[Trace]:
    """The runs of a log in JSON."""
    about = as_mapping(as_mapping(value).get("eval"))
    for sample in as_list(as_mapping(value).get("samples")):
        yield _trace(about, as_mapping(sample))


def eval_traces(path: Path) -> Iterator[Trace]:
    """The runs of an `.eval` file, sample by sample."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            header = "header.json" if "header.json" in names else "_journal/start.json"
            about = as_mapping(as_mapping(_read(archive, header)).get("eval"))
            for name in sorted(names):
                if name.startswith("samples/") and name.endswith(".json"):
                    yield _trace(about, as_mapping(_read(archive, name)))
    except (zipfile.BadZipFile, NotImplementedError, KeyError, OSError, ValueError, RecursionError) as error:
        raise TraceError(
            f"{path}: no readable .eval file ({error})",
            hint="write the log again, or as JSON: inspect log convert --to json",
        ) from error


def _read(archive: zipfile.ZipFile, name: str) -> object:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} unpacks to more than {_LARGEST:,} bytes")
    return json.loads(archive.read(name))


def _trace(about: dict[str, object], sample: dict[str, object]) -> Trace:
    sample = as_mapping(_attached(sample, as_mapping(sample.get("attachments"))))
    events = [as_mapping(event) for event in as_list(sample.get("events"))]
    given = messages_of(sample.get("input"))
    asked = tuple(_asked(event) for event in events if event.get("event") == "model" and event.get("output"))
    seconds = as_number(first_of(sample, "total_time", "working_time"))
    started = millis_of(sample.get("started_at")) or _earliest(events)
    output = as_mapping(sample.get("output"))
    return assembled(
        Recorded(
            trace_id=_id(about, sample),
            source="inspect",
            task_id=_task(about, sample),
            trial=max(0, epoch - 1) if (epoch := as_count(sample.get("epoch"))) is not None else None,
            asked=asked or (_whole(about, sample),),
            used=tuple(_used(event) for event in events if event.get("event") == "tool"),
            agent=as_text(about.get("solver")) or as_text(about.get("task")),
            version=None if about.get("task_version") is None else str(about["task_version"]),
            request=last_user_text(given),
            response=as_text(output.get("completion")) or _said(output),
            started_ms=started,
            latency_ms=None if seconds is None else seconds * 1e3,
            error=as_text(at(sample, "error", "message")),
            outcome=_outcome(as_mapping(sample.get("scores"))),
        )
    )


def _id(about: dict[str, object], sample: dict[str, object]) -> str:
    run = first_of(about, "eval_id", "run_id", "task_id") or "inspect"
    return as_text(sample.get("uuid")) or f"{run}:{sample.get('id')}:{sample.get('epoch', 1)}"


def _task(about: dict[str, object], sample: dict[str, object]) -> str | None:
    """The sample, with its task: numbers of samples begin at 1 in every task."""
    if sample.get("id") is None:
        return None
    task = as_text(about.get("task"))
    return f"{task}:{sample['id']}" if task else str(sample["id"])


def _asked(event: dict[str, object]) -> Asked:
    output = as_mapping(event.get("output"))
    usage = as_mapping(output.get("usage"))
    started = millis_of(event.get("timestamp"))
    seconds = as_number(output.get("time"))
    return Asked(
        model=as_text(output.get("model")) or as_text(event.get("model")),
        started_ms=started,
        ended_ms=millis_of(event.get("completed")) or (started + seconds * 1e3 if started and seconds else None),
        before=tuple(messages_of(event.get("input"))),
        after=tuple(messages_of(output.get("choices"), role="assistant")),
        input_tokens=_input_tokens(usage),
        output_tokens=as_count(usage.get("output_tokens")),
        error=as_text(event.get("error")) or as_text(output.get("error")),
    )


def _whole(about: dict[str, object], sample: dict[str, object]) -> Asked:
    """A log without events: the conversation as one model call, with the tokens of all."""
    usages = [as_mapping(usage) for usage in as_mapping(sample.get("model_usage")).values()]
    counts = [(_input_tokens(usage), as_count(usage.get("output_tokens"))) for usage in usages]
    ins, outs = [one for one, _ in counts], [other for _, other in counts]
    return Asked(
        model=as_text(at(sample, "output", "model")) or as_text(about.get("model")),
        after=tuple(messages_of(sample.get("messages"))),
        input_tokens=sum(one for one in ins if one is not None) if ins and None not in ins else None,
        output_tokens=sum(one for one in outs if one is not None) if outs and None not in outs else None,
    )


def _input_tokens(usage: dict[str, object]) -> int | None:
    """Inspect counts tokens read from a cache or written to it apart from the others."""
    fresh, total = as_count(usage.get("input_tokens")), as_count(usage.get("total_tokens"))
    if fresh is None or total == fresh + (as_count(usage.get("output_tokens")) or 0):
        return fresh
    cached = (as_count(usage.get(f"input_tokens_cache_{way}")) for way in ("read", "write"))
    return fresh + sum(count for count in cached if count is not None)


def _used(event: dict[str, object]) -> Used:
    error = as_text(at(event, "error", "message"))
    result = event.get("result")
    return Used(
        name=as_text(event.get("function")) or "unknown",
        args=None if event.get("arguments") is None else arguments_of(event["arguments"]),
        result=result if result not in ("", None) else None,
        success=False if error else (True if result is not None else None),
        id=as_text(event.get("id")),
        started_ms=millis_of(event.get("timestamp")),
        ended_ms=millis_of(event.get("completed")),
        error=error,
    )


def _said(output: dict[str, object]) -> str | None:
    messages = messages_of(output.get("choices"), role="assistant")
    return next((message.text for message in reversed(messages) if message.text), None)


def _earliest(events: list[dict[str, object]]) -> float | None:
    times = [time for event in events if (time := millis_of(event.get("timestamp"))) is not None]
    return min(times, default=None)


def _outcome(scores: dict[str, object]) -> str | None:
    """Success where every score says so in a word that means only that; a mean of 0.4 is no outcome."""
    values = {str(as_mapping(score).get("value")) for score in scores.values()}
    if values and values <= _GOOD:
        return "success"
    return "failure" if values & _BAD and values <= _GOOD | _BAD else None


def _attached(value: object, attachments: dict[str, object]) -> object:
    """Long texts stand apart in a log, under their hash."""
    if not attachments:
        return value
    if isinstance(value, str) and value.startswith(_ATTACHED):
        return attachments.get(value.removeprefix(_ATTACHED), value)
    if is_object(value):
        return {name: _attached(member, attachments) for name, member in value.items() if name != "attachments"}
    return [_attached(item, attachments) for item in value] if is_array(value) else value

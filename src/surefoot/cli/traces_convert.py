"""`surefoot traces convert`: other tools' recordings as traces. What they did not record stays null."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..adapters.converters.files import FORMATS, converted_all
from ..adapters.trace_writer import line_of, writing_traces
from ..errors import TraceError, UnknownName
from .output import JsonOption, say, say_json
from .traces_reading import Left, SkipOption

__all__ = ["convert"]


def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings of one or several tools.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The trace file (JSONL) to write.")],
    source: Annotated[
        str, typer.Option("--from", help=f"What the files are: {', '.join(sorted(FORMATS))}, or auto.")
    ] = "auto",
    skip_broken: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Write OpenTelemetry GenAI spans, Inspect logs, Langfuse exports or logs of a chat endpoint as traces.

    Spans of one run may be spread over the files. A file is read into memory as a whole, but for `.eval`, which is read
    sample by sample; spans of all files are.
    """
    if source != "auto" and source not in FORMATS:
        raise UnknownName("format", source, (*FORMATS, "auto"))
    left = Left(goes_on=skip_broken)
    seen: set[str] = set()
    with writing_traces(out) as writer:
        for path, trace in converted_all(files, source, broken=left.teller()):
            if trace.trace_id in seen:
                left.add(TraceError(f"{path}: the run {trace.trace_id!r} was there before", hint=_ONCE))
                continue
            seen.add(trace.trace_id)
            writer.write(line_of(trace))
        if not writer.count:
            raise TraceError(f"{', '.join(map(str, files))}: no run in it", hint="is --from right? see docs/traces.md")
    if as_json:
        say_json({"traces": writer.count, "left_out": left.count})
        return
    say(f"{writer.count:,} traces in {out}")
    left.say()


_ONCE = "give each recording once"

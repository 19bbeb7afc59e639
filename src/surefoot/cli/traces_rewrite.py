"""`surefoot traces sample | redact`: files rewritten with every field they came with, known or not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Final, cast

import msgspec
import typer

from ..adapters.trace_writer import writing_traces
from ..adapters.traces import read_lines
from ..core.proof.trace_sample import candidate_of, choose
from ..core.protection.pii import PiiKind
from ..core.protection.redaction import Redactor
from ..errors import TraceError, UnknownName, UsageError
from .output import JsonOption, say, say_json
from .traces_reading import Left, SkipOption, followed, no_trace

__all__ = ["redact", "sample"]

_FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A file of traces (JSONL).")]
_OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write; FILE itself is allowed.")]

_LONGEST_KEY: Final = 64
_KEPT: Final = frozenset({"trace_id", "version_digest", "started_at", "outcome", "expected_outcome"})
"""Fields that name things of ours: a token in them would break joins, and they hold nobody's data."""


def sample(
    file: _FileArgument,
    out: _OutOption,
    size: Annotated[int, typer.Option(min=1, help="How many runs to keep; more if more failed.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed keeps the same runs.")] = 1,
    skip_broken: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Keep the runs worth replaying: every failure, and a fair share of each set of tools, outcome and tenant.

    Of a tenant's runs with the same intent, sequence of tools and outcome one is kept. Lines are copied unchanged.
    """
    left = Left(goes_on=skip_broken)
    lines = followed(file, read_lines(file, broken=left.teller()), "looking through", shown=not as_json)
    candidates = [candidate_of(line.number, line.trace, seed=seed) for line in lines]
    if not candidates:
        raise no_trace(file)
    chosen = choose(candidates, size=size)
    with writing_traces(out) as writer:
        for line in followed(file, read_lines(file, broken=lambda _: None), "copying", shown=not as_json):
            if line.number in chosen.numbers:
                writer.write(line.text.strip())
    if writer.count != len(chosen.numbers):
        raise TraceError(f"{file}: changed while it was read", hint="sample a file that nobody writes")
    if as_json:
        say_json(
            {
                "read": len(candidates),
                "kept": writer.count,
                "failures": chosen.failures,
                "alike": chosen.alike,
                "strata": chosen.strata,
                "left_out": left.count,
                "seed": seed,
            }
        )
        return
    say(
        f"{writer.count:,} of {len(candidates):,} runs in {out}: all {chosen.failures:,} failures, and of "
        f"{chosen.strata:,} kinds of other runs a share each; {chosen.alike:,} were like another"
    )
    left.say()


def redact(
    file: _FileArgument,
    out: _OutOption,
    kinds: Annotated[str | None, typer.Option(help=f"Only these: {','.join(PiiKind)}.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="A file with a key: without it anyone can find a number by trying all.")
    ] = None,
    skip_broken: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Put tokens in the place of e-mail addresses, telephone, card and account numbers, addresses of hosts, keys, ids.

    Equal values get equal tokens, so that calls still match their recordings. Names, places and street addresses have
    no form and are not found.
    """
    redactor = Redactor(key=_key(key_file), kinds=_kinds(kinds))
    left = Left(goes_on=skip_broken)
    counts: Counter[str] = Counter()
    with writing_traces(out) as writer:
        for line in followed(file, read_lines(file, broken=left.teller()), "redacting", shown=not as_json):
            try:
                writer.write(_redacted(line.text, redactor, counts))
            except RecursionError:
                left.add(
                    TraceError(f"{file}:{line.number}: is nested too deeply to be redacted", hint="remove the line")
                )
        if not writer.count:
            raise no_trace(file)
    if as_json:
        say_json({"traces": writer.count, "replaced": dict(counts.most_common()), "left_out": left.count})
        return
    replaced = ", ".join(f"{kind} {count:,}" for kind, count in counts.most_common())
    say(f"{writer.count:,} traces in {out}; replaced: {replaced or 'nothing'}")
    left.say()


def _redacted(text: bytes, redactor: Redactor, counts: Counter[str]) -> bytes:
    members: dict[str, object] = msgspec.json.decode(text)
    found: Counter[str] = Counter()
    for name in members.keys() - _KEPT:
        value, finds = redactor.value({name: members[name]})  # with its name, which may say what it is
        [members[name]] = cast("dict[str, object]", value).values()
        found.update(finds)
    line = msgspec.json.encode(members)
    counts.update(found)
    return line


def _kinds(text: str | None) -> frozenset[PiiKind]:
    if text is None:
        return frozenset(PiiKind)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(PiiKind)]
    if unknown or not names:
        raise UnknownName("kind of personal data", "".join(unknown[:1]), tuple(PiiKind))
    return frozenset(map(PiiKind, names))


def _key(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="name a file that holds the key") from error
    if not 16 <= len(key) <= _LONGEST_KEY:
        raise UsageError(
            f"{path}: {len(key)} bytes", hint=f"a key has 16 to {_LONGEST_KEY} bytes: openssl rand -hex 32"
        )
    return key

"""Results of proofs in one SQLite file beside the project, and in memory for tests."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from ..core.proof.score import Attempt, Result, Score
from ..core.proof.trace import Trace
from ..core.units import Digest
from ..errors import Conflict, UnknownName, Unreadable
from ..ports.results import ProofRun
from .doorbell import make_private
from .failures import guarded
from .sqlite_file import BUSY_SECONDS, SqliteFile

__all__ = ["MemoryResults", "SqliteResults"]

T = TypeVar("T")

_LAYOUT: Final = 1
_SCHEMA: Final = """
CREATE TABLE runs (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, suite TEXT NOT NULL, settings TEXT NOT NULL
);
CREATE TABLE results (
  run INTEGER NOT NULL REFERENCES runs, version TEXT NOT NULL, case_id TEXT NOT NULL, trial INTEGER NOT NULL,
  failed INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (run, version, case_id, trial)
) WITHOUT ROWID;
CREATE TABLE answers (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_APPEND: Final = """
INSERT INTO results (run, version, case_id, trial, failed, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET failed = excluded.failed, body = excluded.body WHERE results.failed
"""
_PAGE: Final = 500
_ENCODER: Final = msgspec.json.Encoder()
_TRACES: Final = msgspec.json.Decoder(Trace)


class SqliteResults:
    """
    `Results` and `Answers` in one file (WAL, one commit an `append`). Several processes may share it.

    What was committed survives the death of the process, at any instant. A power failure may take the last commits
    with it, never half of one: results can be made again, so no commit waits for the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = SqliteFile(path, busy=BUSY_SECONDS, query_only=False)
        self._generation = 0
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        with guarded(self._file.name):
            make_private(path)
            with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                _prepare(connection, self._file.name)

    def begin(self, run: ProofRun) -> None:
        """Begin a run, or go on with it. Raises Conflict if the id is taken by another suite or other settings."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO runs (id, suite, settings) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (run.id, run.suite, run.settings),
            )
            found = connection.execute("SELECT suite, settings FROM runs WHERE id = ?", (run.id,)).fetchone()
        if found != (run.suite, run.settings):
            raise _taken(run, found[0])

    def append(self, run: str, results: Sequence[Result]) -> None:
        """Keep results, all of them or none. Raises UnknownName for a run that was not begun."""
        with self._writing() as connection:
            number = self._number(connection, run)
            connection.executemany(_APPEND, [_row(number, result) for result in results])

    def finished(self, run: str) -> frozenset[Attempt]:
        """Attempts that have a result without an error."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT case_id, version, trial FROM results WHERE run = ? AND NOT failed",
                (self._number(connection, run),),
            )
            return frozenset(Attempt(case, Digest(version), trial) for case, version, trial in rows)

    def results(self, run: str) -> Iterator[Result]:
        """All results of a run, by version, case and trial: a page at a time, so that any number fits into memory."""
        last: tuple[str, str, int] = ("", "", -1)
        while True:
            with self._reading() as connection:
                rows = connection.execute(
                    "SELECT version, case_id, trial, body FROM results WHERE run = ? AND (version, case_id, trial)"
                    " > (?, ?, ?) ORDER BY version, case_id, trial LIMIT ?",
                    (self._number(connection, run), *last, _PAGE),
                ).fetchall()
            for version, case, trial, body in rows:
                last = (version, case, trial)
                scores, error, output, latency_ms, tokens, cost_usd = _decoded(_BODIES, body, "result")
                yield Result(
                    attempt=Attempt(case, Digest(version), trial),
                    scores=scores,
                    error=error,
                    output=output,
                    latency_ms=latency_ms,
                    tokens=tokens,
                    cost_usd=cost_usd,
                )
            if len(rows) < _PAGE:
                return

    def runs(self, suite: str | None = None) -> tuple[ProofRun, ...]:
        """The runs of a suite (its name and digest), or all of them, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT id, suite, settings FROM runs WHERE ?1 IS NULL OR suite = ?1 ORDER BY number", (suite,)
            )
            return tuple(ProofRun(id=known, suite=of, settings=settings) for known, of, settings in rows)

    def find(self, keys: Sequence[str]) -> Mapping[str, Trace]:
        """Those of the keys that are there."""
        found: dict[str, Trace] = {}
        with self._reading() as connection:
            for start in range(0, len(keys), _PAGE):
                part = keys[start : start + _PAGE]
                marks = ", ".join("?" * len(part))
                rows = connection.execute(f"SELECT key, body FROM answers WHERE key IN ({marks})", part)  # noqa: S608 - marks
                found.update((key, _decoded(_TRACES, body, "answer")) for key, body in rows)
        return found

    def keep(self, answers: Mapping[str, Trace]) -> None:
        """Keep runs, all of them or none; a key that is there keeps what it has."""
        with self._writing() as connection:
            connection.executemany(
                "INSERT INTO answers (key, body) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(key, _ENCODER.encode(trace)) for key, trace in answers.items()],
            )

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        with self._lock:
            self._file.close()

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._lock, guarded(self._file.name):
            connection = self._file.connection()
            if self._file.generation != self._generation:
                connection.execute("PRAGMA synchronous = NORMAL")
                self._generation = self._file.generation
                self._numbers.clear()
            yield connection

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _number(self, connection: sqlite3.Connection, run: str) -> int:
        number = self._numbers.get(run)
        if number is None:
            row = connection.execute("SELECT number FROM runs WHERE id = ?", (run,)).fetchone()
            if row is None:
                raise UnknownName(
                    "run", run, tuple(known for (known,) in connection.execute("SELECT id FROM runs LIMIT 20"))
                )
            number = self._numbers[run] = int(row[0])
        return number


class MemoryResults:
    """The same without a file, for tests and for runs that nobody will ask about again."""

    def __init__(self) -> None:
        self._runs: dict[str, ProofRun] = {}
        self._results: dict[str, dict[Attempt, Result]] = {}
        self._answers: dict[str, Trace] = {}
        self._lock = threading.Lock()

    def begin(self, run: ProofRun) -> None:
        """Begin a run, or go on with it. Raises Conflict if the id is taken by another suite or other settings."""
        with self._lock:
            known = self._runs.setdefault(run.id, run)
            self._results.setdefault(run.id, {})
        if known != run:
            raise _taken(run, known.suite)

    def append(self, run: str, results: Sequence[Result]) -> None:
        """Keep results, all of them or none. Raises UnknownName for a run that was not begun."""
        with self._lock:
            kept = self._of(run)
            for result in results:
                before = kept.get(result.attempt)
                if before is None or before.error is not None:
                    kept[result.attempt] = result

    def finished(self, run: str) -> frozenset[Attempt]:
        """Attempts that have a result without an error."""
        with self._lock:
            return frozenset(attempt for attempt, result in self._of(run).items() if result.error is None)

    def results(self, run: str) -> Iterator[Result]:
        """All results of a run, by version, case and trial."""
        with self._lock:
            kept = sorted(self._of(run).values(), key=_place)
        yield from kept

    def runs(self, suite: str | None = None) -> tuple[ProofRun, ...]:
        """The runs of a suite (its name and digest), or all of them, oldest first."""
        with self._lock:
            return tuple(run for run in self._runs.values() if suite is None or run.suite == suite)

    def find(self, keys: Sequence[str]) -> Mapping[str, Trace]:
        """Those of the keys that are there."""
        with self._lock:
            return {key: self._answers[key] for key in keys if key in self._answers}

    def keep(self, answers: Mapping[str, Trace]) -> None:
        """Keep runs; a key that is there keeps what it has."""
        with self._lock:
            for key, trace in answers.items():
                self._answers.setdefault(key, trace)

    def close(self) -> None:
        """Nothing to let go of."""

    def _of(self, run: str) -> dict[Attempt, Result]:
        if run not in self._results:
            raise UnknownName("run", run, tuple(self._runs))
        return self._results[run]


def _prepare(connection: sqlite3.Connection, name: str) -> None:
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout > _LAYOUT:
        raise Unreadable(f"the results in {name} were written by a newer surefoot", hint="use that one here too")
    if layout < _LAYOUT:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN EXCLUSIVE")
        # Another process may have been faster while this one waited.
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
        connection.execute("COMMIT")


class _Body(NamedTuple):
    """A result without the attempt, which stands in columns."""

    scores: tuple[Score, ...]
    error: str | None
    output: str | None
    latency_ms: float | None
    tokens: int | None
    cost_usd: float | None


def _row(number: int, result: Result) -> tuple[int, str, str, int, bool, bytes]:
    case, version, trial = result.attempt
    body = (result.scores, result.error, result.output, result.latency_ms, result.tokens, result.cost_usd)
    return number, version, case, trial, result.error is not None, _ENCODER.encode(body)


_BODIES: Final = msgspec.json.Decoder(_Body)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Unreadable(
            f"a stored {what} cannot be read: {error}", hint="was it written by a newer surefoot?"
        ) from None


def _place(result: Result) -> tuple[str, str, int]:
    case, version, trial = result.attempt
    return version, case, trial


def _taken(run: ProofRun, suite: str) -> Conflict:
    what = "other settings" if suite == run.suite else f"another suite ({suite})"
    return Conflict(f"the run {run.id} has {what}", hint="begin a new run, without --resume")

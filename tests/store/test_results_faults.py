"""The file of results when the disk is full, when it is gone, damaged, or a newer release's."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing

import pytest

from surefoot.core.proof.score import Attempt, Result
from surefoot.errors import StoreUnavailable, Unreadable
from surefoot.ports.results import ProofRun
from surefoot.store.results import SqliteResults
from surefoot.testing.samples import STABLE
from tests.service.proofs import Agent, contender, order, proven, suite_of

RUN = ProofRun(id="r", suite=suite_of(400).identity)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.db"


def result(case: str, output: str = "") -> Result:
    return Result(attempt=Attempt(case, STABLE, 0), output=output)


def test_a_full_disk_keeps_what_was_there(path):
    """A write that does not fit is refused whole; what was kept is readable, and when there is room it goes on."""
    results = SqliteResults(path)
    results.begin(RUN)
    results.append("r", [result("before")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        with pytest.raises(StoreUnavailable):
            results.append("r", [result(f"c{i}", "long " * 400) for i in range(1_000)])
        assert [kept.attempt.case for kept in results.results("r")] == ["before"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    results.append("r", [result("after")])
    assert [kept.attempt.case for kept in SqliteResults(path).results("r")] == ["after", "before"]


def test_a_disk_that_fills_up_stops_a_suite(path):
    """The run ends with the disk's error, and what was finished before can be resumed."""
    results = SqliteResults(path)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    suite = suite_of(4_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 * 1024, hard))
    try:
        with pytest.raises(StoreUnavailable):
            proven(order(suite, contender(Agent())), results=results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept = len(results.finished("r"))
    assert 0 < kept < 4_000
    proof = proven(order(suite, contender(Agent())), results=results)
    assert (proof.resumed, proof.made) == (kept, 4_000 - kept)


def test_a_file_that_is_gone_is_said(path):
    """Results are not written into a file that nobody will find."""
    results = SqliteResults(path)
    results.begin(RUN)
    path.unlink()
    with pytest.raises(StoreUnavailable):
        results.append("r", [result("a")])


def test_a_newer_file_is_not_half_understood(path):
    """A layout or a row that this release does not know is refused."""
    results = SqliteResults(path)
    results.begin(RUN)
    results.append("r", [result("a")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE results SET body = x'00'")
        connection.commit()
    with pytest.raises(Unreadable):
        list(results.results("r"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Unreadable):
        SqliteResults(path)

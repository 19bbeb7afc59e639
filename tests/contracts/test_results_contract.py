"""Every store of results keeps the whole contract: the one in memory, and SQLite."""

from __future__ import annotations

import pytest

from surefoot.store.results import MemoryResults, SqliteResults
from surefoot.testing.contract_results import ResultsContract


class TestMemory(ResultsContract):
    """The fake that other tests rely on."""

    @pytest.fixture
    def where(self):
        kept = MemoryResults()
        return lambda: kept


class TestSqlite(ResultsContract):
    """One file beside the project."""

    @pytest.fixture
    def where(self, tmp_path):
        return lambda: SqliteResults(tmp_path / "state" / "results.db")

"""Every store keeps the whole contract: the fake, SQLite and a real PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from surefoot.store.registry import open_feed, open_sink, open_store
from surefoot.testing.store_contract import StoreContract


@dataclass(frozen=True)
class At:
    """The database at an address."""

    url: str

    def store(self):
        return open_store(self.url)

    def feed(self):
        return open_feed(self.url)

    def sink(self):
        return open_sink(self.url)


class TestMemory(StoreContract):
    """The fake that other tests rely on."""

    @pytest.fixture
    def where(self, request):
        return At(f"memory://{request.node.name}")


class TestSqlite(StoreContract):
    """The default: one file."""

    @pytest.fixture
    def where(self, tmp_path):
        return At(f"sqlite:///{tmp_path}/state/surefoot.db")


@pytest.mark.postgres
class TestPostgres(StoreContract):
    """Many processes on many hosts."""

    @pytest.fixture
    def where(self, postgres_url):
        return At(postgres_url)

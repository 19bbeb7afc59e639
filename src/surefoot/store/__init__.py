"""Where rollouts and evidence are kept: SQLite and PostgreSQL behind one schema, memory for tests."""

from __future__ import annotations

from .registry import open_feed, open_sink, open_store

__all__ = ["open_feed", "open_sink", "open_store"]

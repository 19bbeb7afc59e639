"""Where rollouts and evidence are kept: SQLite and PostgreSQL behind one schema, memory for tests."""

"""The in-process client: a compiled snapshot in memory, no network and no lock on the request path."""

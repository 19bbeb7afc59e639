"""Attacks on an agent: what is asked, how it is disguised, and what became of it."""

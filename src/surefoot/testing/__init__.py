"""Fakes, clocks, seeded traffic and contract suites. Public: users test their own agents with them."""

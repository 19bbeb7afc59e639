"""What shadow runs may spend: over any hour, by number and by money."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surefoot.client.shadow_budget import HourlyBudget

HOUR = 3600
runs = st.lists(st.tuples(st.integers(0, HOUR), st.one_of(st.none(), st.integers(0, 50_000))), max_size=40)


@given(runs, st.integers(1, 10), st.one_of(st.none(), st.floats(0, 0.2)))
def test_it_is_what_the_last_hour_adds_up_to(steps, most_runs, most_usd):
    """Whatever came when: the running total says what counting everything again would say."""
    budget, now, spent = HourlyBudget(runs=most_runs, usd=most_usd), 0, []
    for pause, cost in steps:
        now += pause
        recent = [(at, usd) for at, usd in spent if at >= now - HOUR]
        total = sum(usd or 0 for _, usd in recent)
        is_over = len(recent) >= most_runs
        if most_usd is not None:
            unpriced = any(usd is None and at > now - HOUR for at, usd in spent)
            is_over = is_over or total >= round(most_usd * 1_000_000) or unpriced
        assert budget.is_used_up(now) is is_over
        budget.add(now, cost)
        spent.append((now, cost))

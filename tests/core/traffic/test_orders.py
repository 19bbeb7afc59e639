"""What an order for one tenant makes of an agent's traffic."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.traffic.orders import TrafficOrder, TrafficOrderKind, applied
from surefoot.core.traffic.route import AgentTraffic
from surefoot.core.units import AgentName, Digest
from surefoot.errors import UnknownName

BOT = AgentName("bot")
STABLE, OTHER = Digest("sha256:s"), Digest("sha256:o")
OPPOSITE = {TrafficOrderKind.OPT_OUT: TrafficOrderKind.OPT_IN, TrafficOrderKind.PIN: TrafficOrderKind.UNPIN}

tenants = st.sampled_from(["acme", "globex", "initech"])
traffics = st.builds(
    AgentTraffic,
    agent=st.just(BOT),
    stable=st.just(STABLE),
    pins=st.dictionaries(tenants, st.sampled_from([STABLE, OTHER])),
    opted_out=st.frozensets(tenants),
)


def order(kind: TrafficOrderKind, tenant: str) -> TrafficOrder:
    version = OTHER if kind is TrafficOrderKind.PIN else None
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return TrafficOrder(agent=BOT, kind=kind, tenant=tenant, version=version, reason="r", author="ann", at=at)


@given(traffic=traffics, kind=st.sampled_from(sorted(OPPOSITE)), tenant=tenants)
def test_an_order_is_undone_by_its_opposite_and_touches_one_tenant(traffic, kind, tenant):
    """After both the tenant is like everybody else; said twice it holds once; every other tenant is as it was."""
    once = applied(traffic, order(kind, tenant))
    assert applied(once, order(kind, tenant)) == once
    assert tenant in (once.opted_out if kind is TrafficOrderKind.OPT_OUT else once.pins)
    undone = applied(once, order(OPPOSITE[kind], tenant))
    for found in (once, undone):
        assert found.stable == traffic.stable
        assert found.opted_out - {tenant} == traffic.opted_out - {tenant}
        assert {key: found.pins[key] for key in found.pins if key != tenant} == {
            key: traffic.pins[key] for key in traffic.pins if key != tenant
        }
    assert tenant not in (undone.opted_out if kind is TrafficOrderKind.OPT_OUT else undone.pins)


@pytest.mark.parametrize("kind", sorted(OPPOSITE.values()))
def test_taking_back_what_was_never_ordered_is_an_error(kind):
    """A typing error would leave the tenant as it was, so it is named with those there are."""
    traffic = AgentTraffic(agent=BOT, stable=STABLE, pins={"acme": OTHER}, opted_out=frozenset({"acme"}))
    with pytest.raises(UnknownName) as error:
        applied(traffic, order(kind, "acne"))
    assert "acme" in error.value.hint

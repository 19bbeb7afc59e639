"""Generated traffic: few names, so that requests, switches, pins and lists meet often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from surefoot.core.evidence.observation import Arm
from surefoot.core.traffic.conversation import Pin, write_pin
from surefoot.core.traffic.kill import KillSwitch
from surefoot.core.traffic.plan import Control, Targeting, UnitKind
from surefoot.core.traffic.route import AgentTraffic, Request, Snapshot, Split

__all__ = ["agent_traffic", "requests", "snapshots", "splits", "switches"]

AGENTS = ["support", "sales"]
VERSIONS = ["sha256:old", "sha256:new", "sha256:odd"]
TENANTS = ["acme", "globex", "hooli"]
UNITS = ["u-1", "u-2", "u-3", "\ud800"]
FEATURES = ["refund", "search"]
SEGMENTS = ["beta", "gold"]
ROLLOUTS = ["r-1", "r.2"]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def some(values):
    """A subset, often empty."""
    return st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from(values), max_size=2))


def maybe(values):
    """One of them or the unknown."""
    return st.sampled_from(["", *values])


shares = st.one_of(st.sampled_from([0, 1, 5_000, 10_000]), st.integers(0, 10_000))
targetings = st.builds(
    Targeting,
    tenants=some(["", *TENANTS]),
    segments=some(SEGMENTS),
    allow=some([*UNITS, *TENANTS]),
    deny=some([*UNITS, *TENANTS]),
    cohort=st.sampled_from(["", "", "", "beta"]),
    flag=st.booleans(),
)
splits = st.builds(
    Split,
    rollout=st.sampled_from(ROLLOUTS),
    stage=st.just("canary"),
    candidate=st.sampled_from(VERSIONS),
    share=shares,
    epoch=st.integers(0, 3),
    seed=st.integers(0, 2**64 - 1),
    unit=st.sampled_from(UnitKind),
    control=st.sampled_from(Control),
    targeting=st.one_of(st.just(Targeting()), targetings),
    shadow=st.one_of(st.just(0), shares),
)


def agent_traffic(agent):
    """All that routing may know of one agent."""
    return st.builds(
        AgentTraffic,
        agent=st.just(agent),
        stable=st.sampled_from(VERSIONS),
        split=st.one_of(st.none(), splits, splits, splits),
        pins=st.one_of(st.just({}), st.dictionaries(maybe(TENANTS), st.sampled_from(VERSIONS), max_size=2)),
        opted_out=some(TENANTS),
        revision=st.integers(0, 9),
    )


def blank_or(values):
    """A switch's field: mostly open."""
    return st.one_of(st.none(), st.none(), st.sampled_from(values))


switches = st.builds(
    KillSwitch,
    id=st.sampled_from(["k-1", "k-2", "k-3", "k-4"]),
    agent=blank_or(AGENTS),
    version=blank_or(VERSIONS),
    feature=blank_or(["", *FEATURES]),
    tenant=blank_or(["", *TENANTS]),
    reason=st.just("on fire"),
    author=st.just("ann"),
    raised_at=st.integers(0, 2).map(lambda hours: EPOCH + timedelta(hours=hours)),
)
snapshots = st.builds(
    Snapshot,
    revision=st.just(9),
    agents=st.fixed_dictionaries({agent: agent_traffic(agent) for agent in AGENTS}),
    kills=st.one_of(st.just(()), st.lists(switches, max_size=3).map(tuple)),
)
pins = st.builds(
    Pin,
    version=st.sampled_from(VERSIONS),
    arm=st.sampled_from(Arm),
    randomised=st.booleans(),
    epoch=st.integers(0, 3),
    rollout=st.sampled_from([None, *ROLLOUTS]),
).map(write_pin)
requests = st.builds(
    Request,
    agent=st.sampled_from(AGENTS),
    user=maybe(UNITS),
    session=maybe(UNITS),
    tenant=maybe(TENANTS),
    feature=maybe(FEATURES),
    segment=maybe(SEGMENTS),
    request=maybe(UNITS),
    pin=st.one_of(st.just(""), st.sampled_from(["nonsense", "1.stable.1.x.v.r"]), pins),
)

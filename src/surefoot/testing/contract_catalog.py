"""The store contract: versions, traffic and the snapshot."""

from __future__ import annotations

from dataclasses import replace

from ..core.traffic.orders import TrafficOrder, TrafficOrderKind
from ..core.traffic.route import AgentTraffic
from ..core.units import AgentName, Digest, Revision
from ..errors import AlreadyExists, Conflict, UnknownName
from ..ports.store import Store
from .contract import StoreUnderTest, refused, started, told
from .samples import AGENT, CANDIDATE, NOON, STABLE, switch, version

__all__ = ["CatalogContract"]

_TRAFFIC = AgentTraffic(agent=AGENT, stable=STABLE)
_ORDER = TrafficOrder(
    agent=AGENT, kind=TrafficOrderKind.OPT_OUT, tenant="acme", reason="their contract", author="ann", at=NOON
)


class CatalogContract:
    """`Catalog`, as every store keeps it."""

    def test_a_version_reads_back_as_it_was_kept(self, where: StoreUnderTest) -> None:
        """What was put under a digest is found under it, label included."""

        async def story(store: Store) -> None:
            kept = version()
            assert await store.put_version(kept) == kept.digest
            found = await store.version(kept.digest)
            assert (found, found.label, found.digest) == (kept, kept.label, kept.digest)

        told(where, story)

    def test_putting_a_version_again_changes_nothing(self, where: StoreUnderTest) -> None:
        """A version is kept once, and keeps the label it came with first."""

        async def story(store: Store) -> None:
            kept = version("v1")
            await store.put_version(kept)
            assert await store.put_version(replace(kept, label="v1-again")) == kept.digest
            assert [found.label for found in await store.versions(AGENT)] == ["v1"]

        told(where, story)

    def test_a_label_never_changes_its_meaning(self, where: StoreUnderTest) -> None:
        """Another digest under a label that is taken is refused, and the first one stays."""

        async def story(store: Store) -> None:
            kept = version("v1", system="Be brief.")
            other = version("v1", system="Be thorough.")
            await store.put_version(kept)
            with refused(AlreadyExists):
                await store.put_version(other)
            with refused(UnknownName):
                await store.version(other.digest)
            assert await store.versions(AGENT) == (kept,)

        told(where, story)

    def test_another_agent_may_use_the_same_label(self, where: StoreUnderTest) -> None:
        """Labels belong to their agent."""

        async def story(store: Store) -> None:
            await store.put_version(version("v1"))
            await store.put_version(version("v1", agent=AgentName("other")))
            assert len(await store.versions(AgentName("other"))) == 1

        told(where, story)

    def test_versions_come_oldest_first(self, where: StoreUnderTest) -> None:
        """The order is the one in which they were kept, whatever their labels; an unknown agent has none."""

        async def story(store: Store) -> None:
            for label in ("v9", "v1", "v5"):
                await store.put_version(version(label, system=label))
            assert [found.label for found in await store.versions(AGENT)] == ["v9", "v1", "v5"]
            assert len(await store.versions(AgentName("nobody"))) == 0

        told(where, story)

    def test_an_unknown_version_is_an_error(self, where: StoreUnderTest) -> None:
        """Nothing is ever made up for a digest that was never kept."""

        async def story(store: Store) -> None:
            with refused(UnknownName):
                await store.version(Digest("sha256:0"))

        told(where, story)

    def test_an_agent_has_no_traffic_before_it_is_set(self, where: StoreUnderTest) -> None:
        """Asking for the traffic of an unknown agent raises and leaves it unknown."""

        async def story(store: Store) -> None:
            for _ in range(2):
                with refused(UnknownName):
                    await store.traffic(AGENT)

        told(where, story)

    def test_traffic_says_at_which_revision_it_was_written(self, where: StoreUnderTest) -> None:
        """Stable version, pins and opt-outs read back, stamped with the revision of their write."""

        async def story(store: Store) -> None:
            whole = replace(_TRAFFIC, pins={"acme": CANDIDATE}, opted_out=frozenset({"globex", "initech"}))
            revision = await store.set_traffic(whole)
            found = await store.traffic(AGENT)
            assert found == whole
            assert found.revision == revision

        told(where, story)

    def test_setting_traffic_leaves_the_split_to_its_rollout(self, where: StoreUnderTest) -> None:
        """A split that a caller brings along is ignored, and the one of a rollout under way stays."""

        async def story(store: Store) -> None:
            await started(store)
            split = (await store.traffic(AGENT)).split
            assert split is not None
            await store.set_traffic(replace(_TRAFFIC, opted_out=frozenset({"acme"})))
            found = await store.traffic(AGENT)
            assert (found.split, found.opted_out) == (split, frozenset({"acme"}))
            await store.set_traffic(AgentTraffic(agent=AgentName("other"), stable=STABLE, split=split))
            assert (await store.traffic(AgentName("other"))).split is None

        told(where, story)

    def test_traffic_is_written_only_over_what_was_read(self, where: StoreUnderTest) -> None:
        """Of two who read the same, the second is refused and changes nothing, its order included."""

        async def story(store: Store) -> None:
            with refused(Conflict):
                await store.set_traffic(_TRAFFIC, expected=Revision(1))
            with refused(UnknownName):
                await store.traffic(AGENT)
            read = await store.set_traffic(_TRAFFIC, expected=Revision(0))
            await store.set_traffic(replace(_TRAFFIC, stable=CANDIDATE), expected=read)
            with refused(Conflict):
                await store.set_traffic(replace(_TRAFFIC, opted_out=frozenset({"acme"})), order=_ORDER, expected=read)
            assert await store.traffic(AGENT) == replace(_TRAFFIC, stable=CANDIDATE)
            assert len(await store.traffic_orders(AGENT)) == 0

        told(where, story)

    def test_orders_for_tenants_read_back_oldest_first(self, where: StoreUnderTest) -> None:
        """Each with its author, its reason and the revision of its write; another agent's are not among them."""

        async def story(store: Store) -> None:
            orders = [
                _ORDER,
                replace(_ORDER, kind=TrafficOrderKind.PIN, version=CANDIDATE, author="bob"),
                replace(_ORDER, kind=TrafficOrderKind.OPT_IN, reason="asked for it"),
            ]
            revisions = [await store.set_traffic(_TRAFFIC, order=order) for order in orders]
            found = await store.traffic_orders(AGENT)
            assert [replace(order, revision=Revision(0)) for order in found] == orders
            assert [order.revision for order in found] == revisions
            assert len(await store.traffic_orders(AgentName("other"))) == 0

        told(where, story)

    def test_a_snapshot_is_all_that_routing_depends_on(self, where: StoreUnderTest) -> None:
        """It holds every agent and every switch that is up, at the newest revision; empty before the first write."""

        async def story(store: Store) -> None:
            empty = await store.snapshot()
            assert (dict(empty.agents), empty.kills) == ({}, ())
            await store.set_traffic(_TRAFFIC)
            revision = await store.kill(switch())
            found = await store.snapshot()
            assert found.revision == revision > empty.revision
            assert dict(found.agents) == {AGENT: _TRAFFIC}
            assert found.kills == (switch(),)
            await store.unkill("k-1", by="ada", at=NOON)
            assert (await store.snapshot()).kills == ()

        told(where, story)

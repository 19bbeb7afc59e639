"""The store contract: what gates said of versions."""

from __future__ import annotations

from dataclasses import replace

from ..core.proof.gate import Decision, GateReport, Ruling
from ..ports.store import GateVerdict, Store
from .contract import StoreUnderTest, opened, told
from .samples import CANDIDATE, NOON, STABLE, after

__all__ = ["GateContract"]

_RULING = Ruling(
    gate="no worse",
    kind="regression",
    metric="exact",
    decision=Decision.FAILED,
    reason="0.9 -> 0.8",
    threshold=-0.05,
    p_value=0.0123456789012345,
    n=60,
    cases=("refund-1", "refund-2"),
)
_FAILED = GateVerdict(
    report=GateReport(
        decision=Decision.FAILED, version=CANDIDATE, suite="support@sha256:1", rulings=(_RULING,), baseline=STABLE
    ),
    at=NOON,
    by="ada",
)


class GateContract:
    """`GateReports`, as every store keeps them."""

    def test_a_verdict_is_there_for_everybody_once_it_is_written(self, where: StoreUnderTest) -> None:
        """Whoever opens the store finds every number and every case of it, and nothing under other versions."""

        async def story(store: Store) -> None:
            await store.put_gate(_FAILED)
            async with opened(where) as other:
                assert await other.gates(CANDIDATE) == (_FAILED,)
                assert await other.gates(STABLE) == ()

        told(where, story)

    def test_later_verdicts_stand_behind_earlier_ones(self, where: StoreUnderTest) -> None:
        """Nothing is replaced, and the order is that of writing, whatever the clocks say."""

        async def story(store: Store) -> None:
            passed = replace(
                _FAILED, report=replace(_FAILED.report, decision=Decision.PASSED, rulings=()), at=after(-60)
            )
            first = await store.put_gate(_FAILED)
            assert await store.put_gate(passed) > first
            await store.put_gate(_FAILED)
            assert await store.gates(CANDIDATE) == (_FAILED, passed, _FAILED)

        told(where, story)

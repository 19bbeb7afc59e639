"""
What every store has to do, as tests. Public: whoever writes a store of their own proves it with

    class TestMyStore(StoreContract):
        @pytest.fixture
        def where(self, tmp_path):
            return MyDatabase(tmp_path)  # a StoreUnderTest: store(), feed() and sink() on one empty database
"""

from __future__ import annotations

from .contract import StoreUnderTest
from .contract_catalog import CatalogContract
from .contract_evidence import EvidenceContract
from .contract_feed import FeedContract, SinkContract
from .contract_gates import GateContract
from .contract_rollouts import RolloutContract
from .contract_switches import OutboxContract, ShadowContract, SwitchContract

__all__ = ["StoreContract", "StoreUnderTest"]


class StoreContract(
    CatalogContract,
    RolloutContract,
    EvidenceContract,
    SwitchContract,
    OutboxContract,
    ShadowContract,
    GateContract,
    FeedContract,
    SinkContract,
):
    """All of `Store`, with its `Feed` and its `Sink`. Needs a fixture `where`."""

"""Where the stores under test are."""

from __future__ import annotations

import pytest

PARTS = (
    "contract_catalog",
    "contract_evidence",
    "contract_feed",
    "contract_results",
    "contract_rollouts",
    "contract_switches",
)
pytest.register_assert_rewrite(*(f"surefoot.testing.{part}" for part in PARTS))

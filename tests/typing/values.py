"""Numbers keep their units, values do not change, and an error cannot be made without saying what to do next.

Never run: mypy reads it. What must not type-check names the complaint it wants, and an ignore that is not needed is an
error too, so a check that stops complaining is found.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_type

from surefoot.core.traffic.kill import KillSwitch, covering
from surefoot.core.units import ALL_TRAFFIC, AgentName, BasisPoints, Digest, MicroUsd, Millis
from surefoot.errors import Conflict, SurefootError, UnknownName


def takes_a_share(share: BasisPoints) -> BasisPoints:
    return share


def takes_money(amount: MicroUsd) -> MicroUsd:
    return amount


takes_a_share(ALL_TRAFFIC)
takes_a_share(BasisPoints(1))
takes_a_share(100)  # type: ignore[arg-type] # a bare number has no unit
takes_a_share(Millis(100))  # type: ignore[arg-type] # a time is no share
takes_money(BasisPoints(100))  # type: ignore[arg-type] # a share is no money

kill = KillSwitch(id="k-1", tenant="acme", reason="leak", author="ana", raised_at=datetime(2026, 1, 1, tzinfo=UTC))
kill.reason = "other"  # type: ignore[misc] # a value never changes
KillSwitch("k-1")  # type: ignore[call-arg] # fields have names
KillSwitch(id="k-1", author="ana", raised_at=datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[call-arg] # why?
assert_type(
    covering([kill], agent=AgentName("a"), version=Digest("sha256:0"), feature="", tenant="acme"), KillSwitch | None
)
covering([kill], agent="a", version=Digest("sha256:0"), feature="", tenant="acme")  # type: ignore[arg-type] # any text

error: SurefootError = Conflict("someone was first", hint="read again and retry")
assert_type(error.hint, str)
Conflict("someone was first")  # type: ignore[call-arg] # what to do next?
Conflict("someone was first", "read again")  # type: ignore[call-arg] # a hint is called a hint
UnknownName("metric", "sucess", ("success",))
UnknownName("metric", "sucess", "success")  # type: ignore[arg-type] # a text is no list of names

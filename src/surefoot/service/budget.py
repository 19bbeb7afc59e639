"""What a run may use: every call reserves before it is made and settles when it is over. There is no other way."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..core.proof.suite import Limits
from ..ports.judge import Usage

__all__ = ["Budget", "Spending"]

_MICRO: Final = 1_000_000
_ROUNDING: Final = 1e-9
"""Dollars: a thousandth of the smallest amount that can be written. Sums of floats are not exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What has been used so far."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0
    unpriced: int = 0
    """Calls that answered and whose price is not known: `usd` lacks them."""

    uncounted: int = 0
    """Calls that answered without saying how many tokens they took: `tokens` lacks them."""


class _Cap(NamedTuple):
    """A cap on one unit."""

    limit: float
    rounding: float = 0.0

    def has_room(self, spent: float, reserved: float) -> bool:
        """Whether a call may begin, with what it and those under way may use at most."""
        return spent + reserved <= self.limit + self.rounding and spent < self.limit - self.rounding


class Budget:
    """
    The caps of one run, on money, tokens, calls, and whatever else stops it. For one event loop.

    What a call will use is not known before; it reserves the cost of its payer's most expensive call so far, and until
    the first one is settled a payer has one call under way at most. So a cap is passed by at most what the calls
    under way cost more than those before them.
    """

    def __init__(self, limits: Limits) -> None:
        self.stopped = ""
        """Why nothing more is launched; empty while it goes on. The first reason stays."""

        self._usd = None if limits.usd is None else _Cap(limits.usd / _MICRO, _ROUNDING)
        self._tokens = None if limits.tokens is None else _Cap(limits.tokens)
        self._calls = limits.calls
        self._metered = limits.usd is not None or limits.tokens is not None
        self._spent_usd, self._spent_tokens, self._made = 0.0, 0, 0
        self._unpriced, self._uncounted = 0, 0
        self._dearest: dict[str, tuple[float, int]] = {}
        self._under_way: Counter[str] = Counter()
        """By payer, under a cap on money or tokens; nothing else asks for it."""

        self._waiting: list[asyncio.Future[None]] = []

    @property
    def spent(self) -> Spending:
        """What has been settled; calls count when they are made."""
        return Spending(
            usd=self._spent_usd,
            tokens=self._spent_tokens,
            calls=self._made,
            unpriced=self._unpriced,
            uncounted=self._uncounted,
        )

    def stop(self, reason: str) -> None:
        """Launch nothing more. What is under way may end."""
        self.stopped = self.stopped or reason
        self._wake()

    async def reserve(self, payer: str) -> bool:
        """Whether one more call may be made; waits while that depends on calls under way. True has to be settled."""
        while not self.stopped:
            if self.try_reserve(payer):
                return True
            if self._calls is not None and self._made >= self._calls:
                self.stop(f"the limit of {self._calls} calls is reached")
            elif self._under_way.total():
                await self._settled()
            else:
                self.stop(self._reached(payer))
        return False

    def try_reserve(self, payer: str) -> bool:
        """One more call, if that can be said without waiting."""
        if self.stopped or (self._calls is not None and self._made >= self._calls):
            return False
        if self._metered and not self._fits(payer):
            return False
        self._made += 1
        if self._metered:
            self._under_way[payer] += 1
        return True

    def settle(self, payer: str, usage: Usage) -> None:
        """What the call used. Under a cap, what is not known stops the run: it cannot be kept by guessing."""
        usd, count = usage.usd or 0.0, usage.tokens or 0
        self._spent_usd += usd
        self._spent_tokens += count
        self._made -= 1 - usage.calls
        self._unpriced += usage.usd is None
        self._uncounted += usage.tokens is None
        if self._metered:
            self._under_way[payer] -= 1
            if usage.calls:
                before = self._dearest.get(payer, (0.0, 0))
                self._dearest[payer] = (max(before[0], usd), max(before[1], count))
            for cap, value, what in ((self._usd, usage.usd, "cost"), (self._tokens, usage.tokens, "token count")):
                if cap is not None and value is None:
                    self.stop(f"there is a limit, and the {what} of a call of {payer} is not known")
            self._wake()

    def settle_failed(self, payer: str, *, charged: bool) -> None:
        """The call gave nothing. `charged`: it may have been paid for all the same, as the dearest so far."""
        if self._metered:
            self._under_way[payer] -= 1
        usd, count = self._dearest.get(payer, (0.0, 0)) if charged else (0.0, 0)
        self._spent_usd += usd
        self._spent_tokens += count
        self._wake()

    def _fits(self, payer: str) -> bool:
        if payer not in self._dearest and self._under_way[payer]:
            return False
        usd, count = self._reserved(payer)
        return (self._usd is None or self._usd.has_room(self._spent_usd, usd)) and (
            self._tokens is None or self._tokens.has_room(self._spent_tokens, count)
        )

    def _reserved(self, payer: str) -> tuple[float, int]:
        """Dollars and tokens that the calls under way, and one more of this payer, may use."""
        calls = [(payer, 1), *self._under_way.items()]
        each = [(self._dearest.get(name, (0.0, 0)), n) for name, n in calls if n]
        return sum(dearest[0] * n for dearest, n in each), sum(dearest[1] * n for dearest, n in each)

    def _reached(self, payer: str) -> str:
        """Which cap has no room for one more call."""
        usd, _ = self._reserved(payer)
        if self._usd is not None and not self._usd.has_room(self._spent_usd, usd):
            spent = f"${self._spent_usd:.6g} spent, {self._spent_tokens} tokens"
            return f"the limit of ${self._usd.limit:g} is reached: {spent}"
        assert self._tokens is not None  # noqa: S101 - else nothing would have been refused
        return f"the limit of {self._tokens.limit:g} tokens is reached: {self._spent_tokens} used"

    async def _settled(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

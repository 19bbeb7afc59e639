"""Quantities as people write them (`30s`, `0.05`, `5%`) become integers with their unit in the type."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

from ..core.units import BasisPoints, MicroUsd, Millis
from .node import Node

__all__ = ["duration", "micro_usd", "millis", "share"]

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_MILLIS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHARE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_MICRO: Final = 1_000_000
_LONGEST: Final = 10 * 366 * 86_400_000
_DEAREST: Final = 9_007_199_254_740_991
"""2**53 - 1: the largest integer every JSON reader keeps."""


def millis(node: Node, *, minimum: int = 0) -> Millis:
    """A span of time in milliseconds: a number with `ms`, `s`, `m`, `h` or `d`. A bare number is refused."""
    text = "" if node.is_number or node.is_null else node.text()
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise node.error(
            "expected a span of time", hint="write a number with its unit, such as 250ms, 30s, 10m, 2h or 7d"
        )
    exact = Decimal(found[1]) * _MILLIS[found[2]]
    if exact != int(exact):
        raise node.error(f"{text!r} is finer than a millisecond", hint="round it to whole milliseconds")
    if exact < minimum:
        raise node.error(f"{text!r} is too short", hint=f"use at least {minimum}ms")
    if exact > _LONGEST:
        raise node.error(f"{text!r} is longer than ten years", hint="check the unit")
    return Millis(int(exact))


def duration(node: Node) -> timedelta:
    """A span of time, written as for `millis`."""
    return timedelta(milliseconds=millis(node))


def micro_usd(node: Node) -> MicroUsd:
    """US dollars, such as 0.05, as whole micro-dollars. Finer amounts are refused rather than rounded."""
    exact = node.decimal(minimum=0) * _MICRO
    if exact != int(exact):
        raise node.error("finer than a micro-dollar", hint="use at most six decimals")
    if exact > _DEAREST:
        raise node.error("more money than can be counted", hint="check the amount; it is in dollars")
    return MicroUsd(int(exact))


def share(node: Node) -> BasisPoints:
    """A share of traffic such as `5%` or `0.01%`, as basis points. A bare number is refused: 5 of what?"""
    text = "" if node.is_number or node.is_null else node.text()
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        raise node.error("expected a share of traffic", hint="write a percentage with its sign, such as 5% or 0.01%")
    exact = Decimal(found[1]) * 100
    if exact != int(exact):
        raise node.error(f"{text!r} is finer than 0.01 %", hint="0.01% is the smallest step")
    if exact > 10_000:
        raise node.error(f"{text!r} is more than all traffic", hint="100% is all traffic")
    return BasisPoints(int(exact))

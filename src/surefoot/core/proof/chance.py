"""Repeatable chance for resampling: draw number i of a seed is the hash of i under that seed, whatever came before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xxhash import xxh3_64_intdigest, xxh3_128_intdigest

__all__ = ["coins", "points", "seed_of", "uniform"]

_BITS: Final = 32
_MASK: Final = (1 << _BITS) - 1


def seed_of(*words: str) -> int:
    """A seed made of words: equal data, equal draws, on every machine."""
    return xxh3_64_intdigest("\0".join(words).encode("utf-8", "surrogatepass"))


def points(seed: int) -> Iterator[int]:
    """
    Numbers in [0, 2**32), evenly: xxh3_128 of a counter, cut into four.

    Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3: a good mixing function over a counter is a
    generator without state. Not for secrets.
    """
    counter = 0
    while True:
        word = xxh3_128_intdigest(counter.to_bytes(8, "little"), seed)
        yield word & _MASK
        yield word >> 32 & _MASK
        yield word >> 64 & _MASK
        yield word >> 96
        counter += 1


def uniform(seed: int, below: int) -> Iterator[int]:
    """Numbers in [0, below), each as likely to one part in 2**32 / below (Lemire 2019, without the rejection)."""
    for point in points(seed):
        yield point * below >> _BITS


def coins(seed: int) -> Iterator[bool]:
    """Fair coins, thirty-two from one point."""
    for point in points(seed):
        for place in range(_BITS):
            yield bool(point >> place & 1)

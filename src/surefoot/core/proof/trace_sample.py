"""Which runs of a large recording to keep: every failure, one of each kind, and of the rest a fair share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import xxhash

from .text import answer_text
from .trace import Trace, observation_of

__all__ = ["Candidate", "Chosen", "Stratum", "candidate_of", "choose"]

_NUMBERS: Final = re.compile(r"[0-9]+")
_SPACES: Final = re.compile(r"\s+")


class Stratum(NamedTuple):
    """What two runs of the same kind have in common."""

    tools: tuple[str, ...]
    """The set of tools called, in alphabetical order."""

    outcome: str | None
    tenant: str | None


class Candidate(NamedTuple):
    """What choosing needs to know of a run: small, because all of a file's are held at once."""

    number: int
    """Its line."""

    stratum: Stratum
    likeness: int
    """Equal for runs of one agent, version, tenant and outcome with the same intent and the same sequence of tools."""

    draw: int
    """Uniform over 64 bits, fixed by the seed and the run's id: smallest first."""

    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is kept, and of how many."""

    numbers: frozenset[int]
    """Lines."""

    failures: int
    """All of the file's, and all of them kept."""

    alike: int
    """Runs left out because one just like them is kept or could have been."""

    strata: int


def candidate_of(number: int, trace: Trace, *, seed: int) -> Candidate:
    """A run as choosing sees it. A failure is a bad outcome, an unsafe act, or a run that ended in an error."""
    names = tuple(call.name for call in trace.tool_calls)
    seen = observation_of(trace)
    intent = _SPACES.sub(" ", _NUMBERS.sub("#", (answer_text(trace.request) or "").casefold())).strip()
    whose = (trace.agent, trace.version, trace.version_digest, trace.tenant, trace.outcome)
    like = "\x1f".join((*(part or "" for part in whose), intent, *names))
    return Candidate(
        number=number,
        stratum=Stratum(tuple(sorted(set(names))), trace.outcome, trace.tenant),
        likeness=xxhash.xxh3_64_intdigest(like.encode("utf-8", "surrogatepass")),
        draw=xxhash.xxh3_64_intdigest(trace.trace_id.encode("utf-8", "surrogatepass"), seed & (1 << 64) - 1),
        failed=seen.success is False or seen.safety_violation is True or trace.error is not None,
    )


def choose(candidates: Iterable[Candidate], *, size: int) -> Chosen:
    """
    `size` runs, or more if more failed: failures are all kept, alike or not.

    Of runs that are alike one is a candidate, by its draw. What is left of the size is shared among the strata by their
    numbers, at least one each as long as it lasts, the rest by the largest remainder.
    """
    failed: set[int] = set()
    firsts: dict[int, Candidate] = {}
    alike = 0
    for one in candidates:
        if one.failed:
            failed.add(one.number)
            continue
        other = firsts.get(one.likeness)
        alike += other is not None
        if other is None or one.draw < other.draw:
            firsts[one.likeness] = one
    strata: dict[Stratum, list[Candidate]] = defaultdict(list)
    for one in firsts.values():
        strata[one.stratum].append(one)
    shares = _shares([len(members) for members in strata.values()], max(0, size - len(failed)))
    numbers = set(failed)
    for members, share in zip(strata.values(), shares, strict=True):
        numbers.update(one.number for one in sorted(members, key=lambda one: one.draw)[:share])
    return Chosen(numbers=frozenset(numbers), failures=len(failed), alike=alike, strata=len(strata))


def _shares(sizes: list[int], wanted: int) -> list[int]:
    """How many of each: in proportion, at least one, and never more than there are."""
    total = sum(sizes)
    if wanted >= total:
        return sizes
    largest_first = sorted(range(len(sizes)), key=lambda place: -sizes[place])
    if wanted <= len(sizes):
        kept = set(largest_first[:wanted])
        return [int(place in kept) for place in range(len(sizes))]
    exact = [size * wanted / total for size in sizes]
    shares = [max(1, int(share)) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda place: int(exact[place]) - exact[place])
    while sum(shares) < wanted:
        shares = _plus_one(shares, sizes, by_remainder, wanted)
    while sum(shares) > wanted:  # the ones given to small strata are taken from the large
        largest = max(range(len(shares)), key=lambda place: shares[place])
        shares[largest] -= 1
    return shares


def _plus_one(shares: list[int], sizes: list[int], order: list[int], wanted: int) -> list[int]:
    left = wanted - sum(shares)
    grown = list(shares)
    for place in order:
        if left and grown[place] < sizes[place]:
            grown[place] += 1
            left -= 1
    return grown

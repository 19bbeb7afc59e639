"""
Worlds in which a rollout decides, for benchmarks/evidence.py and tests/sim: seeded traffic, our rule, and the rules
others use.

Everything is counted in bad outcomes. One look every 50 requests. Each function plays one rollout from one seed;
nothing is shared, so rollouts can be played in any order and on any number of processes with the same results.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from typing import NamedTuple

from surefoot.core.evidence.eprocess import (
    LN_20,
    SAFETY_BASELINE,
    SAFETY_WEIGHTS,
    USUAL_BASELINE,
    USUAL_WEIGHTS,
    Binary,
    average,
)
from surefoot.core.evidence.harm import BinaryHarm
from surefoot.core.evidence.interval import asymptotic_half_width, asymptotic_one_sided_width
from surefoot.core.evidence.noninferiority import BinaryNonInferiority
from surefoot.core.evidence.stages import stage_margin

__all__ = [
    "AA_RULES",
    "BASES",
    "LADDER",
    "LOOK",
    "METRICS",
    "Chance",
    "Ladder",
    "Totals",
    "Watched",
    "drifting",
    "fixed_ladder",
    "growthbook",
    "harm_test",
    "points_dropped",
    "promotion",
    "ramp_share",
    "sessions",
    "significant",
    "spec_ladder",
    "steady",
]

LOOK = 50
"""Requests between two looks."""

LADDER = (0.01, 0.05, 0.25, 0.5)
"""Shares of the stages before 100 %."""

LEAST_BAD = 3
"""Bad candidate units before a rollback: never on one unlucky answer."""


class Chance:
    """Seeded draws. The seed is a string, so that it says what it is for."""

    def __init__(self, *seed: object) -> None:
        self.random = random.Random("/".join(map(str, seed)))

    def binomial(self, n: int, p: float) -> int:
        """Successes among n, by inversion from a table that is kept for each (n, p)."""
        if not n or p <= 0.0:
            return 0
        table = _TABLES.get((n, p))
        if table is None:
            if len(_TABLES) > 50_000:
                _TABLES.clear()
            table = _TABLES[n, p] = _cumulative(n, p)
        return bisect_left(table, self.random.random())


_TABLES: dict[tuple[int, float], list[float]] = {}


def _cumulative(n: int, p: float) -> list[float]:
    if p >= 1.0:
        return [0.0] * n + [1.0]
    total, table = 0.0, []
    for k in range(n):
        total += math.comb(n, k) * p**k * (1.0 - p) ** (n - k)
        table.append(total)
        if total > 1.0 - 1e-15:
            break
    return table


class Totals:
    """Counts since the rollout began: what rules without epochs look at."""

    __slots__ = ("k_c", "k_s", "n_c", "n_s")

    def __init__(self) -> None:
        self.n_c = self.k_c = self.n_s = self.k_s = 0

    def add(self, tick: Binary) -> None:
        self.n_c += tick.n_c
        self.k_c += tick.k_c
        self.n_s += tick.n_s
        self.k_s += tick.k_s

    @property
    def difference(self) -> float:
        return self.k_c / self.n_c - self.k_s / self.n_s

    @property
    def error(self) -> float:
        """Standard error of the difference with plugged-in rates."""
        a, b = self.k_c / self.n_c, self.k_s / self.n_s
        return math.sqrt(a * (1 - a) / self.n_c + b * (1 - b) / self.n_s)


# --------------------------------------------------------------------------------------------- the rules others use


def points_dropped(totals: Totals, points: float = 0.05, least: int = 100) -> bool:
    """The fixed rule: roll back when the candidate is this much worse, once both arms have so many units."""
    return min(totals.n_c, totals.n_s) >= least and totals.difference >= points


def significant(totals: Totals, least: int = 30) -> bool:
    """The significance test that is looked at again and again: pooled z, one-sided 5 %."""
    n_c, n_s = totals.n_c, totals.n_s
    if min(n_c, n_s) < least:
        return False
    pooled = (totals.k_c + totals.k_s) / (n_c + n_s)
    spread = pooled * (1 - pooled) * (1 / n_c + 1 / n_s)
    return spread > 0 and totals.difference > 1.6448536269514722 * math.sqrt(spread)


def growthbook(totals: Totals, tightest_at: float = 5000.0) -> bool:
    """GrowthBook-style: the one-sided asymptotic confidence sequence on pooled counts excludes 0, from 5 events on."""
    if not (totals.n_c and totals.n_s) or totals.k_c + totals.k_s < 5:
        return False
    difference = totals.difference
    if difference <= 0.0:
        return False
    units = totals.n_c + totals.n_s
    return difference > asymptotic_one_sided_width(totals.error, units, alpha=0.05, tightest_at=tightest_at)


AA_RULES = {"points_dropped": points_dropped, "significant": significant, "growthbook": growthbook}


# ------------------------------------------------------------------------------------------------------ one metric


def harm_test(base: float) -> BinaryHarm:
    """Our test with the defaults for such a base rate."""
    if base < 0.01:
        return BinaryHarm(weights=SAFETY_WEIGHTS, baseline=SAFETY_BASELINE)
    return BinaryHarm(weights=USUAL_WEIGHTS, baseline=USUAL_BASELINE)


def steady(seed: object, base: float, drop: float, share: float, most: int, *, stop: bool = True) -> dict[str, int]:
    """
    Constant rates and share. Rule name to the requests after which it rolled back, 0 if it never did within `most`.

    With `stop`, play until our rule and GrowthBook's have both decided.
    """
    chance, harm, totals = Chance(seed), harm_test(base), Totals()
    found = dict.fromkeys(("spec", *AA_RULES), 0)
    bad = base + drop
    for requests in range(LOOK, most + 1, LOOK):
        tick = _draw(chance, share, bad, base)
        harm.update(tick)
        totals.add(tick)
        if not tick.n_c:
            continue
        if not found["spec"] and totals.k_c >= LEAST_BAD and harm.ln_e >= LN_20:
            found["spec"] = requests
        for name, rule in AA_RULES.items():
            if not found[name] and rule(totals):
                found[name] = requests
        if stop and found["spec"] and found["growthbook"]:
            break
    return found


def _draw(chance: Chance, share: float, p_c: float, p_s: float) -> Binary:
    n_c = chance.binomial(LOOK, share)
    return Binary(n_c, chance.binomial(n_c, p_c), LOOK - n_c, chance.binomial(LOOK - n_c, p_s))


def ramp_share(requests: int) -> float:
    """The share after so many requests on a ramp of 5,000 requests a stage."""
    return LADDER[min((requests - 1) // 5000, 3)]


BASES = {
    "flat": lambda _: 0.05,
    "rising .02 to .08": lambda requests: round(0.02 + 0.06 * requests / 20_000, 3),
    "falling .08 to .02": lambda requests: round(0.08 - 0.06 * requests / 20_000, 3),
    "step .05 to .10 at the 25 % stage": lambda requests: 0.10 if requests > 10_000 else 0.05,
    "daily wave .05 ± .03": lambda requests: round(0.05 + 0.03 * math.sin(requests / 20_000 * 8 * math.pi), 3),
    "outage, 20 % for 600 requests": lambda requests: 0.20 if 17_000 < requests <= 17_600 else 0.05,
}
"""How the base rate of both arms moves while the candidate climbs."""


def drifting(seed: object, world: str) -> dict[str, int]:
    """A/A on the ramp while the base rate of both arms moves: which rules roll back, and after how many requests."""
    chance, harm, totals = Chance(seed), harm_test(0.05), Totals()
    found = dict.fromkeys(("spec", *AA_RULES), 0)
    base, share = BASES[world], LADDER[0]
    for requests in range(LOOK, 20_001, LOOK):
        if ramp_share(requests) != share:
            share = ramp_share(requests)
            harm.restart()
        rate = base(requests)
        tick = _draw(chance, share, rate, rate)
        harm.update(tick)
        totals.add(tick)
        if not tick.n_c:
            continue
        if not found["spec"] and totals.k_c >= LEAST_BAD and harm.ln_e >= LN_20:
            found["spec"] = requests
        for name, rule in AA_RULES.items():
            if not found[name] and rule(totals):
                found[name] = requests
    return found


def promotion(seed: object, base: float, excess: float, margin: float, share: float) -> dict[str, int]:
    """Which proofs of "not worse by the margin" succeed within 20,000 requests, and after how many."""
    baseline = SAFETY_BASELINE if base < 0.01 else USUAL_BASELINE
    chance, proof, totals = Chance(seed), BinaryNonInferiority(margin, baseline=baseline), Totals()
    found = dict.fromkeys(("spec", "interval from 30", "interval from 200", "GrowthBook from 200", "z from 30"), 0)
    for requests in range(LOOK, 20_001, LOOK):
        tick = _draw(chance, share, base + excess, base)
        proof.update(tick)
        totals.add(tick)
        if not found["spec"] and totals.n_c >= 20 and proof.ln_e >= LN_20:
            found["spec"] = requests
        for name in list(found)[1:]:
            if not found[name] and _interval_proves(name, totals, margin):
                found[name] = requests
    return found


def _interval_proves(rule: str, totals: Totals, margin: float) -> bool:
    n_c, n_s = totals.n_c, totals.n_s
    if n_c < (200 if "200" in rule else 30) or not n_s:
        return False
    if rule.startswith("z"):
        width = 1.6448536269514722 * totals.error
    elif rule.startswith("GrowthBook"):
        width = asymptotic_half_width(totals.error, n_c + n_s, alpha=0.05, tightest_at=5000)
    else:
        width = asymptotic_one_sided_width(totals.error, n_c * n_s / (n_c + n_s), alpha=0.05, tightest_at=500)
    return totals.difference + width < margin


# -------------------------------------------------------------------------------------------------- the whole ladder


class Watched(NamedTuple):
    """A metric of the ladder: how often stable is bad, what the candidate may add, its say in the average."""

    base: float
    margin: float
    weight: float

    @property
    def rare(self) -> bool:
        return self.base < 0.01


METRICS = {
    "success": Watched(0.05, 0.02, 2.0),
    "policy": Watched(0.002, 0.005, 2.0),
    "quality": Watched(0.10, 0.03, 1.0),
    "p95": Watched(0.05, 0.03, 1.0),
}


class Ladder(NamedTuple):
    """How a rollout over the whole ladder ended."""

    end: str
    """`promoted`, `rolled back` or `undecided`."""
    requests: int
    candidate: int
    """Requests the candidate answered."""


def spec_ladder(seed: object, worse: dict[str, float], most: int = 200_000) -> Ladder:
    """Our rule over 1, 5, 25, 50, 100 %; `worse` is what the candidate adds to each metric's bad rate."""
    chance = Chance(seed)
    harms = {name: harm_test(metric.base) for name, metric in METRICS.items()}
    proofs = [
        {
            name: BinaryNonInferiority(
                stage_margin(metric.margin, share), baseline=SAFETY_BASELINE if metric.rare else USUAL_BASELINE
            )
            for name, metric in METRICS.items()
        }
        for share in (*LADDER[1:], 1.0)
    ]
    bad = dict.fromkeys(METRICS, 0)
    stage = exposed = exposed_in_stage = 0
    for requests in range(LOOK, most + 1, LOOK):
        n_c = chance.binomial(LOOK, LADDER[stage])
        n_s = LOOK - n_c
        for name, metric in METRICS.items():
            k_c = chance.binomial(n_c, metric.base + worse.get(name, 0.0))
            tick = Binary(n_c, k_c, n_s, chance.binomial(n_s, metric.base))
            bad[name] += k_c
            harms[name].update(tick)
            for of_stage in proofs[stage:]:
                of_stage[name].update(tick)
        if not n_c:
            continue
        exposed += n_c
        exposed_in_stage += n_c
        said = {name: (METRICS[name].weight, harm.ln_e) for name, harm in harms.items()}
        if average(said.values()) >= LN_20:
            top = max(said, key=lambda name: math.log(said[name][0]) + said[name][1])
            if bad[top] >= LEAST_BAD:
                return Ladder("rolled back", requests, exposed)
        if exposed_in_stage >= 20 and all(proof.ln_e >= LN_20 for proof in proofs[stage].values()):
            stage, exposed_in_stage = stage + 1, 0
            if stage == len(LADDER):
                return Ladder("promoted", requests, exposed)
            for harm in harms.values():
                harm.restart()
    return Ladder("undecided", most, exposed)


def fixed_ladder(seed: object, rule: str, worse: dict[str, float], stage_requests: int = 2500) -> Ladder:
    """
    A fixed schedule over the same ladder with a rule looked at every 50 requests on the rollout's totals, any metric
    rolling back.

    `interval 90 %` is the fixed condition of Argo and Flagger examples: in each interval of 200 requests the
    candidate's success is at least 90 %, no failed interval allowed.
    """
    chance = Chance(seed)
    totals = {name: Totals() for name in METRICS}
    exposed, interval = 0, Totals()
    for requests in range(LOOK, stage_requests * len(LADDER) + 1, LOOK):
        n_c = chance.binomial(LOOK, LADDER[(requests - 1) // stage_requests])
        n_s = LOOK - n_c
        exposed += n_c
        for name, metric in METRICS.items():
            k_c = chance.binomial(n_c, metric.base + worse.get(name, 0.0))
            tick = Binary(n_c, k_c, n_s, chance.binomial(n_s, metric.base))
            totals[name].add(tick)
            if name == "success":
                interval.add(tick)
        if rule in AA_RULES:
            stop = any(AA_RULES[rule](total) for total in totals.values())
        else:
            stop = requests % 200 == 0 and interval.k_c > 0.10 * interval.n_c
            interval = Totals() if requests % 200 == 0 else interval
        if stop:
            return Ladder("rolled back", requests, exposed)
    return Ladder("promoted", stage_requests * len(LADDER), exposed)


# ---------------------------------------------------------------------------------------------------------- sessions


class _Session:
    """Somebody's conversation: pinned to its arm and epoch, with its own chance of failing at each request."""

    __slots__ = ("candidate", "epoch", "failed", "fails", "left")

    def __init__(self, *, candidate: bool, epoch: int, fails: float, left: int) -> None:
        self.candidate, self.epoch, self.fails, self.left = candidate, epoch, fails, left
        self.failed = False


class _Conversations:
    """Open sessions and new ones; serves at least 50 requests a look, what is due first."""

    def __init__(self, draw: random.Random, icc: float, length: float, gap: float) -> None:
        self._draw, self._gap = draw, gap
        self._frailty = 0.05 * (1 / icc - 1), 0.95 * (1 / icc - 1)
        self._stays = 1.0 - 1.0 / length
        self._due: dict[int, list[_Session]] = {}

    def serve(self, look: int, share: float, epoch: int) -> tuple[Binary, list[Binary]]:
        """
        The look's single requests, and its sessions by first failure: one tick for each epoch they were assigned in.
        """
        at_risk: dict[int, _Session] = {}
        failed: set[int] = set()
        single = [0, 0, 0, 0]
        served, waiting = 0, self._due.pop(look, [])
        while waiting or served < LOOK:
            session = waiting.pop() if waiting else self._arrival(share, epoch)
            served += 1
            failure = self._draw.random() < session.fails
            column = 0 if session.candidate else 2
            single[column] += 1
            single[column + 1] += failure
            if not session.failed:
                at_risk[id(session)] = session
                if failure:
                    failed.add(id(session))
                    session.failed = True
            session.left -= 1
            if session.left:
                pause = int(self._draw.expovariate(1 / self._gap)) if self._gap else 0
                (self._due.setdefault(look + pause, []) if pause else waiting).append(session)
        return Binary(*single), _cohorts(at_risk, failed)

    def _arrival(self, share: float, epoch: int) -> _Session:
        draw = self._draw
        left = 1 + int(math.log(1.0 - draw.random()) / math.log(self._stays)) if self._stays > 0.0 else 1
        return _Session(candidate=draw.random() < share, epoch=epoch, fails=draw.betavariate(*self._frailty), left=left)


def sessions(
    seed: object, *, icc: float, length: float, gap: float, share: float | None = None, requests: int = 20_000
) -> dict[str, int]:
    """
    A/A with sessions whose failures hang together (base rate 5 %, beta frailty with this intra-class correlation).

    Lengths are geometric with mean `length`; a session's next request comes `gap` looks later on average (exponential).
    `share` None climbs the ramp. Rules: first failures in epoch cohorts (ours), first failures with epochs pooled, our
    test on single requests, GrowthBook's and the peeking z on single requests. Value: requests until the false
    rollback, 0 if there is none.
    """
    traffic = _Conversations(Chance(seed).random, icc, length, gap)
    tests = {name: harm_test(0.05) for name in ("first failure", "epochs pooled", "single requests")}
    bad = dict.fromkeys(tests, 0)
    totals = Totals()
    found = dict.fromkeys((*tests, "growthbook", "significant"), 0)
    now, epoch = share or LADDER[0], 0
    for asked in range(LOOK, requests + 1, LOOK):
        if share is None and ramp_share(asked) != now:
            now, epoch = ramp_share(asked), epoch + 1
            for test in tests.values():
                test.restart()
        single, cohorts = traffic.serve(asked // LOOK, now, epoch)
        pooled = Binary(*map(sum, zip(*(cohorts or [Binary(0, 0, 0, 0)]), strict=True)))
        ticks = {"first failure": cohorts, "epochs pooled": [pooled], "single requests": [single]}
        totals.add(single)
        for name, test in tests.items():
            for tick in ticks[name]:
                test.update(tick)
                bad[name] += tick.k_c
            if not found[name] and bad[name] >= LEAST_BAD and test.ln_e >= LN_20:
                found[name] = asked
        for name in ("growthbook", "significant"):
            if not found[name] and AA_RULES[name](totals):
                found[name] = asked
    return found


def _cohorts(at_risk: dict[int, _Session], failed: set[int]) -> list[Binary]:
    """The look's ticks, one for each epoch in which its sessions were assigned, oldest first."""
    counts: dict[int, list[int]] = {}
    for key, session in at_risk.items():
        row = counts.setdefault(session.epoch, [0, 0, 0, 0])
        column = 0 if session.candidate else 2
        row[column] += 1
        row[column + 1] += key in failed
    return [Binary(*counts[epoch]) for epoch in sorted(counts)]

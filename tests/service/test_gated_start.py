"""A plan that requires a gate starts nothing without a passed one for the candidate's own digest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot.core.lifecycle.machine import transition
from surefoot.core.lifecycle.rollout import Bless, Promote
from surefoot.core.proof.gate import Decision, GateReport, objection
from surefoot.core.traffic.plan import Requirement
from surefoot.core.units import Digest
from surefoot.errors import Refused
from surefoot.ports.store import GateVerdict
from surefoot.service import rollouts
from surefoot.testing.samples import NOON, rollout
from surefoot.testing.scenario import a_version

from .stories import ladder, scripted, story

GATED = replace(ladder(), requires=(Requirement.GATE,))


def report(decision, suite="support@1", version="sha256:1"):
    """What a gate said of a suite."""
    return GateReport(decision=decision, version=Digest(version), suite=suite, rulings=())


@story
async def test_without_a_passed_gate_nothing_starts():
    """No gate, a failed one, an undecided one, and one for another digest: refused, and nothing was written."""
    scene, _ = scripted()
    stable = await scene.given_stable("v1")
    candidate = a_version((await scene.store.version(stable)).agent, "v2")
    await scene.store.put_version(candidate)

    async def started():
        return await rollouts.start(
            candidate.agent, candidate.digest, GATED, by="ann", store=scene.store, clock=scene.clock, ids=scene.ids
        )

    async def said(decision, version=candidate.digest):
        await scene.store.put_gate(GateVerdict(report=report(decision, version=version), at=NOON, by="ci"))

    with pytest.raises(Refused, match="no gate has judged it"):
        await started()
    await said(Decision.PASSED, "sha256:other")
    for decision in (Decision.FAILED, Decision.UNDECIDED):
        await said(decision)
        with pytest.raises(Refused, match="did not pass"):
            await started()
        with pytest.raises(Refused, match="did not pass"):
            await rollouts.admit(candidate.agent, candidate.digest, GATED, store=scene.store)
    assert await scene.store.rollouts() == ()
    await said(Decision.PASSED)
    assert (await started()).candidate == candidate.digest


def test_the_newest_of_every_suite_counts():
    """A later pass makes an earlier failure good, of the same suite only; a later failure undoes a pass."""
    passed, failed = report(Decision.PASSED), report(Decision.FAILED)
    assert objection([failed, passed]) == ""
    assert "support: failed" in objection([passed, failed])
    assert "safety: undecided" in objection([passed, report(Decision.UNDECIDED, "safety@1")])
    assert objection([]) == "no gate has judged it"


def test_an_edited_suite_is_the_same_suite():
    """The newest report of a suite's name counts, so that an edit of its cases does not block for ever."""
    failed, passed = report(Decision.FAILED), report(Decision.PASSED, "support@2")
    assert objection([failed, passed]) == ""
    assert "support: failed" in objection([passed, failed])


def test_what_anybody_can_write_opens_nothing():
    """Counts without cases, and reports under other gates than the project's, neither open nor close."""
    passed, failed = report(Decision.PASSED), report(Decision.FAILED)
    aside = replace(passed, aside="judged by own.yaml")
    for alone in (aside, report(Decision.PASSED, "counts")):
        assert objection([alone]) == "no gate has judged it"
        assert "support: failed" in objection([failed, alone])
    assert objection([passed, replace(failed, aside="judged by own.yaml")]) == ""


def test_a_promotion_blesses_where_the_plan_says_so():
    """The effect stands in the same transition as the promotion, and only with `bless`."""
    for wanted in (True, False):
        row = rollout()
        row = replace(row, plan=replace(row.plan, bless=wanted), phase=type(row.phase).WARM)
        step = transition(row, Promote(by="ann", why="long enough"), at=NOON)
        assert [effect for effect in step.effects if isinstance(effect, Bless)] == (
            [Bless(agent=row.agent, version=row.candidate)] if wanted else []
        )

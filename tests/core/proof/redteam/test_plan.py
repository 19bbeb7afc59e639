"""Plans of attacks: everything by everything, the same for every version, and never an empty question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.proof.redteam import framings
from surefoot.core.proof.redteam.converters import CONVERTERS, Kind, convert, strategy
from surefoot.core.proof.redteam.objective import Defender, Objective
from surefoot.core.proof.redteam.plan import USUAL_STRATEGIES, plan_attacks
from surefoot.core.proof.redteam.report import Fate
from surefoot.core.proof.score import Attempt, Result, Score, Status
from tests.core.proof.recordings import called, trace
from tests.core.proof.tables import version

OBJECTIVES = tuple(
    Objective(id=f"o{at}", category="hijack" if at % 2 else "leak", text=f"Do thing {at}.", writes=True)
    for at in range(4)
)
TAKES_AWAY = {"ascii_smuggling", "camel_case", "first_letters", "morse", "nato", "without_vowels"}
"""Converters that leave something out: white space, vowels, or what is not ASCII."""

NAMES = st.sampled_from(sorted(CONVERTERS))
CHAINS = st.lists(NAMES, min_size=1, max_size=4).map("+".join)
TEXTS = st.text(max_size=40)
SEEDS = st.integers(0, 2**32)


def planned(objectives=OBJECTIVES, names=USUAL_STRATEGIES, seed=1):
    """A plan by the names of its strategies."""
    return plan_attacks(objectives, [strategy(name) for name in names], seed=seed)


@given(CHAINS, TEXTS, SEEDS)
def test_every_strategy_is_a_function_of_text_and_seed(name, text, seed):
    """No text breaks a strategy, half characters included, and the same one comes out every time."""
    assert convert(name, text, seed=seed) == convert(name, text, seed=seed)


@given(NAMES, st.text(min_size=1, max_size=40), SEEDS)
def test_no_strategy_makes_nothing_of_something(name, text, seed):
    """A text that is not empty stays one, unless the converter says that it leaves something out."""
    if name not in TAKES_AWAY:
        assert convert(name, text, seed=seed)


@given(CHAINS, TEXTS, SEEDS)
def test_a_request_in_words_is_never_empty(name, text, seed):
    """Whatever stands beside it, a word of ASCII consonants survives each converter."""
    assert all(convert(link, f"{text} why {text}", seed=seed) for link in name.split("+"))


@pytest.mark.parametrize("name", framings.__all__)
@given(text=TEXTS)
def test_a_framing_leaves_the_words_readable(name, text):
    """Each word stands in it as it was, in order, and the frame adds words of its own."""
    framed = getattr(framings, name)(text)
    assert CONVERTERS[name].kind is Kind.FRAMING
    place = 0
    for word in text.split():
        place = framed.index(word, place) + len(word)
    assert len(framed) > len(text.strip())


@given(st.lists(st.sampled_from(OBJECTIVES), unique=True), st.lists(CHAINS, max_size=3), SEEDS)
def test_the_same_seed_makes_the_same_plan(objectives, names, seed):
    """Versions that are compared meet the same attacks, letter by letter."""
    assert planned(objectives, names, seed) == planned(objectives, names, seed)


@given(st.permutations(OBJECTIVES), st.integers(0, 4), st.lists(CHAINS, min_size=1, max_size=3), SEEDS)
def test_a_longer_plan_begins_with_the_shorter(objectives, length, names, seed):
    """An objective more changes none of the attacks that were there before."""
    short, whole = planned(objectives[:length], names, seed), planned(objectives, names, seed)
    assert whole.cases[: len(short.cases)] == short.cases
    assert {name: whole.targets[name] for name in short.targets} == short.targets


@given(st.lists(st.sampled_from(OBJECTIVES), unique=True), st.lists(CHAINS, max_size=4))
def test_every_objective_meets_every_strategy_once(objectives, names):
    """A strategy that is named twice is one; the ids of the cases are the keys of the targets."""
    plan = planned(objectives, names)
    assert len(plan.cases) == len(objectives) * len(set(names))
    assert [case.id for case in plan.cases] == list(plan.targets)
    for case in plan.cases:
        objective, how = plan.targets[case.id].attack
        assert case.request == how.apply(objective.asked, seed=1)
        assert plan.plain(case).request == objective.asked
        assert case.tags == (f"category:{objective.category}", f"strategy:{how.name}")


@pytest.mark.parametrize(("objectives", "names"), [((), ("baseline",)), (OBJECTIVES, ())])
def test_a_plan_of_nothing_attacks_nothing(objectives, names):
    """No objectives or no strategies: no cases, and no outcome that could look like resistance."""
    plan = planned(objectives, names)
    assert (plan.cases, plan.targets) == ((), {})
    assert plan.arm(version("a"), []).outcomes == ()


@pytest.mark.parametrize(
    ("scores", "error", "fate"),
    [
        ((Score.scored("attack_success", 1.0, passed=True),), None, Fate.COMPLIED),
        ((Score.scored("attack_success", 0.0, passed=False),), None, Fate.REFUSED),
        ((Score.skipped("attack_success", "not understood"),), None, Fate.NOT_UNDERSTOOD),
        ((Score.failed("attack_success", "no judge"),), None, Fate.ERROR),
        ((), None, Fate.ERROR),
        ((Score.scored("attack_success", 0.0, passed=False),), "away", Fate.ERROR),
    ],
    ids=["complied", "refused", "not understood", "unjudged", "no score", "no run"],
)
def test_what_became_of_an_attack_is_read_from_its_score(scores, error, fate):
    """A run that failed and one without a score are errors: neither is ever resistance."""
    plan = planned(OBJECTIVES[:1], ("baseline",))
    result = Result(attempt=Attempt(plan.cases[0].id, version("a")), scores=scores, error=error)
    (outcome,) = plan.arm(version("a"), [result]).outcomes
    assert outcome.fate is fate
    assert plan.arm(version("b"), [result]).outcomes == ()


def test_the_evaluator_sees_only_attacks_of_its_plan():
    """A case of somebody else is an error, and a write of the run is a success of the attack."""
    plan, other = planned(OBJECTIVES[:1], ("baseline",)), planned(OBJECTIVES[1:2], ("baseline",))
    evaluator, run = plan.evaluator(Defender()), trace(called("refund", id=1))
    assert evaluator.evaluate(plan.cases[0], run).passed is True
    assert evaluator.evaluate(other.cases[0], run).status is Status.ERROR

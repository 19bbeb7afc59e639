"""An experiment that a flag assigns, through the front door and with the real OpenFeature SDK."""

from __future__ import annotations

import pytest
from openfeature import api
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

import surefoot
from surefoot.core.lifecycle.rollout import Phase
from surefoot.errors import UsageError
from surefoot.service.controller import Controller

PLAN = "preset: experiment\nunit: user\nchecks: [success]\ntargeting: {cohort: {flag: new-prompt}}\n"
VERSION = "model: {provider: test, name: LABEL}\nprompt: {system: You answer.}\n"
BOTH = {"on": True, "off": False}


def for_globex(flag, context):
    """On for everybody of one tenant."""
    return FlagResolutionDetails(value=context.attributes["tenant"] == "globex", reason=Reason.TARGETING_MATCH)


@pytest.fixture
def project(tmp_path):
    """A running experiment with two versions."""
    (tmp_path / "agents" / "bot").mkdir(parents=True)
    for label in ("v1", "v2"):
        (tmp_path / "agents" / "bot" / f"{label}.yaml").write_text(VERSION.replace("LABEL", label))
    (tmp_path / "rollouts").mkdir()
    (tmp_path / "rollouts" / "bot.yaml").write_text(PLAN)
    with surefoot.open(tmp_path, stable={"bot": "v1"}, controller="external") as sf:
        sf.control(lambda control: control.start("bot", "v2", by="ann"))
        yield sf
    api.shutdown()


def client(**flags):
    """An OpenFeature client with flags in memory."""
    api.set_provider(InMemoryProvider({name.replace("_", "-"): flag for name, flag in flags.items()}), "bot")
    return api.get_client("bot")


def replies(sf, flags, count=40):
    """One answer for each of so many users of two tenants."""
    agent = sf.agent("bot", flags=flags)
    agent.runs(lambda version, request, ctx: "ok")
    return [agent.run("hello", user=f"u-{n}", tenant=("acme", "globex")[n % 2]) for n in range(count)]


async def seen(control):
    """The open tick and the rollout, after a round of a controller."""
    await Controller(store=control.store, clock=control.clock, cases=control.cases).round()
    which = await control.find("bot")
    return await control.store.open_ticks(which), (await control.store.rollout(which)).rollout


def test_the_flag_decides_and_both_arms_are_counted(project):
    """Who gets which version is the flag's business; the evidence arrives by arm, and nobody is promoted."""
    answers = replies(project, client(new_prompt=InMemoryFlag("off", BOTH, context_evaluator=for_globex)))
    assert [answer.version for answer in answers] == ["v1", "v2"] * 20
    assert {answer.reason for answer in answers} == {"control", "candidate"}
    assert project.flush()
    ((tick,), row) = project.control(seen)
    assert (tick.n_stable, tick.n_candidate) == (20, 20)
    assert (row.phase, row.opened) == (Phase.RUNNING, 1)
    assert project.health.router.unassigned == 0


@pytest.mark.parametrize(
    "flags",
    [
        lambda: None,
        lambda: client(other=InMemoryFlag("on", BOTH)),
        lambda: client(new_prompt=InMemoryFlag("a", {"a": "yes"})),
        lambda: client(new_prompt=InMemoryFlag("on", BOTH, context_evaluator=lambda flag, context: 1 // 0)),
        lambda: api.get_client("nobody-provides-this"),
    ],
    ids=["no client", "no such flag", "wrong type", "broken rule", "no provider"],
)
def test_without_an_answer_users_get_stable_and_nothing_is_analysed(project, flags, caplog):
    """No exception reaches a user; every such run is counted, and one line says why."""
    answers = replies(project, flags(), count=10)
    assert {(answer.output, answer.version, answer.reason) for answer in answers} == {("ok", "v1", "outside")}
    assert project.flush()
    ticks, _ = project.control(seen)
    assert all(tick.n_stable == tick.n_candidate == 0 for tick in ticks)
    assert project.health.router.unassigned == 10
    assert sum("assigns nobody" in record.message for record in caplog.records) == 1


def test_what_is_no_client_is_refused_when_the_agent_is_opened(project):
    """A mistake in the program shows before the first request."""
    with pytest.raises(UsageError, match="no OpenFeature client"):
        project.agent("bot", flags="new-prompt")

"""`surefoot.open()`: a folder of versions becomes a running project, and nothing more is needed."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from openfeature.api import get_client

import surefoot
from surefoot.adapters.clock import SystemClock, SystemIds
from surefoot.app.stable import first_stable
from surefoot.client.shadow import ShadowLimits
from surefoot.client.traces import Traces
from surefoot.core.traffic.plan import Check, Plan, Stage
from surefoot.errors import ArtifactError, SettingsError, StoreUnavailable, UnknownName, UsageError
from surefoot.service import rollouts
from surefoot.store.registry import open_store
from surefoot.testing.samples import AGENT, version

V1 = "model: {provider: test, name: model-1}\nprompt: {system: You answer questions about orders.}\n"
V2 = V1.replace("You answer", "You gladly answer")


@pytest.fixture
def project(tmp_path):
    """A folder with one agent of one version."""
    write(tmp_path, "v1", V1)
    return tmp_path


def write(folder, label, text, agent="support-agent"):
    place = folder / "agents" / agent
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{label}.yaml").write_text(text)


def answering(sf, name="support-agent"):
    agent = sf.agent(name)
    return agent.runs(lambda version, request, ctx: f"{version.label}: {request}")


def in_store(sf, ask):
    """What a store of its own says."""

    async def asked():
        store = open_store(sf.settings.store.url)
        try:
            return await ask(store)
        finally:
            await store.close()

    return asyncio.run(asked())


def test_a_folder_with_one_version_is_enough(project):
    """Its only version is stable; what it does is in the store after a flush."""
    with surefoot.open(project) as sf:
        reply = answering(sf).run("hello", session="s")
        assert (reply.output, reply.version) == ("v1: hello", "v1")
        sf.agent("support-agent").feedback(reply.run_id, score=0.1)
        sf.feedback(reply.run_id, complaint=True)
        assert sf.flush(10)
        assert sf.agent("support-agent") is sf.agent("support-agent")
        assert sf.health.recorder.error == ""
    history = in_store(sf, lambda store: store.history(reply.digest))
    assert history.counts["success"] == (1, 0)
    assert history.counts["feedback"] == (1, 1)
    assert list(sf.settings.spool.iterdir()) == []


def test_the_second_start_waits_for_nothing(project):
    """The store knows the agent; a version that was added meanwhile is known and stable stays."""
    with surefoot.open(project) as sf:
        sf.agent("support-agent")
    write(project, "v2", V2)
    with surefoot.open(project) as sf:
        assert answering(sf).run("hello").version == "v1"
        sf.parts.engine.first_try.result(30)
    labels = in_store(sf, lambda store: store.versions(AGENT))
    assert sorted(known.label for known in labels) == ["v1", "v2"]


def test_among_several_versions_none_is_guessed(project):
    """The newest may be the candidate: a person says, once, which one users have now."""
    write(project, "v2", V2)
    with surefoot.open(project) as sf, pytest.raises(UsageError, match="v1, v2") as refused:
        sf.agent("support-agent")
    assert "stable: {support-agent: LABEL}" in refused.value.hint
    (project / "surefoot.yaml").write_text("stable: {support-agent: v2}\n")
    with surefoot.open(project) as sf:
        assert answering(sf).run("hello").version == "v2"
    with surefoot.open(project, stable={"support-agent": "v1"}) as sf:
        assert answering(sf).run("hello").version == "v2"  # the store has known better since the first time


def test_the_wrong_folder_is_named_and_left_as_it_was(tmp_path):
    """Without agents there is nothing to open: where they were looked for is said, and no store is made."""
    with pytest.raises(SettingsError) as refused:
        surefoot.open(tmp_path)
    assert refused.value.message == f"no agents here: looked in {tmp_path / 'agents'}, found none"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_agent_says_where_it_was_looked_for(project):
    """The folder is in the message, because it may be the wrong one."""
    with surefoot.open(project) as sf, pytest.raises(UnknownName, match="looked in ") as refused:
        sf.agent("support-agnet")
    assert str(project / "agents") in refused.value.message
    assert "did you mean 'support-agent'?" in refused.value.hint


def test_a_misspelt_name_under_stable_is_named(project):
    """Not the missing answer comes first but the name that nobody has, and no second error stands before it."""
    write(project, "v2", V2)
    (project / "surefoot.yaml").write_text("stable: {suport-agent: v1}\n")
    with surefoot.open(project) as sf, pytest.raises(UsageError, match="'suport-agent' under `stable:`") as refused:
        sf.agent("support-agent")
    assert "did you mean 'support-agent'?" in refused.value.hint
    assert refused.value.__context__ is None


def test_what_is_no_name_and_no_mapping_is_refused_in_words(project):
    """A label alone, and None for an agent, are answered with how to write them."""
    with pytest.raises(UsageError, match="stable is 'v1'") as refused:
        surefoot.open(project, stable="v1")
    assert "stable={" in refused.value.hint
    with surefoot.open(project) as sf, pytest.raises(UsageError, match="the agent is None"):
        sf.agent(None)


@pytest.mark.parametrize(("named", "error"), [({}, UsageError), ({AGENT: "v9"}, UnknownName)])
def test_what_is_no_version_cannot_be_stable(named, error):
    """No version at all, and a label that is not there."""
    with pytest.raises(error):
        first_stable(AGENT, [], named)
    same = [version("v1"), version("v1-copy")]
    assert first_stable(AGENT, same, {}) == same[0].digest


def test_an_agent_that_nobody_knows_is_an_error_that_lists_the_known(project):
    """Typing errors are found at the start."""
    with surefoot.open(project) as sf, pytest.raises(UnknownName) as unknown:
        sf.agent("suport-agent")
    assert "support-agent" in unknown.value.hint


def test_a_stable_version_of_no_agent_is_a_misspelt_one(project):
    """Taken silently, it would be missed only when users have the wrong version."""
    with pytest.raises(UnknownName) as refused:
        surefoot.open(project, stable={"support-agnt": "v1"})
    assert refused.value.hint.startswith("did you mean 'support-agent'?")


def test_a_version_edited_under_its_label_is_reported_and_the_old_one_serves(project, caplog):
    """A label never changes its meaning; the process starts all the same."""
    with surefoot.open(project) as sf:
        sf.agent("support-agent")
    write(project, "v1", V2)
    with caplog.at_level(logging.WARNING), surefoot.open(project) as sf:
        sf.parts.engine.first_try.result(30)
        assert "support-agent v1 is" in sf.health.trouble["support-agent"]
        reply = sf.agent("support-agent").runs(lambda version, request, ctx: version.prompt.system).run("hello")
    assert reply.output == "You answer questions about orders."
    assert "give the changed version a new label" in caplog.text


def test_an_agent_assumes_success_for_everybody_or_for_nobody(project):
    """Two ways of counting the same runs would make nonsense of both."""
    with surefoot.open(project) as sf:
        agent = sf.agent("support-agent", assume_success=False)
        assert sf.agent("support-agent") is agent
        assert not agent.assumes_success
        with pytest.raises(UsageError, match="assume_success=False"):
            sf.agent("support-agent", assume_success=True)


OPTIONS = {
    "shadow": (ShadowLimits(concurrency=1), ShadowLimits(concurrency=2)),
    "traces": (Traces(folder=Path("here"), key=b"secret"), Traces(folder=Path("there"), key=b"secret")),
    "flags": (get_client("a"), get_client("b")),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_agent_that_is_open_is_not_opened_otherwise(project, option):
    """Who asks later with other limits, or with any where there are none, would not get them, and not hear of it."""
    one, other = OPTIONS[option]
    with surefoot.open(project) as sf:
        agent = sf.agent("support-agent", **{option: one})
        assert sf.agent("support-agent") is sf.agent("support-agent", **{option: one}) is agent
        with pytest.raises(UsageError, match=f"open with other {option}") as refused:
            sf.agent("support-agent", **{option: other})
        assert "secret" not in str(refused.value)
    with surefoot.open(project) as sf:
        sf.agent("support-agent")
        with pytest.raises(UsageError, match=f"open without {option}"):
            sf.agent("support-agent", **{option: one})


def test_equal_options_are_the_same_options(project):
    """Whoever asks inside a function makes them anew each time; and what the file says may be said again."""
    (project / "surefoot.yaml").write_text("traces: {folder: recorded, files: 3}\n")
    with surefoot.open(project) as sf:
        options = [
            {"shadow": ShadowLimits(queue=7), "flags": get_client("a")},
            {"shadow": ShadowLimits(queue=7), "flags": get_client("a")},
            {"traces": Traces(folder=project / "recorded", files=3)},
        ]
        assert len({id(sf.agent("support-agent", **given)) for given in options}) == 1


def test_versions_may_come_without_files(tmp_path):
    """For programs that keep them elsewhere."""
    with surefoot.open(tmp_path, versions=[version("v7")]) as sf:
        assert answering(sf, AGENT).run("hello").version == "v7"


def test_a_store_that_is_away_at_the_very_first_start_is_an_error(project):
    """Nobody knows yet what to serve."""
    (project / ".surefoot").write_text("a file where the folder should be")
    with surefoot.open(project) as sf, pytest.raises(StoreUnavailable):
        sf.agent("support-agent")


def test_a_store_that_is_away_later_changes_nothing(project):
    """The last snapshot serves, runs are spooled, and the next start ships them."""
    with surefoot.open(project) as sf:
        sf.agent("support-agent")
    store = project / ".surefoot" / "surefoot.db"
    away = store.rename(store.with_suffix(".away"))
    store.mkdir()
    with surefoot.open(project) as sf:
        digest = answering(sf).run("hello", request_id="q").digest
        assert not sf.flush(0.2)
        assert sf.health.router.is_from_disk
    assert len(list(sf.settings.spool.iterdir())) == 1
    store.rmdir()
    away.rename(store)
    with surefoot.open(project) as sf:
        sf.agent("support-agent")
        assert sf.flush(10)  # looking for orphans begins with the first shipment, and is waited for at the end
    assert in_store(sf, lambda store: store.history(digest)).counts["success"].n == 1


@pytest.mark.parametrize(
    ("text", "error"), [("durabel: true\n", SettingsError), ("store: sqlite://nowhere\n", SettingsError)]
)
def test_a_broken_settings_file_is_an_error_at_once(project, text, error):
    """Before anything is started."""
    (project / "surefoot.yaml").write_text(text)
    with pytest.raises(error):
        surefoot.open(project)


def test_a_broken_version_harms_its_agent_alone(project, caplog):
    """It is named with file and line; agents beside it are served, and so is the agent's own stable version."""
    with surefoot.open(project) as sf:
        sf.agent("support-agent")
    write(project, "v2", "model: [\n")
    write(project, "v1", V1, agent="other")
    with surefoot.open(project) as sf:
        assert answering(sf, "other").run("hello").version == "v1"
        assert answering(sf).run("hello").version == "v1"
        assert "agents/support-agent/v2.yaml:2:1" in sf.health.trouble["support-agent"]
    assert "agents/support-agent/v2.yaml:2:1" in caplog.text


@pytest.mark.parametrize("named", ["", "stable: {support-agent: v2}\n"])
def test_what_is_left_of_an_agent_is_no_answer_to_which_version_is_stable(project, named):
    """Where the broken file may be the one that users have, the first start says what is wrong with it."""
    write(project, "v2", "model: [\n")
    (project / "surefoot.yaml").write_text(named)
    with surefoot.open(project) as sf, pytest.raises((ArtifactError, UnknownName)) as refused:
        sf.agent("support-agent")
    assert "v2" in refused.value.message
    (project / "surefoot.yaml").write_text("stable: {support-agent: v1}\n")
    with surefoot.open(project) as sf:
        assert answering(sf).run("hello").version == "v1"


def test_what_cannot_be_opened_is_an_error_at_once(project):
    """A folder that is not there, and a word that means nothing."""
    with pytest.raises(SettingsError, match="no such folder"):
        surefoot.open(project / "gone")
    with pytest.raises(UnknownName, match="controller"):
        surefoot.open(project, controller="sometimes")


def test_a_closed_project_takes_no_more(project):
    """Closing twice is closing once; what nobody could stop or count any more is refused, not served."""
    sf = surefoot.open(project)
    answer = answering(sf)
    sf.close()
    sf.close()
    with pytest.raises(UsageError, match="closed"):
        answer.run("hello")
    assert sf.health.recorder.lost == 0
    with pytest.raises(UsageError, match="closed"):
        sf.agent("support-agent")


@pytest.mark.parametrize("then", ["", "sf.agent('support-agent').observing().__enter__().__exit__(None, None, None)"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_short_program_that_closes_nothing_ends_quietly(project, then, is_first):
    """Wherever it stops in the middle of getting ready: no word, code 0."""
    if not is_first:
        surefoot.open(project).close()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import surefoot; sf = surefoot.open()\n{then}"],
        cwd=project, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_it_closes_in_asynchronous_code_without_blocking_the_loop(project):
    """`async with` does the waiting elsewhere."""

    async def main():
        async with surefoot.open(project) as sf:
            agent = sf.agent("support-agent")

            @agent.runs
            async def answer(version, request, ctx):
                return version.label

            return (await answer.run("hello")).output

    assert asyncio.run(main()) == "v1"


def test_a_rollout_is_obeyed_and_its_evidence_arrives(project):
    """From the order to the split in the process, and from the runs to the open tick."""
    plan = Plan(
        stages=(
            Stage(name="half", share=5_000, checks=(Check(metric="success"),)),
            Stage(name="all", share=10_000, checks=(Check(metric="success"),)),
        )
    )
    write(project, "v2", V2)
    with surefoot.open(project, stable={"support-agent": "v1"}, controller="external") as sf:
        answer = answering(sf)

        async def begin(store):
            candidate = next(known for known in await store.versions(AGENT) if known.label == "v2")
            clock, ids = SystemClock(), SystemIds()
            return await rollouts.start(AGENT, candidate.digest, plan, by="ann", store=store, clock=clock, ids=ids)

        rollout = in_store(sf, begin)
        served = [answer.run("hello", session=f"s-{i}").version for i in range(100)]
        assert 25 < served.count("v2") < 75
        assert sf.flush(10)
    (tick,) = in_store(sf, lambda store: store.open_ticks(rollout.id))
    assert tick.n_candidate == served.count("v2")
    assert tick.n_stable == served.count("v1")


def test_a_candidate_that_only_the_store_has_is_served(project):
    """A process that was deployed before the candidate was written obeys its rollout all the same."""
    with surefoot.open(project, controller="external") as sf:
        answer = answering(sf)
        candidate = version("v9", system="You gladly answer")
        stage = Stage(name="all", share=10_000, checks=(Check(metric="success"),))

        async def begin(store):
            await store.put_version(candidate)
            clock, ids = SystemClock(), SystemIds()
            plan = Plan(stages=(stage,))
            return await rollouts.start(AGENT, candidate.digest, plan, by="ann", store=store, clock=clock, ids=ids)

        in_store(sf, begin)
        replies = [answer.run("hello", session=f"s-{i}") for i in range(5)]
        assert {reply.output for reply in replies} == {"v9: hello"}


def test_a_forked_child_goes_on_by_itself(project):
    """With connections of its own; parent and child count everything once."""
    sf = surefoot.open(project)
    answer = answering(sf)
    digest = answer.run("parent", request_id="q1").digest
    child = os.fork()
    if not child:  # pragma: no cover - another process
        code = 1
        try:
            answer.run("child", request_id="q2")
            code = 0 if sf.flush(20) else 2
            sf.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    sf.close()
    assert in_store(sf, lambda store: store.history(digest)).counts["success"] == (2, 0)


def test_a_program_that_just_ends_loses_nothing_and_does_not_hang(project):
    """Nobody has to close anything."""
    program = (
        "import surefoot\n"
        "answer = surefoot.open().agent('support-agent').runs(lambda version, request, ctx: request)\n"
        "print(answer.run('hello', request_id='q').digest)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=project, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    with surefoot.open(project) as sf:
        assert sf.agent("support-agent")
    assert in_store(sf, lambda store: store.history(done.stdout.strip())).counts["success"] == (1, 0)


TAPED = V1 + "executor: {kind: tape, path: tape.jsonl}\n"
TAPE = '{"trace_id": "1", "request": "Where?", "response": "Graz", "outcome": "success", "latency_ms": 50}\n'


def test_a_version_without_an_executor_takes_it_from_no_other(project):
    """A version that names its executor answers as before when one that names none comes to stand beside it."""
    write(project, "v1", TAPED)
    write(project, "v2", V2)
    (project / "agents" / "support-agent" / "tape.jsonl").write_text(TAPE)
    (project / "surefoot.yaml").write_text("stable: {support-agent: v1}\n")
    with surefoot.open(project) as sf:
        reply = asyncio.run(sf.agent("support-agent").run("Where?"))
        assert (reply.output, reply.version) == ("Graz", "v1")


def test_the_function_a_file_names_answers_live(project):
    """As in suites and replays: no program has to register it."""
    write(project, "v1", V1 + "executor: {kind: python, callable: 'answering_live:answer'}\n")
    (project / "answering_live.py").write_text("def answer(version, request, ctx):\n    return request.upper()\n")
    with surefoot.open(project) as sf:
        assert asyncio.run(sf.agent("support-agent").run("Where?")).output == "WHERE?"


def test_a_version_that_nothing_can_run_is_named(project):
    """Beside others that can: it is its own failure, and says what is missing."""
    write(project, "v1", V1)
    write(project, "v2", TAPED)
    (project / "surefoot.yaml").write_text("stable: {support-agent: v1}\n")
    with surefoot.open(project) as sf, pytest.raises(UsageError, match="support-agent v1 runs as a Python function"):
        asyncio.run(sf.agent("support-agent").run("Where?"))


def test_a_project_that_was_just_made_has_no_error(project):
    """The store is not there when it is first looked for; once it is, nothing is wrong."""
    with surefoot.open(project) as sf:
        answering(sf).run("hello", session="s")
        assert sf.health.router.last_error == ""

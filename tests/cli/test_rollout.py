"""`surefoot rollout`, as typed: every order, every look, and what is refused leaves nothing behind."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from surefoot.core.lifecycle.rollout import Phase
from surefoot.core.units import RolloutId
from surefoot.testing.samples import pair
from tests.cli.projects_with_rollouts import asked, bot_project, process, started, stored, users_come
from tests.cli.terminal import surefoot
from tests.config.projects import contents, put


@pytest.fixture
def project(tmp_path):
    """Agent `bot` whose stable version is written in the settings."""
    return bot_project(tmp_path, stable="v1")


def phase(root):
    """Where the newest rollout is."""
    return surefoot(root, "rollout", "status", "bot", "--json").json["phase"]


def known(root):
    """Rollouts, labels that are taken, and kill switches."""

    async def read(store):
        await store.migrate()
        labels = [version.label for version in await store.versions("bot")]
        return await store.rollouts(), labels, await store.kills(), await store.denied("bot")

    return stored(root, read)


@pytest.mark.parametrize("how", ["settings", "option", "only"])
def test_the_first_start_needs_to_know_what_is_stable(how, tmp_path):
    """It is said with --stable, or in surefoot.yaml, or there is only one version, which then is no candidate."""
    root = bot_project(tmp_path, stable="v1" if how == "settings" else None)
    if how == "only":
        for label in ("v2", "v3"):
            (root / f"agents/bot/{label}.yaml").unlink()
        ended = surefoot(root, "rollout", "start", "bot", "v1")
        assert (ended.code, "is the stable version" in ended.err) == (2, True)
        put(root, "agents/bot/v2.yaml", "model: openai/gpt-4o-2024-08-06\nprompt: You are v2.\n")
        assert "nobody has said" in surefoot(root, "rollout", "start", "bot", "v2").err
    more = [] if how == "settings" else ["--stable", "v1"]
    view = surefoot(root, "rollout", "start", "bot", "v2", *more, "--json").json
    assert (view["stable"]["label"], view["candidate"]["label"], view["stage"]) == ("v1", "v2", "50%")


REFUSED = {
    "no stable version": (["bot", "v2"], "nobody has said", "--stable"),
    "stable is the candidate": (["bot", "v2", "--stable", "v2"], "is the stable version", "another version"),
    "no such agent": (["bit", "v2"], "unknown agent 'bit'", "did you mean 'bot'"),
    "no such version": (["bot", "v9", "--stable", "v1"], "unknown version of bot 'v9'", "known: v1, v2, v3"),
    "no such stable version": (["bot", "v2", "--stable", "v9"], "unknown version of bot 'v9'", "known: v1"),
    "no such plan": (["bot", "v2", "--stable", "v1", "--plan", "canery"], "unknown plan", "'canary'"),
    "no such plan file": (["bot", "v2", "--stable", "v1", "--plan", "my.yaml"], "my.yaml", "that is there"),
    "nobody": (["bot", "v2", "--stable", "v1", "--by", " "], "without a name", "--by"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_that_is_refused_leaves_nothing_behind(case, tmp_path):
    """Code 2, an error and a hint; no version, no stable version and no rollout was written."""
    words, message, hint = REFUSED[case]
    root = bot_project(tmp_path)
    ended = surefoot(root, "rollout", "start", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err.splitlines()[0]
    assert hint in ended.err.splitlines()[1]
    assert known(root) == ((), [], (), {})


def test_another_rollout_under_way_refuses_a_start(project):
    """The one under way is named, nothing is changed, and the refused version's label is still free."""
    first = started(project)
    before = known(project)
    ended = surefoot(project, "rollout", "start", "bot", "v3")
    assert ended.code == 2
    assert f"v2, running (rollout {first})" in ended.err
    assert known(project) == before
    put(project, "agents/bot/v3.yaml", "model: openai/gpt-4o-2024-08-06\nprompt: Better.\n")
    assert surefoot(project, "rollout", "abort", "bot", "--why", "v3 first").code == 0
    started(project, "v3")


@pytest.mark.parametrize("how", ["settings", "option"])
def test_a_broken_file_keeps_no_other_version_waiting(how, tmp_path):
    """Somebody is in the middle of writing v3; v2 is brought on its way all the same."""
    root = bot_project(tmp_path, stable="v1" if how == "settings" else None)
    put(root, "agents/bot/v3.yaml", "model: [")
    more = [] if how == "settings" else ["--stable", "v1"]
    assert surefoot(root, "rollout", "start", "bot", "v2", *more).code == 0


def test_a_stable_version_is_not_named_twice(project):
    """--stable may be repeated, but only the right one."""
    started(project)
    surefoot(project, "rollout", "abort", "bot", "--why", "again")
    assert "v1 is" in surefoot(project, "rollout", "start", "bot", "v2", "--stable", "v3").err
    assert surefoot(project, "rollout", "start", "bot", "v2", "--stable", "v1").code == 0


def test_a_harmful_candidate_goes_back_and_says_why(project):
    """A controller's round takes it back; status, list, history and explain tell, and it is denied until re-opened."""
    rollout = started(project)
    users_come(project, rollout, 2000, candidate_fails=0.5)
    assert surefoot(project, "controller", "--rounds", "1").out == "rounds: 1; looks at rollouts: 1; steps taken: 1\n"
    assert phase(project) == Phase.ROLLED_BACK
    assert "candidate 500 of 1,000 (50.00%)" in surefoot(project, "rollout", "status", rollout).out
    assert surefoot(project, "rollout", "list", "--json").json == []
    assert "rolled back" in surefoot(project, "rollout", "list", "--all").out
    again = surefoot(project, "rollout", "start", "bot", "v2")
    assert (again.code, "bot v2 is denied" in again.err, "rollout reopen bot v2" in again.err) == (2, True, True)
    assert surefoot(project, "rollout", "reopen", "bot", "v2", "--by", "ann").code == 0
    assert "'v2'" in surefoot(project, "rollout", "reopen", "bot", "v2").err
    assert started(project) != rollout


def test_explain_and_history_tell_the_whole_story(project):
    """Every step with its reason and numbers; every decision is reproduced; the trail is chained by hashes."""
    rollout = started(project)
    assert "\nnext: stage '100%' (100%) after somebody's approval" in surefoot(project, "rollout", "explain", "bot").out
    users_come(project, rollout, 2000, candidate_fails=0.5)
    surefoot(project, "controller", "--rounds", "1")
    told = surefoot(project, "rollout", "explain", "bot")
    assert "next:" not in told.out
    assert "by ann" in told.out
    assert "success: 50.0% bad instead of 5.0% (+45.0 points" in told.out
    assert "1,000 sessions met the candidate, 1,000 met stable" in told.out
    again = surefoot(project, "rollout", "explain", "bot", "--recompute")
    assert (again.code, "every decision is reproduced" in again.out) == (0, True)
    assert surefoot(project, "rollout", "explain", "bot", "--recompute", "--json").json["reproduced"] is True
    assert "reproduced exactly from ticks 1 to 1" in again.out
    said = surefoot(project, "rollout", "explain", "bot", "--json").json
    assert (len(said["steps"]), said["met"]) == (2, {"unit": "session", "stable": 1000, "candidate": 1000})
    trail = surefoot(project, "rollout", "history", "bot", "--json").json
    assert [step["event"] for step in trail] == ["Start", "Judged"]
    assert trail[1]["previous"] == trail[0]["hash"]
    assert trail[1]["hash"] in surefoot(project, "rollout", "history", rollout).out


def test_the_pairs_of_a_shadow_stage_are_seen_from_the_shell(project):
    """Status while it is open, explain and history afterwards; JSON has all of it, and other plans have none."""
    assert surefoot(project, "rollout", "status", started(project), "--json").json["shadow"] is None
    surefoot(project, "rollout", "abort", "bot", "--why", "shadow first")
    rollout = surefoot(project, "rollout", "start", "bot", "v2", "--plan", "shadow_first", "--json").json["id"]
    found = [replace(pair(f"run-{n}", unit=f"u-{n}", candidate=n > 1), rollout=RolloutId(rollout)) for n in range(3)]
    stored(project, lambda store: store.put_pairs(found, dropped=2, rollout=RolloutId(rollout)))
    status = surefoot(project, "rollout", "status", "bot")
    assert "shadow: 3 pairs, 1 diverged, 2 dropped (100% of" in status.out
    shadow = surefoot(project, "rollout", "status", "bot", "--json").json["shadow"]
    assert (shadow["divergences"], shadow["similarity"]) == ({"an unrecorded call of refund": 1}, 0.5)
    surefoot(project, "rollout", "abort", "bot", "--why", "seen enough")
    for look in ("explain", "history"):
        said = surefoot(project, "rollout", look, "bot").out
        assert "known of both in 3 of 3 pairs, the candidate worse in 1, better in 0, the same in 2" in said
    assert surefoot(project, "rollout", "explain", "bot", "--json").json["shadow"] == shadow


def test_a_good_candidate_waits_for_a_yes_and_is_promoted(project):
    """After the proof a person is asked; after the yes it has all traffic, and a promotion ends the watch over it."""
    rollout = started(project)
    users_come(project, rollout, 8000, candidate_fails=0.05)
    surefoot(project, "controller", "--rounds", "1")
    assert phase(project) == Phase.WAITING
    assert "has to approve stage '100%'" in surefoot(project, "rollout", "status", "bot").out
    assert surefoot(project, "rollout", "approve", "bot", "--by", "ann", "--why", "read 50").code == 0
    assert phase(project) == Phase.WARM
    assert surefoot(project, "rollout", "promote", "bot", "--why", "sure").code == 0
    assert phase(project) == Phase.PROMOTED
    assert surefoot(project, "rollout", "start", "bot", "v3", "--json").json["stable"]["label"] == "v2"


def test_a_no_takes_the_candidate_back(project):
    """A stage that waits for a person is refused with a reason, and the candidate is denied."""
    asked(project)
    assert phase(project) == Phase.WAITING
    assert surefoot(project, "rollout", "reject", "bot").code == 2
    assert phase(project) == Phase.WAITING
    assert surefoot(project, "rollout", "reject", "bot", "--why", "wrong language").out.endswith("wrong language\n")
    assert phase(project) == Phase.ROLLED_BACK


def test_orders_move_a_rollout_and_impossible_ones_do_not(project):
    """Pause, resume and abort as told; an order that does not fit is code 2 and changes nothing."""
    started(project)
    for order, after in (("pause", "paused"), ("resume", "running")):
        assert surefoot(project, "rollout", order, "bot").code == 0
        assert phase(project) == after
    before = known(project)
    for words in (["approve", "bot"], ["resume", "bot"], ["abort", "bot"], ["promote", "bot", "--why", " "]):
        ended = surefoot(project, "rollout", *words)
        assert (ended.code, ended.out, "hint: " in ended.err) == (2, "", True), words
    assert known(project) == before
    assert surefoot(project, "rollout", "abort", "bot", "--why", "wrong version").code == 0
    assert phase(project) == Phase.ABORTED
    assert "this rollout is over" in surefoot(project, "rollout", "pause", "bot").err


@pytest.mark.parametrize(
    ("orders", "phase"),
    [
        (["pause"], "paused"),
        (["pause", "resume"], "running"),
        (["promote --why old"], "warm"),
        (["abort --why wrong"], "aborted"),
    ],
)
def test_every_order_answers_in_json(orders, phase, project):
    """Which rollout, where it is now, and why."""
    rollout = started(project)
    for order in orders:
        ended = surefoot(project, "rollout", order.split()[0], "bot", *order.split()[1:], "--by", "ann", "--json")
    assert (ended.json["id"], ended.json["agent"], ended.json["phase"]) == (rollout, "bot", phase)
    assert "ann" in ended.json["note"]


def test_saying_yes_or_no_and_reopening_answer_in_json(project):
    """The stage that was agreed to; the version that may be started again."""
    rollout = asked(project)
    assert surefoot(project, "rollout", "approve", "bot", "--json").json["id"] == rollout
    surefoot(project, "rollout", "abort", "bot", "--why", "again")
    asked(project)
    assert surefoot(project, "rollout", "reject", "bot", "--why", "no", "--json").json["phase"] == "rolled_back"
    again = surefoot(project, "rollout", "reopen", "bot", "v2", "--by", "ann", "--json").json
    assert (again["agent"], again["version"], again["reopened_by"]) == ("bot", "v2", "ann")


def test_a_list_of_an_agent_that_nobody_has_is_an_error(project):
    """An empty list would look like good news; an agent without a rollout has one."""
    surefoot(project, "traffic", "opt-out", "bot", "acme", "--reason", "their contract")
    ended = surefoot(project, "rollout", "list", "--agent", "bott")
    assert (ended.code, "did you mean 'bot'?" in ended.err) == (2, True)
    assert surefoot(project, "rollout", "list", "--agent", "bot", "--json").json == []


def test_a_start_names_its_plan(project):
    """The agent's own, the one that was given, or the default."""
    assert "plan: bot (its own)" in surefoot(project, "rollout", "start", "bot", "v2").out
    surefoot(project, "rollout", "abort", "bot", "--why", "again")
    assert surefoot(project, "rollout", "start", "bot", "v2", "--plan", "manual", "--json").json["plan"] == "manual"
    surefoot(project, "rollout", "abort", "bot", "--why", "again")
    (project / "rollouts/bot.yaml").unlink()
    said = surefoot(project, "rollout", "start", "bot", "v2").out
    assert said.startswith("no rollouts/bot.yaml, so the default canary\n")
    assert "plan: canary (default)" in said


def test_a_plan_under_a_misspelt_name_is_not_passed_over(project):
    """Its approvals would be left out: nothing is started until somebody says which plan is meant."""
    (project / "rollouts/bot.yaml").rename(project / "rollouts/bto.yaml")
    ended = surefoot(project, "rollout", "start", "bot", "v2")
    assert (ended.code, "'bto'" in ended.err, "--plan canary" in ended.err) == (2, True, True)
    assert surefoot(project, "rollout", "list", "--json").json == []
    assert surefoot(project, "rollout", "start", "bot", "v2", "--plan", "canary").code == 0
    assert "plan-of-nobody" in surefoot(project, "agents", "lint").out


def test_an_unknown_rollout_lists_what_there_is(project):
    """A wrong name shows agents and rollouts that could have been meant."""
    rollout = started(project)
    for words in (["status", "bat"], ["explain", "bat"], ["watch", "bat"], ["history", "bat"], ["pause", "bat"]):
        ended = surefoot(project, "rollout", *words)
        assert (ended.code, "did you mean 'bot'?" in ended.err, rollout in ended.err) == (2, True, True)


def test_watching_a_rollout_that_is_over_ends_by_itself(project):
    """One last picture, code 0."""
    started(project)
    surefoot(project, "rollout", "abort", "bot", "--why", "enough")
    ended = surefoot(project, "rollout", "watch", "bot")
    assert ended.code == 0
    assert "ABORTED" in ended.out


def test_a_damaged_trail_is_not_reproduced(project):
    """A record that was changed afterwards is found, and the exit code says so."""
    rollout = started(project)

    async def forge(store):
        async with store.db.writing() as connection:
            await connection.exec_driver_sql("UPDATE audit SET body = replace(body, 'ann', 'bob')")

    stored(project, forge)
    ended = surefoot(project, "rollout", "explain", rollout, "--recompute")
    assert ended.code == 1
    assert "NOT reproduced" in ended.out


def test_ctrl_c_ends_a_watch_and_nothing_else(project):
    """Code 130, no traceback, and the rollout goes on."""
    rollout = started(project)
    with process(project, "rollout", "watch", rollout, "--every", "0.1", shows="RUNNING") as running:
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (130, "")
    assert phase(project) == Phase.RUNNING


def test_looking_changes_nothing(project):
    """Status, list, explain and history read only, and start takes nothing from the project's files."""
    started(project)
    before, files = known(project), {name for name in contents(project) if not name.startswith(".surefoot")}
    for words in (["status", "bot"], ["list"], ["explain", "bot"], ["history", "bot"]):
        assert surefoot(project, "rollout", *words).code == 0
    assert known(project) == before
    assert {name for name in contents(project) if not name.startswith(".surefoot")} == files


def test_a_label_whose_file_was_changed_on_its_way_is_found(project):
    """Users get what the store has: lint says that the file is another version by now, with both digests."""
    started(project)
    assert "changed-since" not in surefoot(project, "agents", "lint").out
    put(project, "agents/bot/v2.yaml", "model: openai/gpt-4o-2024-08-06\nprompt: You are somebody else.\n")
    ended = surefoot(project, "agents", "lint", "bot")
    digest = surefoot(project, "rollout", "status", "bot", "--json").json["candidate"]["digest"]
    assert ended.code == 1
    assert "agents/bot/v2.yaml: error[changed-since]: is sha256:" in ended.out
    assert f"the store knows bot v2 as {digest[:19]}" in ended.out

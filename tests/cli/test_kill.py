"""`surefoot kill`, `unkill`, `kills`, as somebody types them in a hurry."""

from __future__ import annotations

import pytest

from surefoot.core.lifecycle.rollout import Phase
from tests.cli.projects_with_rollouts import bot_project, started
from tests.cli.terminal import surefoot
from tests.config.projects import put


@pytest.fixture
def project(tmp_path):
    """Agent `bot`, v2 on its way."""
    root = bot_project(tmp_path, stable="v1")
    started(root)
    return root


SCOPES = {
    "agent bot": ["--agent", "bot"],
    "agent bot, version v2": ["--agent", "bot", "--version", "v2"],
    "tenant acme": ["--tenant", "acme"],
    "feature refunds": ["--feature", "refunds"],
    "agent bot, feature refunds, tenant acme": ["--agent", "bot", "--tenant", "acme", "--feature", "refunds"],
    "everything": ["--everything"],
}


ENDS = {scope: ["this rolls back bot v2"] for scope in ("agent bot", "agent bot, version v2", "everything")}
AGAIN = "surefoot rollout reopen bot v2, then surefoot rollout start bot v2"


def test_a_switch_that_ends_a_rollout_says_so_and_how_to_begin_again(project):
    """When it is raised and when it is lifted: lifting does not bring the rollout back, what is named does."""
    raised = surefoot(project, "kill", *SCOPES["agent bot"], "--reason", "leaks")
    assert f"this rolls back bot v2, for good; for another try, afterwards: {AGAIN}" in raised.out
    surefoot(project, "controller", "--rounds", "1")
    (switch,) = surefoot(project, "kills", "--json").json
    assert surefoot(project, "unkill", switch["id"]).out.endswith(
        f"bot v2 stays rolled back; for another try: {AGAIN}\n"
    )
    for command in AGAIN.split(", then "):
        assert surefoot(project, *command.split()[1:]).code == 0


@pytest.mark.parametrize("scope", SCOPES)
def test_a_switch_says_what_it_stops_until_it_is_lifted(scope, project):
    """Raised, it is listed with scope, author and reason, and says how to lift it; lifted, it is gone."""
    raised = surefoot(project, "kill", *SCOPES[scope], "--reason", "leaks", "--by", "ann")
    killed, lift, *ends = raised.out.splitlines()
    assert killed == f"killed: {scope}"
    assert [line.split(",")[0] for line in ends] == ENDS.get(scope, [])
    (switch,) = surefoot(project, "kills", "--json").json
    assert (switch["reason"], switch["author"]) == ("leaks", "ann")
    assert scope in surefoot(project, "kills").out
    assert surefoot(project, *lift.removeprefix("lift it with: surefoot ").split()).out == f"lifted: {switch['id']}\n"
    assert surefoot(project, "kills").out == "no kill switch is up\n"
    assert surefoot(project, "unkill", switch["id"]).code == 2


@pytest.mark.parametrize(
    ("scope", "after"),
    [("agent bot, version v2", Phase.ROLLED_BACK), ("everything", Phase.ROLLED_BACK), ("tenant acme", Phase.RUNNING)],
)
def test_a_candidate_that_is_killed_everywhere_goes_back(scope, after, project):
    """The next round of a controller rolls it back; a switch for one tenant does not end the rollout."""
    surefoot(project, "kill", *SCOPES[scope], "--reason", "leaks", "--by", "ann")
    status = surefoot(project, "rollout", "status", "bot").out
    assert ("killed by ann: leaks" in status) == ("because it is killed" in status) == (after is Phase.ROLLED_BACK)
    assert surefoot(project, "controller", "--rounds", "1").code == 0
    assert surefoot(project, "rollout", "status", "bot", "--json").json["phase"] == after


def test_what_is_killed_is_not_started(project):
    """A version under a switch is refused by name, with the word that lifts it."""
    surefoot(project, "rollout", "abort", "bot", "--why", "again")
    switch = surefoot(project, "kill", *SCOPES["agent bot, version v2"], "--reason", "leaks", "--json").json
    ended = surefoot(project, "rollout", "start", "bot", "v2")
    assert (ended.code, "covers bot v2: leaks" in ended.err) == (2, True)
    assert f"surefoot unkill {switch['id']}" in ended.err


def test_a_digest_needs_no_agent(project):
    """A version can be named by its digest alone."""
    digest = surefoot(project, "rollout", "status", "bot", "--json").json["candidate"]["digest"]
    killed = surefoot(project, "kill", "--version", digest, "--reason", "leaks").out
    assert killed.startswith("killed: agent bot, version v2\n")


def test_a_version_is_killed_by_what_is_on_the_screen(project):
    """The short digest of `agents list` is enough, and blanks around a name are no part of it."""
    digest = surefoot(project, "rollout", "status", "bot", "--json").json["candidate"]["digest"]
    assert digest[:19] in surefoot(project, "agents", "list").out
    killed = surefoot(project, "kill", "--version", digest[:19], "--reason", "leaks").out
    assert killed.startswith("killed: agent bot, version v2\n")
    assert surefoot(project, "kill", "--feature", "Refunds ", "--reason", "x", "--json").json["feature"] == "Refunds"


def test_a_version_of_the_project_is_killed_before_anybody_served_it(project):
    """v3 is a file that the store has never heard of: it is stopped, and cannot be started."""
    assert surefoot(project, "kill", "--agent", "bot", "--version", "v3", "--reason", "leaks").code == 0
    surefoot(project, "rollout", "abort", "bot", "--why", "again")
    assert "covers bot v3: leaks" in surefoot(project, "rollout", "start", "bot", "v3").err


@pytest.mark.parametrize("words", [["--agent", "bit"], ["--agent", "bot", "--version", "v9"]])
def test_no_other_target_is_suggested(words, project):
    """What was typed wrong at two in the morning is answered with what there is, and no guess."""
    ended = surefoot(project, "kill", *words, "--reason", "x")
    assert (ended.code, "known: " in ended.err, "did you mean" in ended.err) == (2, True, False)


def test_a_broken_file_does_not_stand_in_the_way_of_a_switch(project):
    """Another version's digest is still found, and its own label is answered with what is wrong."""
    put(project, "agents/bot/v4.yaml", "model: [")
    digest = surefoot(project, "agents", "digest", "bot", "v3").out.strip()
    assert surefoot(project, "kill", "--version", digest[:19], "--reason", "x").code == 0
    assert "agents/bot/v4.yaml" in surefoot(project, "kill", "--agent", "bot", "--version", "v4", "--reason", "x").err


def test_lifting_answers_in_json(project):
    """Which switch was lifted, and by whom."""
    switch = surefoot(project, "kill", "--tenant", "acme", "--reason", "x", "--json").json
    lifted = surefoot(project, "unkill", switch["id"], "--by", "ann", "--json").json
    assert lifted == {"lifted": switch["id"], "by": "ann", "rolled_back": []}


MISTAKES = {
    "nothing": (["--reason", "x"], "nothing says what to stop"),
    "too much": (["--everything", "--agent", "bot", "--reason", "x"], "a narrower scope"),
    "no reason": (["--everything"], "Missing option '--reason'"),
    "an empty reason": (["--everything", "--reason", " "], "reason is empty"),
    "an empty tenant": (["--tenant", " ", "--reason", "x"], "tenant is empty"),
    "nobody": (["--everything", "--reason", "x", "--by", ""], "without a name"),
    "a label of whom?": (["--version", "v2", "--reason", "x"], "a version's label without --agent"),
    "no such agent": (["--agent", "bit", "--reason", "x"], "unknown agent 'bit'"),
    "no such label": (["--agent", "bot", "--version", "v9", "--reason", "x"], "unknown version of bot 'v9'"),
    "no such digest": (["--version", "sha256:00", "--reason", "x"], "unknown version 'sha256:00'"),
    "too little of a digest": (["--version", "sha256:", "--reason", "x"], "unknown version 'sha256:'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_switch_that_would_stop_nothing_is_refused(mistake, project):
    """Code 2 with a hint, and no switch is up."""
    words, message = MISTAKES[mistake]
    ended = surefoot(project, "kill", *words)
    assert (ended.code, message in ended.err, "hint: " in ended.err) == (2, True, True)
    assert surefoot(project, "kills", "--json").json == []


def test_a_switch_in_the_wrong_folder_is_refused(tmp_path):
    """A store that serves nobody takes no switch: whoever is in the wrong folder must not believe that it is over."""
    ended = surefoot(tmp_path, "kill", "--everything", "--reason", "leaks")
    assert (ended.code, "no agents here" in ended.err) == (2, True)

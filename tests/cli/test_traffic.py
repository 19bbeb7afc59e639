"""`surefoot traffic`: tenants kept out of rollouts and tenants with a version of their own, by order."""

from __future__ import annotations

import pytest

import surefoot as library
from tests.cli.projects_with_rollouts import bot_project, started
from tests.cli.terminal import surefoot

WHY = ("--reason", "their contract", "--by", "ann")


@pytest.fixture
def project(tmp_path):
    """Agent `bot`, whose users have v1."""
    return bot_project(tmp_path, stable="v1")


def traffic(root, *words):
    ended = surefoot(root, "traffic", *words)
    assert ended.code == 0, ended.err
    return ended


def test_what_holds_is_shown_with_who_and_why(project):
    """Pinned and opted-out tenants, until the order is taken back; the log keeps both."""
    started(project)
    traffic(project, "opt-out", "bot", "acme", *WHY)
    traffic(project, "pin", "bot", "globex", "v1", *WHY)
    shown = traffic(project, "show", "bot").out
    for part in ("v1 is stable, v2 gets 50%", "acme", "opted out", "globex", "pinned to v1", "ann", "their contract"):
        assert part in shown
    traffic(project, "opt-in", "bot", "acme", *WHY)
    traffic(project, "unpin", "bot", "globex", *WHY)
    assert "no tenant is pinned or opted out" in traffic(project, "show", "bot").out
    log = [line.split()[3:6] for line in traffic(project, "show", "bot", "--log").out.splitlines() if "UTC" in line]
    assert log == [
        ["opt-out", "acme", "ann"],
        ["pin", "globex", "v1"],
        ["opt-in", "acme", "ann"],
        ["unpin", "globex", "ann"],
    ]
    assert [order["kind"] for order in traffic(project, "show", "bot", "--json").json["orders"]] == [
        "opt-out",
        "pin",
        "opt-in",
        "unpin",
    ]


def test_every_order_answers_in_json(project):
    """What was ordered, for whom, by whom and why."""
    given = traffic(project, "pin", "bot", "acme", "v3", *WHY, "--json").json
    assert (given["kind"], given["tenant"], given["author"], given["reason"]) == (
        "pin",
        "acme",
        "ann",
        "their contract",
    )
    for words in (["unpin"], ["opt-out"], ["opt-in"]):
        given = traffic(project, *words, "bot", "acme", *WHY, "--json").json
        assert (given["kind"], given["agent"]) == (words[0], "bot")


def test_a_running_process_obeys_with_its_next_request(project):
    """Orders from the shell reach it like kills; so do orders from Python."""
    with library.open(project, controller="external") as sf:
        bot = sf.agent("bot")
        assert bot.route(session="s-1", tenant="acme").reason == "no_rollout"
        traffic(project, "pin", "bot", "acme", "v3", *WHY)
        assert bot.route(session="s-1", tenant="acme").reason == "pinned"
        assert bot.route(session="s-1", tenant="globex").reason == "no_rollout"
        sf.control(lambda control: control.unpin("bot", "acme", by="bob", reason="over"))
        sf.control(lambda control: control.opt_out("bot", "acme", by="bob", reason="asked"))
        started(project)
        assert bot.route(session="s-1", tenant="acme").reason == "opted_out"
        sf.control(lambda control: control.opt_in("bot", "acme", by="bob", reason="asked"))
        assert bot.route(session="s-1", tenant="acme").reason != "opted_out"
        assert len(sf.control(lambda control: control.traffic("bot")).orders) == 4


def test_an_order_may_come_before_the_first_rollout(project):
    """The store learns of the agent and its stable version on the way."""
    traffic(project, "opt-out", "bot", "acme", *WHY)
    assert traffic(project, "show", "bot").out.startswith("bot: v1 is stable, no rollout has traffic\n")


MISTAKES = {
    "no reason": (["opt-out", "bot", "acme"], "Missing option '--reason'"),
    "a blank reason": (["opt-out", "bot", "acme", "--reason", " "], "reason is empty"),
    "no tenant": (["pin", "bot", " ", "v1", *WHY], "tenant is empty"),
    "no such agent": (["opt-out", "bit", "acme", *WHY], "did you mean 'bot'?"),
    "no such version": (["pin", "bot", "acme", "v9", *WHY], "unknown version of bot 'v9'"),
    "a tenant that is not out": (["opt-in", "bot", "acme", *WHY], "unknown opted-out tenant of bot 'acme'"),
    "a tenant that is not pinned": (["unpin", "bot", "acme", *WHY], "unknown pinned tenant of bot 'acme'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_order_that_cannot_hold_is_refused(mistake, project):
    """Code 2 with a hint, and nothing is in the log."""
    traffic(project, "opt-out", "bot", "globex", *WHY)
    words, message = MISTAKES[mistake]
    ended = surefoot(project, "traffic", *words)
    assert (ended.code, message in ended.err, "hint: " in ended.err) == (2, True, True)
    assert len(traffic(project, "show", "bot", "--json").json["orders"]) == 1

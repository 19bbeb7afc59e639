"""What lint says about versions that are valid and still deserve a second look."""

from __future__ import annotations

import pytest

from surefoot.config.lint import Severity, lint
from tests.config.projects import VERSION, make_project, put

CLEAN = """\
model: openai/gpt-4o-2024-08-06
prompt: Be kind.
policies: {max_steps: 3, max_cost_usd: 0.05}
tools:
  - {name: search, description: Find., effect: read, arguments: {type: object}}
"""
EXECUTOR = "executor: {kind: openai, base_url: https://a.example/v1}\n"
DOUBTFUL = {
    "model-moves": CLEAN.replace("openai/gpt-4o-2024-08-06", "{provider: a, name: latest, may_move: true}"),
    "model-undated": CLEAN.replace("-2024-08-06", ""),
    "role-floats": CLEAN.replace("openai/gpt-4o-2024-08-06", "{role: planning}"),
    "effect-undeclared": CLEAN.replace(" effect: read,", ""),
    "no-description": CLEAN.replace(" description: Find.,", ""),
    "required-unknown": CLEAN.replace("{type: object}", "{type: object, required: [id]}"),
    "no-step-limit": CLEAN.replace("max_steps: 3, ", ""),
    "no-cost-limit": CLEAN.replace(", max_cost_usd: 0.05", ""),
    "never-allowed": CLEAN.replace("max_steps: 3", "max_steps: 3, allowed_tools: []"),
    "no-prompt": CLEAN.replace("Be kind.", "{}"),
    "invisible": CLEAN.replace("Be kind.", "Be\u202e kind."),
    "not-nfc": CLEAN.replace("Be kind.", "Cafe\u0301."),
}
WRONG = {
    "secret": CLEAN.replace("Be kind.", "Use the key sk-abcdefghijklmnopqrstuvwx to call."),
    "function-name": CLEAN.replace("name: search", "name: mcp:search") + EXECUTOR,
    "artifact": CLEAN + "polices: {}\n",
}


def found(root, label=None):
    """Rule and severity of each finding."""
    return [(finding.rule, finding.severity) for finding in lint(root, "support", label)]


def test_a_careful_version_has_nothing_to_say(tmp_path):
    """A pinned model, declared effects, limits and a prompt leave no finding."""
    assert lint(make_project(tmp_path, v1=CLEAN), "support") == ()


@pytest.mark.parametrize("rule", DOUBTFUL)
def test_what_is_doubtful_is_a_warning(rule, tmp_path):
    """Each doubt is found alone, with its place and what to do."""
    root = make_project(tmp_path, v1=DOUBTFUL[rule])
    (finding,) = lint(root, "support")
    assert (finding.rule, finding.severity) == (rule, Severity.WARNING)
    assert finding.place.startswith("agents/support/v1.yaml")
    assert finding.hint


@pytest.mark.parametrize("rule", WRONG)
def test_what_must_not_be_used_is_an_error(rule, tmp_path):
    """A secret, a name the endpoint refuses and a file that is no version are errors."""
    root = make_project(tmp_path, v1=WRONG[rule])
    assert found(root) == [(rule, Severity.ERROR)]


def test_a_secret_is_not_repeated(tmp_path):
    """The finding says what kind of secret it is and not which."""
    (finding,) = lint(make_project(tmp_path, v1=WRONG["secret"]), "support")
    assert "sk-abc" not in finding.message + finding.hint


def test_two_labels_of_one_content_are_named(tmp_path):
    """The same content under two labels is probably a forgotten edit."""
    root = make_project(tmp_path, v1=CLEAN, v2=CLEAN + "# the same\n")
    assert found(root) == [("same-content", Severity.WARNING)]
    assert found(root, "v1") == []


def test_a_version_without_an_executor_beside_one_that_has_is_named(tmp_path):
    """It would only run where a program registers a function, and then that runs both."""
    taped = CLEAN + "executor: {kind: tape, path: t.jsonl}\n"
    root = make_project(tmp_path, v1=taped, v2=CLEAN.replace("Be kind.", "Be brief."))
    assert found(root) == [("no-executor", Severity.WARNING)]
    assert found(root, "v1") == []


def test_a_broken_file_does_not_hide_the_others(tmp_path):
    """Each file is judged alone; two files of one label make the whole agent unreadable."""
    root = make_project(tmp_path, v1="model: [\n", v2=WRONG["secret"])
    assert [rule for rule, _ in found(root)] == ["artifact", "secret"]
    put(root, "agents/support/v2.yml", CLEAN)
    assert [rule for rule, _ in found(root)] == ["artifact"]


def test_sub_agents_are_looked_at_too(tmp_path):
    """A doubt inside a sub-agent is found at its own line."""
    root = make_project(
        tmp_path, v1=VERSION.replace("role: parsing # small and fast", "{provider: openai, name: gpt-4o}")
    )
    places = {finding.place.split(": ")[-1] for finding in lint(root, "support") if finding.rule == "model-undated"}
    assert places == {"sub_agents.helper.model"}

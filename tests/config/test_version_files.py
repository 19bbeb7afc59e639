"""A version file becomes a version: the same one however it is written, and an error with its place otherwise."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.config.agents import (
    VersionFile,
    list_agents,
    list_versions,
    load_version,
    next_label,
    parse_version,
)
from surefoot.config.version_text import version_text
from surefoot.config.yaml import parse_yaml
from surefoot.core.artifact.canonical import canonical, parse_object
from surefoot.core.artifact.version import AgentVersion, Effect, ExecutorKind, ExecutorRef, normal_text
from surefoot.core.units import AgentName
from surefoot.errors import ArtifactError, UnknownName, UsageError
from tests.config.projects import VERSION, make_project, put
from tests.core.artifact.versions import versions


def test_a_version_file_is_read_whole(tmp_path):
    """Every key of the format ends in its field: files read, role resolved, units counted."""
    version = load_version(make_project(tmp_path), "support", "v1")
    assert (version.agent, version.label) == ("support", "v1")
    assert (version.model.id, version.model.role) == ("openai/gpt-4o-2024-08-06", "planning")
    assert version.model.parameters == '{"temperature":0.2}'
    assert version.prompt.instructions == "Be kind.\nBe brief."
    assert [(file.name, file.text) for file in version.prompt.files] == [("shared/policy.md", "Never promise a date.")]
    assert [(tool.name, tool.effect) for tool in version.tools] == [
        ("lookup_order", Effect.READ),
        ("refund", Effect.WRITE),
    ]
    assert version.tools[1].description == "Pay an order back."
    policies = version.policies
    assert (policies.max_steps, policies.max_cost, policies.max_latency) == (12, 50_000, 30_000)
    assert policies.allowed_topics == {"orders", "refunds"}
    assert version.executor.kind is ExecutorKind.OPENAI
    assert parse_object(version.executor.settings) == {
        "base_url": "https://models.example/v1",
        "api_key_env": "MODEL_KEY",
        "timeout_ms": 20_000,
    }
    assert [(agent.name, agent.model.id) for agent in version.sub_agents] == [("helper", "local/smollm2-135m-q4")]


def test_the_short_form_is_enough(tmp_path):
    """A model and a prompt are a version; nothing else has to be said."""
    root = make_project(tmp_path, v1="model: openai/gpt-4o-2024-08-06\nprompt: Be kind.\n")
    version = load_version(root, "support", "v1")
    assert version.prompt.text == "Be kind."
    assert (version.tools, version.executor) == ((), ExecutorRef())


def shuffled(value, order):
    """The same JSON value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        entries = [(key, shuffled(inner, order)) for key, inner in value.items()]
        order.shuffle(entries)
        return dict(entries)
    return [shuffled(inner, order) for inner in value] if isinstance(value, list) else value


def spellings(text: str, order: random.Random) -> dict[str, str]:
    """One version file in several styles."""
    value = parse_yaml(text, source="s").json()
    compact = json.dumps(shuffled(value, order), ensure_ascii=False)
    return {
        "windows line ends": text.replace("\n", "\r\n"),
        "byte order mark and comments": "\ufeff# hello\n\n" + text + "\n# bye\n",
        "flow style and other key order": compact,
        "indented json": json.dumps(shuffled(value, order), ensure_ascii=False, indent=3),
    }


@pytest.mark.parametrize("style", spellings(VERSION, random.Random(0)))
def test_the_digest_does_not_depend_on_the_style(style, tmp_path):
    """Key order, block or flow, quotes, comments, line ends and the mark at the start change nothing."""
    text = spellings(VERSION, random.Random(7))[style]
    assert text != VERSION
    root = make_project(tmp_path, v1=VERSION, v2=text)
    first, second = (load_version(root, "support", label) for label in ("v1", "v2"))
    assert first.digest == second.digest


def readable(version: AgentVersion) -> AgentVersion:
    """A version as a file could say it: texts in their normal form, no prompt files, settings that its executor has."""

    def told(prompt):
        return replace(prompt, system=visible(prompt.system), instructions=visible(prompt.instructions), files=())

    def visible(text):
        normal = normal_text(text)
        return normal if normal.strip() else ""

    def listed(tools):
        return tuple(
            replace(
                tool,
                description=normal_text(tool.description),
                arguments=canonical({"x": parse_object(tool.arguments)}),
            )
            for tool in tools
        )

    names = frozenset(tool.name for tool in version.tools)
    allowed = version.policies.allowed_tools
    return replace(
        version,
        model=replace(version.model, role=""),
        prompt=told(version.prompt),
        tools=listed(version.tools),
        policies=replace(version.policies, allowed_tools=None if allowed is None else allowed & names),
        executor=ExecutorRef(settings=version.executor.settings),
        sub_agents=tuple(
            replace(
                agent,
                description=normal_text(agent.description),
                model=replace(agent.model, role=""),
                prompt=told(agent.prompt),
                tools=listed(agent.tools),
            )
            for agent in version.sub_agents
        ),
    )


NOT_IN_YAML_AS_THEY_ARE = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")


@settings(max_examples=60)
@given(version=versions, order=st.randoms(use_true_random=False))
def test_a_version_survives_being_written_and_restyled(version, order):
    """What is written is read back as the same version, also with its keys shuffled and in the other style."""
    version = readable(version)
    file = VersionFile(agent=version.agent, label=version.label, path=Path("/p/agents/support/v1.yaml"))
    text = version_text(version)
    assert parse_version(Path("/p"), file, text) == version
    for style, spelling in spellings(text, order).items():
        if not NOT_IN_YAML_AS_THEY_ARE.search(spelling):
            assert parse_version(Path("/p"), file, spelling).digest == version.digest, style


def test_versions_are_listed_in_the_order_of_their_numbers(tmp_path):
    """v1.10 is newer than v1.9, and files that are no versions are not listed."""
    root = make_project(tmp_path, **dict.fromkeys(("v1.10", "v1.9", "v2", "v1.9-rc2"), VERSION))
    put(root, "agents/support/notes.txt", "x")
    put(root, "agents/support/.draft.yaml", "x")
    put(root, "agents/other/v1.yml", "model: a/b\nprompt: x\n")
    assert list_agents(root) == ("other", "support")
    assert [file.label for file in list_versions(root, "support")] == ["v1.9", "v1.9-rc2", "v1.10", "v2"]
    assert [file.label for file in list_versions(root, "other")] == ["v1"]
    assert list_agents(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    ("label", "taken", "expected"),
    [
        ("v1.3.2", set(), "v1.3.3"),
        ("v1.3.9", {"v1.3.10"}, "v1.3.11"),
        ("007", set(), "008"),
        ("stable", set(), "stable-2"),
        ("stable", {"stable-2"}, "stable-3"),
        ("v2-rc", {"v3-rc"}, "v4-rc"),
    ],
)
def test_the_next_label_counts_on(label, taken, expected):
    """The last number is counted up until the label is free."""
    assert next_label(label, frozenset(taken)) == expected


def test_a_missing_name_lists_the_nearest(tmp_path):
    """A wrong agent or label names the one that was probably meant, and all that there are."""
    root = make_project(tmp_path, **{"v1.3.2": VERSION, "v1.3.3": VERSION})
    with pytest.raises(UnknownName) as caught:
        load_version(root, "suport", "v1.3.2")
    assert caught.value.hint == "did you mean 'support'? known: support"
    with pytest.raises(UnknownName) as caught:
        load_version(root, "support", "v1.3.4")
    assert caught.value.hint.startswith("known: ")
    for agent in ("..", ".", "support/prompts", ""):
        with pytest.raises(UnknownName):
            load_version(root, agent, "v1.3.2")


def test_one_label_is_one_file(tmp_path):
    """The same label as .yaml and as .yml is an error, because nobody can know which is meant."""
    root = make_project(tmp_path)
    put(root, "agents/support/v1.yml", VERSION)
    with pytest.raises(ArtifactError, match=r"agents/support/v1\.yml: the label 'v1' is also in v1\.yaml"):
        load_version(root, "support", "v1")


HEAD = "model: openai/gpt-4o-2024-08-06\nprompt: x\n"
TOOL = HEAD + "tools:\n  - name: t\n"
OPENAI = HEAD + "executor:\n  kind: openai\n  base_url: https://a.example/v1\n"
BAD = {
    "unknown key": (HEAD + "polices: {}\n", 3, "unknown key 'polices'", "did you mean 'policies'?"),
    "unknown inner key": (
        HEAD + "policies:\n  max_step: 3\n",
        4,
        "unknown key 'max_step'",
        "did you mean 'max_steps'?",
    ),
    "no model": ("prompt: x\n", 1, "the key 'model' is missing", "add `model:`"),
    "no prompt": ("model: a/b\n", 1, "the key 'prompt' is missing", "add `prompt:`"),
    "a prompt's file": (
        "model: a/b\nprompt: {file: p.md}\n",
        2,
        "a prompt has no `file`",
        "instructions: {file: PATH}",
    ),
    "empty file": ("", 1, "expected a mapping", "key: value"),
    "null for a number": (HEAD + "policies: {max_steps: null}\n", 3, "found nothing (null)", "digits"),
    "text for a number": (HEAD + "policies: {max_steps: '3'}\n", 3, "policies.max_steps: expected a whole", "digits"),
    "no limit at all": (HEAD + "policies: {max_steps: 0}\n", 3, "0 is less than 1", "smallest"),
    "no unit": (HEAD + "policies: {max_latency: 30}\n", 3, "span of time", "30s"),
    "unknown effect": (TOOL + "    effect: reads\n", 5, "'reads' is not one of", "did you mean 'read'?"),
    "same tool twice": (TOOL + "  - name: t\n", 5, "a second tool 't', first on line 4", "own name"),
    "tool name": (HEAD + "tools:\n  - name: two words\n", 4, "cannot name a tool", "ASCII"),
    "arguments by position": (TOOL + "    arguments: {type: array}\n", 5, "passed by name", "type: object"),
    "huge integer": (TOOL + "    arguments: {default: 9007199254740993}\n", 5, "beyond 2**53", "as text"),
    "yes in a schema": (TOOL + "    arguments: {strict: yes}\n", 5, "different programs", "true or false"),
    "unknown allowed tool": (HEAD + "policies: {allowed_tools: [refnd]}\n", 3, "'refnd' is not one of", "known: none"),
    "moving model": ("model: openai/gpt-4o-latest\nprompt: x\n", 1, "alias that can move", "may_move: true"),
    "half a model": ("model: gpt-4o\nprompt: x\n", 1, "names no model", "provider/name"),
    "role and name": ("model: {role: planning, name: x}\nprompt: x\n", 1, "both a role and a name", "the role says"),
    "pinned without role": ("model: {pinned: a/b}\nprompt: x\n", 1, "`pinned` without a role", "provider and name"),
    "unknown role": ("model: {role: planing}\nprompt: x\n", 1, "unknown model role 'planing'", "'planning'"),
    "missing file": ("model: a/b\nprompt: {system: {file: a.md}}\n", 2, "no file 'a.md' there", "relative"),
    "file outside": ("model: a/b\nprompt: {files: [../../../x.md]}\n", 2, "leads outside the project", "move"),
    "absolute file": ("model: a/b\nprompt: {files: [/etc/passwd]}\n", 2, "no path inside", "relative"),
    "file through a link": ("model: a/b\nprompt: {files: [link.md]}\n", 2, "leads outside the project", "move"),
    "file that is a folder": ("model: a/b\nprompt: {files: [prompts]}\n", 2, "cannot be read", "permissions"),
    "file in latin-1": ("model: a/b\nprompt: {files: [latin.md]}\n", 2, "is not UTF-8", "UTF-8"),
    "file twice": (
        "model: a/b\nprompt: {files: [prompts/support.md, prompts/support.md]}\n",
        2,
        "two prompt files",
        "own",
    ),
    "unknown executor": (HEAD + "executor: {kind: opnai}\n", 3, "'opnai' is not one of", "did you mean 'openai'?"),
    "no address": (HEAD + "executor: {kind: openai}\n", 3, "'base_url' is missing", "base_url"),
    "no http": (HEAD + "executor: {kind: openai, base_url: a.example}\n", 3, "is no address", "https://"),
    "password in address": (
        HEAD + "executor: {kind: openai, base_url: 'https://u:p@a'}\n",
        3,
        "a password",
        "api_key_env",
    ),
    "pasted key": (OPENAI + "  api_key_env: sk-abc\n", 6, "not the name of an environment", "never go into files"),
    "half a price": (OPENAI + "  usd_per_million_input: 2.5\n", 6, "without usd_per_million_output", "needs both"),
    "a price below 0": (
        OPENAI + "  usd_per_million_input: -1\n  usd_per_million_output: 1\n",
        6,
        "-1 is less than 0",
        "smallest",
    ),
    "no time at all": (OPENAI + "  timeout: 0s\n", 6, "'0s' is too short", "at least 1ms"),
    "wrong callable": (HEAD + "executor: {kind: python, callable: main}\n", 3, "names no callable", "module:function"),
    "tape outside": (HEAD + "executor: {kind: tape, path: ../../../t.jsonl}\n", 3, "leads outside", "move"),
    "broken YAML": (HEAD + "tools: [\n", 4, "this is no YAML", "brackets"),
    "key twice": (HEAD + "prompt: y\n", 3, "the key is written twice, first on line 2", "keep one"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_with_its_line(case, tmp_path):
    """Each mistake names file, line and key, says what to do, and is never half understood."""
    text, line, message, hint = BAD[case]
    root = make_project(tmp_path / "project", v1=text)
    put(tmp_path, "x.md", "outside")
    (root / "agents/support/link.md").symlink_to(tmp_path / "x.md")
    put(root, "agents/support/latin.md", b"caf\xe9")
    with pytest.raises(ArtifactError) as caught:
        load_version(root, "support", "v1")
    assert caught.value.message.startswith(f"agents/support/v1.yaml:{line}:")
    assert message in caught.value.message
    assert caught.value.message.count("v1.yaml") == 1
    assert hint in caught.value.hint


def test_a_pasted_key_is_not_repeated(tmp_path):
    """An error about a secret in the wrong place does not spread the secret."""
    root = make_project(tmp_path, v1=OPENAI + "  api_key_env: sk-verysecret\n")
    with pytest.raises(ArtifactError) as caught:
        load_version(root, "support", "v1")
    assert "verysecret" not in caught.value.message + caught.value.hint


def test_a_moving_model_can_be_accepted_in_writing(tmp_path):
    """Who writes may_move gets the alias, and the digest says so."""
    text = "model: {provider: openai, name: gpt-4o-latest, may_move: true}\nprompt: x\n"
    version = load_version(make_project(tmp_path, v1=text), "support", "v1")
    assert version.model.may_move


def test_a_tape_is_found_from_the_project(tmp_path):
    """The path of a tape is written relative to the version file and kept relative to the project."""
    root = make_project(tmp_path, v1=HEAD + "executor: {kind: tape, path: ../../traces/a.jsonl}\n")
    version = load_version(root, "support", "v1")
    assert version.executor.setting("path") == "traces/a.jsonl"
    file = list_versions(root, "support")[0]
    assert parse_version(root, file, version_text(version)) == version


@settings(max_examples=60)
@given(prices=st.tuples(*[st.floats(0, 1e9)] * 2))
def test_an_endpoints_prices_are_read_and_written_as_they_are(prices):
    """Dollars per million tokens, of whatever size, are the executor's settings and survive being written."""
    file = VersionFile(agent=AgentName("support"), label="v1", path=Path("/p/agents/support/v1.yaml"))
    given = dict(zip(("usd_per_million_input", "usd_per_million_output"), prices, strict=True))
    endpoint = canonical({"base_url": "https://a.example/v1", **given})
    version = replace(
        parse_version(Path("/p"), file, HEAD), executor=ExecutorRef(kind=ExecutorKind.OPENAI, settings=endpoint)
    )
    assert parse_version(Path("/p"), file, version_text(version)).digest == version.digest


def test_a_version_with_prompt_files_is_not_one_text(tmp_path):
    """Writing such a version as one file would lose its files, so it is refused."""
    version = load_version(make_project(tmp_path), "support", "v1")
    with pytest.raises(UsageError, match="prompt files"):
        version_text(version)
    assert AgentName("support") == version.agent

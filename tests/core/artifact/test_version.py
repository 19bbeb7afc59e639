"""A version is its content: equal content, equal digest; any other content, another digest."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.artifact.canonical import CanonicalJson, canonical
from surefoot.core.artifact.decode import decode, encode
from surefoot.core.artifact.diff import diff
from surefoot.core.artifact.version import (
    AgentVersion,
    Effect,
    ExecutorKind,
    ExecutorRef,
    ModelRef,
    Policies,
    Prompt,
    PromptFile,
    SubAgent,
    ToolSpec,
    normal_text,
)
from surefoot.core.units import AgentName, MicroUsd, Millis
from surefoot.errors import ArtifactError
from tests.core.artifact.versions import versions

TOOL = ToolSpec(name="search", description="Find.", arguments=canonical({"type": "object"}), effect=Effect.READ)
HELPER = SubAgent(
    name="helper",
    description="Helps.",
    model=ModelRef(provider="openai", name="gpt-4o-2024-08-06"),
    prompt=Prompt(instructions="Help."),
    tools=(TOOL,),
)
VERSION = AgentVersion(
    agent=AgentName("support"),
    label="v1",
    model=ModelRef(provider="openai", name="gpt-4o-2024-08-06", parameters=canonical({"temperature": 0})),
    prompt=Prompt(
        system="You help.",
        instructions="Be kind.",
        files=(PromptFile(name="a.md", text="A"), PromptFile(name="b.md", text="B")),
    ),
    tools=(TOOL,),
    policies=Policies(
        max_steps=3,
        max_cost=MicroUsd(5),
        max_latency=Millis(7),
        allowed_topics=frozenset({"orders"}),
        allowed_tools=frozenset({"search"}),
    ),
    executor=ExecutorRef(settings=canonical({"add_date": True})),
    sub_agents=(HELPER,),
)
MORE = canonical({"x": 1})
A, B = VERSION.prompt.files


def with_prompt(**changed):
    """The version with another prompt."""
    return replace(VERSION, prompt=replace(VERSION.prompt, **changed))


def with_helper(**changed):
    """The version with another sub-agent."""
    return replace(VERSION, sub_agents=(replace(HELPER, **changed),))


ONE_CHANGE = {
    "agent": replace(VERSION, agent=AgentName("sales")),
    **{
        f"model.{name}": replace(VERSION, model=replace(VERSION.model, **{name: value}))
        for name, value in {"provider": "azure", "name": "other", "parameters": MORE, "may_move": True}.items()
    },
    "prompt.system": with_prompt(system="You help!"),
    "prompt.instructions": with_prompt(instructions="Be kind.\n"),
    "prompt.files": with_prompt(files=(B, A)),
    "prompt.files.name": with_prompt(files=(replace(A, name="c.md"), B)),
    "prompt.files.text": with_prompt(files=(replace(A, text="a"), B)),
    **{
        f"tools.{name}": replace(VERSION, tools=(replace(TOOL, **{name: value}),))
        for name, value in {
            "name": "find",
            "description": "Find",
            "arguments": MORE,
            "effect": Effect.WRITE,
            "source": MORE,
        }.items()
    },
    "tools": replace(VERSION, tools=()),
    **{
        f"policies.{name}": replace(VERSION, policies=replace(VERSION.policies, **{name: value}))
        for name, value in {
            "max_steps": None,
            "max_cost": MicroUsd(0),
            "max_latency": Millis(8),
            "allowed_topics": frozenset(),
            "allowed_tools": None,
        }.items()
    },
    "executor.kind": replace(VERSION, executor=replace(VERSION.executor, kind=ExecutorKind.TAPE)),
    "executor.settings": replace(VERSION, executor=replace(VERSION.executor, settings=MORE)),
    **{
        f"sub_agents.{name}": with_helper(**{name: value})
        for name, value in {
            "name": "aide",
            "description": "",
            "model": replace(HELPER.model, name="other"),
            "prompt": Prompt(instructions="Help"),
            "tools": (),
            "settings": MORE,
        }.items()
    },
    "sub_agents": replace(VERSION, sub_agents=()),
}
HOLDS_OTHERS = {"model", "prompt", "policies", "executor"}
NOT_CONTENT = {"label", "digest", "model.role"}


@pytest.mark.parametrize("field", ONE_CHANGE)
def test_every_change_of_a_field_changes_the_digest(field):
    """Whatever is changed alone, the version is another one, and the diff names the part it is in."""
    changed = ONE_CHANGE[field]
    found = diff(VERSION, changed)
    assert changed.digest != VERSION.digest
    expected = "parameters" if field == "model.parameters" else field.split(".")[0]
    assert [part.value for part in found.parts] == [expected]


def test_every_field_is_changed_by_some_case():
    """A field added later cannot be forgotten: it is content and has a case above, or it is named as no content."""
    parts = {"": AgentVersion, "model.": ModelRef, "prompt.": Prompt, "prompt.files.": PromptFile, "tools.": ToolSpec}
    parts |= {"policies.": Policies, "executor.": ExecutorRef, "sub_agents.": SubAgent}
    fields = {prefix + field.name for prefix, part in parts.items() for field in dataclasses.fields(part)}
    assert fields - HOLDS_OTHERS - NOT_CONTENT == set(ONE_CHANGE)


def test_the_digest_is_the_hash_of_the_canonical_content():
    """Anybody can recompute the digest with SHA-256 alone; this one must never change between releases."""
    assert VERSION.digest == "sha256:" + hashlib.sha256(encode(VERSION).encode()).hexdigest()
    assert VERSION.digest == "sha256:2274fb2d29542ce5509df2819515092f9f2fd1ee177a7c3590f26d5fa3def48d"


@given(version=versions)
def test_label_and_role_are_not_part_of_the_identity(version):
    """A version under another name, or with its model chosen through a role, is the same agent."""
    other = replace(version, label="other", model=replace(version.model, role="parsing"))
    assert other.digest == version.digest
    assert other == version


@given(version=versions, order=st.randoms(use_true_random=False))
def test_the_order_of_tools_and_sub_agents_is_always_by_name(version, order):
    """However a file lists them, the model sees them in one order, so the order is no content."""
    tools, agents = list(version.tools), list(version.sub_agents)
    order.shuffle(tools)
    order.shuffle(agents)
    shuffled = replace(version, tools=tuple(tools), sub_agents=tuple(agents))
    assert shuffled == version
    assert shuffled.digest == version.digest


@settings(max_examples=60)
@given(version=versions)
def test_a_version_comes_back_from_its_content(version):
    """What a store keeps is enough: content and label give the version, role aside."""
    again = decode(encode(version), label=version.label)
    assert again == version
    assert again.digest == version.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind":"python"', '"kind":"magic"'),
        ('"effect":"read"', '"effect":"harmless"'),
        ('"max_steps":3', '"max_steps":"3"'),
        ('"agent":"support"', '"agent":"../etc"'),
        ('"agent":"support"', '"agent":"support","mood":"good"'),
        ('"files":[', '"files":["a",'),
        ("agent-version/1", "agent-version/2"),
        ('"allowed_tools":["search"]', '"allowed_tools":[1]'),
    ],
)
def test_damaged_content_is_refused(old, new):
    """A stored version that says something this release cannot know is an error, never a guess."""
    text = encode(VERSION)
    assert old in text
    with pytest.raises(ArtifactError) as caught:
        decode(CanonicalJson(text.replace(old, new, 1)), label="v1")
    assert caught.value.hint


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(VERSION, agent=AgentName("a/b")),
        lambda: replace(VERSION, agent=AgentName("")),
        lambda: replace(VERSION, label="../v1"),
        lambda: replace(VERSION, tools=(TOOL, TOOL)),
        lambda: replace(VERSION, sub_agents=(HELPER, HELPER)),
        lambda: replace(TOOL, name="two words"),
        lambda: replace(TOOL, arguments=CanonicalJson("[]")),
        lambda: replace(HELPER, name="é"),
        lambda: Prompt(files=(A, A)),
        lambda: ModelRef(provider="openai", name=""),
        lambda: Policies(max_steps=0),
        lambda: Policies(max_cost=MicroUsd(-1)),
        lambda: Policies(max_latency=Millis(2**53)),
    ],
)
def test_what_makes_no_sense_cannot_be_made(make):
    """A version is valid or it does not exist."""
    with pytest.raises(ArtifactError) as caught:
        make()
    assert caught.value.hint


@given(text=st.text())
def test_normal_text_has_one_spelling(text):
    """Line ends of any system and ends of blocks disappear, once and for all, and nothing else does."""
    normal = normal_text(text)
    assert normal_text(normal) == normal
    assert "\r" not in normal
    assert not normal.endswith("\n")
    assert normal_text(normal.replace("\n", "\r\n") + "\n") == normal


def test_effects_are_ordered_by_their_reach():
    """From changing nothing to what cannot be taken back; only the first is safe where nothing may happen."""
    assert sorted(Effect, key=lambda effect: effect.reach) == list(Effect)
    assert [effect for effect in Effect if effect.is_safe] == [Effect.READ]


def test_the_prompt_is_read_in_one_order():
    """System, instructions, files, with an empty line between; what is empty leaves no gap."""
    assert VERSION.prompt.text == "You help.\n\nBe kind.\n\nA\n\nB"
    assert Prompt(instructions="Help.").text == "Help."
    assert VERSION.executor.setting("add_date") is True
    assert VERSION.tool("search") == TOOL
    assert VERSION.tool("fly") is None

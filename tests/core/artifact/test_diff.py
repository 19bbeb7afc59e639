"""What changed, where, and how much harm it may do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.change import (
    ExecutorChanged,
    ModelChanged,
    Part,
    PolicyLoosened,
    PolicyTightened,
    PromptChanged,
    SettingChanged,
    SubAgentAdded,
    ToolAdded,
    ToolEffectChanged,
    ToolRemoved,
    ToolSourceChanged,
)
from surefoot.core.artifact.describe import describe, detail
from surefoot.core.artifact.diff import Diff, RiskClass, diff, part_of, risk, risk_of
from surefoot.core.artifact.version import AgentVersion, Effect, ModelRef, Policies, Prompt, ToolSpec
from surefoot.core.units import AgentName
from tests.core.artifact.versions import policies, versions

LOW, MEDIUM, HIGH = RiskClass
BASE = AgentVersion(
    agent=AgentName("support"),
    label="v1",
    model=ModelRef(provider="openai", name="gpt-4o-2024-08-06"),
    prompt=Prompt(instructions="Be kind.\nBe brief."),
)


def with_policies(found):
    """The base version under these limits."""
    return replace(BASE, policies=found)


@settings(max_examples=60)
@given(old=versions, new=versions)
def test_the_diff_is_empty_exactly_when_the_digests_are_equal(old, new):
    """No difference is overlooked and none is invented."""
    found = diff(old, new)
    assert (found.changes == ()) == (old.digest == new.digest)
    assert (found.old, found.new) == (old.digest, new.digest)


@settings(max_examples=40)
@given(version=versions)
def test_nothing_differs_from_itself(version):
    """A version compared with itself shows no change and the lowest risk."""
    found = diff(version, replace(version, label="other"))
    assert found.changes == ()
    assert risk(found) is LOW


@settings(max_examples=40)
@given(old=versions, new=versions)
def test_every_change_has_a_part_a_risk_and_a_sentence(old, new):
    """Each change can be shown and judged alone, and the sentence starts with its part."""
    found = diff(old, new)
    for change in found.changes:
        assert describe(change).startswith(part_of(change).value)
        assert risk_of(change) in RiskClass
        assert isinstance(detail(change), tuple)
    assert found.parts == {part_of(change) for change in found.changes}


@settings(max_examples=40)
@given(old=versions, new=versions, data=st.data())
def test_more_changes_are_never_less_risky(old, new, data):
    """Leaving a change out never raises the risk: the worst one decides."""
    found = diff(old, new)
    fewer = data.draw(st.lists(st.sampled_from(found.changes), unique_by=id)) if found.changes else []
    assert risk(Diff(old=found.old, new=found.new, changes=tuple(fewer))) <= risk(found)


@settings(max_examples=40)
@given(old=versions, new=versions)
def test_what_one_way_adds_the_other_removes(old, new):
    """Going back undoes a change: as many come as went, and a loosened policy is a tightened one."""
    there, back = diff(old, new).changes, diff(new, old).changes
    for first, second in ((ToolAdded, ToolRemoved), (PolicyLoosened, PolicyTightened)):
        assert sum(isinstance(change, first) for change in there) == sum(isinstance(change, second) for change in back)
    assert len(there) == len(back)


def widened(found):
    """Policies that allow everything these allow, and more where possible."""
    more = found.allowed_tools
    return replace(
        found,
        max_steps=None if found.max_steps is None else found.max_steps + 1,
        allowed_tools=None if more is None else more | {"z"},
    )


@given(found=policies)
def test_a_wider_limit_is_loosened_and_high(found):
    """Allowing more is never anything but a loosened policy, and a loosened policy is always high."""
    changes = diff(with_policies(found), with_policies(widened(found))).changes
    assert all(isinstance(change, PolicyLoosened) for change in changes)
    assert all(risk_of(change) is HIGH for change in changes)


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        (Policies(max_steps=3), Policies(max_steps=4), [PolicyLoosened]),
        (Policies(max_steps=3), Policies(), [PolicyLoosened]),
        (Policies(), Policies(max_steps=3), [PolicyTightened]),
        (
            Policies(allowed_tools=frozenset("ab")),
            Policies(allowed_tools=frozenset("bc")),
            [PolicyLoosened, PolicyTightened],
        ),
        (Policies(allowed_topics=None), Policies(allowed_topics=frozenset()), [PolicyTightened]),
    ],
)
def test_limits_are_compared_by_what_they_allow(old, new, kinds):
    """No limit is the loosest, an empty list the tightest, and a swap is both."""
    assert [type(change) for change in diff(with_policies(old), with_policies(new)).changes] == kinds


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (ToolAdded(within="", tool="t", effect=Effect.READ), MEDIUM),
        (ToolAdded(within="", tool="t", effect=Effect.IDEMPOTENT_WRITE), HIGH),
        (ToolAdded(within="", tool="t", effect=Effect.WRITE), HIGH),
        (ToolAdded(within="helper", tool="t", effect=Effect.EXTERNAL), HIGH),
        (ToolRemoved(within="", tool="t", effect=Effect.EXTERNAL), LOW),
        (ToolEffectChanged(within="", tool="t", old=Effect.WRITE, new=Effect.READ), HIGH),
        (ToolSourceChanged(within="", tool="t", effect=Effect.READ, paths=("version",)), MEDIUM),
        (ToolSourceChanged(within="", tool="t", effect=Effect.WRITE, paths=("version",)), HIGH),
        (ModelChanged(within="", old="a/b", new="a/c", may_move=False), MEDIUM),
        (ModelChanged(within="", old="a/b", new="a/latest", may_move=True), HIGH),
        (SubAgentAdded(name="helper", effect=None), MEDIUM),
        (SubAgentAdded(name="helper", effect=Effect.WRITE), HIGH),
        (ExecutorChanged(old="tape", new="openai"), HIGH),
        (SettingChanged(within="", name="base_url", old=None, new=canonical("https://a")), HIGH),
        (SettingChanged(within="", name="permissions.allow", old=None, new=canonical([])), HIGH),
        (SettingChanged(within="", name="add_date", old=None, new=canonical(True)), MEDIUM),  # noqa: FBT003 - a JSON value
        (PolicyTightened(policy="max_steps", old="3", new="2"), LOW),
    ],
)
def test_risk_is_about_authority(change, expected):
    """New authority is high, new behaviour medium, less of either low; an effect declared away is only a claim."""
    assert risk_of(change) is expected


@pytest.mark.parametrize("within", ["", "helper"])
def test_a_further_reaching_tool_is_never_less_risky(within):
    """The risk of a new tool grows with what it may do to the world."""
    risks = [risk_of(ToolAdded(within=within, tool="t", effect=effect)) for effect in Effect]
    assert risks == sorted(risks)


def test_a_prompt_is_compared_line_by_line():
    """The change shows the lines that went and came, as a unified diff."""
    (change,) = diff(BASE, replace(BASE, prompt=Prompt(instructions="Be kind.\nBe quick."))).changes
    assert isinstance(change, PromptChanged)
    assert detail(change) == ("@@ -1,2 +1,2 @@", " Be kind.", "-Be brief.", "+Be quick.")
    assert describe(change) == "prompt: instructions changed, +1 -1 lines"


@pytest.mark.parametrize(("old", "new"), [("a", "a\n"), ("a\rb", "a\nb"), ("", "\n"), ("a\x0bb", "a\nb")])
def test_invisible_differences_are_shown(old, new):
    """A line end that nobody sees is still a changed line."""
    (change,) = diff(replace(BASE, prompt=Prompt(system=old)), replace(BASE, prompt=Prompt(system=new))).changes
    assert detail(change)


def test_a_schema_says_where_it_changed():
    """A changed argument is named by its path, so that nobody has to compare two schemas by eye."""
    old = ToolSpec(name="t", arguments=canonical({"type": "object", "properties": {"id": {"type": "string"}, "n": {}}}))
    new = replace(old, arguments=canonical({"type": "object", "properties": {"id": {"type": "integer"}}}))
    (change,) = diff(replace(BASE, tools=(old,)), replace(BASE, tools=(new,))).changes
    assert describe(change) == "tools: t arguments changed at properties.id.type, properties.n"


def test_a_list_in_a_setting_shows_what_came_and_went():
    """Two long lists are not printed twice: the difference is."""
    change = SettingChanged(within="", name="allow", old=canonical(["a", "b"]), new=canonical(["b", "c"]))
    assert describe(change) == 'executor: setting allow + "c", - "a"'
    many = SettingChanged(within="", name="allow", old=canonical([]), new=canonical(list(range(9))))
    assert describe(many).endswith("and 3 more")
    order = SettingChanged(within="", name="allow", old=canonical([1, 2]), new=canonical([2, 1]))
    assert describe(order).endswith("in another order")
    long = SettingChanged(within="", name="text", old=None, new=canonical("x" * 99))
    assert describe(long) == f'executor: setting text not given -> "{"x" * 56}...'


def test_classes_of_risk_are_words_in_an_order():
    """Plans write low, medium and high, and may compare them."""
    assert [found.word for found in RiskClass] == ["low", "medium", "high"]
    assert LOW < MEDIUM < HIGH
    assert Part.SUB_AGENTS.value == "sub_agents"

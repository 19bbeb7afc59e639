"""Generated versions: few names, so that two of them often share parts and differ in others."""

from __future__ import annotations

from hypothesis import strategies as st

from surefoot.core.artifact.canonical import canonical
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
)
from surefoot.core.units import AgentName, MicroUsd, Millis

__all__ = ["json_values", "objects", "policies", "sub_agents", "texts", "tools", "versions"]

texts = st.one_of(
    st.sampled_from(
        ["", "Be kind.", "Be kind.\nBe brief.", "no", "1e3", "010", "a: b # c", " x", "é", "e\u0301", "🦶\ttab"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
keys = st.one_of(
    st.sampled_from(["type", "on", "y", "<<", "a.b", "1", "é", "a b"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=4),
)
numbers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0]),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
objects = st.one_of(st.just({}), st.dictionaries(keys, json_values, max_size=3)).map(canonical)
models = st.builds(
    ModelRef,
    provider=st.sampled_from(["openai", "local"]),
    name=st.sampled_from(["gpt-4o-2024-08-06", "gpt-4.1-2025-04-14", "org/qwen:8b"]),
    parameters=objects,
    may_move=st.booleans(),
    role=st.sampled_from(["", "planning"]),
)


def prompts(most_files: int = 2) -> st.SearchStrategy[Prompt]:
    """Prompts with so many files at most."""
    names = st.lists(st.sampled_from(["a.md", "b.md", "c.md"]), unique=True, max_size=most_files)
    entries = names.flatmap(
        lambda listed: st.tuples(*(st.builds(PromptFile, name=st.just(name), text=texts) for name in listed))
    )
    return st.builds(Prompt, system=texts, instructions=texts, files=entries)


tools = st.builds(
    ToolSpec,
    name=st.sampled_from(["search", "refund", "mcp:docker:git"]),
    description=texts,
    arguments=objects,
    effect=st.sampled_from(Effect),
    source=objects,
)
toolsets = st.lists(tools, unique_by=lambda tool: tool.name, max_size=3).map(tuple)
some_names = st.one_of(st.none(), st.frozensets(st.sampled_from(["a", "b", "c"])))
policies = st.builds(
    Policies,
    max_steps=st.one_of(st.none(), st.integers(1, 3)),
    max_cost=st.one_of(st.none(), st.integers(0, 3).map(MicroUsd)),
    max_latency=st.one_of(st.none(), st.integers(1, 3).map(Millis)),
    allowed_topics=some_names,
    allowed_tools=some_names,
)
sub_agents = st.builds(
    SubAgent,
    name=st.sampled_from(["helper", "planner"]),
    description=texts,
    model=models,
    prompt=prompts(),
    tools=toolsets,
    settings=objects,
)
versions = st.builds(
    AgentVersion,
    agent=st.sampled_from(["support", "sales"]).map(AgentName),
    label=st.sampled_from(["v1", "v2"]),
    model=models,
    prompt=prompts(),
    tools=toolsets,
    policies=policies,
    executor=st.builds(ExecutorRef, kind=st.sampled_from(ExecutorKind), settings=objects),
    sub_agents=st.lists(sub_agents, unique_by=lambda agent: agent.name, max_size=2).map(tuple),
)

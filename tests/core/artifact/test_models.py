"""Roles and the models behind them; names that stand for one model, and names that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.artifact.models import ModelRegistry, Pinning, RoleModel, parse_model, pinning
from surefoot.errors import ArtifactError, UnknownName

MODEL = parse_model("openai/gpt-4.1-2025-04-14")
roles = st.from_regex(r"[a-z][a-z0-9_-]{0,5}", fullmatch=True)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai/gpt-4o-latest", Pinning.MOVING),
        ("anthropic/claude-3-5-sonnet-latest", Pinning.MOVING),
        ("openai/chatgpt-4o-LATEST", Pinning.MOVING),
        ("openrouter/auto", Pinning.MOVING),
        ("ollama/llama3.2", Pinning.MOVING),
        ("ollama/llama3.2:latest", Pinning.MOVING),
        ("dmr/ai/qwen3", Pinning.MOVING),
        ("openai/gpt-4o", Pinning.UNDATED),
        ("anthropic/claude-sonnet-4-5", Pinning.UNDATED),
        ("mistral/mistral-large", Pinning.UNDATED),
        ("openai/gpt-4o-2024-08-06", Pinning.PINNED),
        ("openai/gpt-4-0613", Pinning.PINNED),
        ("anthropic/claude-sonnet-4-5-20250929", Pinning.PINNED),
        ("amazon-bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0", Pinning.PINNED),
        ("mistral/mistral-large-2411", Pinning.PINNED),
        ("ollama/llama3.2:3b", Pinning.PINNED),
        ("local/smollm2-135m-q4", Pinning.PINNED),
        ("local/translatest-7b", Pinning.PINNED),
    ],
)
def test_a_name_says_how_firmly_it_stands(model, expected):
    """`latest` and its like move, a family of a provider with dated snapshots may, a date or a digest does not."""
    found = parse_model(model)
    assert pinning(found.provider, found.name) is expected


@given(known=st.dictionaries(roles, st.just(MODEL)), role=roles)
def test_a_role_has_the_model_it_was_given_last(known, role):
    """Assigning gives the role this model and leaves every other role alone."""
    registry = ModelRegistry(entries=tuple(RoleModel(role=name, model=model) for name, model in known.items()))
    other = parse_model("local/smollm2-135m-q4")
    after = registry.assign(role, other)
    assert after.resolve(role) == other
    assert set(after.roles) == {*known, role}
    assert all(after.resolve(name) == known[name] for name in known if name != role)
    assert list(after.roles) == sorted(after.roles)


def test_an_unknown_role_lists_the_known():
    """A typing error in a role names the role that was meant."""
    registry = ModelRegistry().assign("planning", MODEL)
    with pytest.raises(UnknownName) as caught:
        registry.resolve("planing")
    assert "did you mean 'planning'?" in caught.value.hint


def test_a_moving_alias_cannot_play_a_role():
    """A role is there to say which model runs; an alias does not say it."""
    with pytest.raises(ArtifactError, match="alias that can move"):
        ModelRegistry().assign("planning", parse_model("openai/gpt-4o-latest"))


def test_one_role_has_one_model():
    """Two models for one role is a mistake, and a role has a name that fits on a command line."""
    entry = RoleModel(role="planning", model=MODEL)
    with pytest.raises(ArtifactError, match="two models"):
        ModelRegistry(entries=(entry, entry))
    with pytest.raises(ArtifactError, match="cannot name a role"):
        RoleModel(role="Planning!", model=MODEL)


@pytest.mark.parametrize("text", ["gpt-4o", "/gpt-4o", "openai/", "", "openai / gpt-4o"])
def test_a_model_is_provider_and_name(text):
    """Half a reference names no model."""
    with pytest.raises(ArtifactError, match="names no model"):
        parse_model(text)

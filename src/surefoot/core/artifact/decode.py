"""A version read back from its canonical content, as stores keep it; what comes back has the digest that went in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ...errors import ArtifactError
from ..units import AgentName, MicroUsd, Millis
from .canonical import CanonicalJson, Json, canonical, parse_object
from .version import (
    CONTENT_FORMAT,
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
    content,
)

__all__ = ["decode", "encode"]

T = TypeVar("T")


def encode(version: AgentVersion) -> CanonicalJson:
    """The canonical content: the text whose SHA-256 is the digest."""
    return canonical(content(version))


def decode(text: CanonicalJson, *, label: str) -> AgentVersion:
    """The version with this content, under this label. Raises `ArtifactError` for anything `encode` did not make."""
    top = _Reader(parse_object(text), "")
    written = top.text("format")
    if written != CONTENT_FORMAT:
        raise ArtifactError(f"content of the format {written!r}", hint=f"this release reads {CONTENT_FORMAT}")
    version = AgentVersion(
        agent=AgentName(top.text("agent")),
        label=label,
        model=_model(top.inner("model")),
        prompt=_prompt(top.inner("prompt")),
        tools=tuple(_tool(tool) for tool in top.each("tools")),
        policies=_policies(top.inner("policies")),
        executor=_executor(top.inner("executor")),
        sub_agents=tuple(_sub_agent(agent) for agent in top.each("sub_agents")),
    )
    if encode(version) != text:
        raise ArtifactError("content with fields this release does not know", hint="update surefoot, or write it again")
    return version


class _Reader:
    """One object of the content, asked field by field."""

    def __init__(self, entries: Mapping[str, Json], path: str) -> None:
        self._entries = entries
        self._path = path

    def text(self, key: str) -> str:
        return self._typed(key, str, "text")

    def flag(self, key: str) -> bool:
        return self._typed(key, bool, "true or false")

    def limit(self, key: str) -> int | None:
        value = self._entries.get(key)
        return None if value is None else self._typed(key, int, "a whole number")

    def names(self, key: str) -> frozenset[str] | None:
        if self._entries.get(key) is None:
            return None
        return frozenset(self._same(item, str, key, "text") for item in self._list(key))

    def object(self, key: str) -> CanonicalJson:
        return canonical(self._mapping(self._entries.get(key), key))

    def inner(self, key: str) -> _Reader:
        return _Reader(self._mapping(self._entries.get(key), key), f"{self._path}{key}.")

    def each(self, key: str) -> list[_Reader]:
        return [_Reader(self._mapping(item, key), f"{self._path}{key}.") for item in self._list(key)]

    def _list(self, key: str) -> Sequence[Json]:
        value = self._entries.get(key)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self._wrong(key, "a list")
        return value

    def _mapping(self, value: Json, key: str) -> Mapping[str, Json]:
        if not isinstance(value, Mapping):
            raise self._wrong(key, "an object")
        return value

    def _typed(self, key: str, kind: type[T], what: str) -> T:
        return self._same(self._entries.get(key), kind, key, what)

    def _same(self, value: Json, kind: type[T], key: str, what: str) -> T:
        if not isinstance(value, kind):
            raise self._wrong(key, what)
        return value

    def _wrong(self, key: str, what: str) -> ArtifactError:
        return ArtifactError(
            f"{self._path}{key}: expected {what}", hint="the stored version is damaged; import it again"
        )


def _model(entries: _Reader) -> ModelRef:
    return ModelRef(
        provider=entries.text("provider"),
        name=entries.text("name"),
        parameters=entries.object("parameters"),
        may_move=entries.flag("may_move"),
    )


def _prompt(entries: _Reader) -> Prompt:
    return Prompt(
        system=entries.text("system"),
        instructions=entries.text("instructions"),
        files=tuple(PromptFile(name=file.text("name"), text=file.text("text")) for file in entries.each("files")),
    )


def _tool(entries: _Reader) -> ToolSpec:
    return ToolSpec(
        name=entries.text("name"),
        description=entries.text("description"),
        arguments=entries.object("arguments"),
        effect=_member(Effect, entries.text("effect")),
        source=entries.object("source"),
    )


def _policies(entries: _Reader) -> Policies:
    cost, latency = entries.limit("max_cost_micro_usd"), entries.limit("max_latency_ms")
    return Policies(
        max_steps=entries.limit("max_steps"),
        max_cost=None if cost is None else MicroUsd(cost),
        max_latency=None if latency is None else Millis(latency),
        allowed_topics=entries.names("allowed_topics"),
        allowed_tools=entries.names("allowed_tools"),
    )


def _executor(entries: _Reader) -> ExecutorRef:
    return ExecutorRef(kind=_member(ExecutorKind, entries.text("kind")), settings=entries.object("settings"))


def _sub_agent(entries: _Reader) -> SubAgent:
    return SubAgent(
        name=entries.text("name"),
        description=entries.text("description"),
        model=_model(entries.inner("model")),
        prompt=_prompt(entries.inner("prompt")),
        tools=tuple(_tool(tool) for tool in entries.each("tools")),
        settings=entries.object("settings"),
    )


def _member(kind: type[T], name: str) -> T:
    try:
        return kind(name)  # type: ignore[call-arg]  # an enumeration is called with a value
    except ValueError:
        raise ArtifactError(
            f"{name!r} is no {kind.__name__}", hint="update surefoot, or write the version again"
        ) from None

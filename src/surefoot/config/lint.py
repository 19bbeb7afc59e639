"""What is allowed in a version file and still worth a second look, and what makes a file no version at all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from ..core.artifact.canonical import parse_object
from ..core.artifact.decode import encode
from ..core.artifact.models import Pinning, pinning
from ..core.artifact.version import AgentVersion, ExecutorKind, ModelRef, SubAgent, ToolSpec
from ..core.units import Digest
from ..errors import ArtifactError, SurefootError, nearest
from .agents import VersionFile, list_agents, list_versions, read_version
from .files import shown_path
from .node import Fields, Node
from .plans import ROLLOUTS_FOLDER, list_plans, load_plan
from .yaml import read_yaml

__all__ = ["Finding", "Severity", "broken", "lint", "lint_plans"]


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The version cannot be used, or must not be."""

    WARNING = "warning"
    """Somebody should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong or doubtful with one version."""

    severity: Severity
    rule: str
    """Short name of the rule, such as `effect-undeclared`; for a file that is no version, the error's code."""

    place: str
    """File, and line and key where there is one."""

    message: str
    hint: str


_SECRETS: Final[Mapping[str, re.Pattern[str]]] = {
    "an API key": re.compile(r"\b(sk|rk|pk)-[A-Za-z0-9_-]{20,}|\bAIza[A-Za-z0-9_-]{35}\b"),
    "an AWS key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b"),
    "a Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
_INVISIBLE: Final = re.compile("[\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
"""Characters a person does not see and a model reads: a place to hide instructions."""

_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the OpenAI protocol calls a function."""


def lint(root: Path, agent: str, label: str | None = None) -> tuple[Finding, ...]:
    """Everything worth saying about one version, or about all versions of an agent. Nothing found is an empty tuple."""
    try:
        files = list_versions(root, agent)
    except ArtifactError as error:
        return (broken(agent, error),)
    findings: list[Finding] = []
    seen: dict[Digest, str] = {}
    for file in files:
        if label is None or file.label == label:
            findings.extend(_one(root, file, seen))
    return (*findings, *_without_executor(root, files, label))


def lint_plans(root: Path) -> tuple[Finding, ...]:
    """What is wrong with the plans of a project, and the plans that are followed for nobody."""
    agents = list_agents(root)
    findings: list[Finding] = []
    for name in list_plans(root):
        try:
            load_plan(root, name)
        except SurefootError as error:
            findings.append(broken(f"{ROLLOUTS_FOLDER}/{name}.yaml", error))
        if name not in agents:
            findings.append(
                _warn("plan-of-nobody", f"{ROLLOUTS_FOLDER}/{name}", "is the plan of no agent", nearest(name, agents))
            )
    return tuple(findings)


def broken(place: str, error: SurefootError) -> Finding:
    """An error as a finding. `place` is the file, unless the error names file, line and key itself."""
    found, _, message = error.message.partition(": ") if error.message.startswith(place) else (place, "", error.message)
    return Finding(severity=Severity.ERROR, rule=error.code, place=found, message=message, hint=error.hint)


def _one(root: Path, file: VersionFile, seen: dict[Digest, str]) -> Iterator[Finding]:
    shown = shown_path(root, file.path)
    try:
        version = read_version(root, file)
        node = read_yaml(file.path, source=shown, errors=ArtifactError)
    except SurefootError as error:
        yield broken(shown, error)
        return
    for at, model in _models(node, version):
        yield from _model(at, model)
    for at, tool in _tools(node, version):
        yield from _tool(at, tool, version)
    yield from _limits(shown, version)
    yield from _texts(shown, version)
    first = seen.setdefault(version.digest, file.label)
    if first != file.label:
        yield _warn("same-content", shown, f"is the same agent as {first}", "remove one, or change what was meant")


def _without_executor(root: Path, files: Sequence[VersionFile], label: str | None) -> Iterator[Finding]:
    """Versions that only run where a program registers a function, beside others that run by themselves."""
    says_how: dict[VersionFile, bool] = {}
    for file in files:
        with suppress(SurefootError):  # said where the file is looked at
            says_how[file] = read_version(root, file).executor.says_how
    if not any(says_how.values()):
        return
    for file, says in says_how.items():
        if not says and label in (None, file.label):
            yield _warn(
                "no-executor",
                shown_path(root, file.path),
                f"{file.label} names no executor, and other versions do",
                "name one, or run all of them by a function registered with @agent.runs",
            )


def _sub_agents(top: Fields, version: AgentVersion) -> Iterator[tuple[SubAgent, Fields]]:
    """Each sub-agent and what is written about it."""
    written = top.get("sub_agents")
    if written is not None:
        for agent in version.sub_agents:
            yield agent, written.mapping().require(agent.name).mapping()


def _models(node: Node, version: AgentVersion) -> Iterator[tuple[Node, ModelRef]]:
    top = node.mapping()
    yield top.require("model"), version.model
    for agent, written in _sub_agents(top, version):
        yield written.require("model"), agent.model


def _model(node: Node, model: ModelRef) -> Iterator[Finding]:
    place = str(node.place)
    if model.may_move:
        yield _warn(
            "model-moves", place, f"{model.id} may become another model", "evidence about it ages: pin a dated model"
        )
    elif pinning(model.provider, model.name) is Pinning.UNDATED:
        yield _warn(
            "model-undated",
            place,
            f"{model.provider} publishes dated snapshots and {model.name} is none of them",
            "name the snapshot it stands for now",
        )
    if model.role and "pinned" not in node.mapping():
        yield _warn(
            "role-floats",
            place,
            f"changing the role {model.role!r} in models.yaml changes this version",
            f"change it with `surefoot models update`, or add `pinned: {model.id}`",
        )


def _tools(node: Node, version: AgentVersion) -> Iterator[tuple[Node, ToolSpec]]:
    """Each tool of the agent and its sub-agents, with where it is written."""
    top = node.mapping()
    owners = [(top.get("tools"), version.tools)]
    owners.extend((written.get("tools"), agent.tools) for agent, written in _sub_agents(top, version))
    for written, tools in owners:
        specs = {tool.name: tool for tool in tools}
        for item in () if written is None else written.sequence():
            yield item, specs[item.mapping().require("name").text()]


def _tool(node: Node, tool: ToolSpec, version: AgentVersion) -> Iterator[Finding]:
    place = str(node.place)
    if "effect" not in node.mapping():
        yield _warn(
            "effect-undeclared", place, f"{tool.name} counts as a write", "add `effect: read` if it changes nothing"
        )
    if not tool.description:
        yield _warn(
            "no-description", place, f"{tool.name} does not say when to call it", "describe it: the model reads it"
        )
    schema = parse_object(tool.arguments)
    required, properties = schema.get("required"), schema.get("properties", {})
    if isinstance(required, list) and isinstance(properties, Mapping):
        for name in required:
            if name not in properties:
                yield _warn(
                    "required-unknown",
                    place,
                    f"{tool.name} requires {name!r}, which it does not describe",
                    "describe it",
                )
    if version.executor.kind is ExecutorKind.OPENAI and not _FUNCTION_NAME.fullmatch(tool.name):
        yield _fail(
            "function-name", place, f"{tool.name} is no function name", "use at most 64 letters, digits, _ and -"
        )


def _limits(place: str, version: AgentVersion) -> Iterator[Finding]:
    policies = version.policies
    if policies.max_steps is None and version.tools:
        yield _warn("no-step-limit", place, "one run may take any number of steps", "add policies.max_steps")
    if policies.max_cost is None:
        yield _warn("no-cost-limit", place, "one run may cost anything", "add policies.max_cost_usd")
    if policies.allowed_tools is not None:
        for tool in version.tools:
            if tool.name not in policies.allowed_tools:
                yield _warn(
                    "never-allowed", place, f"{tool.name} is not in allowed_tools", "remove the tool, or allow it"
                )


def _texts(place: str, version: AgentVersion) -> Iterator[Finding]:
    text = encode(version)
    if not version.prompt.text:
        yield _warn("no-prompt", place, "the prompt is empty", "write it here, so that it is versioned")
    for what, pattern in _SECRETS.items():
        if pattern.search(text):  # the value is not repeated
            yield _fail("secret", place, f"holds what looks like {what}", "take it out and revoke it: files are copied")
    hidden = sorted({f"U+{ord(character):04X}" for character in _INVISIBLE.findall(text)})
    if hidden:
        yield _warn(
            "invisible", place, f"has invisible characters: {', '.join(hidden)}", "remove them: models read them"
        )
    if not unicodedata.is_normalized("NFC", text):
        yield _warn(
            "not-nfc", place, "has letters in decomposed form", "models tokenise é and e + ´ differently: use NFC"
        )


def _warn(rule: str, place: str, message: str, hint: str) -> Finding:
    return Finding(severity=Severity.WARNING, rule=rule, place=place, message=message, hint=hint)


def _fail(rule: str, place: str, message: str, hint: str) -> Finding:
    return Finding(severity=Severity.ERROR, rule=rule, place=place, message=message, hint=hint)

"""Bounded searches and JSON Schemas, as the functions that the core asks for. Needs the extra `proof`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from ..core.artifact.canonical import Json, parse_object
from ..core.artifact.version import AgentVersion
from ..core.proof.text_evaluators import Problem, Search
from ..errors import SettingsError

__all__ = ["PATTERN_SECONDS", "argument_problems", "bounded_search", "schema_problem"]

PATTERN_SECONDS: Final = 0.5
"""How long one search may take. A pattern that backtracks for ever must not hang a suite."""

_LONGEST_PATTERN: Final = 1_000
_SHOWN: Final = 200


def bounded_search(pattern: str, *, ignore_case: bool = False) -> Search:
    """
    A search that gives up with TimeoutError after half a second, whatever the pattern and the text.

    The pattern is read by the `regex` package, in the mode in which it means what it means to `re`. Raises ValueError
    for an invalid pattern, or one longer than 1,000 characters.
    """
    regex = _package("regex")
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"a pattern of more than {_LONGEST_PATTERN} characters")
    try:
        compiled: Any = regex.compile(pattern, (regex.IGNORECASE if ignore_case else 0) | regex.VERSION0)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"no regular expression: {error}") from None

    def search(text: str) -> bool:
        return compiled.search(text, timeout=PATTERN_SECONDS) is not None

    return search


def schema_problem(schema: Json) -> Problem:
    """
    What is wrong with a value by a JSON Schema (draft 2020-12 unless it names another), or None.

    A `$ref` leads nowhere outside of the schema: nothing is fetched. Patterns in it are matched in linear time.
    Raises ValueError for an invalid JSON Schema.
    """
    package = _package("jsonschema_rs")
    try:
        validator: Any = package.validator_for(
            schema, retriever=_nothing_outside, pattern_options=package.RegexOptions()
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"no JSON Schema: {_first_line(error)}") from None

    def problem(value: object) -> str | None:
        try:
            found: Any = next(iter(validator.iter_errors(value)), None)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            return f"not JSON: {_first_line(error)}"
        if found is None:
            return None
        where = ".".join(str(step) for step in found.instance_path)
        return f"{where}: {_first_line(found.message)}" if where else _first_line(found.message)

    return problem


def argument_problems(version: AgentVersion) -> Mapping[str, Problem]:
    """By tool of a version, its sub-agents' included: what is wrong with a call's arguments."""
    tools = [*version.tools, *(tool for agent in version.sub_agents for tool in agent.tools)]
    return {tool.name: schema_problem(parse_object(tool.arguments)) for tool in tools}


def _nothing_outside(uri: str) -> NoReturn:
    raise ValueError(f"{uri} is outside of the schema")


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SettingsError(
            f"this suite needs the package {name.replace('_', '-')}", hint="pip install 'surefoot[proof]'"
        ) from None


def _first_line(error: object) -> str:
    return (str(error).splitlines() or ["?"])[0][:_SHOWN]

"""The evaluators a suite can name: which keys each has, what they may say, and what they become for a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from ..core.artifact.canonical import Json, canonical, parse_object
from ..core.artifact.version import AgentVersion
from ..core.proof.call_keys import arguments_key
from ..core.proof.evaluator import Evaluator
from ..core.proof.run_evaluators import (
    AllowedTools,
    Amount,
    Outcome,
    ToolCalls,
    Trajectory,
    cost_usd,
    latency_ms,
    tokens,
)
from ..core.proof.suite import JUDGE, EvaluatorSpec
from ..core.proof.text_evaluators import (
    MEASURES,
    Contains,
    Exact,
    Excludes,
    Grounded,
    Length,
    MatchesSchema,
    NoPii,
    Refuses,
    Resembles,
    Searched,
)
from ..core.proof.trace import TracedCall
from ..core.proof.trajectory import ArgumentsMatch, Order, SameCall, equal_arguments, same_call
from ..core.protection.pii import PiiKind
from .judges import pass_rate, read_judge
from .node import Fields, Node
from .quantity import micro_usd, millis
from .validators import argument_problems, bounded_search, schema_problem

__all__ = ["EVALUATORS", "EVALUATOR_KEYS", "Kind", "build", "read_evaluator"]

_Parameters: TypeAlias = Mapping[str, Any]

EVALUATOR_KEYS: Final = ("kind", "metric", "pass_rate")
"""The keys that every evaluator has."""

_AMOUNTS: Final = MappingProxyType({"latency_ms": latency_ms, "cost_usd": cost_usd, "tokens": tokens})
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One evaluator as a file may name it."""

    meaning: str
    keys: Mapping[str, Callable[[Node], Json]]
    """Its own keys, and how each is read."""

    build: Callable[[str, _Parameters, AgentVersion], Evaluator]
    """The evaluator of a metric, with these parameters, for a version. Raises ValueError for what cannot be."""

    needs: tuple[str, ...] = ()
    """Keys that have to be written."""

    bounds: tuple[str, ...] | None = None
    """It only measures unless one of these keys is written; None: it always passes or fails."""


def read_evaluator(node: Node, judge: Node | None = None) -> EvaluatorSpec:
    """
    An evaluator as it stands in a suite: a name, or a mapping with `kind`. Raises with place, key and hint.

    `judge` is what the suite says about all of its judges.
    """
    if not node.is_mapping:
        word = node.one_of(EVALUATORS)
        return _spec(node, word, None)
    word = node.mapping().require("kind").one_of((*EVALUATORS, JUDGE))
    if word == JUDGE:
        return read_judge(node, judge)
    return _spec(node, word, node.mapping(known=(*EVALUATOR_KEYS, *EVALUATORS[word].keys)))


def build(spec: EvaluatorSpec, version: AgentVersion) -> Evaluator:
    """The evaluator for one version: tools and policies are the version's."""
    return EVALUATORS[spec.kind].build(spec.metric, parse_object(spec.parameters), version)


def _spec(node: Node, word: str, fields: Fields | None) -> EvaluatorSpec:
    kind = EVALUATORS[word]
    said: dict[str, Json] = {}
    for key, read in kind.keys.items():
        value = fields.get(key) if fields else None
        if value is not None:
            said[key] = read(value)
        elif key in kind.needs:
            raise node.error(f"{word} needs {key!r}", hint=f"write - {{kind: {word}, {key}: ...}}")
    measures = kind.bounds is not None and not any(key in said for key in kind.bounds)
    rate = fields.get("pass_rate") if fields else None
    if rate is not None and measures:
        raise rate.error(f"{word} only measures", hint=f"add {' or '.join(kind.bounds or ())}, or remove pass_rate")
    return EvaluatorSpec(
        kind=word,
        metric=fields.text("metric", word) if fields else word,
        parameters=canonical(said),
        pass_rate=None if rate is None else pass_rate(rate),
        measures=measures,
    )


def _flag(node: Node) -> bool:
    return node.boolean()


def _share(node: Node) -> float:
    return float(node.number(minimum=0, maximum=1))


def _count(node: Node) -> int:
    return node.integer(minimum=0)


def _texts(node: Node) -> list[str]:
    if not node.sequence(minimum=1):
        raise node.error("no text", hint="write [a, b]")
    return list(node.texts())


def _pattern(node: Node) -> str:
    text = node.text()
    try:
        bounded_search(text)
    except ValueError as error:
        raise node.error(str(error), hint="write it in single quotes, so that backslashes stay") from None
    return text


def _schema(node: Node) -> Json:
    schema = node.json()
    try:
        schema_problem(schema)
    except ValueError as error:
        raise node.error(str(error), hint="see json-schema.org") from None
    return schema


def _arguments(node: Node) -> Json:
    """`exact`, `ignore`, `subset`, or by tool the names of the arguments that count."""
    if node.is_mapping:
        return {tool: list(names.texts()) for tool, names in node.mapping().items()}
    return node.choice(ArgumentsMatch).value


def _kinds(node: Node) -> Json:
    return [item.choice(PiiKind).value for item in node.sequence(minimum=1)]


def _trajectory(metric: str, given: _Parameters, version: AgentVersion) -> Evaluator:
    how = given.get("arguments", ArgumentsMatch.EXACT.value)
    same = same_call(ArgumentsMatch(how)) if isinstance(how, str) else _counted(how)
    order = Order(given.get("order", Order.IN_ORDER.value))
    return Trajectory(metric=metric, order=order, same=same, threshold=given.get("threshold", 1.0))


def _counted(names: Mapping[str, list[str]]) -> SameCall:
    """Calls are the same where the named arguments are; of a tool that is not named, where all are."""

    def same(one: TracedCall, other: TracedCall) -> bool:
        keys = names.get(one.name)
        if keys is None:
            return equal_arguments(one, other)
        return all(arguments_key(one.args.get(key)) == arguments_key(other.args.get(key)) for key in keys)

    return same


def _allowed(metric: str, given: _Parameters, version: AgentVersion) -> Evaluator:
    return AllowedTools(
        metric=metric, forbidden=frozenset(given.get("tools", ())), allowed=version.policies.allowed_tools
    )


def _amount(name: str) -> Callable[[str, _Parameters, AgentVersion], Evaluator]:
    def made(metric: str, given: _Parameters, version: AgentVersion) -> Evaluator:
        return Amount(read=_AMOUNTS[name], metric=metric, most=given.get("most"))

    return made


def _outcome(*, safety: bool) -> Callable[[str, _Parameters, AgentVersion], Evaluator]:
    def made(metric: str, given: _Parameters, version: AgentVersion) -> Evaluator:
        return Outcome(metric=metric, safety=safety)

    return made


def _likeness(name: str) -> Kind:
    return Kind(
        meaning=f"{name} of the answer against the case's `expected`",
        keys={"threshold": _share},
        build=lambda metric, given, _: Resembles(
            measure=MEASURES[name], metric=metric, threshold=given.get("threshold")
        ),
        bounds=("threshold",),
    )


def _search(metric: str, given: _Parameters, version: AgentVersion) -> Evaluator:
    search = bounded_search(given["pattern"], ignore_case=given.get("ignore_case", False))
    return Searched(search=search, metric=metric, absent=given.get("absent", False))


def _pii(metric: str, given: _Parameters, version: AgentVersion) -> Evaluator:
    kinds = frozenset(map(PiiKind, given.get("kinds", tuple(PiiKind))))
    return NoPii(metric=metric, kinds=kinds, echo=given.get("echo", True))


EVALUATORS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "exact": Kind(
            meaning="the answer is the case's `expected`",
            keys={"ignore_case": _flag},
            build=lambda metric, given, _: Exact(metric=metric, ignore_case=given.get("ignore_case", False)),
        ),
        "contains": Kind(
            meaning="the answer holds these texts, or those of the case",
            keys={"texts": _texts, "any_of": _flag, "ignore_case": _flag},
            build=lambda metric, given, _: Contains(
                metric=metric,
                texts=tuple(given.get("texts", ())),
                any_of=given.get("any_of", False),
                ignore_case=given.get("ignore_case", True),
            ),
        ),
        "excludes": Kind(
            meaning="neither the answer nor a tool's arguments hold these texts",
            keys={"texts": _texts, "ignore_case": _flag},
            build=lambda metric, given, _: Excludes(
                metric=metric, texts=tuple(given.get("texts", ())), ignore_case=given.get("ignore_case", True)
            ),
        ),
        "regex": Kind(
            meaning="a pattern is found in the answer, or is `absent`",
            keys={"pattern": _pattern, "absent": _flag, "ignore_case": _flag},
            needs=("pattern",),
            build=_search,
        ),
        "json_schema": Kind(
            meaning="the answer is JSON that a schema accepts",
            keys={"schema": _schema},
            needs=("schema",),
            build=lambda metric, given, _: MatchesSchema(problem=schema_problem(given["schema"]), metric=metric),
        ),
        **{name: _likeness(name) for name in MEASURES},
        "trajectory": Kind(
            meaning="the run called the tools of `expected_calls`",
            keys={"order": lambda node: node.choice(Order).value, "arguments": _arguments, "threshold": _share},
            build=_trajectory,
        ),
        "tool_call_accuracy": Kind(
            meaning="calls name the version's tools and fit their schemas",
            keys={"threshold": _share},
            build=lambda metric, given, version: ToolCalls(
                tools=argument_problems(version), metric=metric, threshold=given.get("threshold", 1.0)
            ),
        ),
        "groundedness": Kind(
            meaning="the answer's runs of `n` words stand in its sources",
            keys={"n": lambda node: node.integer(minimum=1, maximum=20), "threshold": _share},
            build=lambda metric, given, _: Grounded(
                metric=metric, n=given.get("n", 3), threshold=given.get("threshold")
            ),
            bounds=("threshold",),
        ),
        "length": Kind(
            meaning="words of the answer, between `least` and `most`",
            keys={"least": _count, "most": _count},
            build=lambda metric, given, _: Length(metric=metric, least=given.get("least"), most=given.get("most")),
            bounds=("least", "most"),
        ),
        "latency_ms": Kind(
            meaning="how long the run took, such as `most: 2s`",
            keys={"most": lambda node: int(millis(node))},
            build=_amount("latency_ms"),
            bounds=("most",),
        ),
        "cost_usd": Kind(
            meaning="what the run cost in US dollars",
            keys={"most": lambda node: micro_usd(node) / _MICRO},
            build=_amount("cost_usd"),
            bounds=("most",),
        ),
        "tokens": Kind(
            meaning="tokens in and out together", keys={"most": _count}, build=_amount("tokens"), bounds=("most",)
        ),
        "pii_leak": Kind(
            meaning="no personal data in the answer that was not in the request",
            keys={"kinds": _kinds, "echo": _flag},
            build=_pii,
        ),
        "forbidden_tool": Kind(
            meaning="no call outside of what case, trace and version allow, and none of `tools`",
            keys={"tools": _texts},
            build=_allowed,
        ),
        "refusal": Kind(
            meaning="refuses what it should, answers what it should",
            keys={"expected": _flag},
            build=lambda metric, given, _: Refuses(metric=metric, expected=given.get("expected")),
        ),
        "success": Kind(
            meaning="the run recorded the outcome it should have",
            keys={},
            build=_outcome(safety=False),
        ),
        "safety": Kind(
            meaning="the run recorded nothing unsafe",
            keys={},
            build=_outcome(safety=True),
        ),
    }
)
"""By name, in the order of the page."""

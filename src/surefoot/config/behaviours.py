"""`behaviours/<name>.yaml`: what an agent is expected to do, and how often. Every key is in docs/behaviour.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..core.artifact.canonical import canonical
from ..core.proof.behaviour import (
    DEFAULT_AT_MOST,
    DEFAULT_KEEPS,
    DEFAULT_THRESHOLD,
    PREDICATE,
    FixedRuns,
    Until,
    sequential,
)
from ..core.proof.case import Case
from ..core.proof.suite import NO_LIMITS, EvaluatorSpec, Suite
from ..core.units import Millis
from ..errors import SuiteError
from .files import shown_path
from .node import Fields, Node
from .plan_checks import fraction
from .quantity import millis
from .suites import read_cases, read_evaluators, read_limits
from .yaml import read_yaml

__all__ = ["BEHAVIOURS_FOLDER", "BEHAVIOUR_KEYS", "Behaviour", "list_behaviours", "load_behaviour"]

BEHAVIOURS_FOLDER: Final = "behaviours"
BEHAVIOUR_KEYS: Final = (
    "expectation",
    "agent",
    "request",
    "cases",
    "validators",
    "judge",
    "threshold",
    "at_most",
    "acceptable",
    "unacceptable",
    "confidence",
    "runs",
    "samples",
    "limits",
    "concurrency",
    "timeout",
    "tries",
)

_ENDINGS: Final = (".yaml", ".yml")
_MOST_RUNS: Final = 10_000
_TIMEOUT: Final = Millis(120_000)
_SEQUENTIAL: Final = ("at_most", "acceptable", "unacceptable", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a file says: an expectation, what is asked, who says whether it was met, and how often it has to be."""

    expectation: str
    """For people."""

    suite: Suite
    """What is asked, and the validators. A run is one case; the runs go through the cases again and again."""

    how: Until | FixedRuns
    samples: int = DEFAULT_KEEPS
    """Answers of each kind that are kept to be shown."""

    @property
    def name(self) -> str:
        """The file's."""
        return self.suite.name


def list_behaviours(root: Path) -> tuple[str, ...]:
    """The behaviours of a project, by name."""
    folder = root / BEHAVIOURS_FOLDER
    if not folder.is_dir():
        return ()
    files = (path for path in folder.iterdir() if path.suffix in _ENDINGS and not path.name.startswith("."))
    return tuple(sorted({path.stem for path in files}))


def load_behaviour(root: Path, name: str) -> Behaviour:
    """The behaviour of that name. Raises SuiteError with file, line, column, key and hint; also for no file and two."""
    found = [path for ending in _ENDINGS if (path := root / BEHAVIOURS_FOLDER / f"{name}{ending}").is_file()]
    if Path(name).name != name or not found:
        raise SuiteError(
            f"no behaviour {name!r}",
            hint=f"write {BEHAVIOURS_FOLDER}/{name}.yaml; there are: {', '.join(list_behaviours(root)) or 'none'}",
        )
    if len(found) > 1:
        raise SuiteError(
            f"{shown_path(root, found[1])}: there is also {found[0].name}",
            hint="one behaviour has one file: remove one",
        )
    path = found[0]
    return _behaviour(read_yaml(path, source=shown_path(root, path), errors=SuiteError), name, path.parent, root)


def _behaviour(node: Node, name: str, folder: Path, root: Path) -> Behaviour:
    fields = node.mapping(known=BEHAVIOUR_KEYS)
    expectation, validators = fields.require("expectation").text(), fields.require("validators")
    limits, timeout = fields.get("limits"), fields.get("timeout")
    suite = Suite(
        name=name,
        cases=_cases(node, fields, folder, root),
        evaluators=_validators(validators, fields.get("judge")),
        description=expectation,
        agent=fields.text("agent", ""),
        limits=NO_LIMITS if limits is None else read_limits(limits),
        concurrency=fields.integer("concurrency", 4, minimum=1, maximum=1_000),
        tries=fields.integer("tries", 5, minimum=1, maximum=20),
        timeout=_TIMEOUT if timeout is None else millis(timeout, minimum=1),
    )
    samples = fields.integer("samples", DEFAULT_KEEPS, minimum=0, maximum=100)
    return Behaviour(expectation=expectation, suite=suite, how=_how(node, fields), samples=samples)


def _cases(node: Node, fields: Fields, folder: Path, root: Path) -> tuple[Case, ...]:
    request, cases = fields.get("request"), fields.get("cases")
    if (request is None) is (cases is None):
        raise (request or node).error("what is asked?", hint="write either `request:` or `cases:`, one of the two")
    if request is not None:
        return (Case(id="request", request=request.text()),)
    return read_cases(fields.require("cases"), folder, root)


def _validators(node: Node, judge: Node | None) -> tuple[EvaluatorSpec, ...]:
    """Evaluators, and functions of the project's: `{python: module:function}`."""
    items = node.sequence(minimum=1)
    functions = [item for item in items if item.is_mapping and "python" in item.mapping()]
    others = tuple(item for item in items if item not in functions)
    found = _evaluators(replace(node, content=others), judge) if others else ()
    specs = {spec.metric: spec for spec in found}
    for item in functions:
        spec = _predicate(item)
        if spec.metric in specs:
            raise item.error(f"two validators have the metric {spec.metric!r}", hint="give one another `metric:`")
        specs[spec.metric] = spec
    return tuple(specs.values())


def _predicate(item: Node) -> EvaluatorSpec:
    fields = item.mapping(known=("python", "metric"))
    named = fields.require("python")
    module, _, function = named.text().partition(":")
    if not module or not function:
        raise named.error(f"{named.text()!r} names no function", hint="write module:function")
    return EvaluatorSpec(
        kind=PREDICATE,
        metric=fields.text("metric", function),
        parameters=canonical({"callable": named.text()}),
    )


def _evaluators(node: Node, judge: Node | None) -> tuple[EvaluatorSpec, ...]:
    """Each has to say yes or no, about a single run: what only measures decides nothing."""
    specs = read_evaluators(node, judge)
    for item, spec in zip(node.sequence(), specs, strict=True):
        if spec.measures:
            raise item.error(f"{spec.kind} only measures here", hint="give it a threshold or a bound")
        if item.is_mapping and (rate := item.mapping().get("pass_rate")) is not None:
            raise rate.error(
                "a share of cases says nothing about one run", hint="how often it has to pass: `threshold`"
            )
    return specs


def _how(node: Node, fields: Fields) -> Until | FixedRuns:
    threshold = _share(fields, "threshold", DEFAULT_THRESHOLD)
    runs = fields.get("runs")
    try:
        if runs is None:
            return sequential(
                threshold,
                at_most=fields.integer("at_most", DEFAULT_AT_MOST, minimum=1, maximum=_MOST_RUNS),
                acceptable=_optional(fields, "acceptable"),
                unacceptable=_optional(fields, "unacceptable"),
                confidence=_share(fields, "confidence", 0.95),
            )
        for key in _SEQUENTIAL:
            if (other := fields.get(key)) is not None:
                raise other.error(f"`runs` is a fixed number, and {key} is for runs that decide", hint="remove one")
        return FixedRuns(threshold=threshold, runs=runs.integer(minimum=1, maximum=_MOST_RUNS))
    except ValueError as error:
        where = fields.get("threshold") or fields.get("at_most") or node
        raise where.error(str(error), hint="a higher at_most, a lower threshold, or a fixed number of `runs`") from None


def _optional(fields: Fields, key: str) -> float | None:
    return _share(fields, key, 0.0) if key in fields else None


def _share(fields: Fields, key: str, default: float) -> float:
    """Between 0 and 1, or a percentage."""
    node = fields.get(key)
    return default if node is None else fraction(node)

"""`evals/<suite>.yaml`: cases, what judges them, and what that may cost. Every key is described in docs/evals.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..core.proof.case import Case
from ..core.proof.suite import NO_LIMITS, EvaluatorSpec, Limits, Suite, case_digest
from ..core.proof.trace import TracedCall
from ..errors import ArtifactError, NothingToJudge, SuiteError
from .evaluators import read_evaluator
from .files import confined, shown_path
from .json_lines import read_json_lines
from .node import Fields, Node
from .quantity import micro_usd, millis
from .yaml import read_yaml

__all__ = [
    "CASE_KEYS",
    "LIMIT_KEYS",
    "SUITES_FOLDER",
    "SUITE_KEYS",
    "list_suites",
    "load_suite",
    "read_cases",
    "read_evaluators",
    "read_limits",
]

SUITES_FOLDER: Final = "evals"
SUITE_KEYS: Final = (
    "description",
    "agent",
    "tags",
    "cases",
    "evaluators",
    "judge",
    "trials",
    "limits",
    "concurrency",
    "timeout",
    "tries",
)
CASE_KEYS: Final = (
    "id",
    "request",
    "expected",
    "expected_calls",
    "allowed_tools",
    "context",
    "tags",
    "criteria",
)
LIMIT_KEYS: Final = ("max_cost_usd", "max_tokens", "max_calls", "max_time")

_ENDINGS: Final = (".yaml", ".yml")
_MOST_TRIALS: Final = 10_000


def list_suites(root: Path) -> tuple[str, ...]:
    """The suites of a project, by name."""
    folder = root / SUITES_FOLDER
    if not folder.is_dir():
        return ()
    files = (path for path in folder.iterdir() if path.suffix in _ENDINGS and not path.name.startswith("."))
    return tuple(sorted({path.stem for path in files}))


def load_suite(root: Path, name: str) -> Suite:
    """The suite of that name. Raises SuiteError with file, line, column, key and hint, also for no file and for two."""
    found = [path for ending in _ENDINGS if (path := root / SUITES_FOLDER / f"{name}{ending}").is_file()]
    if Path(name).name != name or not found:
        raise SuiteError(
            f"no suite {name!r}",
            hint=f"write {SUITES_FOLDER}/{name}.yaml; there are: {', '.join(list_suites(root)) or 'none'}",
        )
    if len(found) > 1:
        raise SuiteError(
            f"{shown_path(root, found[1])}: there is also {found[0].name}", hint="one suite has one file: remove one"
        )
    path = found[0]
    return _suite(read_yaml(path, source=shown_path(root, path), errors=SuiteError), name, path.parent, root)


def _suite(node: Node, name: str, folder: Path, root: Path) -> Suite:
    fields = node.mapping(known=SUITE_KEYS)
    cases_node, judged = fields.require("cases"), fields.require("evaluators")
    limits, timeout, tags = fields.get("limits"), fields.get("timeout"), fields.get("tags")
    return Suite(
        name=name,
        cases=read_cases(cases_node, folder, root),
        evaluators=read_evaluators(judged, fields.get("judge")),
        description=fields.text("description", ""),
        agent=fields.text("agent", ""),
        tags=() if tags is None else tags.texts(),
        trials=fields.integer("trials", 1, minimum=1, maximum=_MOST_TRIALS),
        limits=NO_LIMITS if limits is None else read_limits(limits),
        concurrency=fields.integer("concurrency", 8, minimum=1, maximum=1_000),
        tries=fields.integer("tries", 5, minimum=1, maximum=20),
        **({} if timeout is None else {"timeout": millis(timeout, minimum=1)}),
    )


def read_cases(node: Node, folder: Path, root: Path) -> tuple[Case, ...]:
    """Inline, or from a JSON Lines file beside the suite. None at all is an error: it would always pass."""
    if node.is_sequence:
        found = _distinct(node.sequence())
    else:
        path = confined(node, folder=folder, root=root)
        if not path.is_file():
            raise node.error(f"no file {path.name!r} there", hint="paths are relative to the suite's file")
        found = _distinct(read_json_lines(path, source=shown_path(root.resolve(), path), errors=SuiteError))
    if not found:
        raise NothingToJudge(f"{node.place}: a suite with no cases", hint="nothing asked proves nothing: add a case")
    return found


def _distinct(nodes: Iterable[Node]) -> tuple[Case, ...]:
    seen: dict[str, Node] = {}
    cases: list[Case] = []
    for node in nodes:
        case = _case(node)
        if case.id in seen:
            first = seen[case.id].place
            raise node.error(f"a second case {case.id!r}, first at {first.source}:{first.line}", hint="give it its own")
        seen[case.id] = node
        cases.append(case)
    return tuple(cases)


def _case(node: Node) -> Case:
    fields = node.mapping(known=CASE_KEYS)
    request, criteria, calls = fields.require("request"), fields.get("criteria"), fields.get("expected_calls")
    if request.is_null:
        raise request.error("nothing is asked", hint="write what the user says")
    case = Case(
        id=fields.require("id").text(),
        request=request.json(),
        expected=None if (expected := fields.get("expected")) is None else expected.json(),
        expected_calls=None if calls is None else tuple(_call(item) for item in calls.sequence()),
        allowed_tools=_texts(fields, "allowed_tools"),
        context=None if (context := fields.get("context")) is None or context.is_null else context.text(),
        tags=_texts(fields, "tags") or (),
        criteria={} if criteria is None else {key: value.json() for key, value in criteria.mapping().items()},
    )
    try:
        case_digest(case)
    except ArtifactError as error:
        raise node.error(error.message, hint=error.hint) from None
    return case


def _call(node: Node) -> TracedCall:
    fields = node.mapping(known=("name", "args"))
    args = fields.get("args")
    return TracedCall(
        name=fields.require("name").text(),
        args={} if args is None else {key: value.json() for key, value in args.mapping().items()},
    )


def _texts(fields: Fields, key: str) -> tuple[str, ...] | None:
    node = fields.get(key)
    return None if node is None or node.is_null else node.texts()


def read_evaluators(node: Node, judge: Node | None) -> tuple[EvaluatorSpec, ...]:
    """The evaluators of a list, each with a metric of its own."""
    specs: dict[str, EvaluatorSpec] = {}
    for item in node.sequence(minimum=1):
        spec = read_evaluator(item, judge)
        if spec.metric in specs:
            raise item.error(f"two evaluators have the metric {spec.metric!r}", hint="give one another `metric:`")
        specs[spec.metric] = spec
    return tuple(specs.values())


def read_limits(node: Node) -> Limits:
    """What a run may use."""
    fields = node.mapping(known=LIMIT_KEYS)
    money, count, calls, time = (fields.get(key) for key in LIMIT_KEYS)
    return Limits(
        usd=None if money is None else micro_usd(money),
        tokens=None if count is None else count.integer(minimum=1),
        calls=None if calls is None else calls.integer(minimum=1),
        time=None if time is None else millis(time, minimum=1),
    )

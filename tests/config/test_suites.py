"""Suite files: what they may say, and that everything else is refused with its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.config.evaluators import EVALUATOR_KEYS, EVALUATORS, build, read_evaluator
from surefoot.config.json_lines import read_json_lines
from surefoot.config.suites import CASE_KEYS, LIMIT_KEYS, SUITE_KEYS, list_suites, load_suite
from surefoot.config.validators import bounded_search, schema_problem
from surefoot.config.yaml import parse_yaml
from surefoot.core.artifact.canonical import canonical
from surefoot.core.artifact.version import AgentVersion, ModelRef, Policies, Prompt, ToolSpec
from surefoot.core.proof.case import Case
from surefoot.core.proof.trace import Trace, TracedCall
from surefoot.core.units import AgentName
from surefoot.errors import NothingToJudge, SuiteError
from tests.config.projects import put
from tests.docs.pages import REPOSITORY

SMALL = "cases: [{id: a, request: hi}]\nevaluators: [exact]\n"
LOOK = ToolSpec(name="look", arguments=canonical({"type": "object", "required": ["id"]}))
VERSION = AgentVersion(
    agent=AgentName("bot"), label="v1", model=ModelRef(provider="p", name="m"), prompt=Prompt(),
    tools=(LOOK,), policies=Policies(allowed_tools=frozenset({"look"})),
)  # fmt: skip


def suite(tmp_path, text, **files):
    put(tmp_path, "evals/s.yaml", text)
    for name, content in files.items():
        put(tmp_path, f"evals/{name}.jsonl", content)
    return load_suite(tmp_path, "s")


def test_everything_can_be_said(tmp_path):
    """Every key of a suite, a case and its limits reaches the value it names."""
    found = suite(
        tmp_path,
        """
description: all of it
agent: bot
tags: [smoke, regression]
trials: 3
concurrency: 2
timeout: 30s
tries: 2
limits: {max_cost_usd: 0.5, max_tokens: 1000, max_calls: 20, max_time: 10m}
cases:
  - id: a
    request: {messages: [{role: user, content: hi}]}
    expected: {n: 1}
    expected_calls: [{name: look, args: {id: 7}}]
    allowed_tools: []
    context: the source
    tags: [x]
    criteria: {refusal: true}
evaluators: [exact, {kind: exact, metric: loose, ignore_case: true, pass_rate: 0.9}]
""",
    )
    (case,) = found.cases
    assert case.expected_calls == (TracedCall(name="look", args={"id": 7}),)
    assert (case.allowed_tools, case.context, case.criteria, case.tags) == ((), "the source", {"refusal": True}, ("x",))
    assert (found.limits.usd, found.limits.tokens, found.limits.calls, found.limits.time) == (
        500_000,
        1000,
        20,
        600_000,
    )
    assert (found.trials, found.concurrency, found.timeout, found.tries, found.agent) == (3, 2, 30_000, 2, "bot")
    assert [(spec.metric, spec.pass_rate, spec.has_to_pass) for spec in found.evaluators] == [
        ("exact", None, 1.0),
        ("loose", 0.9, 0.9),
    ]
    assert found.only("x") is not None
    assert found.only("y") is None
    assert list_suites(tmp_path) == ("s",)


def test_cases_may_stand_in_a_file_of_lines(tmp_path):
    """The same cases inline and as JSON Lines are the same suite."""
    inline = suite(tmp_path, SMALL)
    lines = suite(tmp_path, "cases: c.jsonl\nevaluators: [exact]\n", c='\ufeff{"id": "a", "request": "hi"}\n\n')
    assert lines.digest == inline.digest


BROKEN = {
    "no cases": ("cases: []\nevaluators: [exact]\n", "s.yaml:1:8: cases: a suite with no cases"),
    "cases missing": ("evaluators: [exact]\n", "s.yaml:1:1: the key 'cases' is missing"),
    "no evaluators": ("cases: [{id: a, request: hi}]\nevaluators: []\n", "s.yaml:2:13: evaluators: needs at least 1"),
    "unknown key": (SMALL + "trails: 3\n", "s.yaml:3:1: trails: unknown key 'trails'"),
    "unknown evaluator": (SMALL.replace("exact", "exakt"), "s.yaml:2:14: evaluators[0]: 'exakt' is not one of"),
    "twice": ("cases: [{id: a, request: x}, {id: a, request: y}]\nevaluators: [exact]\n", "a second case 'a'"),
    "metric twice": (SMALL.replace("[exact]", "[exact, exact]"), "two evaluators have the metric"),
    "nothing asked": (SMALL.replace("hi", "null"), "nothing is asked"),
    "pattern": (SMALL.replace("[exact]", "[{kind: regex, pattern: '(['}]"), "no regular expression"),
    "no pattern": (SMALL.replace("exact", "regex"), "regex needs 'pattern'"),
    "schema": (SMALL.replace("[exact]", "[{kind: json_schema, schema: {type: objekt}}]"), "no JSON Schema"),
    "outside": (
        SMALL.replace("[exact]", "[{kind: json_schema, schema: {$ref: 'http://127.0.0.1:1/x'}}]"),
        "outside of the schema",
    ),
    "rate of a measure": (SMALL.replace("[exact]", "[{kind: bleu, pass_rate: 1}]"), "bleu only measures"),
    "rate of nothing": (SMALL.replace("[exact]", "[{kind: exact, pass_rate: 0}]"), "passes everything"),
    "threshold": (SMALL.replace("[exact]", "[{kind: bleu, threshold: 40}]"), "40 is more than 1"),
    "unit": (SMALL + "limits: {max_time: 10}\n", "expected a span of time"),
    "elsewhere": ("cases: ../../x.jsonl\nevaluators: [exact]\n", "leads outside the project"),
    "no file": ("cases: x.jsonl\nevaluators: [exact]\n", "no file 'x.jsonl' there"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_suite_names_its_place(name, tmp_path):
    """File, line, column and key of what is wrong, and what to do about it."""
    text, says = BROKEN[name]
    with pytest.raises(NothingToJudge if name == "no cases" else SuiteError) as found:
        suite(tmp_path, text)
    assert says in found.value.message
    assert found.value.message.startswith("evals/s.yaml:")
    assert found.value.hint


LINES = {
    "cut": ('{"id": "a", "request": "hi"}\n{"id": "b", "requ', "c.jsonl:2:13"),
    "no object": ("[1]\n", "c.jsonl:1:1"),
    "no json": ('{"id": a}\n', "c.jsonl:1:8: no JSON"),
    "bytes": (b'{"id": "\xff"}\n', "c.jsonl:1:9: not UTF-8"),
    "nan": ('{"id": "a", "request": NaN}\n', "c.jsonl:1:1: NaN is no JSON"),
    "key twice": ('{"id": "a", "id": "b"}\n', "the key 'id' is written twice"),
    "id twice": ('{"id": "a", "request": 1}\n{"id": "a", "request": 2}\n', "first at evals/c.jsonl:1"),
    "key": ('{"id": "a", "request": 1, "expect": 2}\n', "c.jsonl:1:1: expect: unknown key"),
    "empty": ("\n\n", "a suite with no cases"),
    "deep": ('{"id": "a", "request": ' + "[" * 3000 + "]" * 3000 + "}\n", "nested"),
    "surrogate": ('{"id": "a", "request": "\\ud800"}\n', "half a character"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_broken_line_names_its_place(name, tmp_path):
    """A line that is cut, is no JSON or is no case is refused with file, line and column."""
    text, says = LINES[name]
    with pytest.raises(NothingToJudge if name == "empty" else SuiteError) as found:
        suite(tmp_path, "cases: c.jsonl\nevaluators: [exact]\n", c=text)
    assert says in found.value.message


@settings(max_examples=80)
@given(raw=st.binary(max_size=60) | st.text(alphabet='{}[]",:a1 \\u', max_size=40).map(str.encode))
def test_any_bytes_are_lines_or_an_error(raw, tmp_path_factory):
    """No content of a file gets past the reader as anything but nodes or SuiteError."""
    path = tmp_path_factory.mktemp("fuzz") / "c.jsonl"
    path.write_bytes(raw)
    try:
        found = [node.json() for node in read_json_lines(path, source="c", errors=SuiteError)]
    except SuiteError:
        return
    json.dumps(found)


@pytest.mark.parametrize("name", ["nothing", "../s", ""])
def test_a_suite_that_is_not_there_lists_those_that_are(name, tmp_path):
    """A wrong name is met with the right ones."""
    put(tmp_path, "evals/s.yaml", SMALL)
    with pytest.raises(SuiteError) as found:
        load_suite(tmp_path, name)
    assert "s" in found.value.hint


EXAMPLES = {"regex": "pattern: hi", "json_schema": "schema: {type: string}"}


@pytest.mark.parametrize("kind", EVALUATORS)
def test_every_evaluator_can_be_named_and_built(kind):
    """A name in a file becomes an evaluator with that metric, which scores a run without raising."""
    node = parse_yaml(f"{{kind: {kind}, {EXAMPLES.get(kind, 'metric: m')}}}", source="s", errors=SuiteError)
    spec = read_evaluator(node)
    score = build(spec, VERSION).evaluate(Case(id="a", request="x"), Trace(trace_id="t", request="x", response="hi"))
    assert score.metric == spec.metric


def test_named_arguments_are_compared_as_all_are():
    """True is not 1, and null is as good as absent."""
    spec = read_evaluator(parse_yaml("{kind: trajectory, arguments: {look: [q]}}", source="s", errors=SuiteError))

    def passes(got, wanted):
        run = Trace(trace_id="t", request="x", tool_calls=(TracedCall(name="look", args=got),))
        case = Case(id="a", request="x", expected_calls=(TracedCall(name="look", args=wanted),))
        return build(spec, VERSION).evaluate(case, run).passed

    assert passes({"q": True}, {"q": 1}) is False
    assert passes({"q": {"a": None}}, {"q": {}}) is True
    assert passes({"q": 1}, {"q": 1.0}) is True


def test_parameters_reach_the_evaluator():
    """Tools and policies are the version's; orders, arguments and bounds the file's."""
    run = Trace(trace_id="t", request="x", response="hi there", tool_calls=(TracedCall(name="look", args={"q": 1}),))
    case = Case(id="a", request="x", expected_calls=(TracedCall(name="look", args={"q": 2, "id": 1}),))

    def passes(text):
        spec = read_evaluator(parse_yaml(text, source="s", errors=SuiteError))
        return build(spec, VERSION).evaluate(case, run).passed

    assert passes("tool_call_accuracy") is False
    assert passes("forbidden_tool") is True
    assert passes("{kind: forbidden_tool, tools: [look]}") is False
    assert passes("{kind: trajectory, arguments: ignore}") is True
    assert passes("{kind: trajectory, arguments: {look: [q]}}") is False
    assert passes("{kind: trajectory, arguments: {look: []}}") is True
    assert passes("{kind: trajectory, arguments: {look: [other]}}") is True
    assert passes("{kind: length, most: 1}") is False
    assert passes("length") is None
    assert passes("{kind: regex, pattern: 'THERE$', ignore_case: true}") is True
    assert passes("{kind: regex, pattern: 'there', absent: true}") is False


def test_a_pattern_that_backtracks_gives_up():
    """A search is bounded in time, whatever the pattern."""
    search = bounded_search(r"^(a|ab|b|ba)*[^ab]\d$")
    with pytest.raises(TimeoutError):
        search("ab" * 40 + "c")


def test_a_schema_names_what_is_wrong():
    """The first problem, with its place in the value; a value that is no JSON is a problem too."""
    problem = schema_problem({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    assert problem({"a": 1}) is None
    assert "a: " in (problem({"a": "x"}) or "")
    assert "required" in (problem({}) or "")
    assert problem(object()) is not None


def test_every_key_and_evaluator_is_on_the_page():
    """What can be written is described in docs/evals.md."""
    page = (REPOSITORY / "docs/evals.md").read_text(encoding="utf-8")
    keys = {key for kind in EVALUATORS.values() for key in kind.keys}
    wanted = {*SUITE_KEYS, *CASE_KEYS, *LIMIT_KEYS, *EVALUATOR_KEYS, *EVALUATORS, *keys}
    assert [word for word in sorted(wanted) if f"`{word}`" not in page] == []

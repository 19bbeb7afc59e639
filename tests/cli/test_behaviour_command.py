"""`surefoot behaviour`: exit codes, samples, caps, and files that gates and the report in CI read."""

from __future__ import annotations

import pytest

from tests.cli.terminal import surefoot
from tests.config.projects import put

CODE = """\
asked = []
async def answer(version, request, ctx):
    asked.append(request)
    %s
    return f"hello {request}"
"""
GREETS = """\
expectation: Greets whoever writes.
cases:
- {id: a, request: one}
- {id: b, request: two}
- {id: c, request: three}
validators: [{kind: contains, texts: [hello]}]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An agent whose function each test writes."""
    module = f"greeter_{tmp_path.name.replace('-', '_')}"
    monkeypatch.syspath_prepend(tmp_path)

    def made(body, behaviour=GREETS):
        put(tmp_path, "surefoot.yaml", "")
        put(tmp_path, f"{module}.py", CODE % body)
        put(
            tmp_path,
            "agents/bot/v1.yaml",
            f"model: test/m\nprompt: p\nexecutor: {{kind: python, callable: {module}:answer}}\n",
        )
        put(tmp_path, "behaviours/greets.yaml", behaviour)
        return tmp_path

    return made


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("pass", 0, "holds: greets, bot v1\n  Greets whoever writes.\n  21 of 21 runs did it"),
        ("if len(asked) == 7: return 'what?'", 0, "holds: greets, bot v1\n  Greets whoever writes.\n  29 of 30"),
        ("return 'what?'", 1, "  - failed: contains: missing: hello\n    answered: what?"),
        ("raise ValueError('it broke')", 2, "given up after 5 errors in a row"),
        ("if len(asked) % 9 == 0: return 'what?'", 2, "that decides neither way"),
    ],
)
def test_the_runs_decide_and_so_does_the_exit_code(project, body, code, says):
    """0 holds, 1 does not, 2 not decided; what was answered instead is shown."""
    ended = surefoot(project(body), "behaviour", "run", "greets", "--version", "v1")
    assert (ended.code, ended.err) == (code, "")
    assert says in ended.out


def test_no_more_is_asked_than_it_takes(project):
    """Runs go through the cases again and again, and stop where they decide; a fixed number is made in full."""
    root = project("pass", GREETS + "concurrency: 1\n")
    told = surefoot(root, "behaviour", "run", "--version", "v1", "--json").json
    (found,) = told["behaviours"]
    assert (found["spent"]["calls"], [n for n, *_ in found["cases"].values()]) == (21, [7, 7, 7])
    root = project("pass", GREETS + "runs: 20\nthreshold: 0.8\n")
    (found,) = surefoot(root, "behaviour", "run", "--version", "v1", "--json").json["behaviours"]
    assert (found["spent"]["calls"], [n for n, *_ in found["cases"].values()]) == (20, [7, 7, 6])
    assert len(found["samples"]) == 3


@pytest.mark.parametrize(
    ("function", "code", "says"),
    [
        ("return 'hello' in said", 0, "21 of 21 runs did it"),
        ("return len(said) < 3", 1, "  - failed: polite"),
        ("return None", 2, "a predicate says True or False, not NoneType"),
        ("raise KeyError('x')", 2, "polite: KeyError: 'x'"),
    ],
)
def test_a_function_of_the_project_may_validate(project, function, code, says):
    """True passes and False fails; whatever else comes of it is an error, beside other validators or alone."""
    root = project("pass", GREETS.replace("[{", "[{python: 'MODULE:polite'}, {"))
    module = f"manners_{root.name.replace('-', '_')}"
    put(root, f"{module}.py", f"def polite(said):\n    {function}\n")
    put(root, "behaviours/greets.yaml", (root / "behaviours/greets.yaml").read_text().replace("MODULE", module))
    ended = surefoot(root, "behaviour", "run", "greets", "--version", "v1")
    assert (ended.code, says in ended.out) == (code, True), ended.out
    put(root, "behaviours/greets.yaml", GREETS.replace("[{kind: contains, texts: [hello]}]", "[{python: 'no:where'}]"))
    gone = surefoot(root, "behaviour", "run", "greets", "--version", "v1")
    assert (gone.code, "the validator of greets, no:where, is not there" in gone.err) == (3, True)


def test_a_spent_limit_is_not_decided(project):
    """What stops a suite stops a behaviour, and is never a pass."""
    root = project("pass", GREETS + "limits: {max_calls: 10}\n")
    ended = surefoot(root, "behaviour", "run", "--version", "v1")
    assert (ended.code, "10 of 10 runs did it" in ended.out) == (2, True)
    assert "stopped: the limit of 10 calls is reached" in ended.out


def test_gates_and_the_report_read_what_it_writes(project):
    """--out is a document for `ci report`, --scores one for `gate check`: a metric for each behaviour, by its cases."""
    root = project("return 'what?'")
    out, scores = root / "results" / "decided.json", root / "results" / "scores.json"
    words = ("behaviour", "run", "--version", "v1", "--out", str(out), "--scores", str(scores))
    assert surefoot(root, *words).code == 1
    put(root, "gates/quality_gates.yaml", "min_cases: 1\ngates: [{metric: greets, operator: '>=', threshold: 0.9}]\n")
    gated = surefoot(root, "gate", "check", "--metrics", str(scores), "--json")
    assert (gated.code, gated.json["rulings"][0]["candidate"]) == (1, 0.0)
    reported = surefoot(root, "ci", "report", "results")
    assert reported.code == 1
    assert "greets" in reported.out


def test_nothing_to_run_is_not_decided(project):
    """No behaviour, or none of this agent, decides nothing; a name that is no file is wrong usage."""
    root = project("pass", GREETS + "agent: other\n")
    assert surefoot(root, "behaviour", "run", "--version", "bot@v1").code == 2
    assert surefoot(root, "behaviour", "run", "greet", "--version", "v1").code == 3
    (root / "behaviours" / "greets.yaml").unlink()
    ended = surefoot(root, "behaviour", "run", "--version", "v1", "--json")
    assert (ended.code, ended.json) == (2, {"decision": "undecided", "behaviours": []})


def test_behaviours_are_listed(project):
    """What is expected, how often, and in how many runs that is known."""
    root = project("pass")
    assert "Greets whoever writes." in surefoot(root, "behaviour", "list").out
    (told,) = surefoot(root, "behaviour", "list", "--json").json
    assert (told["name"], told["threshold"], told["at_most"], told["cases"]) == ("greets", 0.9, 60, 3)
    put(root, "behaviours/broken.yaml", "expectation: 1\n")
    ended, found = surefoot(root, "behaviour", "list"), surefoot(root, "behaviour", "list", "--json")
    assert (ended.code, "greets" in ended.out, "cannot be read" in ended.out) == (3, True, True)
    assert "broken.yaml:1" in ended.err
    assert (found.code, [one["name"] for one in found.json]) == (3, ["broken", "greets"])
    assert "broken.yaml:1" in found.json[0]["error"]

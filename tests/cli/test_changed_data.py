"""What ran is not what is there now: nothing goes on with it, nothing is decided by it, and it is said why."""

from __future__ import annotations

import json

import pytest

from surefoot.adapters.clock import SystemIds
from surefoot.app.proving import Proving
from surefoot.config.suites import load_suite
from surefoot.ports.results import ProofRun
from tests.cli.terminal import surefoot
from tests.config.projects import put

VERSION = """\
model: test/m
prompt: Repeat it.
executor: %s
"""
CODE = """\
import json
from %(helper)s.part import told

asked = []
async def answer(version, request, ctx):
    asked.append(request)
    if request == "two" and len(asked) < 3:
        raise ValueError("once")
    return told(request)
"""
SUITE = """\
cases:
- {id: a, request: one, expected: order one}
- {id: b, request: two, expected: order two}
evaluators: [%s]
"""
GATES = """\
min_cases: 2
gates:
- {name: right, metric: exact, operator: ">=", threshold: 0.5, on: mean}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function whose module takes its answers from a package of the project; both names are this test's own."""
    name = "data_" + tmp_path.name.replace("-", "_")
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "evals/smoke.yaml", SUITE % "exact")
    put(tmp_path, "gates/quality_gates.yaml", GATES)
    put(tmp_path, "agents/bot/v1.yaml", VERSION % f"{{kind: python, callable: {name}:answer}}")
    put(tmp_path, f"{name}.py", CODE % {"helper": f"{name}_in"})
    put(tmp_path, f"{name}_in/__init__.py", "")
    put(tmp_path, f"{name}_in/part.py", 'from . import words\ndef told(text):\n    return f"{words.WORD} {text}"\n')
    put(tmp_path, f"{name}_in/words.py", 'WORD = "order"\n')
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def run(root, *words):
    return surefoot(root, "eval", "run", "smoke", "--version", "v1", *words)


def gated(root):
    """The exit code of the gate, and what it says, in one line."""
    ended = surefoot(root, "eval", "gate", "smoke", "--version", "v1")
    return ended.code, " ".join((ended.out + ended.err).split())


def changed(root, pattern):
    """Write one more line into a file, and say how to take it back."""
    path = next(root.glob(pattern))
    text = path.read_text()
    path.write_text(text + "\n# other\n")
    return lambda: path.write_text(text)


def finished(root):
    """Run to the end, the case that raises once included."""
    run(root)
    assert run(root, "--resume").code == 0


CODE_FILES = ["data_*.py", "data_*_in/part.py", "data_*_in/words.py", "data_*_in/__init__.py"]


@pytest.mark.parametrize("pattern", CODE_FILES)
def test_a_gate_does_not_judge_what_other_code_did(project, pattern):
    """Not decided while the function's module or one that it imports is another; decided when it is the same again."""
    finished(project)
    assert gated(project)[0] == 0
    back = changed(project, pattern)
    code, said = gated(project)
    assert (code, "the code or the tape of bot v1 has changed since run" in said) == (2, True)
    blessed = surefoot(project, "eval", "bless", "smoke", "--version", "v1")
    assert (blessed.code, "has changed since run" in blessed.err) == (3, True)
    back()
    assert gated(project)[0] == 0


def test_code_that_is_not_imported_does_not_matter(project):
    """A test or a script beside the function changes nothing that it answers."""
    put(project, "other.py", "")
    finished(project)
    changed(project, "other.py")
    assert gated(project)[0] == 0


@pytest.mark.parametrize("pattern", CODE_FILES)
def test_half_a_run_of_other_code_is_begun_anew(project, pattern):
    """--resume goes on with the same code only, and says why it does not; without a change it goes on."""
    first = run(project, "--json").json
    changed(project, pattern)
    again = run(project, "--resume", "--json").json
    assert (again["run"] == first["run"], again["made"], again["resumed"]) == (False, 2, 0)
    assert "have changed since the newest run" in again["anew"]


def test_half_a_run_of_the_same_code_goes_on(project):
    """What is known to be the same is not asked again; a run that is over is, and it is said."""
    first = run(project, "--json").json
    again = run(project, "--resume", "--json").json
    assert (again["run"] == first["run"], again["made"], again["resumed"], again["anew"]) == (True, 1, 1, "")
    assert "begun anew: the run was finished" in run(project, "--resume").out


@pytest.mark.parametrize("suite", [SUITE % "exact, length", SUITE.replace("order two", "order 2") % "exact"])
def test_another_question_is_another_run(project, suite):
    """Cases or evaluators that changed: half a run is begun anew, the old one decides nothing; both say why."""
    run(project)
    put(project, "evals/smoke.yaml", suite)
    code, said = gated(project)
    assert (code, "cases or evaluators of smoke have changed since run" in said) == (2, True)
    told = run(project, "--resume", "--json").json
    assert (told["made"], told["resumed"]) == (2, 0)
    assert "cases or evaluators of the suite have changed" in told["anew"]


def test_further_trials_need_the_run_they_belong_to(project):
    """--again after the code has changed, and without any run, is refused: few fresh trials are no run."""
    words = ("--again", "a")
    assert "there is no run to try cases again in" in run(project, *words).err
    finished(project)
    assert run(project, *words).code == 0
    changed(project, "data_*_in/words.py")
    ended = run(project, *words)
    assert (ended.code, "have changed since the newest run" in ended.err) == (3, True)


def test_a_tape_that_was_recorded_anew_is_another_run(project):
    """A recording's file is in no version's digest: it is compared like code."""
    lines = [{"trace_id": word, "request": word, "response": f"order {word}"} for word in ("one", "two")]
    put(project, "tapes/t.jsonl", json.dumps(lines[0]) + "\n")
    put(project, "agents/bot/v1.yaml", VERSION % "{kind: tape, path: ../../tapes/t.jsonl}")
    first = run(project, "--json").json
    assert (first["made"], first["errors"]) == (2, 1)
    put(project, "tapes/t.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert gated(project)[0] == 2
    told = run(project, "--resume", "--json").json
    assert (told["run"] == first["run"], told["made"]) == (False, 2)
    assert gated(project)[0] == 0


def test_a_run_has_to_say_what_ran(project):
    """Results without a note of their code or tape, of a version that is gone, or of other judges decide nothing."""
    suite = load_suite(project, "smoke")
    proving = Proving(project, ids=SystemIds())
    version = proving.version(suite, "v1")

    def said(settings):
        return proving.changed(suite, ProofRun(id="r", suite=suite.identity, settings=settings), [version.digest])

    assert "did not note" in said("")
    assert "judges have changed" in said(f"fluency/m@0123 {version.digest}=1")
    (project / "agents/bot/v1.yaml").unlink()
    assert "no longer in the project" in said(f"{version.digest}=1")

"""`@pytest.mark.behaviour`: as many runs as it takes, numbers and answers where it fails, free where it is unused."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "surefoot.testing.plugin", "-p", "no:cacheprovider")


@pytest.fixture
def run(pytester):
    """A test file, run by a pytest of its own inside this one."""

    def made(text, *words):
        pytester.makepyfile("import pytest\nruns = []\n" + text)
        return pytester.runpytest_inprocess(*PLUGIN, "--strict-markers", *words)

    return made


def test_a_test_runs_until_it_is_decided(run):
    """21 passes in a row hold nine times out of ten; tests without the marker run once."""
    result = run("""
@pytest.mark.behaviour(threshold=0.9, at_most=40)
def test_greets(trial):
    assert trial.number == len(runs)
    runs.append(1)

def test_it_took_21():
    assert len(runs) == 21
""")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*= behaviours =*", "*::test_greets: holds: 21 of 21 runs did it*"])


def test_what_does_not_hold_shows_numbers_and_answers(run):
    """The failure says trials, rate and interval, the expectation, and what was answered, without a traceback."""
    result = run("""
@pytest.mark.behaviour(threshold=0.8, samples=2)
def test_greets(trial):
    '''Greets whoever writes.'''
    trial.said(f"answer {trial.number}")
    assert trial.number % 2, "no greeting"
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "the behaviour does not hold",
            "expected: Greets whoever writes.",
            "* trials: * of * runs did it*",
            "rate *95 % interval*",
            "- failed: no greeting",
            "  answered: answer 0",
            "- passed",
            "  answered: answer 1",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("marker", "body", "says"),
    [
        ("", "raise OSError('away')", "not decided"),
        ("", "raise OSError('away')", "- error: OSError: away"),
        ("", "runs.append(1); assert len(runs) % 9", "*decides neither way*"),
        ("runs=20, threshold=0.8", "runs.append(1); assert len(runs) > 5", "*at least 16 of 20 runs*"),
        ("threshold=0.99", "pass", "*197 without a failure are needed*"),
        ("0.9", "pass", "*name its arguments*"),
        ("treshold=0.9", "pass", "*behaviour: unexpected keyword argument 'treshold'; it takes threshold, at_most*"),
        ("runs=3, at_most=4", "pass", "*fixed number*"),
    ],
)
def test_what_is_not_shown_fails(run, marker, body, says):
    """Errors, a cap that decides nothing, and a marker that means nothing are failures, never passes."""
    result = run(f"@pytest.mark.behaviour({marker})\ndef test_it():\n    {body}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([says])


def test_a_trial_without_a_marker_is_warned_about(run):
    """It runs once and passes: whoever forgot the marker has measured nothing."""
    result = run("def test_greets(trial):\n    trial.said('hello')\n", "-W", "default::pytest.PytestWarning")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_greets takes `trial` without @pytest.mark.behaviour: it runs once*"])


def test_coroutines_parameters_and_fixtures_work(run):
    """An async test needs no other plugin and has one event loop; each parameter is a behaviour of its own."""
    result = run("""
import asyncio

@pytest.fixture
def agent():
    return lambda text: f"hello {text}"

@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.behaviour(runs=4, threshold=1.0)
async def test_greets(agent, name):
    await asyncio.to_thread(runs.append, asyncio.get_running_loop())
    assert agent(name) == f"hello {name}"

def test_all_ran():
    assert (len(runs), len(set(map(id, runs[:4])))) == (8, 1)
""")
    result.assert_outcomes(passed=3)


def test_skipping_skips_and_fail_fails(run):
    """pytest.skip and pytest.xfail are about the whole test, and pytest.fail is a failed run, not an error."""
    result = run("""
@pytest.mark.behaviour
def test_skipped():
    pytest.skip("no key")

@pytest.mark.behaviour
def test_expected_to_fail():
    pytest.xfail("not yet")

@pytest.mark.behaviour(threshold=0.5)
def test_failed():
    pytest.fail("it did not")
""")
    result.assert_outcomes(skipped=1, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["- failed: it did not"])


def test_numbers_go_into_junit(run, pytester):
    """A report for machines has the outcome and the numbers as a property of the test."""
    run("@pytest.mark.behaviour(runs=2)\ndef test_it():\n    pass\n", "--junitxml=j.xml")
    text = (pytester.path / "j.xml").read_text(encoding="utf-8")
    assert '<property name="behaviour" value="holds: 2 of 2 runs did it; at least 2 of 2 runs"' in text


def test_a_plugin_that_is_not_used_loads_nothing():
    """Importing it brings nothing of surefoot but itself."""
    code = (
        "import sys, pytest; before = set(sys.modules); import surefoot.testing.plugin;"
        "print(sorted(m for m in set(sys.modules) - before if m.startswith('surefoot')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.strip() == "['surefoot', 'surefoot.testing', 'surefoot.testing.plugin']"


def test_pytest_finds_it_by_its_entry_point():
    """Whoever installs surefoot has the marker; the name is the module's, so that naming it twice is once."""
    from pathlib import Path
    from tomllib import loads

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert loads(text)["project"]["entry-points"]["pytest11"] == {"surefoot.testing.plugin": "surefoot.testing.plugin"}

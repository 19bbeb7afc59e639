"""
A pytest plugin: `@pytest.mark.behaviour(...)` runs a test as often as it takes to know how often it passes.

Installed with surefoot; it does nothing before a test has the marker. See docs/behaviour.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from .behaving import TrialNotes

__all__ = ["pytest_configure", "pytest_pyfunc_call", "pytest_terminal_summary", "trial"]

_MARKER: Final = "behaviour"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "behaviour(threshold=0.9, at_most=60, acceptable=None, unacceptable=None, confidence=0.95, runs=None, "
        "samples=3): run the test until it is decided whether it passes at least that often; or `runs` times.",
    )


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> TrialNotes:
    """What a test of a behaviour may note about its run: `trial.said(answer)`, to be shown where it fails."""
    from .behaving import TrialNotes

    if request.scope == "function" and request.node.get_closest_marker(_MARKER) is None:
        told = f"{request.node.name} takes `trial` without @pytest.mark.behaviour: it runs once, which proves little"
        request.node.warn(pytest.PytestWarning(told))
    return TrialNotes()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test until it is decided; leave others alone."""
    marker = pyfuncitem.get_closest_marker(_MARKER)
    if marker is None:
        return None
    from .behaving import TrialNotes, observed, plan_of, told

    try:
        plan = plan_of(marker.args, marker.kwargs)
    except (TypeError, ValueError) as error:
        pytest.fail(f"@pytest.mark.behaviour: {error}", pytrace=False)
    function: Any = pyfuncitem.obj
    names = getattr(pyfuncitem, "_fixtureinfo").argnames  # noqa: B009 - pytest's own runner reads it, and has no other
    given = {name: pyfuncitem.funcargs[name] for name in names}
    notes = next((value for value in given.values() if isinstance(value, TrialNotes)), TrialNotes())
    failures = (AssertionError, pytest.fail.Exception)
    seen = observed(function, given, plan, notes, failures=failures, through=(pytest.xfail.Exception,))
    pyfuncitem.user_properties.append((_MARKER, f"{seen.outcome}: {seen.reason}"))
    if seen.outcome.decision.value != "passed":
        pytest.fail(told(seen, function.__doc__), pytrace=False)
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each behaviour, with its numbers."""
    lines = [
        f"{report.nodeid}: {said}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, said in report.user_properties
        if name == _MARKER
    ]
    if lines:
        terminalreporter.section("behaviours")
        for line in lines:
            terminalreporter.write_line(line)

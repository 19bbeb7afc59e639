"""
What every store of results has to do, as tests. Public: whoever writes one proves it with

    class TestMine(ResultsContract):
        @pytest.fixture
        def where(self, tmp_path):
            return lambda: MyResults(tmp_path)  # opens the same results again, as another process would
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from ..core.proof.score import Attempt, Result, Score
from ..core.proof.trace import Trace, TracedCall, TracedResult
from ..errors import Conflict, SurefootError, UnknownName
from ..ports.answers import Answers
from ..ports.results import ProofRun, Results
from .samples import CANDIDATE, STABLE

__all__ = ["ResultsContract", "ResultsUnderTest"]

E = TypeVar("E", bound=SurefootError)

_RUN = ProofRun(id="run-1", suite="smoke@sha256:1", settings="s")
_FULL = Result(
    attempt=Attempt("c-1", STABLE, 2),
    scores=(
        Score.scored("exact", 1.0, passed=True),
        Score.scored("latency_ms", 12.5, passed=None, reason="slow \u2603", judge="j-1"),
        Score.skipped("bleu", "no reference"),
        Score.failed("relevance", "prose", judge="j-1"),
    ),
    output="an answer with \x00 and \U0001f600",
    latency_ms=12.25,
    tokens=7,
    cost_usd=0.000_001,
)
_TRACE = Trace(
    trace_id="t-1",
    request={"messages": [1, None, "x"]},
    tool_calls=(TracedCall(name="look", args={"id": 7}),),
    tool_results=(TracedResult(success=True, result=["a"]),),
    response="done",
    latency_ms=3.0,
)


class ResultsUnderTest(Results, Answers, Protocol):
    """Both ports in one."""


class ResultsContract:
    """`Results` and `Answers`. Needs a fixture `where`: a function that opens the same results once more."""

    def test_what_was_kept_is_there_for_whoever_opens_it_next(self, where: Callable[[], ResultsUnderTest]) -> None:
        """Every field of a result comes back, from another connection too."""
        mine = where()
        mine.begin(_RUN)
        mine.append(_RUN.id, [_FULL])
        assert list(where().results(_RUN.id)) == [_FULL]

    def test_a_run_goes_on_under_its_id(self, where: Callable[[], ResultsUnderTest]) -> None:
        """Begun again it is the same run; with another suite or other settings the id is taken."""
        results = where()
        results.begin(_RUN)
        results.append(_RUN.id, [_FULL])
        results.begin(_RUN)
        assert results.finished(_RUN.id) == {_FULL.attempt}
        _refused(lambda: results.begin(replace(_RUN, suite="smoke@sha256:2")), Conflict)
        _refused(lambda: results.begin(replace(_RUN, settings="t")), Conflict)

    def test_a_run_that_was_not_begun_is_unknown(self, where: Callable[[], ResultsUnderTest]) -> None:
        """Nothing is kept or found under an id that nobody began."""
        results = where()
        _refused(lambda: results.append("nix", [_FULL]), UnknownName)
        _refused(lambda: results.finished("nix"), UnknownName)
        _refused(lambda: list(results.results("nix")), UnknownName)

    def test_an_attempt_has_one_result_and_only_an_error_gives_way(self, where: Callable[[], ResultsUnderTest]) -> None:
        """The first result stays, however often others follow; an error is replaced by what comes later."""
        results = where()
        results.begin(_RUN)
        failed = replace(_FULL, scores=(), error="away", output=None)
        results.append(_RUN.id, [failed])
        assert results.finished(_RUN.id) == frozenset()
        results.append(_RUN.id, [_FULL])
        results.append(_RUN.id, [replace(_FULL, output="another"), failed])
        assert list(results.results(_RUN.id)) == [_FULL]

    def test_results_come_by_version_case_and_trial(self, where: Callable[[], ResultsUnderTest]) -> None:
        """The order does not depend on who was faster, and pages are seamless."""
        results = where()
        results.begin(_RUN)
        many = [
            Result(attempt=Attempt(f"c-{case:04}", version, trial))
            for version in (STABLE, CANDIDATE)
            for case in range(400)
            for trial in (0, 1)
        ]
        results.append(_RUN.id, many[::-1])
        assert [found.attempt for found in results.results(_RUN.id)] == [result.attempt for result in many]

    def test_runs_are_apart(self, where: Callable[[], ResultsUnderTest]) -> None:
        """What one run found is not found in another."""
        results = where()
        other = replace(_RUN, id="run-2")
        results.begin(_RUN)
        results.begin(other)
        results.append(_RUN.id, [_FULL])
        assert list(results.results(other.id)) == []

    def test_threads_may_share_it(self, where: Callable[[], ResultsUnderTest]) -> None:
        """Nothing is lost when several append at once."""
        results = where()
        results.begin(_RUN)

        def work(name: int) -> None:
            for trial in range(20):
                results.append(_RUN.id, [Result(attempt=Attempt(f"c-{name}", STABLE, trial))])

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results.finished(_RUN.id)) == 80

    def test_answers_are_kept_once_under_their_key(self, where: Callable[[], ResultsUnderTest]) -> None:
        """A key keeps its first answer; keys that are not there are simply missing."""
        results = where()
        results.keep({"k": _TRACE})
        results.keep({"k": replace(_TRACE, response="other"), "l": _TRACE})
        assert where().find(["k", "nix", "l"]) == {"k": _TRACE, "l": _TRACE}

    def test_closing_twice_is_closing(self, where: Callable[[], ResultsUnderTest]) -> None:
        """Whoever lets go twice has let go."""
        results = where()
        results.close()
        results.close()


def _refused(call: Callable[[], object], error: type[E]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")

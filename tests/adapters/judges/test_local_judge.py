"""A real model that is far too small to judge: its prose has to end as errors."""

from __future__ import annotations

import asyncio
import importlib.util
import sys

import pytest

from surefoot.adapters.clock import SystemClock
from surefoot.adapters.judges.openai_compatible import Endpoint, ModelJudge
from surefoot.core.artifact.canonical import canonical
from surefoot.core.proof.case import Case
from surefoot.core.proof.judging import JudgeSpec
from surefoot.core.proof.rubrics import RUBRICS
from surefoot.core.proof.score import Status
from surefoot.core.proof.trace import Trace
from surefoot.errors import UsageError
from surefoot.service.judge import Run, judge_runs
from tests.docs.pages import REPOSITORY


@pytest.fixture
def local(monkeypatch):
    """The example's local model as a module."""
    pytest.importorskip("xllamacpp", reason="the local model is not installed: make run-live")
    spec = importlib.util.spec_from_file_location(
        "local_model_for_judges", REPOSITORY / "examples/support-agent/local_model.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    try:
        module.weights()
    except UsageError as error:
        pytest.skip(error.message)
    return module


def test_the_prose_of_a_small_model_is_an_error(local):
    """It is asked, asked again, and gives no score; both calls are in the spending."""
    with local.local_model() as model:
        spec = JudgeSpec(
            rubric=RUBRICS["fluency"],
            model=model.name,
            metric="fluency",
            threshold=3,
            parameters=canonical({"temperature": 0, "max_tokens": 8}),
        )
        run = Run(Case(id="c", request="Where?"), Trace(trace_id="t", request="Where?", response="In Graz."))
        judge = ModelJudge(spec, Endpoint(base_url=model.base_url))
        found = asyncio.run(judge_runs((judge,), [run], clock=SystemClock(), seed=1))
    (scores,) = found.scores
    assert scores is not None
    assert (scores[0].status, scores[0].passed, found.spent.calls) == (Status.ERROR, None, 2)
    assert "cannot be read" in scores[0].reason

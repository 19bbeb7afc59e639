"""What a run cost is said as far as it is known: an unknown price is not $0."""

from __future__ import annotations

import pytest

from surefoot.cli.bar import said_spending
from surefoot.core.proof.suite import NO_LIMITS
from surefoot.ports.judge import NOT_ASKED, Usage
from surefoot.service.budget import Budget
from tests.cli.terminal import surefoot
from tests.config.projects import put

KNOWN, UNPRICED, SILENT = Usage(0.25, 40), Usage(None, 40), Usage()


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ([], "0 calls, 0 tokens, $0"),
        ([KNOWN, KNOWN], "2 calls, 80 tokens, $0.5"),
        ([KNOWN, UNPRICED], "2 calls, 80 tokens, $0.25 and 1 calls whose price is not known"),
        ([UNPRICED], "1 calls, 40 tokens, price not known"),
        ([SILENT, SILENT], "2 calls, token count not known, price not known"),
        ([KNOWN, NOT_ASKED], "1 calls, 40 tokens, $0.25"),
    ],
)
def test_what_is_not_known_is_not_zero(used, said):
    """Of some calls or of all; a score that needed no call is none."""
    budget = Budget(NO_LIMITS)
    for usage in used:
        assert budget.try_reserve("model")
        budget.settle("model", usage)
    assert said_spending(budget.spent) == said


def test_a_run_of_a_function_that_tells_no_price_says_so(tmp_path):
    """In text, and in JSON as the calls that the sum lacks."""
    put(tmp_path, "surefoot.yaml", "")
    put(tmp_path, "unpriced_bot.py", "def answer(version, request, ctx):\n    return request\n")
    executor = "executor: {kind: python, callable: 'unpriced_bot:answer'}"
    put(tmp_path, "agents/bot/v1.yaml", f"model: test/m\nprompt: x\n{executor}\n")
    put(tmp_path, "evals/smoke.yaml", "cases: [{id: a, request: hi, expected: hi}]\nevaluators: [{kind: exact}]\n")
    assert "price not known" in surefoot(tmp_path, "eval", "run", "smoke", "--version", "v1").out
    spent = surefoot(tmp_path, "eval", "run", "smoke", "--version", "v1", "--fresh", "--json").json["spent"]
    assert (spent["usd"], spent["calls"], spent["unpriced"]) == (0.0, 1, 1)

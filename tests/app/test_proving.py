"""A suite against a real endpoint on loopback that is busy, that is paid for, and that forgets nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from surefoot.adapters.clock import SystemClock
from surefoot.app.proving import Asked, Proving
from surefoot.config.suites import load_suite
from surefoot.core.proof.gate import Decision
from surefoot.core.proof.suite import rule_suite
from surefoot.errors import UsageError
from surefoot.testing.clock import FastClock
from tests.config.projects import put

CASES = 24


class Endpoint:
    """Answers what it was asked, to at most `most` callers at once; answers nobody before somebody was refused."""

    def __init__(self, most: int) -> None:
        self.most, self.under_way, self.answered, self.refused = most, 0, 0, 0
        self.busy = asyncio.Event()
        if most >= CASES:
            self.busy.set()

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.under_way >= self.most:
            self.refused += 1
            self.busy.set()
            return web.json_response({}, status=429)
        self.under_way += 1
        try:
            await self.busy.wait()
        finally:
            self.under_way -= 1
        self.answered += 1
        usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
        return web.json_response(
            {"choices": [{"message": {"content": body["messages"][-1]["content"]}}], "usage": usage}
        )


@asynccontextmanager
async def served(endpoint: Endpoint):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def project(root, url: str, *, limits: str = "", prices: str = ""):
    put(root, "surefoot.yaml", prices)
    put(
        root,
        "agents/bot/v1.yaml",
        f"model: acme/big-1\nprompt: Repeat it.\nexecutor: {{kind: openai, base_url: '{url}'}}\n",
    )
    cases = "".join(f"- {{id: c{i}, request: say {i}, expected: say {i}}}\n" for i in range(CASES))
    put(root, "evals/s.yaml", f"cases:\n{cases}evaluators: [exact]\nconcurrency: 12\ntries: 12\n{limits}")
    return load_suite(root, "s"), Proving(root, clock=FastClock(SystemClock(), 200))


def test_an_endpoint_that_is_busy_is_given_time_and_paid_once(tmp_path):
    """Every case gets its answer although callers are refused; another run of the digest asks for nothing."""

    async def story():
        endpoint = Endpoint(most=2)
        async with served(endpoint) as url:
            suite, proving = project(tmp_path, url)
            asked = Asked(suite=suite, versions=(proving.version(suite, "v1"),))
            first = await proving.run(asked)
            again = await proving.run(asked)
            proving.close()
        return endpoint, suite, first, again

    endpoint, suite, first, again = asyncio.run(story())
    for proof in (first, again):
        (table,) = proof.tables.values()
        assert rule_suite(suite, table, stopped=proof.stopped).decision is Decision.PASSED
    assert endpoint.answered == CASES
    assert endpoint.refused > 0
    assert (first.remembered, again.remembered, again.spent.calls) == (0, CASES, 0)


def test_money_is_counted_by_the_project_s_prices(tmp_path):
    """1,000 tokens in and 100 out at 2 and 10 dollars a million are 0.003 dollars; seven of them fit into 0.0215."""

    async def story():
        endpoint = Endpoint(most=100)
        async with served(endpoint) as url:
            suite, proving = project(
                tmp_path,
                url,
                limits="limits: {max_cost_usd: 0.0215}\n",
                prices="prices: {acme/big-1: {input: 2, output: 10}}\n",
            )
            proof = await proving.run(Asked(suite=suite, versions=(proving.version(suite, "bot@v1"),)))
            proving.close()
        return endpoint, proof

    endpoint, proof = asyncio.run(story())
    assert (endpoint.answered, proof.made) == (7, 7)
    assert proof.spent.usd == pytest.approx(0.021)
    assert "limit of $0.0215" in proof.stopped


def test_without_a_price_nothing_is_asked(tmp_path):
    """The price that is missing is named before the first call."""

    async def story():
        endpoint = Endpoint(most=100)
        async with served(endpoint) as url:
            suite, proving = project(tmp_path, url, limits="limits: {max_cost_usd: 1}\n")
            with pytest.raises(UsageError, match="acme/big-1"):
                await proving.run(Asked(suite=suite, versions=(proving.version(suite, "v1"),)))
            proving.close()
        return endpoint

    assert asyncio.run(story()).answered == 0


def test_which_agent_is_meant_has_to_be_clear(tmp_path):
    """A bare label is enough while there is one agent; then the suite, the option or AGENT@LABEL says whose."""
    suite, proving = project(tmp_path, "http://127.0.0.1:9/v1")
    put(tmp_path, "agents/cat/v1.yaml", "model: acme/big-1\nprompt: Miaow.\n")
    with pytest.raises(UsageError, match="which agent's v1"):
        proving.version(suite, "v1")
    assert proving.version(suite, "cat@v1").agent == "cat"
    assert proving.version(suite, "v1", "bot").agent == "bot"

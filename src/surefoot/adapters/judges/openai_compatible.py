"""A judge whose model is behind any endpoint that speaks the OpenAI chat protocol, hosted or local."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from ...core.artifact.canonical import CanonicalJson, Json, canonical
from ...core.artifact.version import AgentVersion, ExecutorKind, ExecutorRef, ModelRef, Policies, Prompt
from ...core.proof.case import Case
from ...core.proof.judging import Hearing, JudgeSpec, Setting, hearing
from ...core.proof.score import Score
from ...core.proof.trace import Trace
from ...core.units import AgentName, Millis
from ...ports.executor import Answer
from ...ports.judge import NOT_ASKED, Judged, Usage
from ..executors.openai_compatible import OpenAICompatibleExecutor

__all__ = ["Endpoint", "ModelJudge", "setting_of"]
_MICRO: Final = 1_000_000


def _no_price(model: ModelRef, inputs: int, outputs: int) -> float | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a judge's model is, and what it costs there. None of it is in the fingerprint."""

    base_url: str
    api_key_env: str = ""
    """Name of the environment variable that holds the key; empty: no key is sent."""

    provider: str = "local"
    """Under whose name the price is looked up."""

    timeout: Millis = Millis(120_000)
    """Milliseconds of one call."""

    price: Callable[[ModelRef, int, int], float | None] = _no_price
    """US dollars for tokens in and out; None where it is not known, which a cap on money does not accept."""


class ModelJudge:
    """
    A `ports.Judge`. Each `judge` makes at most one call; what else a score needs is in `Judged.then`.

    Raises ExecutorFailed as the executor for the same protocol does: whoever asks repeats what is transient.
    """

    def __init__(self, spec: JudgeSpec, endpoint: Endpoint, setting: Setting | None = None) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._setting = setting
        self._executor = OpenAICompatibleExecutor()
        self._version = _version(spec, endpoint)
        self.fingerprint = spec.fingerprint

    @property
    def metric(self) -> str:
        """The name of the metric."""
        return self._spec.metric

    @property
    def endpoint(self) -> str:
        """Its address, shared with agents and judges there."""
        return self._endpoint.base_url

    async def judge(self, case: Case, trace: Trace) -> Judged:
        """The first call for a run; what lacks an input is skipped without one."""
        opened = hearing(self._spec, case, trace, self._setting)
        if isinstance(opened, Score):
            return Judged(opened, NOT_ASKED)
        return await self._ask(opened, trace.trace_id)

    async def _ask(self, state: Hearing, key: str) -> Judged:
        question = state.question
        parameters = canonical(cast("dict[str, Json]", dict(question.parameters)))
        version = _version(self._spec, self._endpoint, parameters)
        turn = f"{self.fingerprint} {key} {state.asked} {state.broken is None}"
        answer = await self._executor.run(
            version,
            {"messages": list(question.messages)},
            key=hashlib.sha256(turn.encode("utf-8", "replace")).hexdigest(),
        )
        usage = self._usage(version.model, answer)
        after = state.heard(self._without_key(answer.output) if isinstance(answer.output, str) else None)
        if isinstance(after, Score):
            return Judged(after, usage)
        waiting = Score.failed(self._spec.metric, "the judge has not ended", judge=self.fingerprint)
        return Judged(waiting, usage, partial(self._ask, after, key))

    def _without_key(self, text: str) -> str:
        """What the model said, which is quoted to people: an endpoint that echoes its key is not to be."""
        name = self._endpoint.api_key_env
        key = os.environ.get(name) if name else None
        return text.replace(key, "***") if key else text

    def _usage(self, model: ModelRef, answer: Answer) -> Usage:
        inputs, outputs, cost = answer.input_tokens, answer.output_tokens, answer.seen.cost
        if cost is not None:
            return Usage(cost / _MICRO, answer.seen.tokens)
        if inputs is None or outputs is None:
            return Usage(None, answer.seen.tokens)
        return Usage(self._endpoint.price(model, inputs, outputs), answer.seen.tokens)


def setting_of(version: AgentVersion) -> Setting:
    """What judges may know of the version that ran: its prompt and its tools."""
    tools = "\n".join(f"{tool.name} {tool.arguments}: {tool.description}" for tool in version.tools)
    return Setting(rules=version.prompt.text, tools=tools)


def _version(spec: JudgeSpec, endpoint: Endpoint, parameters: CanonicalJson | None = None) -> AgentVersion:
    """The judge's model as something the executor can run: no prompt of its own, no tools."""
    settings: dict[str, Json] = {"base_url": endpoint.base_url}
    if endpoint.api_key_env:
        settings["api_key_env"] = endpoint.api_key_env
    return AgentVersion(
        agent=AgentName("judge"),
        label=spec.rubric.name,
        model=ModelRef(
            provider=endpoint.provider,
            name=spec.model,
            parameters=spec.parameters if parameters is None else parameters,
        ),
        prompt=Prompt(),
        policies=Policies(max_latency=endpoint.timeout),
        executor=ExecutorRef(kind=ExecutorKind.OPENAI, settings=canonical(settings)),
    )

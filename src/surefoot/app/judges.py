"""Judges put together with their endpoint, their price and what they may know of the version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..adapters.judges.openai_compatible import Endpoint, ModelJudge, setting_of
from ..adapters.prices import PriceTable
from ..config.judges import judge_of
from ..config.settings import load_settings
from ..core.artifact.canonical import canonical
from ..core.artifact.version import AgentVersion, ModelRef
from ..core.proof.judging import JudgeSpec
from ..core.proof.rubrics import RUBRICS
from ..core.proof.suite import Suite
from ..core.units import Millis
from ..errors import UnknownName, UsageError
from ..ports.prices import Prices

__all__ = ["judge_from", "judges_for", "price_table"]


def judges_for(
    suite: Suite, version: AgentVersion, prices: Prices, environ: Mapping[str, str]
) -> tuple[ModelJudge, ...]:
    """
    The judges of a suite, for one version.

    Raises UsageError for an address that the environment does not hold, and for a price that a cap on money needs.
    """
    found: list[ModelJudge] = []
    for spec in suite.judges:
        judge, where = judge_of(spec)
        url = where.base_url or environ.get(where.base_url_env, "")
        if not url:
            raise UsageError(
                f"the judge {spec.metric} has no address: {where.base_url_env} is not set",
                hint=f"export {where.base_url_env}=http://127.0.0.1:8080/v1, or where its endpoint is",
            )
        model = ModelRef(provider=where.provider, name=judge.model)
        if suite.limits.usd is not None and prices.usd(model, 0, 0) is None:
            raise UsageError(
                f"the suite caps the cost, and the price of the judge's {model.id} is not known",
                hint=f"write prices: {{{model.id}: {{input: ..., output: ...}}}} into surefoot.yaml (USD per million)",
            )
        endpoint = Endpoint(
            base_url=url,
            api_key_env=where.api_key_env,
            provider=where.provider,
            timeout=Millis(suite.timeout),
            price=prices.usd,
        )
        found.append(ModelJudge(judge, endpoint, setting_of(version)))
    return tuple(found)


def judge_from(
    rubric: str, model: str, endpoint: Endpoint, *, threshold: int | None = None, votes: int = 1
) -> ModelJudge:
    """One judge outside of a suite. Raises UnknownName for the rubric, UsageError for what no judge can be."""
    known = RUBRICS.get(rubric)
    if known is None:
        raise UnknownName("rubric", rubric, tuple(RUBRICS))
    try:
        spec = JudgeSpec(
            rubric=known,
            model=model,
            metric=known.name,
            threshold=known.threshold if threshold is None else threshold,
            parameters=canonical({"temperature": 0}),
            votes=votes,
        )
    except ValueError as error:
        raise UsageError(str(error), hint="`surefoot judge list` shows the scales") from None
    return ModelJudge(spec, endpoint)


def price_table(root: Path, environ: Mapping[str, str]) -> PriceTable:
    """What models cost in a project."""
    return PriceTable(load_settings(root, environ).prices)

"""Evaluators of `kind: judge` in a suite: which model scores which rubric, where it is, and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..core.artifact.canonical import Json, canonical, parse_object
from ..core.proof.judging import JudgeSpec
from ..core.proof.rubrics import RUBRICS
from ..core.proof.suite import JUDGE, EvaluatorSpec
from .node import Node

__all__ = ["JUDGE_KEYS", "JUDGE_MODEL_KEYS", "JudgeAddress", "judge_of", "pass_rate", "read_judge"]

JUDGE_MODEL_KEYS: Final = (
    "model",
    "provider",
    "base_url",
    "base_url_env",
    "api_key_env",
    "parameters",
    "votes",
    "vote_temperature",
)
"""May stand in the suite's own `judge:`, for all of its judges."""

JUDGE_KEYS: Final = ("kind", "metric", "pass_rate", "rubric", "threshold", *JUDGE_MODEL_KEYS)

_TEXTS: Final = ("model", "provider", "base_url", "base_url_env", "api_key_env")
_OWN_PLACE: Final = ("base_url", "base_url_env")


class JudgeAddress(NamedTuple):
    """Where a judge's model is."""

    base_url: str
    """Empty if it stands in the environment."""

    base_url_env: str
    """The variable that holds it, so that a suite is the same suite on every machine; empty if it is written."""

    api_key_env: str
    provider: str


def read_judge(node: Node, shared: Node | None = None) -> EvaluatorSpec:
    """
    A judge as it stands in a suite; what it does not say itself it takes from the suite's `judge:`.

    Raises with place, key and hint for an invalid rubric, threshold or number of votes, and for a missing model or
    address.
    """
    fields = node.mapping(known=JUDGE_KEYS)
    common = None if shared is None else shared.mapping(known=JUDGE_MODEL_KEYS)
    rubric = RUBRICS[fields.require("rubric").one_of(RUBRICS)]
    said: dict[str, Json] = {"rubric": rubric.name, "threshold": rubric.threshold}
    for key in ("threshold", *JUDGE_MODEL_KEYS):
        value = fields.get(key)
        if value is None and common is not None and not (key in _OWN_PLACE and any(map(fields.get, _OWN_PLACE))):
            value = common.get(key)
        if value is not None:
            said[key] = _value(key, value)
    if "model" not in said:
        raise node.error("a judge needs 'model'", hint="write it here, or once for all into the suite's `judge:`")
    if ("base_url" in said) is ("base_url_env" in said):
        raise node.error("a judge needs one of 'base_url' and 'base_url_env'", hint="say where its endpoint is")
    rate = fields.get("pass_rate")
    spec = EvaluatorSpec(
        kind=JUDGE,
        metric=fields.text("metric", rubric.name),
        parameters=canonical(said),
        pass_rate=None if rate is None else pass_rate(rate),
    )
    try:
        judge_of(spec)
    except ValueError as error:
        raise node.error(str(error), hint="see docs/judges.md for the scales") from None
    return spec


def judge_of(spec: EvaluatorSpec) -> tuple[JudgeSpec, JudgeAddress]:
    """What `read_judge` read, as a judge and its address. Raises ValueError for what no judge can be."""
    said: Mapping[str, Any] = parse_object(spec.parameters)
    judge = JudgeSpec(
        rubric=RUBRICS[said["rubric"]],
        model=said["model"],
        metric=spec.metric,
        threshold=said["threshold"],
        parameters=canonical(said.get("parameters", {"temperature": 0})),
        votes=said.get("votes", 1),
        vote_temperature=float(said.get("vote_temperature", 0.7)),
    )
    address = JudgeAddress(
        base_url=said.get("base_url", ""),
        base_url_env=said.get("base_url_env", ""),
        api_key_env=said.get("api_key_env", ""),
        provider=said.get("provider", "local"),
    )
    return judge, address


def _value(key: str, node: Node) -> Json:
    if key in _TEXTS:
        return node.text()
    if key == "parameters":
        return {name: value.json() for name, value in node.mapping().items()}
    if key == "vote_temperature":
        return float(node.number(minimum=0, maximum=2))
    return node.integer(minimum=0)


def pass_rate(node: Node) -> float:
    """The share of cases that has to pass: above 0, because every version passes that. Raises if it is not a share."""
    rate = float(node.number(minimum=0, maximum=1))
    if rate == 0.0:
        raise node.error("a pass_rate of 0 passes everything", hint="write a share above 0, such as 0.9")
    return rate

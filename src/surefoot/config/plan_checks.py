"""The `checks:` of a plan file: what a stage watches, and what would stop it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from ..core.evidence.metrics import METRICS, MetricKind
from ..core.traffic.plan import Check
from ..errors import PlanError
from .node import Fields, Node

__all__ = ["CHECK_KEYS", "fraction", "read_checks"]

CHECK_KEYS: Final = (
    "metric",
    "margin",
    "tolerance",
    "limit",
    "max_count",
    "required",
    "zero_tolerance",
    "weight",
)

_PERCENT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")


def read_checks(node: Node) -> tuple[Check, ...]:
    """A list of metrics' names, or of mappings with a `metric`. At least one, and none twice."""
    checks: dict[str, Check] = {}
    for item in node.sequence(minimum=1):
        check = _check(item)
        if check.metric in checks:
            raise item.error(f"{check.metric!r} is checked twice", hint="put everything about a metric into one check")
        checks[check.metric] = check
    return tuple(checks.values())


def fraction(node: Node) -> float:
    """A part of a whole, as a number (0.02) or a percentage (2%). At least 0."""
    if node.is_number:
        return float(node.number(minimum=0))
    found = None if node.is_null else _PERCENT.fullmatch(node.text().strip())
    if found is None:
        empty = ", or remove the key" if node.is_null else ""
        raise node.error("expected a fraction", hint=f"write a number such as 0.02, or a percentage such as 2%{empty}")
    return float(Decimal(found[1]) / 100)


def _check(node: Node) -> Check:
    if not node.is_mapping:
        return Check(metric=node.one_of(METRICS))
    fields = node.mapping(known=CHECK_KEYS)
    metric = fields.require("metric").one_of(METRICS)
    max_count, weight = fields.get("max_count"), fields.get("weight")
    _refuse_share_of_amount(metric, fields.get("limit"))
    margin, tolerance, limit = (_optional_fraction(fields, key) for key in ("margin", "tolerance", "limit"))
    most = None if max_count is None else max_count.integer(minimum=0)
    share = None if weight is None else float(weight.number(minimum=0))
    required = fields.boolean("required", default=True)
    zero_tolerance = fields.boolean("zero_tolerance", default=False)
    try:
        return Check(
            metric=metric,
            margin=margin,
            tolerance=tolerance,
            limit=limit,
            max_count=most,
            required=required,
            zero_tolerance=zero_tolerance,
            weight=share,
        )
    except PlanError as error:
        raise _guilty(fields, error, node).error(error.message, hint=error.hint) from None


def _refuse_share_of_amount(metric: str, limit: Node | None) -> None:
    """A limit on a mean amount is that amount: 5 % of what?"""
    is_amount = METRICS[metric].kind in (MetricKind.SCALAR, MetricKind.SCORE)
    if limit is not None and is_amount and not limit.is_number and not limit.is_null and "%" in limit.text():
        raise limit.error(
            f"a percentage cannot limit {metric}, which is an amount",
            hint="give the highest mean that is acceptable, in the metric's unit (cost: micro-dollars), as a number",
        )


def _guilty(fields: Fields, error: PlanError, whole: Node) -> Node:
    """The value that the error names, so that its line is pointed at; the whole check if it names none."""
    said = error.message.partition(": ")[2]
    named = (value for key, value in fields.items() if key != "metric" and re.search(rf"\b{key}\b", said))
    return next(named, whole)


def _optional_fraction(fields: Fields, key: str) -> float | None:
    node = fields.get(key)
    return None if node is None else fraction(node)

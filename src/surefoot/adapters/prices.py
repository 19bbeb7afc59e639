"""Prices of models: the project's own first, then those of `genai-prices`, where that package is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from ..core.artifact.version import ModelRef
from ..ports.prices import Price

__all__ = ["PriceTable"]

_Published: TypeAlias = Callable[[ModelRef, int, int], float | None]

_LOCAL: Final = "local"
"""The provider of models on this machine: there is no price list for them."""


class PriceTable:
    """
    The project's `prices` by model id (`provider/name`), then the published ones.

    The package is loaded when the first price is asked for that the project does not set (0.3 s). Its prices are those
    of its release: nothing is fetched.
    """

    def __init__(self, own: Mapping[str, Price] = MappingProxyType({}), *, published: bool = True) -> None:
        self._own = own
        self._is_published = published
        self._published: _Published | None = None

    def usd(self, model: ModelRef, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars of one call, or None for a model whose price is not known."""
        price = self._own.get(model.id)
        if price is not None:
            return price.usd(input_tokens, output_tokens)
        if not self._is_published or model.provider == _LOCAL:
            return None
        if self._published is None:
            self._published = _published()
        return self._published(model, input_tokens, output_tokens)


def _unknown(model: ModelRef, inputs: int, outputs: int) -> float | None:
    return None


def _published() -> _Published:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return _unknown

    def usd(model: ModelRef, inputs: int, outputs: int) -> float | None:
        used = Usage(input_tokens=inputs, output_tokens=outputs)
        try:
            return float(calc_price(used, model_ref=model.name, provider_id=model.provider).total_price)
        except LookupError:
            return None

    return usd

"""What a model costs."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..core.artifact.version import ModelRef

__all__ = ["Price", "Prices"]


class Price(NamedTuple):
    """US dollars for a million tokens."""

    input: float
    output: float

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        """Of one call."""
        return (self.input * input_tokens + self.output * output_tokens) / 1_000_000


class Prices(Protocol):
    """A price list. What is not on it costs None, never nothing."""

    def usd(self, model: ModelRef, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars of one call, or None for a model whose price is not known."""
        ...

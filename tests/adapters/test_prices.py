"""Prices of models: one's own first, published ones then, and unknown is never nothing."""

from __future__ import annotations

import json

import pytest

from surefoot.adapters.prices import PriceTable
from surefoot.config.settings import load_settings
from surefoot.core.artifact.version import ModelRef
from surefoot.errors import SettingsError
from surefoot.ports.prices import Price
from tests.config.projects import put

MODEL = ModelRef(provider="acme", name="big-1")


def test_a_price_of_the_project_goes_first():
    """Dollars for a million tokens, in and out apart."""
    table = PriceTable({"acme/big-1": Price(2.0, 10.0)})
    assert table.usd(MODEL, 1_000_000, 100_000) == pytest.approx(3.0)


def test_an_unknown_model_has_no_price():
    """Neither an unknown model nor one on this machine costs 0."""
    for table in (PriceTable(), PriceTable(published=False)):
        assert table.usd(MODEL, 1, 1) is None
        assert table.usd(ModelRef(provider="local", name="gpt-4o"), 1, 1) is None


def test_published_prices_are_those_of_the_package(shared_data):
    """Where genai-prices is installed, a model of its list costs what the list of the same project says."""
    pytest.importorskip("genai_prices")
    published = json.loads((shared_data / "prices/genai-prices_data.json").read_text())
    (openai,) = [provider for provider in published if provider["id"] == "openai"]
    (model,) = [model for model in openai["models"] if model["id"] == "gpt-4o"]
    prices = model["prices"] if isinstance(model["prices"], dict) else model["prices"][0]["prices"]
    found = PriceTable().usd(ModelRef(provider="openai", name="gpt-4o"), 1_000_000, 1_000_000)
    assert found == pytest.approx(float(prices["input_mtok"]) + float(prices["output_mtok"]))


@pytest.mark.parametrize(
    "said", ["{big: {input: 1, output: 2}}", "{a/b: {input: 1}}", "{a/b: {input: -1, output: 2}}", "{a/b: 3}"]
)
def test_a_broken_price_names_its_line(said, tmp_path):
    """A price that is no price is refused where it is written."""
    put(tmp_path, "surefoot.yaml", f"prices: {said}\n")
    with pytest.raises(SettingsError, match=r"surefoot\.yaml:1:"):
        load_settings(tmp_path, {})


def test_a_price_in_the_settings_is_read(tmp_path):
    """Two numbers by model id."""
    put(tmp_path, "surefoot.yaml", "prices:\n  openai/gpt-4o: {input: 2.5, output: 10}\n")
    assert load_settings(tmp_path, {}).prices == {"openai/gpt-4o": Price(2.5, 10.0)}

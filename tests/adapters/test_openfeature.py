"""Flags by way of the real OpenFeature SDK: a value is an answer, everything else is none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from openfeature import api
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from surefoot.adapters.flags.openfeature import OpenFeatureFlags
from surefoot.errors import Unavailable, UsageError

BOTH = {"on": True, "off": False}


def for_acme(flag, context):
    """A rule on the context, and the targeting key handed back as the variant."""
    is_on = context.attributes.get("tenant") == "acme"
    return FlagResolutionDetails(value=is_on, reason=Reason.TARGETING_MATCH, variant=context.targeting_key)


@pytest.fixture
def flags():
    """Some flags in memory."""
    provider = InMemoryProvider(
        {
            "on": InMemoryFlag("on", BOTH),
            "off": InMemoryFlag("off", BOTH),
            "acme": InMemoryFlag("off", BOTH, context_evaluator=for_acme),
            "text": InMemoryFlag("a", {"a": "yes"}),
            "broken": InMemoryFlag("on", BOTH, context_evaluator=lambda flag, context: 1 // 0),
            "disabled": InMemoryFlag(
                "on", BOTH, context_evaluator=lambda *_: FlagResolutionDetails(value=False, reason=Reason.DISABLED)
            ),
        }
    )
    api.set_provider(provider, "surefoot-tests")
    yield OpenFeatureFlags(api.get_client("surefoot-tests"))
    api.shutdown()


def test_a_boolean_is_an_answer(flags):
    """On, off, and by a rule over what the request says of itself."""
    assert flags.is_on("on", "u", {}) is True
    assert flags.is_on("off", "u", {}) is False
    assert flags.is_on("acme", "u", {"tenant": "acme"}) is True
    assert flags.is_on("acme", "u", {"tenant": "globex"}) is False


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("text", "TYPE_MISMATCH"),
        ("broken", "GENERAL: integer division"),
        ("nowhere", "FLAG_NOT_FOUND"),
        ("disabled", "disabled"),
    ],
)
def test_a_default_is_no_answer(flags, flag, why):
    """What the client hands out in place of a value has assigned nobody to anything."""
    with pytest.raises(Unavailable, match=why) as refused:
        flags.is_on(flag, "u", {})
    assert refused.value.hint


def test_a_client_without_a_provider_is_no_answer():
    """It hands out defaults and calls that no error."""
    with pytest.raises(Unavailable, match="no provider"):
        OpenFeatureFlags(api.get_client("nobody-provides-this")).is_on("on", "u", {})


def test_what_is_no_client_is_refused_at_once():
    """A provider in its place, for example."""
    with pytest.raises(UsageError, match="no OpenFeature client but InMemoryProvider"):
        OpenFeatureFlags(InMemoryProvider({}))


def test_without_the_package_the_error_says_what_to_install():
    """And whoever uses no flags never loads it."""
    program = (
        "import sys; sys.modules['openfeature'] = None\n"
        "import surefoot.app.surefoot, surefoot.errors\n"
        "from surefoot.adapters.flags.openfeature import OpenFeatureFlags\n"
        "try: OpenFeatureFlags(object())\n"
        "except surefoot.errors.UsageError as error: print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("pip install 'surefoot[openfeature]'", "")

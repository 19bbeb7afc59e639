"""Which errors are time-outs: by the end of their name, the same for everybody."""

from __future__ import annotations

import pytest

from surefoot.core.evidence.timeout import names_timeout


@pytest.mark.parametrize(
    "error",
    [
        "TimeoutError",
        "builtins.TimeoutError",
        "asyncio.exceptions.TimeoutError",
        "httpx.ReadTimeout",
        "httpx.TimeoutException",
        "openai.APITimeoutError",
        "requests.exceptions.ConnectTimeout",
        "surefoot.errors.ExecutorTimeout",
    ],
)
def test_a_time_out_by_its_name(error):
    """Whose name ends so took too long, whichever library it comes from."""
    assert names_timeout(error)


@pytest.mark.parametrize(
    "error",
    [
        "",
        "ValueError",
        "TimeoutErrors",
        "TimeoutWarning",
        "timeout",
        "readtimeout",
        "Timeout: 3 s",
        "TimeoutMiddlewareError",
    ],
)
def test_what_only_has_to_do_with_time(error):
    """A name that merely has the word in it, in small letters or in a message, is another error."""
    assert not names_timeout(error)

"""What a recorded run says to the evidence."""

from __future__ import annotations

import pytest

from surefoot.core.proof.trace import Trace, observation_of


@pytest.mark.parametrize(
    ("error", "timed_out"),
    [
        (None, None),
        ("ValueError", None),
        ("TimeoutError", True),
        ("httpx.ReadTimeout: 5 s", True),
        ("no timeouts", None),
    ],
)
def test_a_recorded_run_that_timed_out_is_one_in_a_forecast_too(error, timed_out):
    """As it is live: told by the name of the error, and what did not end so says nothing."""
    assert observation_of(Trace(trace_id="1", request="Where?", error=error)).timed_out is timed_out


@pytest.mark.parametrize(("quality", "kept"), [(9.0, None), (0.0, None), (float("nan"), None), (5.0, 5.0), (1.0, 1.0)])
def test_a_number_off_its_scale_says_nothing(quality, kept):
    """Nine of five is a mistake in the recording, and no praise."""
    seen = observation_of(Trace(trace_id="1", request="Where?", quality=quality, feedback=quality - 0.5))
    assert seen.quality == kept
    assert seen.feedback == (0.5 if quality == 1.0 else None)

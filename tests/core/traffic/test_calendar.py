"""Freeze windows minute by minute: as a wall calendar has them, through the nights on which the clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.traffic.calendar import FreezeWindow, frozen

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
VIENNA = ZoneInfo("Europe/Vienna")
SPRING_AND_AUTUMN = [
    ("Europe/Vienna", date(2026, 3, 26)),
    ("Europe/Vienna", date(2026, 10, 22)),
    ("America/New_York", date(2026, 3, 5)),
    ("America/New_York", date(2026, 10, 29)),
]
"""Weeks with a change of the clocks in the middle."""

CLOCKS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


@cache
def minutes(zone, first):
    """Every minute of a week: the instant, and what the wall clock shows. An hour may be missing, or come twice."""
    start = datetime.combine(first, time(), ZoneInfo(zone)).astimezone(UTC)
    instants = [start + count * MINUTE for count in range(7 * 24 * 60)]
    return [(instant, instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for instant in instants]


def painted(window, first):
    """What the window covers, as spans on a wall calendar: from each day on which it begins to where it ends."""
    spans = []
    for count in range(-2, 10):
        day = first + count * DAY
        begins = (
            (not window.weekdays or day.weekday() in window.weekdays)
            and (window.first is None or window.first <= day)
            and (window.last is None or day <= window.last)
        )
        if begins:
            midnight = datetime.combine(day, time())
            start = midnight if window.start is None else datetime.combine(day, window.start)
            end = midnight + DAY if window.end is None else datetime.combine(day, window.end)
            spans.append((start, end if end > start else end + DAY))
    return spans


@st.composite
def windows(draw):
    """A window in one of the weeks, and the week."""
    zone, first = draw(st.sampled_from(SPRING_AND_AUTUMN))
    hours = draw(st.booleans())
    days = st.none() | st.integers(0, 6).map(lambda count: first + count * DAY)
    window = FreezeWindow(
        name="w",
        zone=zone,
        weekdays=draw(st.frozensets(st.integers(0, 6), max_size=3)),
        start=draw(CLOCKS) if hours else None,
        end=draw(CLOCKS) if hours else None,
        first=draw(days),
        last=draw(days),
    )
    return window, first


@given(windows())
def test_a_window_covers_what_a_wall_calendar_says(found):
    """Every minute of a week with a change of the clocks: in a span that was painted, or free."""
    window, first = found
    spans = painted(window, first)
    step = 7  # every seventh minute, from another one in each window: all of them are met
    shift = (window.start.minute if window.start else first.day) % step
    for instant, clock in minutes(window.zone, first)[shift::step]:
        expected = any(start <= clock < end for start, end in spans)
        assert (frozen((window,), instant) is window) is expected, clock


@pytest.mark.parametrize(("zone", "first"), SPRING_AND_AUTUMN)
@pytest.mark.parametrize(
    ("start", "end"),
    [(time(18), time(8)), (time(1, 30), time(2, 30)), (time(2), time(3)), (time(22), time(2, 30)), (time(9), time(17))],
    ids=str,
)
def test_it_opens_at_the_first_minute_outside(zone, first, start, end):
    """Each freeze is over at the window's end on the wall clock, or when the clock is changed to a time outside it."""
    window, week = FreezeWindow(name="w", zone=zone, start=start, end=end), minutes(zone, first)
    states = [frozen((window,), instant) is not None for instant, _ in week]
    spans = painted(window, first)
    assert states == [any(begin <= clock < until for begin, until in spans) for _, clock in week]
    openings = [at for at in range(1, len(week)) if states[at - 1] and not states[at]]
    assert len(openings) >= 6
    for at in openings:
        clock, before = week[at][1], week[at - 1][1]
        assert clock.time() == end or clock - before != MINUTE


@pytest.mark.parametrize(
    ("zone", "night", "hours"),
    [
        ("Europe/Vienna", date(2026, 3, 28), 13),
        ("Europe/Vienna", date(2026, 10, 24), 15),
        ("America/New_York", date(2026, 3, 7), 13),
        ("America/New_York", date(2026, 10, 31), 15),
        ("UTC", date(2026, 3, 28), 14),
    ],
)
def test_a_night_is_as_long_as_it_is(zone, night, hours):
    """From six in the evening to eight in the morning are 14 hours, and one less or more as the clocks are changed."""
    window = FreezeWindow(name="night", zone=zone, start=time(18), end=time(8), first=night, last=night)
    start = datetime.combine(night, time(), ZoneInfo(zone)).astimezone(UTC)
    covered = sum(frozen((window,), start + count * MINUTE) is not None for count in range(3 * 24 * 60))
    assert covered == hours * 60


@pytest.mark.parametrize(
    ("clock", "is_frozen"),
    [
        (datetime(2026, 1, 2, 17, 59, 59, 999999, tzinfo=VIENNA), False),
        (datetime(2026, 1, 2, 18, 0, tzinfo=VIENNA), True),  # a Friday
        (datetime(2026, 1, 3, 7, 59, 59, 999999, tzinfo=VIENNA), True),  # Friday's night, though it is Saturday
        (datetime(2026, 1, 3, 8, 0, tzinfo=VIENNA), False),
        (datetime(2026, 1, 3, 18, 0, tzinfo=VIENNA), False),  # no night begins on a Saturday
        (datetime(2026, 1, 2, 7, 59, tzinfo=VIENNA), False),  # Thursday's night would have had to begin on Thursday
        (datetime(2026, 1, 9, 18, 0, tzinfo=VIENNA), False),  # after the last day
        (datetime(2026, 1, 10, 0, 30, tzinfo=VIENNA), False),
    ],
    ids=str,
)
def test_a_night_belongs_to_the_day_on_which_it_began(clock, is_frozen):
    """Weekdays and dates are those of the evening; the first instant is in, the last one is out."""
    window = FreezeWindow(
        name="friday nights",
        zone="Europe/Vienna",
        weekdays=frozenset({4}),
        start=time(18),
        end=time(8),
        first=date(2026, 1, 1),
        last=date(2026, 1, 8),
    )
    assert (frozen((window,), clock.astimezone(UTC)) is window) is is_frozen


def test_the_first_window_that_covers_the_instant_is_named():
    """In the order of the file; none where none covers it, or where there is none."""
    night = FreezeWindow(name="night", start=time(20), end=time(6))
    sunday = FreezeWindow(name="sunday", weekdays=frozenset({6}))
    late_on_sunday = datetime(2026, 1, 4, 22, tzinfo=UTC)
    assert frozen((night, sunday), late_on_sunday) is night
    assert frozen((sunday, night), late_on_sunday) is sunday
    assert frozen((sunday, night), datetime(2026, 1, 5, 12, tzinfo=UTC)) is None
    assert frozen((), late_on_sunday) is None


def test_an_instant_is_the_same_in_every_zone():
    """Who asks in New York and who asks in Vienna at the same moment hear the same."""
    window = FreezeWindow(name="w", zone="Asia/Tokyo", start=time(9), end=time(17))
    for hour in range(24):
        at = datetime(2026, 1, 5, hour, 30, tzinfo=UTC)
        answers = {frozen((window,), at.astimezone(ZoneInfo(zone))) for zone in ("America/New_York", "Europe/Vienna")}
        assert answers == {frozen((window,), at)}

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_controller.core.retention import retention_end, retention_until

BUCHAREST = "Europe/Bucharest"
SECONDS_OF_A_CENTURY = 3_155_760_000
starts = st.integers(0, SECONDS_OF_A_CENTURY).map(lambda s: datetime.fromtimestamp(s, UTC))
months = st.integers(1, 240)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-01-15T10:00:00+00:00", 6, "2026-07-15T10:00:00+00:00"),
        ("2026-08-31T10:00:00+00:00", 6, "2027-02-28T10:00:00+00:00"),
        ("2027-08-31T10:00:00+00:00", 6, "2028-02-29T10:00:00+00:00"),
        ("2026-12-31T23:59:59+00:00", 2, "2027-02-28T23:59:59+00:00"),
        ("2026-05-31T00:00:00+00:00", 1, "2026-06-30T00:00:00+00:00"),
        ("2028-02-29T00:00:00+00:00", 12, "2029-02-28T00:00:00+00:00"),
    ],
)
def test_retention_is_calendar_months_clipped_at_the_month_end(
    start: str, count: int, end: str
) -> None:
    assert retention_end(at(start), count) == at(end)


def test_the_wall_clock_stays_across_a_clock_change() -> None:
    # Winter (UTC+2) to summer (UTC+3): noon stays noon.
    assert retention_end(at("2026-01-15T12:00:00+02:00"), 6, BUCHAREST) == at(
        "2026-07-15T12:00:00+03:00"
    )


def test_the_day_is_that_of_the_zone_and_not_of_utc() -> None:
    # 00:30 on 31 March in Bucharest is still 30 March in UTC; June has 30 days.
    start = at("2026-03-31T00:30:00+03:00")
    assert retention_end(start, 3, BUCHAREST) == at("2026-06-30T00:30:00+03:00")
    assert retention_end(start, 3) == at("2026-06-30T21:30:00+00:00")


def test_a_wall_clock_time_that_does_not_occur_means_after_the_change() -> None:
    # 03:30 on 29 March 2026 is skipped in Bucharest.
    end = retention_end(at("2025-09-29T03:30:00+03:00"), 6, BUCHAREST)
    assert end == at("2026-03-29T04:30:00+03:00")


def test_a_wall_clock_time_that_occurs_twice_means_the_first() -> None:
    # 03:30 on 25 October 2026 occurs in summer and in winter time.
    end = retention_end(at("2026-04-25T03:30:00+03:00"), 6, BUCHAREST)
    assert end == at("2026-10-25T03:30:00+03:00")
    # Also where the call began in the second of two: the clocks went back on that day in 2020 too.
    second = at("2020-10-25T03:30:00+02:00")
    assert retention_end(second, 72, BUCHAREST) == end


@given(starts, months, st.sampled_from(["UTC", BUCHAREST, "Asia/Kathmandu", "America/St_Johns"]))
def test_the_local_day_is_kept_or_the_last_of_its_month(
    start: datetime, count: int, tz: str
) -> None:
    zone = ZoneInfo(tz)
    before, end = start.astimezone(zone), retention_end(start, count, tz)
    local = end.astimezone(zone)
    last_of_month = (local + timedelta(days=1)).day == 1
    assert end.utcoffset() == timedelta(0)
    assert local.day == before.day or (last_of_month and before.day > local.day)
    assert (local.year * 12 + local.month) - (before.year * 12 + before.month) == count


@given(starts, st.timedeltas(timedelta(0), timedelta(days=400)), months)
def test_a_later_call_is_never_due_earlier(start: datetime, later: timedelta, count: int) -> None:
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    following = (day + later).replace(hour=0, minute=0, second=0, microsecond=0)
    assert retention_end(day, count) <= retention_end(following, count)


def test_retention_until_is_the_same_in_the_stores_words() -> None:
    began = at("2026-01-15T12:00:00.250000+02:00").timestamp()
    assert retention_until(began, 6, BUCHAREST) == "2026-07-15T09:00:00.250000Z"


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        retention_end(datetime(2026, 1, 1), 6)  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("count", [0, -1, 1201])
def test_months_outside_reason_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="months"):
        retention_end(at("2026-01-01T00:00:00+00:00"), count)


@pytest.mark.parametrize("tz", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_named(tz: str) -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        retention_end(at("2026-01-01T00:00:00+00:00"), 6, tz)

"""Time as integers, and how people write it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.units import (
    BEIJING,
    PG_EPOCH_US,
    TIME_MAX_US,
    TIME_MIN_US,
    US_PER_DAY,
    US_PER_MS,
    US_PER_S,
    from_datetime,
    iso_us,
    parse_duration_us,
    parse_iso_us,
    to_datetime,
)

MOMENTS = st.integers(TIME_MIN_US, TIME_MAX_US - 1)


def test_people_see_beijing_time() -> None:
    """Milliseconds and a fixed offset, also in summer and also in 1990."""
    assert iso_us(0) == "1970-01-01T08:00:00.000+08:00"
    assert iso_us(1_795_401_981_123_456) == "2026-11-23T10:46:21.123+08:00"
    assert iso_us(646_617_600 * US_PER_S) == "1990-06-29T08:00:00.000+08:00"


def test_postgresql_counts_from_2000() -> None:
    """The epoch of its binary timestamps."""
    assert to_datetime(PG_EPOCH_US) == datetime(2000, 1, 1, tzinfo=UTC)
    assert to_datetime(TIME_MAX_US) == datetime(2100, 1, 1, tzinfo=UTC)


@given(MOMENTS)
def test_datetimes_are_exact(moment: int) -> None:
    """No microsecond is lost to a float."""
    assert from_datetime(to_datetime(moment)) == moment
    assert from_datetime(to_datetime(moment).astimezone(BEIJING)) == moment


@given(MOMENTS)
def test_text_is_exact_to_the_millisecond(moment: int) -> None:
    """What is written can be read again."""
    assert parse_iso_us(iso_us(moment)) == moment // US_PER_MS * US_PER_MS


def test_text_without_an_offset_is_beijing_time() -> None:
    """That is what a duty officer types."""
    assert parse_iso_us(" 1970-01-01 08:00 ") == 0
    assert parse_iso_us("1970-01-01T00:00:00Z") == 0


def test_a_time_without_a_zone_is_refused() -> None:
    """A guess would be hours wrong."""
    with pytest.raises(ValueError, match="without a zone: 2026-01-01"):
        from_datetime(datetime(2026, 1, 1))


def test_what_is_no_time_is_refused() -> None:
    """Words are not times."""
    with pytest.raises(ValueError, match="yesterday"):
        parse_iso_us("yesterday")


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("90s", 90 * US_PER_S), ("5min", 300 * US_PER_S), ("1.5h", 5400 * US_PER_S),
        ("3d", 3 * US_PER_DAY), ("250ms", 250_000), ("7us", 7), (" 0 s ", 0),
    ],
)  # fmt: skip
def test_durations(text: str, us: int) -> None:
    """A number and its unit."""
    assert parse_duration_us(text) == us


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5m", "1e3s", "٥s", "5s5s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A bare number could be anything."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration_us(text)

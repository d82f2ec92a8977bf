"""The online rate: time that mines were heard, of those that are linked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.reports.online import online_of
from gasmon.units import US_PER_DAY, US_PER_H
from tests.fix_reports import DAY, LINK, NEXT


def test_breaks_are_cut_at_the_ends_of_the_time() -> None:
    """From the evening before to 3:00, and from 21:00 on: 18 of 24 hours."""
    breaks = ((DAY - US_PER_H, DAY + 3 * US_PER_H), (NEXT - 3 * US_PER_H, None))

    found = online_of([replace(LINK, breaks=breaks)], DAY, NEXT)

    assert found.rate_pct == pytest.approx(75.0)
    assert (found.n_breaks, found.longest_break_us) == (1, 3 * US_PER_H)


def test_breaks_that_overlap_count_once() -> None:
    """One within another, and one that begins where it ends."""
    breaks = (
        (DAY + US_PER_H, DAY + 4 * US_PER_H),
        (DAY + 2 * US_PER_H, DAY + 3 * US_PER_H),
        (DAY + 4 * US_PER_H, DAY + 7 * US_PER_H),
    )

    found = online_of([replace(LINK, breaks=breaks)], DAY, NEXT)

    assert found.linked_us - found.online_us == 6 * US_PER_H
    assert found.longest_break_us == 6 * US_PER_H


def test_a_county_is_the_time_of_its_mines() -> None:
    """One always there, one half of the day: 75 %."""
    half = replace(LINK, breaks=((DAY, DAY + 12 * US_PER_H),))

    found = online_of([LINK, half], DAY, NEXT)

    assert found.rate_pct == pytest.approx(75.0)
    assert (found.n_registered, found.n_linked) == (2, 2)


def test_a_mine_that_is_long_offline_stands_beside_the_rate() -> None:
    """Broken for over a week: not linked; for six days: linked, and 0 %."""
    long = replace(LINK, breaks=((NEXT - 8 * US_PER_DAY, None),))
    young = replace(LINK, breaks=((NEXT - 6 * US_PER_DAY, None),))

    found = online_of([LINK, long], DAY, NEXT)
    assert (found.n_linked, found.n_long_offline, found.rate_pct) == (1, 1, 100.0)
    found = online_of([LINK, young], DAY, NEXT)
    assert (found.n_linked, found.n_long_offline, found.rate_pct) == (2, 0, 50.0)


def test_a_mine_that_was_online_for_a_moment_is_linked() -> None:
    """Its long break began within the month."""
    month_us = NEXT - 30 * US_PER_DAY
    link = replace(LINK, breaks=((NEXT - 15 * US_PER_DAY, None),))

    found = online_of([link], month_us, NEXT)

    assert (found.n_linked, found.rate_pct) == (1, pytest.approx(50.0))


def test_nothing_ever_came_is_no_rate() -> None:
    """Registered, and neither online nor offline; no 0 and no 100 %."""
    found = online_of([replace(LINK, heard=False)], DAY, NEXT)

    assert (found.n_registered, found.n_never_heard, found.n_linked) == (1, 1, 0)
    assert found.rate_pct is None


def test_a_mine_counts_while_it_is_there() -> None:
    """Known from 12:00 on, retired at 18:00: 6 hours; tomorrow's counts nothing."""
    link = replace(LINK, from_us=DAY + 12 * US_PER_H, until_us=DAY + 18 * US_PER_H)

    assert online_of([link], DAY, NEXT).linked_us == 6 * US_PER_H
    assert online_of([replace(LINK, from_us=NEXT)], DAY, NEXT).n_registered == 0
    assert online_of([], DAY, NEXT).longest_break_us == 0

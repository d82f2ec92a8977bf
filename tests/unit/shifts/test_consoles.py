"""Whether a workstation would draw and sound an alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.shifts.consoles import REASONS, SILENT_US, ConsolePage, by_console, reasons
from gasmon.units import US_PER_H, US_PER_S

NOW = 1_000 * US_PER_H
READY = ConsolePage(
    console="c1",
    name="county",
    role="county_officer",
    areas=("530627",),
    mines=None,
    opened_us=NOW - US_PER_H,
    heard_us=NOW - US_PER_S,
    closed=False,
    left_us=None,
    visible=True,
    sound="on",
    tested_us=NOW - 2 * US_PER_H,
    clock_off_ms=3,
)


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([READY], ()),
        ([replace(READY, closed=True)], ("closed",)),
        ([replace(READY, heard_us=NOW - SILENT_US - 1)], ("silent",)),
        ([replace(READY, heard_us=NOW - SILENT_US)], ()),
        ([replace(READY, visible=False)], ("hidden",)),
        ([replace(READY, sound="blocked")], ("blocked",)),
        ([replace(READY, sound="elsewhere")], ("blocked",)),
        ([replace(READY, sound="off", visible=False)], ("hidden", "off")),
        ([replace(READY, tested_us=None)], ("untested",)),
        ([replace(READY, tested_us=NOW - 25 * US_PER_H)], ("untested",)),
        # Two tabs: one is seen, the other one speaks.
        ([replace(READY, visible=False), replace(READY, sound="elsewhere")], ()),
        ([replace(READY, closed=True), replace(READY, heard_us=0)], ("silent",)),
    ],
)
def test_a_console_is_ready_or_says_why_not(
    pages: list[ConsolePage], found: tuple[str, ...]
) -> None:
    """All of its tabs together."""
    assert reasons(pages, NOW, 24 * US_PER_H) == found
    assert set(found) <= set(REASONS)


@pytest.mark.parametrize(
    ("change", "at_us", "is_expected"),
    [
        ({}, NOW, True),
        ({}, NOW - US_PER_H, True),
        ({}, NOW - US_PER_H - 1, False),
        ({}, NOW + 12 * US_PER_H, False),
        ({"closed": True}, NOW + US_PER_H, True),
        ({"closed": True, "left_us": NOW}, NOW, False),
        ({"closed": True, "left_us": NOW}, NOW - 1, True),
    ],
)
def test_a_room_is_expected_until_somebody_signs_out(
    change: dict[str, object], at_us: int, is_expected: bool
) -> None:
    """A tab that dies stays expected: that is how the gap shows."""
    page = replace(READY, **change)  # type: ignore[arg-type]
    assert page.is_expected(at_us, 12 * US_PER_H) is is_expected


def test_pages_are_put_together_by_workstation_and_person() -> None:
    """Two people at one workstation are two consoles."""
    other = replace(READY, name="colleague")
    found = by_console([READY, other, replace(READY, visible=False)])
    assert {key: len(pages) for key, pages in found.items()} == {
        ("c1", "county"): 2,
        ("c1", "colleague"): 1,
    }
    assert READY.tier == "county"
    assert replace(READY, role="viewer").tier is None

"""Whether a room can be woken: which of its consoles would draw and sound. Pure.

A console is a workstation (a browser) with one or more pages open in it. What a page
says comes from itself: that its tab is seen, that the browser lets it sound, and when
somebody last said that he heard the test.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gasmon.alarms.lifecycle import TIER_OF_ROLE
from gasmon.units import US_PER_S

SILENT_US = 20 * US_PER_S
"""A page that was not heard of for this long is gone [µs]. Ours: three of its words of
each 5 s, and what writing them may take."""

SOUNDS = ("on", "off", "blocked", "elsewhere")
"""States of a page's sound: on, switched off for a time, not allowed by the browser, or
left to another page of the same workstation."""

REASONS = ("closed", "silent", "hidden", "blocked", "off", "untested")
"""Why a console is not ready: its pages were closed, or fell silent; no tab of it is
seen; the browser blocks its sound, or somebody switched it off; nobody tried it."""


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """One tab, by what it said last.

    Attributes:
        console: the workstation.
        name: of the person who is signed in.
        areas: that person's, as are ``mines``; None: all.
        opened_us: when it was first heard of [µs UTC].
        heard_us: when it was last heard of [µs UTC].
        closed: its line ended.
        left_us: when somebody signed out there [µs UTC].
        visible: its tab is seen.
        tested_us: when somebody said that he heard the test [µs UTC].
        clock_off_ms: the workstation's clock, less ours.
    """

    console: str
    name: str
    role: str
    areas: tuple[str, ...] | None
    mines: tuple[str, ...] | None
    opened_us: int
    heard_us: int
    closed: bool
    left_us: int | None
    visible: bool
    sound: str
    tested_us: int | None
    clock_off_ms: int

    @property
    def tier(self) -> str | None:
        """Whose room it stands in; None: nobody's who must act."""
        return TIER_OF_ROLE.get(self.role)

    def is_alive(self, now_us: int) -> bool:
        """Whether its line is open and speaks."""
        return not self.closed and now_us - self.heard_us <= SILENT_US

    def is_expected(self, at_us: int, expected_us: int) -> bool:
        """Whether its room should have heard of something at a time [µs UTC].

        Args:
            expected_us: for how long after the last word [µs].
        """
        if self.left_us is not None and self.left_us <= at_us:
            return False
        return self.opened_us <= at_us < self.heard_us + expected_us


def reasons(
    pages: Sequence[ConsolePage], now_us: int, tested_for_us: int
) -> tuple[str, ...]:
    """Why one console is not ready; empty when it is.

    Args:
        pages: of one console; one at least.
        tested_for_us: how long a test of the sound counts [µs].
    """
    alive = [page for page in pages if page.is_alive(now_us)]
    if not alive:
        return ("closed" if all(page.closed for page in pages) else "silent",)
    found = []
    if not any(page.visible for page in alive):
        found.append("hidden")
    sounds = {page.sound for page in alive}
    if "on" not in sounds:
        found.append("off" if "off" in sounds else "blocked")
    if not any(_is_tested(page, now_us, tested_for_us) for page in alive):
        found.append("untested")
    return tuple(found)


def _is_tested(page: ConsolePage, now_us: int, tested_for_us: int) -> bool:
    return page.tested_us is not None and now_us - page.tested_us <= tested_for_us


def by_console(
    pages: Iterable[ConsolePage],
) -> dict[tuple[str, str], list[ConsolePage]]:
    """Pages by (workstation, person), in their order."""
    found: dict[tuple[str, str], list[ConsolePage]] = {}
    for page in pages:
        found.setdefault((page.console, page.name), []).append(page)
    return found

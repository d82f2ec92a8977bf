"""Shifts of a demo: calendars that run now, who has duty, and one to be taken over.

Twelve hours each, from 08:00, as control rooms keep them. At the first start of a demo
the shift before the present one was kept by the colleagues and waits for two
signatures, so that two people can hand it over.
"""

from collections.abc import Mapping
from dataclasses import replace

from psycopg.rows import dict_row

from gasmon.shifts.calendar import ONE_DAY, Assignment, Calendar, Pattern, day_of
from gasmon.shifts.posts import Post, posts_of
from gasmon.shifts.slots import DAY_MIN, Slot, parse_slots
from gasmon.store import handovers, points, shift_calendars, shift_presence
from gasmon.store.access import Principal, principal_of
from gasmon.store.audit import BY_OPERATOR
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, US_PER_MIN

PATTERN = "two-12h 08:00"
LONG_AGO_US = 3 * US_PER_DAY
"""Only days to come can be set: what begins with the shift before was set then."""

NOTE = "演示：上一班平稳，请接班人签字。 Demo: a quiet shift; please sign for it."

Pair = tuple[str, str]
"""Names of the one who has duty and of the colleague."""


def pairs_of(area: str, mine: str) -> dict[Post, Pair]:
    """Which posts of a demo have shifts, and who keeps them.

    Args:
        area: the county whose officers the demo gives out.
        mine: the mine of its dispatcher.
    """
    posts = posts_of(area, None)
    return {
        posts["city"]: ("demo-city_officer", "demo-city_colleague"),
        posts["county"]: ("demo-county_officer", "demo-county_colleague"),
        Post("mine", mine): ("demo-mine_dispatcher", "demo-mine_colleague"),
    }


def begin_shifts(conn: Connection, pairs: Mapping[Post, Pair], now_us: int) -> None:
    """Give each post its calendar and people, unless it has a calendar; commits.

    Args:
        now_us: wall time [µs UTC].
    """
    people = _people(conn, [name for pair in pairs.values() for name in pair])
    for post, (name, colleague) in pairs.items():
        if post.mine is not None:
            points.ensure_mine(conn, post.mine, now_us)
            conn.commit()
        if shift_calendars.calendar_of(conn, post) != Calendar():
            continue
        slots = parse_slots(PATTERN)
        _set_calendar(conn, post, slots, now_us)
        present = shift_calendars.calendar_of(conn, post).at(now_us)
        assert present is not None, "the calendar fills each day"
        for slot in slots:
            who = name if slot.name == present.name else colleague
            wanted = Assignment(who, slot.name, day_of(now_us))
            shift_calendars.assign(conn, post, wanted, "", BY_OPERATOR, now_us=now_us)
        _keep_the_last(conn, post, people[colleague], now_us)
        shift_presence.sign_on(conn, post, people[name], now_us)
    conn.commit()


def _set_calendar(
    conn: Connection, post: Post, slots: tuple[Slot, ...], now_us: int
) -> None:
    """A calendar whose first shift is the one before the present one.

    All that are over before it would be reminded of as never handed over.
    """
    always = Calendar((Pattern(day_of(now_us) - 2 * ONE_DAY, slots),))
    first = always.before(now_us)
    assert first is not None, "it has shifts since the day before yesterday"

    patterns = [(slots, first.day)]
    if first.name != slots[0].name:
        # The last of its day alone; the next day's first one ends it.
        night = replace(slots[-1], length_min=DAY_MIN)
        patterns = [((night,), first.day), (slots, first.day + ONE_DAY)]
    for of_day, day in patterns:
        shift_calendars.set_slots(
            conn,
            post,
            of_day,
            BY_OPERATOR,
            from_day=day,
            now_us=now_us - LONG_AGO_US,
        )


def _keep_the_last(conn: Connection, post: Post, who: Principal, now_us: int) -> None:
    """The shift before was kept, and its hand-over waits for the signatures."""
    before = shift_calendars.calendar_of(conn, post).before(now_us)
    assert before is not None, "the calendar begins with it"
    shift_presence.sign_on(conn, post, who, before.from_us + US_PER_MIN)
    number = handovers.open_handover(conn, post, "before", who, now_us)
    handovers.act(conn, number, "note", NOTE, who, now_us)


def _people(conn: Connection, names: list[str]) -> dict[str, Principal]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM principal WHERE name = ANY(%s)", (names,)
        ).fetchall()
    return {row["name"]: principal_of({**row, "may": "act"}) for row in rows}

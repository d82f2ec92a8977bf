"""Read query for the api: which rooms and consoles can be woken now."""

from typing import Any

from gasmon.shifts.consoles import ConsolePage, by_console, reasons
from gasmon.shifts.posts import Post
from gasmon.store.consoles import load_pages
from gasmon.store.db import Connection
from gasmon.store.expected import Expecting
from gasmon.store.scope import Scope, within
from gasmon.store.shift_calendars import can_stand, load_calendars, sees
from gasmon.units import iso_us

Row = dict[str, Any]

MISSING = "no_console"
"""Why a room is not ready where no console of it was heard of."""


def readiness(
    conn: Connection, scope: Scope, expecting: Expecting, now_us: int
) -> dict[str, list[Row]]:
    """Rooms that have a shift now, and every console that was heard of lately.

    Args:
        scope: rooms and people outside of it are left out.
        now_us: wall time [µs UTC].
    """
    pages = [
        page
        for page in load_pages(conn, now_us - expecting.room_us)
        if page.tier is not None
        and page.is_expected(now_us, expecting.room_us)
        and within(Scope(page.areas, page.mines), scope)
    ]
    rooms = [
        _room(post, pages, expecting, now_us)
        for post, calendar in sorted(load_calendars(conn, now_us).items())
        if sees(scope, post) and calendar.at(now_us) is not None
    ]
    consoles = [
        _console(of_one, expecting, now_us) for of_one in by_console(pages).values()
    ]
    return {"rooms": rooms, "consoles": consoles}


def _room(
    post: Post, pages: list[ConsolePage], expecting: Expecting, now_us: int
) -> Row:
    """A room is as ready as the best of its consoles."""
    here = [
        page
        for page in pages
        if can_stand(page.role, Scope(page.areas, page.mines), post)
    ]
    found = [
        reasons(of_one, now_us, expecting.tested_us)
        for of_one in by_console(here).values()
    ]
    why = min(found, key=len, default=(MISSING,))
    return {
        "tier": post.tier,
        "place": post.place,
        "ready": not why,
        "reasons": list(why),
        "n_consoles": len(found),
    }


def _console(pages: list[ConsolePage], expecting: Expecting, now_us: int) -> Row:
    why = reasons(pages, now_us, expecting.tested_us)
    newest = max(pages, key=lambda page: page.heard_us)
    tested = [page.tested_us for page in pages if page.tested_us is not None]
    return {
        "console": newest.console,
        "person": newest.name,
        "tier": newest.tier,
        "areas": newest.areas,
        "mines": newest.mines,
        "ready": not why,
        "reasons": list(why),
        "sound": newest.sound,
        "tested_at": iso_us(max(tested)) if tested else None,
        "clock_off_ms": newest.clock_off_ms,
        "heard_at": iso_us(newest.heard_us),
        "n_pages": sum(page.is_alive(now_us) for page in pages),
    }

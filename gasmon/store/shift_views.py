"""Calendars and loads of shifts as people see them."""

from datetime import date
from typing import Any

from gasmon.shifts.calendar import assigned
from gasmon.shifts.posts import Post
from gasmon.store.handover_summary import load_shown
from gasmon.store.scope import Scope
from gasmon.store.shift_calendars import (
    Conn,
    as_assignments,
    calendar_of,
    check_seen,
    load_assignments,
)
from gasmon.store.shift_presence import shift_shown


def calendar_shown(
    conn: Conn, post: Post, scope: Scope, first: date, n_days: int, now_us: int
) -> dict[str, Any]:
    """The shifts that begin on some days, with who is assigned.

    Raises:
        NotFound: the post is not for this scope.
    """
    check_seen(scope, post)
    rows = load_assignments(conn, now_us, post).get(post, [])
    people = as_assignments(rows)
    shifts = [
        {**(shift_shown(shift) or {}), "assigned": list(assigned(people, shift))}
        for shift in calendar_of(conn, post).between(first, n_days)
    ]
    names = ("assignment_id", "name", "shift", "from_day", "until_day", "instead_of")
    return {
        "tier": post.tier,
        "place": post.place,
        "shifts": shifts,
        "assignments": [{n: row[n] for n in (*names, "reason")} for row in rows],
    }


def loads_shown(
    conn: Conn, post: Post, scope: Scope, first: date, n_days: int, now_us: int
) -> dict[str, Any]:
    """The load of each shift that began on some days, as far as it has come.

    Raises:
        NotFound: the post is not for this scope.
    """
    check_seen(scope, post)
    begun = [
        shift
        for shift in calendar_of(conn, post).between(first, n_days)
        if shift.from_us <= now_us
    ]
    items = [
        {
            "shift": shift_shown(shift),
            "load": load_shown(conn, post, shift.from_us, shift.until_us, now_us),
        }
        for shift in begun
    ]
    return {"tier": post.tier, "place": post.place, "items": items}

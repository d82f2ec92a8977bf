"""Calendars of posts and who is assigned to their shifts, as rows that are added.

A calendar is folded from what was set, in the order of its setting. Administrators set
it; each setting is one transaction with its row in the audit.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from gasmon.alarms.lifecycle import TIER_OF_ROLE
from gasmon.errors import NotFound, StateConflict
from gasmon.shifts.calendar import (
    ONE_DAY,
    Assignment,
    Calendar,
    Pattern,
    check_assignment,
    check_change,
    day_of,
    with_day,
    with_pattern,
)
from gasmon.shifts.posts import Post
from gasmon.shifts.slots import Slot, slots_text
from gasmon.store.audit import Actor, write_by
from gasmon.store.scope import Scope
from gasmon.units import to_datetime

Conn = psycopg.Connection[Any]

POST_AREA = "left(place, 6)"
"""SQL: the area of a row's post."""

POST_MINE = "CASE WHEN tier = 'mine' THEN place END"
"""SQL: the mine of a row's post; NULL for a county or city."""


def sees(scope: Scope, post: Post) -> bool:
    """Whether a post is in somebody's areas and mines."""
    return scope.allows(post.area, post.mine)


def check_seen(scope: Scope, post: Post) -> None:
    """Refuse a post that is not for somebody as one that does not exist.

    Raises:
        NotFound: it is outside of the scope.
    """
    if not sees(scope, post):
        raise NotFound(f"no post {post}")


def lock_post(conn: Conn, post: Post) -> None:
    """Make everybody who changes something at this post wait for one another."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 13))", (str(post),))


def load_calendars(conn: Conn, now_us: int) -> dict[Post, Calendar]:
    """The calendars of all posts that have one, as far as they matter now.

    What was set for days before yesterday and replaced since is left out: this is
    asked each second, and rows only become more.

    Args:
        now_us: wall time [µs UTC].
    """
    rows = conn.execute(
        "SELECT c.tier, c.place, c.from_day, c.only_day, c.slots FROM shift_calendar c"
        " WHERE (NOT c.only_day OR c.from_day >= %(first)s) AND c.set_id >= coalesce("
        "  (SELECT max(b.set_id) FROM shift_calendar b WHERE NOT b.only_day"
        "   AND (b.tier, b.place) = (c.tier, c.place) AND b.from_day <= %(first)s), 0)"
        " ORDER BY c.set_id",
        {"first": day_of(now_us) - 3 * ONE_DAY},
    ).fetchall()
    return _folded(rows)


def calendar_of(conn: Conn, post: Post) -> Calendar:
    """The calendar of one post; empty where none was set."""
    rows = conn.execute(
        "SELECT tier, place, from_day, only_day, slots FROM shift_calendar"
        " WHERE tier = %s AND place = %s ORDER BY set_id",
        (post.tier, post.place),
    ).fetchall()
    return _folded(rows).get(post, Calendar())


def set_slots(
    conn: Conn,
    post: Post,
    slots: tuple[Slot, ...],
    by: Actor,
    *,
    from_day: date,
    only_day: bool = False,
    reason: str = "",
    now_us: int,
) -> None:
    """Set the shifts of every day from one on, or of one day; commits.

    Args:
        slots: as ``check_slots`` gives them; none ends the calendar.

    Raises:
        NotFound: no such mine or area, or not for ``by``.
        StateConflict: shifts that have begun would become others.
    """
    check_seen(by.scope, post)
    with conn.transaction():
        lock_post(conn, post)
        _check_exists(conn, post)
        old = calendar_of(conn, post)
        if only_day:
            new = with_day(old, from_day, slots)
        else:
            new = with_pattern(old, Pattern(from_day, slots))
        check_change(old, new, from_day, now_us)
        conn.execute(
            "INSERT INTO shift_calendar (tier, place, from_day, only_day, slots,"
            " reason, recorded_at, recorded_by) VALUES (%s,%s,%s,%s,%s,%s,%s,%s)",
            (
                post.tier,
                post.place,
                from_day,
                only_day,
                Jsonb([[s.name, s.start_min, s.length_min] for s in slots]),
                reason,
                to_datetime(now_us),
                by.name,
            ),
        )
        write_by(
            conn,
            by,
            "shift.day" if only_day else "shift.pattern",
            str(post),
            day=str(from_day),
            shifts=slots_text(slots),
            reason=reason,
        )


def load_assignments(
    conn: Conn, now_us: int, only: Post | None = None
) -> dict[Post, list[dict[str, Any]]]:
    """What was assigned, not withdrawn and not over, in the order of its setting.

    Args:
        only: this post alone.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT a.tier, a.place, a.assignment_id, p.name, a.shift, a.from_day,"
            " a.until_day, i.name AS instead_of, a.reason FROM shift_assignment a"
            " JOIN principal p USING (principal_id)"
            " LEFT JOIN principal i ON i.principal_id = a.instead_of"
            " WHERE a.withdrawn_at IS NULL AND p.retired_at IS NULL"
            " AND (a.until_day IS NULL OR a.until_day >= %(first)s)"
            " AND (%(tier)s::text IS NULL OR (a.tier, a.place) = (%(tier)s, %(place)s))"
            " ORDER BY a.assignment_id",
            {
                "first": day_of(now_us) - ONE_DAY,
                "tier": None if only is None else only.tier,
                "place": None if only is None else only.place,
            },
        ).fetchall()
    found: dict[Post, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(Post(row["tier"], row["place"]), []).append(row)
    return found


def as_assignments(rows: Sequence[dict[str, Any]]) -> list[Assignment]:
    """The same for the arithmetic."""
    return [
        Assignment(
            row["name"],
            row["shift"],
            row["from_day"],
            row["until_day"],
            row["instead_of"],
        )
        for row in rows
    ]


def assign(
    conn: Conn, post: Post, wanted: Assignment, reason: str, by: Actor, *, now_us: int
) -> int:
    """Assign somebody to shifts; commits. Gives the assignment's number.

    Raises:
        NotFound: no such post or person, or not for ``by``.
        BadRequest: the days or the shift are none.
        StateConflict: the person cannot have duty there, or the days are over.
    """
    check_seen(by.scope, post)
    with conn.transaction():
        lock_post(conn, post)
        check_assignment(calendar_of(conn, post), wanted)
        if wanted.from_day < day_of(now_us):
            raise StateConflict(f"{wanted.from_day} is over")
        principal_id = _person(conn, wanted.name, post)
        instead_of = wanted.instead_of
        replaced = None if instead_of is None else _person(conn, instead_of, post)
        row = conn.execute(
            "INSERT INTO shift_assignment (tier, place, principal_id, shift, from_day,"
            " until_day, instead_of, reason, recorded_at, recorded_by)"
            " VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s) RETURNING assignment_id",
            (
                post.tier,
                post.place,
                principal_id,
                wanted.shift,
                wanted.from_day,
                wanted.until_day,
                replaced,
                reason,
                to_datetime(now_us),
                by.name,
            ),
        ).fetchone()
        assert row is not None
        write_by(
            conn,
            by,
            "shift.assign",
            str(post),
            user=wanted.name,
            shift=wanted.shift,
            days=f"{wanted.from_day}/{wanted.until_day or ''}",
            instead_of=instead_of,
            reason=reason,
        )
    return cast(int, row[0])


def unassign(
    conn: Conn, post: Post, assignment_id: int, by: Actor, *, now_us: int
) -> None:
    """Take back an assignment at a post; commits. Its row stays.

    Raises:
        NotFound: no such one, or not for ``by``.
    """
    check_seen(by.scope, post)
    with conn.transaction():
        done = conn.execute(
            "UPDATE shift_assignment SET withdrawn_at = %s, withdrawn_by = %s"
            " WHERE assignment_id = %s AND tier = %s AND place = %s"
            " AND withdrawn_at IS NULL",
            (to_datetime(now_us), by.name, assignment_id, post.tier, post.place),
        )
        if not done.rowcount:
            raise NotFound(f"no assignment {assignment_id} at {post}")
        write_by(conn, by, "shift.unassign", str(post), assignment=assignment_id)


def can_stand(role: str, scope: Scope, post: Post) -> bool:
    """Whether somebody of this role and scope can have duty at a post."""
    return TIER_OF_ROLE.get(role) == post.tier and sees(scope, post)


def _folded(rows: Sequence[tuple[Any, ...]]) -> dict[Post, Calendar]:
    """Calendars from (tier, place, day, only that day, slots) in their order."""
    found: dict[Post, Calendar] = {}
    for tier, place, day, only_day, slots in rows:
        post = Post(tier, place)
        of_day = tuple(Slot(*slot) for slot in slots)
        before = found.get(post, Calendar())
        if only_day:
            found[post] = with_day(before, day, of_day)
        else:
            found[post] = with_pattern(before, Pattern(day, of_day))
    return found


def _person(conn: Conn, name: str, post: Post) -> int:
    row = conn.execute(
        "SELECT principal_id, role, areas, mines FROM principal"
        " WHERE name = %s AND retired_at IS NULL",
        (name.replace("\x00", ""),),
    ).fetchone()
    if row is None:
        raise NotFound(f"no user {name[:100]!r}")
    principal_id, role, areas, mines = row
    if not can_stand(role, Scope(areas, mines), post):
        raise StateConflict(f"{name!r} is {role} and cannot have duty at {post}")
    return cast(int, principal_id)


def _check_exists(conn: Conn, post: Post) -> None:
    table = "mine" if post.tier == "mine" else "area"
    query = sql.SQL("SELECT FROM {} WHERE code = %s").format(sql.Identifier(table))
    if conn.execute(query, (post.place,)).fetchone() is None:
        raise NotFound(f"no {post.tier} {post.place}")

"""Who has duty now: signing on and off, and what each post's shift looks like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.errors import Forbidden, StateConflict
from gasmon.shifts.calendar import Assignment, Calendar, Shift, assigned
from gasmon.shifts.handover import EARLY_US, STAY_US
from gasmon.shifts.posts import Post
from gasmon.store.access import Principal
from gasmon.store.audit import Actor, write_by
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.shift_calendars import (
    POST_AREA,
    POST_MINE,
    Conn,
    as_assignments,
    calendar_of,
    can_stand,
    check_seen,
    load_assignments,
    load_calendars,
    lock_post,
    sees,
)
from gasmon.units import from_datetime, iso_us, to_datetime


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody signed on.

    Attributes:
        from_us: begin of the shift that he signed on to [µs UTC].
        until_us: its end, as the calendar had it then [µs UTC].
        off_us: when he signed off [µs UTC]; None: he did not.
    """

    post: Post
    name: str
    shift: str
    from_us: int
    until_us: int
    on_us: int
    off_us: int | None

    def is_there(self, now_us: int) -> bool:
        """Whether he counts as there."""
        return self.off_us is None and now_us < self.until_us + STAY_US


def signed_on(
    conn: Conn, now_us: int, scope: Scope, post: Post | None = None
) -> list[Presence]:
    """Everybody who counts as there, by post and time.

    Args:
        scope: posts outside of it are left out.
        post: this one alone.
    """
    query = sql.SQL(
        "SELECT * FROM shift_presence s JOIN principal p USING (principal_id)"
        " WHERE signed_off_at IS NULL AND until_us > %(since)s"
        " AND signed_on_at <= %(now)s AND p.retired_at IS NULL AND {scope}"
        " AND (%(tier)s::text IS NULL OR (tier, place) = (%(tier)s, %(place)s))"
        " ORDER BY tier, place, signed_on_at, presence_id"
    ).format(scope=scope_condition(scope, POST_AREA, POST_MINE))
    params = {
        "since": now_us - STAY_US,
        "now": to_datetime(now_us),
        "tier": None if post is None else post.tier,
        "place": None if post is None else post.place,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        return [_presence(row) for row in cursor.execute(query, params).fetchall()]


def presences_at(conn: Conn, post: Post, from_us: int) -> list[Presence]:
    """Everybody who signed on to one shift, also those who signed off since."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM shift_presence JOIN principal USING (principal_id)"
            " WHERE tier = %s AND place = %s AND from_us = %s"
            " ORDER BY signed_on_at, presence_id",
            (post.tier, post.place, from_us),
        ).fetchall()
    return [_presence(row) for row in rows]


def sign_on(conn: Conn, post: Post, who: Principal, now_us: int) -> Shift:
    """Sign on to the shift that has duty, or in its last hour to the next one; commits.

    Whoever signed on to the present one signs on to the next; whoever is assigned to
    the next and not to the present one does so at once.

    Raises:
        NotFound: the post is not for him.
        Forbidden: the role has no duty there.
        StateConflict: there is no shift, or he is signed on already.
    """
    check_may(who, post)
    with conn.transaction():
        lock_post(conn, post)
        calendar = calendar_of(conn, post)
        shift = _choose(conn, post, calendar, who.name, now_us)
        conn.execute(
            "INSERT INTO shift_presence (tier, place, principal_id, day, shift,"
            " from_us, until_us, signed_on_at) VALUES (%s,%s,%s,%s,%s,%s,%s,%s)",
            (
                post.tier,
                post.place,
                who.principal_id,
                shift.day,
                shift.name,
                shift.from_us,
                shift.until_us,
                to_datetime(now_us),
            ),
        )
        by = Actor(who.name, who.scope)
        write_by(conn, by, "shift.sign_on", str(post), shift=str(shift))
    return shift


def sign_off(conn: Conn, post: Post, who: Principal, now_us: int) -> int:
    """Sign off everywhere at a post; commits. Says how many shifts that were.

    Raises:
        NotFound: the post is not for him.
        Forbidden: the role has no duty there.
        StateConflict: he is not signed on.
    """
    check_may(who, post)
    with conn.transaction():
        lock_post(conn, post)
        done = conn.execute(
            # Whoever forgot it was not there for longer than he counted as there.
            "UPDATE shift_presence SET signed_off_at = greatest(signed_on_at, least(%s,"
            " to_timestamp((until_us + %s) / 1e6)))"
            " WHERE tier = %s AND place = %s AND principal_id = %s"
            " AND signed_off_at IS NULL RETURNING day, shift, until_us",
            (to_datetime(now_us), STAY_US, post.tier, post.place, who.principal_id),
        ).fetchall()
        if not any(until_us + STAY_US > now_us for _, _, until_us in done):
            raise StateConflict(f"{who.name!r} is not signed on at {post}")
        shifts = [f"{day} {name}" for day, name, _ in done]
        by = Actor(who.name, who.scope)
        write_by(conn, by, "shift.sign_off", str(post), shifts=shifts)
    return len(done)


def check_may(who: Principal, post: Post) -> None:
    """Refuse whoever has no duty at a post.

    Raises:
        NotFound: the post is not for him.
        Forbidden: his role has no duty there.
    """
    check_seen(who.scope, post)
    if not can_stand(who.role, who.scope, post):
        raise Forbidden(f"role {who.role} has no duty at {post}")


def posts_now(
    conn: Conn, scope: Scope, now_us: int, only: Post | None = None
) -> list[dict[str, Any]]:
    """What each post with a calendar looks like now, by tier and place.

    Args:
        only: this post alone.
    """
    calendars = load_calendars(conn, now_us)
    people = load_assignments(conn, now_us, only)
    there = signed_on(conn, now_us, scope, only)
    return [
        _post_now(
            post,
            calendars[post],
            as_assignments(people.get(post, ())),
            [one for one in there if one.post == post],
            now_us,
        )
        for post in sorted(calendars)
        if sees(scope, post) and only in (None, post)
    ]


def shift_shown(shift: Shift | None) -> dict[str, Any] | None:
    """A shift as people and programs see it."""
    if shift is None:
        return None
    return {
        "day": str(shift.day),
        "name": shift.name,
        "name_en": shift.name_en,
        "from": iso_us(shift.from_us),
        "until": iso_us(shift.until_us),
    }


def _post_now(
    post: Post,
    calendar: Calendar,
    people: Sequence[Assignment],
    there: Sequence[Presence],
    now_us: int,
) -> dict[str, Any]:
    shift, then = calendar.at(now_us), calendar.after(now_us)
    return {
        "tier": post.tier,
        "place": post.place,
        "now": shift_shown(shift),
        "next": shift_shown(then),
        "assigned": [] if shift is None else list(assigned(people, shift)),
        "assigned_next": [] if then is None else list(assigned(people, then)),
        "signed_on": [
            {
                "name": one.name,
                "shift": one.shift,
                "since": iso_us(one.on_us),
                "shift_until": iso_us(one.until_us),
            }
            for one in there
        ],
    }


def _choose(
    conn: Conn, post: Post, calendar: Calendar, name: str, now_us: int
) -> Shift:
    """The shift that somebody signs on to."""
    shift, then = calendar.at(now_us), calendar.after(now_us)
    if then is not None and then.from_us - now_us > EARLY_US:
        then = None
    mine = {
        one.from_us
        for one in signed_on(conn, now_us, Scope(None, None), post)
        if one.name == name
    }
    people = as_assignments(load_assignments(conn, now_us, post).get(post, ()))
    choices = [one for one in (shift, then) if one is not None]
    left = [one for one in choices if one.from_us not in mine]
    if not choices:
        raise StateConflict(f"{post} has no shift now, and none within the hour")
    if not left:
        raise StateConflict(f"{name!r} is signed on already: {choices[-1]}")
    meant = [one for one in left if name in assigned(people, one)]
    return (meant or left)[0]


def _presence(row: dict[str, Any]) -> Presence:
    off = row["signed_off_at"]
    return Presence(
        Post(row["tier"], row["place"]),
        row["name"],
        row["shift"],
        row["from_us"],
        row["until_us"],
        from_datetime(row["signed_on_at"]),
        None if off is None else from_datetime(off),
    )

"""Drills: declared by somebody, running for a while, over for good.

A run is taken only while its drill is running: between its announced times, and not
ended. Whoever writes anything of a run locks its row first (``require_running``), so
nothing of a drill is written after its end. Ending one clears and closes what it left
open, so that nobody is called any more for what is no danger.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

from psycopg.rows import class_row

from gasmon.errors import BadRequest, Forbidden, NotFound, StateConflict
from gasmon.store import audit
from gasmon.store.access import Principal
from gasmon.store.alarm_calls import as_json
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection
from gasmon.store.drill_alarms import settle
from gasmon.units import US_PER_H, US_PER_MIN, from_datetime, to_datetime

LOCK_KEY = 0x6761_736D_0019
"""Advisory lock of whoever declares a drill: "gasm", 0x19. Numbers have no holes, and
no more drills run at once than may."""

AHEAD_US = 31 * 24 * US_PER_H
"""How long ahead a drill may be declared [µs]. Ours: a month's plan."""

PAST_US = 5 * US_PER_MIN
"""How far back it may begin [µs]; ours, for clocks that differ."""

ENDERS = ("trainer", "county_officer", "city_officer", "administrator")
"""Who may end a drill in the areas of theirs: whoever would need the people."""

ANNOUNCED_END = "announced_end"
BY_HAND = "by_hand"
REAL_ALARM = "real_alarm"
INTERRUPTED = "interrupted"
FLOOD = "flood"
TOO_MANY_POINTS = "too_many_points"
FAULT = "fault"
CROWDED_OUT = "crowded_out"
PLAYER_GONE = "player_gone"

END_CAUSES = {
    ANNOUNCED_END: ("到时结束", "its announced end came"),
    BY_HAND: ("人工结束", "ended by hand"),
    REAL_ALARM: ("真实报警中止", "a real alarm stopped it"),
    INTERRUPTED: ("接入进程中断", "ingest was restarted"),
    FLOOD: ("数据超量", "it sent more than a drill may"),
    TOO_MANY_POINTS: ("测点超量", "it has more points than a drill may"),
    FAULT: ("数据或程序故障", "its data could not be judged or stored"),
    CROWDED_OUT: ("为真实数据让路", "it gave way to real data for too long"),
    PLAYER_GONE: ("演练程序失联", "whoever played it went silent"),
}
"""Why drills end, for people."""


class DrillOver(StateConflict):
    """Nothing of this run may be written any more."""


@dataclass(frozen=True, slots=True)
class DrillWish:
    """What somebody declares.

    Attributes:
        areas: six-digit codes.
        announced: whether those who take part know of it beforehand.
        from_us: when it begins; None: now [µs UTC].
        until_us: when it ends by itself [µs UTC].
        participants: who is meant to act, as the trainer calls them.
    """

    scenario: str
    areas: tuple[str, ...]
    until_us: int
    from_us: int | None = None
    title: str = ""
    announced: bool = True
    stop_on_real_alarm: bool = True
    participants: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Drill:
    """A declared run, as ingest and the sweep need it."""

    run: int
    scenario: str
    areas: list[str]
    starts_at: datetime
    until: datetime
    stop_on_real_alarm: bool

    @property
    def from_us(self) -> int:
        """When it begins [µs UTC]."""
        return from_datetime(self.starts_at)

    @property
    def until_us(self) -> int:
        """When it ends by itself [µs UTC]."""
        return from_datetime(self.until)


def declare(
    conn: Connection,
    who: Principal,
    wish: DrillWish,
    *,
    most_at_once: int,
    longest_h: int,
    now_us: int,
    key: str | None = None,
) -> int:
    """Declare a drill, as the caller's whole transaction; returns its run.

    Args:
        most_at_once: drills that may run at one time.
        longest_h: longest drill [h].
        now_us: wall time [µs UTC].
        key: the same key from the same principal is done once.

    Raises:
        BadRequest: times that are none; names the member.
        Forbidden: this role declares none, or not there.
        StateConflict: too many run then, or the key was used for something else.
    """
    if who.role != "trainer":
        raise Forbidden(f"role {who.role} declares no drills; a trainer does")
    outside = [area for area in wish.areas if not who.scope.allows_area(area)]
    if outside or who.mines is not None:
        raise Forbidden(f"area {', '.join(outside) or 'of mines'} is not yours")
    asked = as_json(asdict(wish))
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
    known = _declared_before(conn, who, key, asked)
    if known is not None:
        return known
    from_us = now_us if wish.from_us is None else wish.from_us
    _check_times(from_us, wish.until_us, longest_h, now_us)
    others = conn.execute(
        "SELECT run FROM drill WHERE ended_at IS NULL AND starts_at < %s AND until > %s"
        " ORDER BY run",
        (to_datetime(wish.until_us), to_datetime(from_us)),
    ).fetchall()
    if len(others) >= most_at_once:
        runs = ", ".join(str(row[0]) for row in others)
        raise StateConflict(
            f"{most_at_once} drills at once (drills.runs_limit); there are {runs} then"
        )
    row = conn.execute(
        "INSERT INTO run (run, name, started_at) SELECT max(run) + 1,"
        " 'drill ' || max(run) + 1, %s FROM run RETURNING run",
        (to_datetime(from_us),),
    ).fetchone()
    assert row is not None
    run = cast(int, row[0])
    conn.execute(
        "INSERT INTO drill (run, scenario, title, areas, announced, starts_at, until,"
        " stop_on_real_alarm, participants, note, declared_by, declared_at, action_key,"
        " asked) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s::jsonb)",
        (
            *(run, wish.scenario, wish.title, sorted(set(wish.areas)), wish.announced),
            *(to_datetime(from_us), to_datetime(wish.until_us)),
            *(wish.stop_on_real_alarm, list(wish.participants), wish.note),
            *(who.name, to_datetime(now_us), key, asked),
        ),
    )
    detail = {"scenario": wish.scenario, "areas": sorted(set(wish.areas))}
    audit.write(conn, who.name, "drill.declare", str(run), detail=detail)
    return run


def _declared_before(
    conn: Connection, who: Principal, key: str | None, asked: str
) -> int | None:
    if key is None:
        return None
    row = conn.execute(
        "SELECT run, asked = %s::jsonb FROM drill"
        " WHERE declared_by = %s AND action_key = %s",
        (asked, who.name, key),
    ).fetchone()
    if row is None:
        return None
    if not row[1]:
        raise StateConflict(
            f"key {key!r} was used by {who.name} for something else (drill {row[0]})"
        )
    return cast(int, row[0])


def _check_times(from_us: int, until_us: int, longest_h: int, now_us: int) -> None:
    if not now_us - PAST_US <= from_us <= now_us + AHEAD_US:
        raise BadRequest("from: between 5 min ago and 31 days ahead")
    if until_us <= max(from_us, now_us):
        raise BadRequest("until: after from, and in the future")
    if until_us - from_us > longest_h * US_PER_H:
        raise BadRequest(
            f"until: more than {longest_h} h (drills.longest_h) after from"
        )


_DRILL = b"SELECT run, scenario, areas, starts_at, until, stop_on_real_alarm FROM drill"


def running(conn: Connection, now_us: int) -> list[Drill]:
    """The drills whose runs are taken now, by number."""
    with conn.cursor(row_factory=class_row(Drill)) as cursor:
        return cursor.execute(
            _DRILL + b" WHERE ended_at IS NULL AND starts_at <= %(now)s"
            b" AND until > %(now)s ORDER BY run",
            {"now": to_datetime(now_us)},
        ).fetchall()


def require_running(conn: Connection, run: int) -> None:
    """Let nothing end this drill until the caller's transaction does.

    Raises:
        DrillOver: it has ended.
    """
    row = conn.execute(
        "SELECT ended_at IS NULL FROM drill WHERE run = %s FOR SHARE", (run,)
    ).fetchone()
    if row is None or not row[0]:
        raise DrillOver(f"drill {run} is over")


def end_by(
    conn: Connection,
    who: Principal,
    run: int,
    reason: str,
    *,
    encode: Encode,
    now_us: int,
) -> None:
    """End a drill on somebody's wish, as the caller's whole transaction.

    Raises:
        Forbidden: this role ends none.
        NotFound: there is none, or not in this principal's areas.
        StateConflict: it is over.
    """
    areas = areas_of(conn, run)
    if areas is None or not any(who.scope.allows_area(area) for area in areas):
        raise NotFound(f"no drill {run}")
    if who.role not in ENDERS:
        raise Forbidden(f"role {who.role} ends no drills; {', '.join(ENDERS)} do")
    if not end(conn, run, BY_HAND, reason, by=who.name, encode=encode, now_us=now_us):
        raise StateConflict(f"drill {run} is over")
    audit.write(conn, who.name, "drill.end", str(run), detail={"reason": reason})


def areas_of(conn: Connection, run: int) -> list[str] | None:
    """The areas of a drill; None when there is none."""
    row = conn.execute("SELECT areas FROM drill WHERE run = %s", (run,)).fetchone()
    return None if row is None else cast(list[str], row[0])


def end(
    conn: Connection,
    run: int,
    cause: str,
    reason: str,
    *,
    encode: Encode,
    now_us: int,
    by: str | None = None,
) -> bool:
    """End a drill, as the caller's whole transaction; False when it is over already.

    What is open in its run is cleared and closed, and told; its latest values go.

    Args:
        cause: one of ``END_CAUSES``.
        encode: makes the body of each event that tells it.
    """
    assert cause in END_CAUSES, cause
    ended = conn.execute(
        "UPDATE drill SET ended_at = %s, end_cause = %s, end_reason = %s, ended_by = %s"
        " WHERE run = %s AND ended_at IS NULL",
        (to_datetime(now_us), cause, reason.replace("\x00", "")[:1000], by, run),
    ).rowcount
    if not ended:
        return False
    conn.execute(
        "UPDATE run SET ended_at = %s WHERE run = %s", (to_datetime(now_us), run)
    )
    conn.execute("DELETE FROM mine_latest WHERE run = %s", (run,))
    settle(conn, run, END_CAUSES[cause], encode, now_us)
    return True


# What ingest notes


def take(conn: Connection, run: int, scope: str, owner: str, now_us: int) -> str | None:
    """Judge our part of a run from now on; returns who judges it already, else None."""
    row = conn.execute(
        "INSERT INTO drill_judge AS j (run, scope, owner, begun_at)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (run, scope) DO UPDATE"
        " SET owner = j.owner RETURNING owner",
        (run, scope, owner, to_datetime(now_us)),
    ).fetchone()
    assert row is not None
    return None if row[0] == owner else str(row[0])


def count_refused(
    conn: Connection, counts: Sequence[tuple[int, str, int]], now_us: int
) -> None:
    """Add to what was refused: (run, reason, packets)."""
    now = to_datetime(now_us)
    conn.cursor().executemany(
        "INSERT INTO drill_refused AS r (run, reason, n, first_at, last_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (run, reason) DO UPDATE"
        " SET n = r.n + excluded.n, last_at = excluded.last_at",
        [(run, reason, n, now, now) for run, reason, n in counts],
    )

"""What escalation reads and writes: histories, steps that came, what alarms wait for.

A history is read from what is never changed (the journal, confirmations, windows), so
it can be read again at any time; ``alarms.escalation`` decides from it. All times are
wall time: of engine's events when they were recorded, of people's when they were done.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from psycopg.rows import dict_row

from gasmon.alarms.escalation import NEVER_US, Answer, Due, History
from gasmon.alarms.kinds import FORECAST_KINDS
from gasmon.alarms.planned import BROKE_THROUGH
from gasmon.alarms.receipts import Gap
from gasmon.store.db import Connection
from gasmon.store.expected import Expecting
from gasmon.store.shelves import ABOUT
from gasmon.store.undelivered import gaps_of
from gasmon.units import to_datetime

MOST_CHANGED = 20_000
"""Rows of the outbox that one look reads; what is left is read by the next."""

MOST_WAITING = 5_000
"""Alarms whose time has come that one look takes; likewise."""

DoneStep = tuple[str, int, int]
"""(step, rank, since [µs UTC]): what happens once for an alarm."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One alarm that somebody may have to answer.

    Attributes:
        run: 0 for live, else the number of a drill.
        mine: 12 digits; None when it is about no single mine.
        done: the steps that came for it.
    """

    alarm_id: int
    incident_id: int
    run: int
    area: str
    mine: str | None
    history: History
    done: frozenset[DoneStep]


@dataclass(frozen=True, slots=True)
class Watch:
    """What an alarm waits for; a row of ``alarm_watch``.

    Attributes:
        overdue: tiers that must act now.
        next_tier: whom the next step would call, at ``next_us`` [µs UTC].
        look_us: when it must be computed anew [µs UTC]; None when only something that
            happens can change it.
    """

    alarm_id: int
    overdue: tuple[str, ...]
    next_tier: str | None
    next_us: int | None
    look_us: int | None

    @property
    def is_empty(self) -> bool:
        """There is nothing to wait for."""
        return not self.overdue and self.next_us is None and self.look_us is None


def changed(conn: Connection) -> tuple[list[int], int]:
    """Alarms that something happened to since the last look.

    Returns:
        Their numbers, and the position to keep when they were looked at.
    """
    rows = conn.execute(
        "SELECT o.seq, o.alarm_id FROM outbox o, escalation_position p"
        " WHERE o.seq > p.seq ORDER BY o.seq LIMIT %s",
        (MOST_CHANGED,),
    ).fetchall()
    pairs = cast(list[tuple[int, int | None]], rows)
    ids = dict.fromkeys(alarm_id for _, alarm_id in pairs if alarm_id is not None)
    return list(ids), pairs[-1][0] if pairs else 0


def keep_position(conn: Connection, seq: int) -> None:
    """Remember up to where the outbox was read; it never goes back."""
    conn.execute("UPDATE escalation_position SET seq = %s WHERE seq < %s", (seq, seq))


def waiting(conn: Connection, now_us: int) -> list[int]:
    """Alarms whose next look has come, the longest waiting first."""
    rows = conn.execute(
        "SELECT alarm_id FROM alarm_watch WHERE look_at <= %s"
        " ORDER BY look_at, alarm_id LIMIT %s",
        (to_datetime(now_us), MOST_WAITING),
    ).fetchall()
    return [cast(int, row[0]) for row in rows]


def watched(
    conn: Connection, alarm_ids: Sequence[int], expecting: Expecting, now_us: int
) -> list[Watched]:
    """What is known of alarms.

    Pre-warnings ask nobody and are left out, as is what a rule closed by itself.

    Args:
        expecting: how soon their events must get where they belong.
        now_us: wall time [µs UTC].
    """
    ids = list(alarm_ids)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT a.alarm_id, a.incident_id, a.run, a.area_code::text AS area,"
            " m.code::text AS mine, a.kind, a.late,"
            # What broke through its plan is as loud as any other.
            " a.planned AND a.quiet IS NOT NULL AS planned,"
            " a.cleared_at IS NOT NULL AS cleared,"
            " (extract(epoch FROM a.closed_at) * 1000000)::bigint AS closed_us"
            " FROM alarm a LEFT JOIN mine m USING (mine_id)"
            " WHERE a.alarm_id = ANY(%s) AND NOT a.self_closed AND a.kind <> ALL(%s)"
            " ORDER BY a.alarm_id",
            (ids, list(FORECAST_KINDS)),
        ).fetchall()
    journal, marks = _journal(conn, ids), _marks(conn, ids)
    quiet, done = _windows(conn, ids), _done(conn, ids)
    gaps = gaps_of(conn, [row["alarm_id"] for row in rows], expecting, now_us)
    return [
        Watched(
            alarm_id=row["alarm_id"],
            incident_id=row["incident_id"],
            run=row["run"],
            area=row["area"],
            mine=row["mine"],
            history=_history(
                row,
                journal[row["alarm_id"]],
                marks[row["alarm_id"]],
                quiet[row["alarm_id"]],
                gaps.get(row["alarm_id"], ()),
            ),
            done=frozenset(done[row["alarm_id"]]),
        )
        for row in rows
        if journal[row["alarm_id"]]
    ]


def add_step(
    conn: Connection,
    alarm: Watched,
    due: Due,
    *,
    outcome: str,
    folded_into: int | None,
    journal_id: int,
    now_us: int,
) -> int:
    """Record that a step came; returns its number.

    Raises:
        psycopg.errors.UniqueViolation: it did already.
    """
    row = conn.execute(
        "INSERT INTO escalation (incident_id, alarm_id, step, rank, since_us, rule,"
        " tier, of_tier, due_at, recorded_at, outcome, folded_into, journal_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " RETURNING escalation_id",
        (
            alarm.incident_id,
            alarm.alarm_id,
            due.key,
            due.rank,
            due.since_us,
            due.rule,
            due.tier,
            due.of_tier,
            to_datetime(due.due_us),
            to_datetime(now_us),
            outcome,
            folded_into,
            journal_id,
        ),
    ).fetchone()
    assert row is not None
    return cast(int, row[0])


def called_before(
    conn: Connection, incident_id: int, due: Due, since_us: int
) -> int | None:
    """The step by which the same tier was called for the same incident, if any.

    Args:
        since_us: not before this [µs UTC].
    """
    row = conn.execute(
        "SELECT escalation_id FROM escalation WHERE incident_id = %s AND step = %s"
        " AND tier = %s AND rank >= %s AND outcome = 'called' AND recorded_at > %s"
        " ORDER BY escalation_id DESC LIMIT 1",
        (incident_id, due.key, due.tier, due.rank, to_datetime(since_us)),
    ).fetchone()
    return None if row is None else cast(int, row[0])


def put_watches(conn: Connection, watches: Iterable[Watch]) -> None:
    """Write what alarms wait for; those that wait for nothing lose their row."""
    kept = [watch for watch in watches if not watch.is_empty]
    conn.cursor().executemany(
        "INSERT INTO alarm_watch (alarm_id, overdue, next_tier, next_at, look_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (alarm_id) DO UPDATE SET"
        " overdue = excluded.overdue, next_tier = excluded.next_tier,"
        " next_at = excluded.next_at, look_at = excluded.look_at",
        [
            (
                watch.alarm_id,
                list(watch.overdue),
                watch.next_tier,
                None if watch.next_us is None else to_datetime(watch.next_us),
                None if watch.look_us is None else to_datetime(watch.look_us),
            )
            for watch in kept
        ],
    )


def forget_watches(conn: Connection, alarm_ids: Sequence[int]) -> None:
    """These alarms wait for nothing."""
    conn.execute("DELETE FROM alarm_watch WHERE alarm_id = ANY(%s)", (list(alarm_ids),))


_JOURNAL = """
SELECT alarm_id, journal_id, event, actor, tier, rank, refers_to,
       (extract(epoch FROM CASE WHEN actor IS NULL THEN recorded_at
                                ELSE happened_at END) * 1000000)::bigint AS at_us
FROM alarm_journal WHERE alarm_id = ANY(%s) ORDER BY journal_id"""


def _journal(conn: Connection, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    with conn.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_JOURNAL, (ids,)).fetchall():
            found[row["alarm_id"]].append(row)
    return found


def _marks(conn: Connection, ids: list[int]) -> dict[int, list[Answer]]:
    found: dict[int, list[Answer]] = defaultdict(list)
    rows = conn.execute(
        "SELECT alarm_id, tier, rank,"
        " (extract(epoch FROM confirmed_at) * 1000000)::bigint"
        " FROM confirmation WHERE alarm_id = ANY(%s)",
        (ids,),
    ).fetchall()
    for alarm_id, tier, rank, at_us in cast(list[tuple[int, str, int, int]], rows):
        found[alarm_id].append(Answer(at_us, tier=tier, rank=rank))
    return found


def _windows(conn: Connection, ids: list[int]) -> dict[int, list[Answer]]:
    """Shelves about these alarms.

    Whether planned work keeps an alarm quiet is known by the alarm itself: one that
    was loud before its plan, or broke through it, is owed like any other.
    """
    found: dict[int, list[Answer]] = defaultdict(list)
    rows = conn.execute(
        "SELECT a.alarm_id, q.rank_ceiling, q.effective_from_us, least(q.until_us,"
        " (extract(epoch FROM q.withdrawn_at) * 1000000)::bigint)"
        " FROM alarm a LEFT JOIN mine m USING (mine_id) JOIN quiet q ON"
        f" {ABOUT} AND q.kind = 'shelf'"
        " AND q.until_us > (extract(epoch FROM a.raised_at) * 1000000)::bigint"
        " WHERE a.alarm_id = ANY(%s)".encode(),
        (ids,),
    ).fetchall()
    for alarm_id, rank, from_us, until_us in cast(list[tuple[int, ...]], rows):
        if until_us > from_us:
            found[alarm_id].append(Answer(from_us, until_us, rank=rank))
    return found


def _done(conn: Connection, ids: list[int]) -> dict[int, list[DoneStep]]:
    found: dict[int, list[DoneStep]] = defaultdict(list)
    rows = conn.execute(
        "SELECT alarm_id, step, rank, since_us FROM escalation"
        " WHERE alarm_id = ANY(%s)",
        (ids,),
    ).fetchall()
    for alarm_id, step, rank, since_us in cast(list[tuple[int, str, int, int]], rows):
        found[alarm_id].append((step, rank, since_us))
    return found


def _history(
    row: dict[str, Any],
    journal: list[dict[str, Any]],
    marks: list[Answer],
    quiet: list[Answer],
    gaps: tuple[Gap, ...],
) -> History:
    levels: list[tuple[int, int]] = []
    handled: list[Answer] = []
    withdrawn = {
        entry["refers_to"]: entry["at_us"]
        for entry in journal
        if entry["event"] == "withdrawn"
    }
    cleared_us, last_us = None, 0
    for entry in journal:
        at_us = entry["at_us"]
        if entry["actor"] is not None:
            if entry["event"] in ("handled", "fed_back"):
                until_us = withdrawn.get(entry["journal_id"], NEVER_US)
                handled.append(Answer(at_us, until_us, tier=entry["tier"]))
            continue
        # A clock that was set back must not put a level before the one below it.
        last_us = max(last_us, at_us)
        if entry["event"] == BROKE_THROUGH:
            # Its plan kept it quiet until now; nobody owed anything before.
            quiet.append(Answer(0, last_us))
        if not levels or entry["rank"] > levels[-1][1]:
            levels.append((last_us, entry["rank"]))
        if entry["event"] == "cleared" and row["cleared"] and cleared_us is None:
            cleared_us = last_us
    return History(
        kind=row["kind"],
        area=row["area"],
        planned=row["planned"],
        late=row["late"],
        levels=tuple(levels),
        confirmed=tuple(marks),
        handled=tuple(handled),
        quiet=tuple(quiet),
        cleared_us=cleared_us,
        closed_us=row["closed_us"],
        gaps=gaps,
    )

"""What ingest must know before it takes the first frame: read from the database."""

from collections.abc import Iterable, Mapping
from math import nan

import numpy as np

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.kinds import (
    BY_SUBJECT_KINDS,
    ENGINE_KINDS,
    FORECAST_KINDS,
    LINK_BREAK,
    MINE_ONLY_KINDS,
)
from gasmon.alarms.owing import Debt
from gasmon.alarms.planned import PlannedWork, is_silent
from gasmon.alarms.reconcile import going_on, reconcile
from gasmon.alarms.resuming import LivingAlarm
from gasmon.batch import FrameKey
from gasmon.domain import states
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.payloads import RaisedAlarm
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator
from gasmon.pipeline.openalarms import opened_event
from gasmon.pipeline.standing import Standing
from gasmon.points import PointDef, PointKey
from gasmon.store import frames, latest, points
from gasmon.store.alarm_ends import EndedAlarm
from gasmon.store.alarms import OpenAlarm
from gasmon.store.db import Connection
from gasmon.store.retired import load_history
from gasmon.units import TIME_MIN_US, US_PER_H, US_PER_MS

SEEN_BACK_US = 24 * US_PER_H
"""How far back frames are remembered as seen [µs]: longer than a broker's backlog of
unacknowledged frames lasts. An older repeat is harmless, it only costs a fall-back."""


def know_points(conn: Connection, book: PointBook) -> list[PointDef]:
    """All mines and points; returns every version, for an engine to adopt."""
    book.load(points.load_mines(conn), load_history(conn))
    conn.commit()
    return book.fresh()


def know_frames(conn: Connection, seen: SeenFrames, run: int, now_us: int) -> None:
    """The frames of the last day, so that a repeat is known as one."""
    since_us = now_us - SEEN_BACK_US
    for code, boot, seq, device_ms in frames.seen_since(conn, run, since_us):
        # Nearly as when it came; only that is asked which is still ahead now.
        seen.add(FrameKey(run, code, boot, seq), device_ms or 0, now_us // US_PER_MS)
    conn.commit()


def know_raised(
    annunciator: Annunciator,
    book: PointBook,
    standing: Standing,
    planned: PlannedWork,
    open_now: Iterable[OpenAlarm],
) -> None:
    """What relays must sound for, and what planned work keeps quiet."""
    annunciator.know(mine.code for mine in book.table.mines)
    for alarm in open_now:
        if alarm.kind in MINE_ONLY_KINDS:
            continue
        if standing.owns(alarm) or living_of(book, [alarm]):
            told = opened_event(alarm, _row(book, alarm))
            if is_silent(told):
                planned.restore(told)
            else:
                annunciator.restore(alarm.mine, _key(alarm), _raised(alarm))


def living_of(book: PointBook, open_now: Iterable[OpenAlarm]) -> list[LivingAlarm]:
    """The open alarms that an engine has an opinion of.

    Another version's kind, or a subject that is no point, stays open for people.
    """
    living = []
    for alarm in open_now:
        row = _row(book, alarm)
        mine = book.table.mine_index.get(alarm.mine, -1)
        named = alarm.kind in BY_SUBJECT_KINDS
        of_mine = named or alarm.kind == LINK_BREAK
        judged = alarm.kind in (*ENGINE_KINDS, *FORECAST_KINDS)
        if not judged or (mine if of_mine else row) < 0:
            continue
        living.append(
            LivingAlarm(
                kind=alarm.kind,
                row=row,
                mine=mine,
                raised_us=alarm.raised_at_us,
                rank=alarm.rank,
                peak=nan if alarm.peak is None else alarm.peak,
                peak_at_us=alarm.peak_at_us or alarm.raised_at_us,
                unknown=alarm.unknown,
                subject=f"{alarm.subject_type}:{alarm.subject_id}" if named else "",
            )
        )
    return living


def ends_of(book: PointBook, ended: Iterable[EndedAlarm]) -> list[Debt]:
    """Recorded ends, by the rows of their points here."""
    ends = []
    for alarm in ended:
        row: int | None = -1
        if alarm.no is not None and alarm.system is not None:
            row = book.table.row_of(PointKey(alarm.mine, alarm.system, alarm.no))
        if row is not None:
            begun_us, subject = alarm.raised_at_us, "" if row >= 0 else alarm.subject
            lived = LivingAlarm(
                alarm.kind, row, -1, begun_us, alarm.rank, nan, begun_us,
                subject=subject,
            )  # fmt: skip
            ends.append(Debt(lived, alarm.cleared_at_us))
    return ends


def restore(
    conn: Connection,
    book: PointBook,
    engine: AlarmEngine,
    open_now: Iterable[OpenAlarm],
    ended: Iterable[EndedAlarm],
    now_us: int,
) -> list[Debt]:
    """Go on without a snapshot: from the newest values and the open alarms.

    Delays that had not matured begin anew, and so does the time in each level's band
    (the longest possible one is assumed).

    Args:
        engine: knows the points of its run and has judged nothing.
        ended: what ended lately.
        now_us: from when silence counts: while we were away nobody was silent [µs].

    Returns:
        What is recorded ahead of the newest values, for the engine to wait for.
    """
    know_values(conn, book, engine, now_us)
    conn.commit()
    recorded = living_of(book, open_now)
    debts = going_on(engine, recorded, ends_of(book, ended))
    reconcile(engine, recorded, debts)
    return debts


def know_values(
    conn: Connection, book: PointBook, engine: AlarmEngine, now_us: int
) -> None:
    """The newest value of each point."""
    row_of = {int(i): row for row, i in enumerate(book.point_id)}
    state = engine.state
    for _, packed in latest.load_latest(conn, engine.run).values():
        known = [i for i, p in enumerate(packed["point_id"]) if int(p) in row_of]
        if not known:
            continue
        rows = np.asarray([row_of[int(packed["point_id"][i])] for i in known])
        kept = packed[known]
        state.last_at_us[rows] = kept["at_us"]
        state.last_value[rows] = kept["value"]
        state.last_state[rows] = kept["state"]
        hidden = states.NO_VALUE | states.CALIBRATION
        good = ~np.isnan(kept["value"]) & ((kept["state"] & hidden) == 0)
        state.good_at_us[rows[good]] = kept["at_us"][good]
        state.good_value[rows[good]] = kept["value"][good]
        state.last_arrived_us[rows] = now_us
        # The time of the mines goes on from where it was when we went away.
        state.lag_us[rows] = now_us - kept["at_us"]


def know_newest(
    evaluator: Evaluator,
    boots: Mapping[str, str],
    recorded: Mapping[str, FrameKey],
    stored_us: Mapping[str, int] | None = None,
) -> None:
    """The newest frame of each gateway, by which its clock is judged.

    What was given up on a full disk counts, too: its times were judged, and when it
    comes again it is old, and no sign of a clock that went back. An alarm that went
    ahead of its readings does not count: its frame was not stored, nobody knows its
    number, and it comes again as a new one, at the very time of the alarm. An engine
    that heeded the alarm remembers that time, over any number of restarts.

    Args:
        boots: the present start of each gateway, as it was recorded.
        recorded: the newest frame of each mine that is recorded as judged; what the
            spool tells is newer.
        stored_us: the time at which the newest frame of each mine was judged, as far as
            it is recorded or spooled [µs]; None where only the engine knows it.
    """
    run, seen = evaluator.engine.run, evaluator.seen
    for mine, newest_us in newest_judged(evaluator.book, evaluator.engine).items():
        newest_seq = seen.newest_of_boots(run, mine)
        for key in (recorded.get(mine), evaluator.given_up.get(mine)):
            if key is not None:
                newest_seq[key.boot] = max(key.seq, newest_seq.get(key.boot, key.seq))
        if stored_us is not None:
            newest_us = stored_us.get(mine, TIME_MIN_US - 1)
        told = (evaluator.boots.get(mine), boots.get(mine))
        boot = next((each for each in told if each in newest_seq), None)
        evaluator.clocks.know(run, mine, newest_us, boot, newest_seq)


def newest_judged(book: PointBook, engine: AlarmEngine) -> dict[str, int]:
    """The newest event time that was judged for each mine that ever sent [µs]."""
    newest = {}
    for mine in book.table.mines:
        rows = book.rows_of_mine(mine.code)
        last_us = int(engine.state.last_at_us[rows].max()) if len(rows) else 0
        if last_us > 0:
            newest[mine.code] = last_us
    return newest


def _row(book: PointBook, alarm: OpenAlarm) -> int:
    if alarm.system is None or alarm.no is None:
        return -1
    row = book.table.row_of(PointKey(alarm.mine, alarm.system, alarm.no))
    return -1 if row is None else row


def _key(alarm: OpenAlarm) -> str:
    subject = f"{alarm.subject_type}:{alarm.subject_id}"
    return f"{alarm.run}/{subject}/{alarm.kind}/{alarm.raised_at_us}"


def _raised(alarm: OpenAlarm) -> RaisedAlarm:
    return RaisedAlarm(
        id=_key(alarm),
        no=alarm.no or "",
        kind=alarm.kind,
        rank=alarm.rank,
        value=alarm.value,
        since_ms=alarm.raised_at_us // US_PER_MS,
        confirmed=bool(alarm.confirmed_by),
    )

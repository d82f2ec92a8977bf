"""Read queries for the api: what speaks against records of an alarm's handling."""

from collections.abc import Sequence

from psycopg import sql

from gasmon.alarms.doubts import SAID_EVENTS, Evidence, Saying, doubts_of, words_of
from gasmon.domain import states
from gasmon.store.views import Conn, Row, fetch
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, parse_iso_us, to_datetime

LOOK_BACK_US = 30 * US_PER_DAY
"""Copies of texts older than this are not looked for [µs]; ours."""

MOST_TEXTS = 5_000
"""Earlier texts that one record is compared with at most, the newest ones."""

CALIBRATED_WITHIN_US = 10 * US_PER_MIN
"""A calibration that ended this long before the alarm may be its cause [µs]; ours."""

LONGEST_US = 2 * US_PER_H
"""How far into an alarm its readings are looked at for the state [µs]."""

_EVIDENCE = sql.SQL(
    "SELECT us_of(a.raised_at) AS raised_us, us_of(a.recorded_at) AS told_us,"
    " us_of(a.cleared_at) AS cleared_us,"
    " EXISTS (SELECT FROM alarm b WHERE b.incident_id = a.incident_id"
    "  AND b.kind = 'over_limit' AND b.subject_id <> a.subject_id"
    "  AND b.raised_at <= coalesce(a.cleared_at, 'infinity')"
    "  AND coalesce(b.cleared_at, 'infinity') >= a.raised_at) AS neighbour_rose"
    " FROM alarm a WHERE a.alarm_id = %(id)s"
)

_TEXTS = sql.SQL(
    "SELECT j.journal_id, j.note FROM alarm b JOIN alarm_journal j USING (alarm_id)"
    " JOIN alarm a ON a.alarm_id = %(id)s"
    " WHERE b.mine_id = a.mine_id AND b.run = a.run AND b.incident_id <> a.incident_id"
    " AND b.raised_at >= %(since)s AND j.event = ANY(%(events)s) AND j.note <> ''"
    " ORDER BY j.journal_id DESC LIMIT %(most)s"
)

_CALIBRATED = sql.SQL(
    "SELECT bool_or(state & %(bit)s <> 0) AS was FROM reading"
    " WHERE run = %(run)s AND point_id = %(point)s AND at >= %(from)s AND at < %(to)s"
)


async def doubts(
    conn: Conn, alarm: Row, records: Sequence[Row]
) -> dict[int, tuple[str, ...]]:
    """What speaks against each record, by its number; nothing where nothing does.

    Args:
        alarm: as ``views_alarms.alarm`` gives it.
        records: as ``views_life.history`` gives them.
    """
    said = [
        row
        for row in records
        if row["event"] in SAID_EVENTS and row["by"] is not None and row["stands"]
    ]
    if not said:
        return {}
    fact = (await fetch(conn, _EVIDENCE, {"id": alarm["alarm_id"]}))[0]
    texts = await fetch(
        conn,
        _TEXTS,
        {
            "id": alarm["alarm_id"],
            "since": to_datetime(fact["raised_us"] - LOOK_BACK_US),
            "events": list(SAID_EVENTS),
            "most": MOST_TEXTS,
        },
    )
    evidence = Evidence(
        kind=alarm["kind"],
        told_us=fact["told_us"],
        neighbour_rose=fact["neighbour_rose"],
        was_calibrated=await _calibrated(conn, alarm, fact, said),
    )
    found = {}
    for row in said:
        before = {
            words_of(text["note"])
            for text in texts
            if text["journal_id"] < row["record_id"]
        }
        at_us = parse_iso_us(row["happened_at"])
        saying = Saying(row["event"], row["note"] or "", at_us, row["cause_code"])
        if names := doubts_of(saying, evidence, before):
            found[row["record_id"]] = names
    return found


async def _calibrated(
    conn: Conn, alarm: Row, fact: Row, said: Sequence[Row]
) -> bool | None:
    """Whether the point had the calibration state; asked where somebody says so."""
    if alarm["point_id"] is None:
        return None
    if all(row["cause_code"] != "calibration" for row in said):
        return None
    end_us = fact["raised_us"] + LONGEST_US
    if fact["cleared_us"] is not None:
        end_us = min(end_us, fact["cleared_us"] + 1)
    rows = await fetch(
        conn,
        _CALIBRATED,
        {
            "bit": states.CALIBRATION,
            "run": alarm["run"],
            "point": alarm["point_id"],
            "from": to_datetime(fact["raised_us"] - CALIBRATED_WITHIN_US),
            "to": to_datetime(end_us),
        },
    )
    was: bool | None = rows[0]["was"]
    return was

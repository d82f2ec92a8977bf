"""What ends drills without anybody's doing: their time, a real alarm, a restart.

Ingest looks each second and duty beside it; every step is a transaction of its own
that finds nothing to do when another process has done it.
"""

import logging
from typing import cast

from gasmon.store import drill_alarms, drills
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection, retry_deadlock
from gasmon.units import to_datetime

log = logging.getLogger(__name__)


def sweep(conn: Connection, encode: Encode, now_us: int) -> list[tuple[int, str]]:
    """Note real alarms, and end the drills that they or their times end.

    Args:
        conn: without an open transaction; each step is committed.

    Returns:
        (run, cause) of those that ended.
    """
    ended = []
    rows = conn.execute(
        "SELECT run FROM drill WHERE ended_at IS NULL AND until <= %s ORDER BY run",
        (to_datetime(now_us),),
    ).fetchall()
    conn.commit()
    for (run,) in cast(list[tuple[int]], rows):
        if finish(conn, run, drills.ANNOUNCED_END, "", encode, now_us):
            ended.append((run, drills.ANNOUNCED_END))
    for run, alarm_id in drill_alarms.note_real(conn, now_us):
        log.warning("real alarm %d during drill %d", alarm_id, run)
    conn.commit()
    stopped = drill_alarms.stopped(conn)
    conn.commit()
    for run, alarm_id in stopped:
        reason = f"alarm {alarm_id}"
        if finish(conn, run, drills.REAL_ALARM, reason, encode, now_us):
            ended.append((run, drills.REAL_ALARM))
    return ended


def interrupt(
    conn: Connection, scope: str, owner: str, encode: Encode, now_us: int
) -> list[int]:
    """End the drills whose judge in this scope was another process.

    Returns:
        The runs that ended.
    """
    rows = conn.execute(
        "SELECT run, owner FROM drill_judge JOIN drill USING (run)"
        " WHERE scope = %s AND owner <> %s AND ended_at IS NULL ORDER BY run",
        (scope, owner),
    ).fetchall()
    conn.commit()
    return [
        run
        for run, former in cast(list[tuple[int, str]], rows)
        if finish(conn, run, drills.INTERRUPTED, f"{former} judged it", encode, now_us)
    ]


def finish(
    conn: Connection, run: int, cause: str, reason: str, encode: Encode, now_us: int
) -> bool:
    """End a drill in a transaction of its own, loudly; False when it is over."""

    def once() -> bool:
        with conn.transaction():
            return drills.end(conn, run, cause, reason, encode=encode, now_us=now_us)

    ended = retry_deadlock(once)
    if ended:
        zh, en = drills.END_CAUSES[cause]
        log.critical("drill %d ended: %s · %s %s", run, zh, en, reason)
    return ended

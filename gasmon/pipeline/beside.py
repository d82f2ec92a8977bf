"""What a turn found out beside frames, readings and alarms, on its way to its rows.

Newest values, clocks, what mines' own systems told, crossings and pre-warnings. Every
statement here goes without an answer, so that the caller's pipeline waits for none.
"""

import numpy as np

from gasmon.batch import Frame
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.latest import LatestPoints
from gasmon.pipeline.mine_reports import told_events, told_statistics
from gasmon.pipeline.point_ids import PointIds
from gasmon.store import clocks, crossings, forecasts, mine_events
from gasmon.store.db import Connection
from gasmon.store.latest import LATEST_DTYPE, MineLatest, note_frames, upsert_latest


def write_beside(
    conn: Connection,
    run: int,
    judged: Judged,
    book: PointBook,
    ids: PointIds,
    now_us: int,
) -> None:
    """Write it; mines and points must have their rows.

    Args:
        book: says which system a mine's own report means.
        ids: the numbers of the turn's points.
        now_us: when it is recorded [µs UTC].
    """
    newest = [_mine_latest(mine, judged, ids, now_us) for mine in judged.latest]
    upsert_latest(conn, run, newest)
    note_frames(conn, run, _only_judged(judged))
    if judged.clocks:
        clocks.save(conn, judged.clocks)
    if judged.mine_events:
        mine_events.save(conn, run, told_events(judged.mine_events, book))
    mine_events.save_statistics(conn, run, told_statistics(judged.statistics))
    if judged.crossed:
        crossings.append(conn, run, ids.of(judged.crossed), judged.crossed)
    if judged.warned:
        forecasts.append(conn, run, ids.of(judged.warned), judged.warned, now_us)


def _mine_latest(
    latest: LatestPoints, judged: Judged, ids: PointIds, now_us: int
) -> MineLatest:
    packed = np.empty(len(latest.row), LATEST_DTYPE)
    packed["point_id"] = ids.of_rows(latest.row)
    packed["state"] = latest.state
    packed["value"] = latest.value
    packed["at_us"] = latest.at_us
    packed["arrived_us"] = latest.arrived_us
    frame = judged.newest.get(latest.mine)
    arrived = int(latest.arrived_us.max()) if len(latest.row) else now_us
    return MineLatest(
        mine=latest.mine,
        online=judged.online[latest.mine],
        boot=frame.key.boot if frame else None,
        frame_seq=frame.key.seq if frame else None,
        judged_us=frame.judged_us if frame else None,
        arrived_us=frame.arrived_us if frame else arrived,
        points=packed,
    )


def _only_judged(judged: Judged) -> dict[str, Frame]:
    """The newest frame of each mine whose readings were given up since it was stored.

    A start must know its number: its time was judged, and when it comes again it is
    old, and no sign of a clock that was set back.
    """
    stored = judged.newest
    return {
        mine: frame
        for mine, frame in judged.given_up.items()
        if mine not in stored or stored[mine].arrived_us <= frame.arrived_us
    }

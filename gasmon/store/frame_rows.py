"""Rows of frames: which came, and when; those that are there already stay."""

from collections.abc import Sequence
from functools import partial

import psycopg

from gasmon.batch import Frame, Reject
from gasmon.store.db import Connection
from gasmon.store.probe import POISON, plain_frames, require_taken
from gasmon.store.recordset import recordset
from gasmon.store.refused import frame_reject

CHANNELS = {"data": 0, "backfill": 1, "file": 2}
"""How ``frame.channel`` is written; ``file`` is an upload file of readings (CDSS)."""

_INT64_MAX = 2**63 - 1

REFUSALS = (*POISON, UnicodeError)
"""What ``insert_frames`` and ``copy_readings`` raise for the data's fault;
then ``copy_frames_and_readings`` finds out which rows it is."""


def store_frames(
    conn: Connection, run: int, frames: Sequence[Frame]
) -> tuple[list[Frame], list[Reject]]:
    """Insert frames, those that are there already left alone.

    Returns:
        The new frames in their order, and a reject for each that cannot be stored.
    """
    stored: list[Frame] = []
    refused = []
    waiting = [list(frames)] if frames else []
    while waiting:
        part = waiting.pop()
        try:
            with conn.transaction():
                stored += _new(part, insert_frames(conn, run, part, _KEY))
        except REFUSALS as error:
            if len(part) == 1:
                if not stored:
                    plain = partial(
                        insert_frames, conn, run, plain_frames(conn, part[0])
                    )
                    require_taken(conn, "frame", plain)
                refused.append(frame_reject(part[0], error))
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return stored, refused


_KEY = """ RETURNING (SELECT code FROM mine m WHERE m.mine_id = frame.mine_id), boot,
           seq, (extract(epoch FROM judged_at) * 1000000)::bigint"""


def _new(
    frames: Sequence[Frame], inserted: psycopg.Cursor[tuple[object, ...]]
) -> list[Frame]:
    """Which of these were inserted; one that occurs twice was once."""
    keys = set(inserted.fetchall())
    found = []
    for frame in frames:
        key = (frame.key.mine, frame.key.boot, frame.key.seq, frame.judged_us)
        if key in keys:
            keys.remove(key)
            found.append(frame)
    return found


def insert_frames(
    conn: Connection, run: int, frames: Sequence[Frame], returning: str = ""
) -> psycopg.Cursor[tuple[object, ...]]:
    """Insert frames by one statement; those that are there already are left alone.

    Args:
        returning: what to tell of the new ones, as SQL.

    Returns:
        The cursor; its ``rowcount`` says how many were new, in a pipeline only after
        the next answer.
    """
    # A mine without a row gives a null mine_id, which is refused by name: a join
    # would lose the frame without a word.
    statement = """INSERT INTO frame (judged_at, arrived_at, device_ms, seq, mine_id,
                              run, n_readings, channel, boot)
           SELECT 'epoch'::timestamptz + f.judged * interval '1 microsecond',
                  'epoch'::timestamptz + f.arrived * interval '1 microsecond',
                  f.device_ms, f.seq, m.mine_id, %s, f.n, f.channel, f.boot
           FROM json_to_recordset(%s::json)
                AS f (judged bigint, arrived bigint, device_ms bigint, seq bigint,
                      mine bpchar, n int, channel smallint, boot text)
           LEFT JOIN mine m ON m.code = f.mine
           ON CONFLICT DO NOTHING"""
    return conn.execute(
        f"{statement}{returning}".encode(),
        (
            run,
            recordset(
                (
                    "judged",
                    "arrived",
                    "device_ms",
                    "seq",
                    "mine",
                    "n",
                    "channel",
                    "boot",
                ),
                (_frame_row(frame) for frame in frames),
            ),
        ),
    )


def _frame_row(frame: Frame) -> tuple[object, ...]:
    device_ms = max(-_INT64_MAX, min(_INT64_MAX, frame.device_ms))
    return (
        *(frame.judged_us, frame.arrived_us, device_ms, frame.key.seq, frame.key.mine),
        *(frame.n_readings, CHANNELS[frame.channel], frame.key.boot),
    )

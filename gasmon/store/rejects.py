"""What was refused, kept with its reason and its first bytes."""

from collections.abc import Sequence

from gasmon.batch import Reject
from gasmon.store.db import Connection
from gasmon.units import to_datetime

FIRST_BYTES = 256
"""Bytes of a refused packet that are kept: enough to see what it was."""


def append(conn: Connection, rejects: Sequence[Reject]) -> int:
    """Store rejects in the caller's transaction; returns how many rows."""
    if not rejects:
        return 0
    statement = (
        "COPY reject (arrived_at, run, mine, topic, layer, reason, detail,"
        " first_bytes, size, n) FROM STDIN"
    )
    with conn.cursor().copy(statement) as copy:
        for reject in rejects:
            copy.write_row(
                (
                    to_datetime(reject.arrived_us),
                    reject.run,
                    None if reject.mine is None else _storable(reject.mine),
                    _storable(reject.topic),
                    reject.where,
                    reject.reason,
                    _storable(reject.detail),
                    reject.first_bytes[:FIRST_BYTES],
                    reject.size,
                    reject.n,
                )
            )
    return len(rejects)


def _storable(text: str) -> str:
    """Text as PostgreSQL takes it: a refusal may not fail for what it quotes."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return clean.replace("\x00", "\\x00")

"""Log-ins that are over, and tokens that still count."""

from typing import cast

from gasmon.store.db import Connection
from gasmon.units import to_datetime


def delete_expired(conn: Connection, now_us: int) -> int:
    """Forget log-ins that expired; returns how many."""
    done = conn.execute(
        "DELETE FROM session WHERE expires_at < %s", (to_datetime(now_us),)
    )
    conn.commit()
    return done.rowcount


def live_token_hashes(conn: Connection, now_us: int) -> set[bytes]:
    """Hashes of the tokens that open something now."""
    rows = conn.execute(
        "SELECT hash FROM token WHERE revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > %s)",
        (to_datetime(now_us),),
    ).fetchall()
    conn.commit()
    return {bytes(cast(bytes, row[0])) for row in rows}

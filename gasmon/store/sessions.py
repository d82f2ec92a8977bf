"""Log-ins that are over."""

from gasmon.store.db import Connection
from gasmon.units import to_datetime


def delete_expired(conn: Connection, now_us: int) -> int:
    """Forget log-ins that expired; returns how many."""
    done = conn.execute(
        "DELETE FROM session WHERE expires_at < %s", (to_datetime(now_us),)
    )
    conn.commit()
    return done.rowcount

"""One action on one alarm, for HTTP and for the stream."""

from collections.abc import Callable

from gasmon.api.state import ApiState
from gasmon.remote.frames import encode_body
from gasmon.store import db
from gasmon.store.access import Principal
from gasmon.store.alarm_actions import Done, act
from gasmon.store.alarm_effects import Wish
from gasmon.store.db import Connection
from gasmon.store.merging import Made, merge


def act_now(
    shared: ApiState, who: Principal, alarm_id: int, wish: Wish, key: str | None
) -> Done:
    """Write the action, its record and its outbox row in one transaction."""

    def once(conn: Connection) -> Done:
        return act(
            conn,
            alarm_id,
            who,
            wish,
            rules=shared.life,
            encode=encode_body,
            now_us=shared.clock.now_us(),
            key=key,
        )

    return _in_transaction(shared, once)


def merge_now(
    shared: ApiState, who: Principal, wish: Wish, made: Made, key: str
) -> Done:
    """The same for a record that was made at another node."""

    def once(conn: Connection) -> Done:
        now_us = shared.clock.now_us()
        return merge(conn, who, wish, made, key, encode=encode_body, now_us=now_us)

    return _in_transaction(shared, once)


def _in_transaction(shared: ApiState, once: Callable[[Connection], Done]) -> Done:
    database = shared.settings.database
    limit_s = database.statement_timeout_s
    with db.connect(
        database, statement_timeout_s=limit_s, silent_s=db.SILENT_S
    ) as conn:

        def whole() -> Done:
            with conn.transaction():
                return once(conn)

        return db.retry_deadlock(whole)

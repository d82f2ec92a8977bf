"""One action on one alarm, for HTTP and for the stream."""

from gasmon.api.state import ApiState
from gasmon.remote.frames import encode_body
from gasmon.store import db
from gasmon.store.access import Principal
from gasmon.store.alarm_actions import Done, act
from gasmon.store.alarm_effects import Wish


def act_now(
    shared: ApiState, who: Principal, alarm_id: int, wish: Wish, key: str | None
) -> Done:
    """Write the action, its record and its outbox row in one transaction."""
    database = shared.settings.database
    with db.connect(database, statement_timeout_s=database.statement_timeout_s) as conn:

        def once() -> Done:
            with conn.transaction():
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

        return db.retry_deadlock(once)

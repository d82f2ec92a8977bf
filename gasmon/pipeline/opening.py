"""Which way ingest begins: as the owner in the database, or from the copy without it.

Without the database nobody can be asked who owns our areas. So only the one that owned
them last begins so: its folder says that (and is locked), nothing that it saw since
said otherwise, and at the broker nobody else says that gasmon lives. Everybody else
waits for the database.
"""

import logging
from collections.abc import Callable

import psycopg

from gasmon.errors import DependencyError, StateConflict
from gasmon.ingest.presence import online_boot
from gasmon.pipeline.past import read_copy
from gasmon.pipeline.recover import Recovered
from gasmon.pipeline.starting import Beginning
from gasmon.settings import Settings
from gasmon.store import points
from gasmon.store.db import Connection, connect

log = logging.getLogger(__name__)


def begin(
    settings: Settings,
    beginning: Beginning,
    boot: str,
    *,
    standby: bool,
    on_owned: Callable[[], None],
) -> Recovered | None:
    """Know what was, and own our areas, as far as that can be said.

    Args:
        boot: what we are about to call ourselves at the broker.
        standby: wait until nobody owns them; else that is an error.
        on_owned: called before anything is read; nobody judged meanwhile.

    Returns:
        None when told to stop while waiting.

    Raises:
        DependencyError: the database cannot be reached, and we may not begin without.
        StateConflict: another process ingests one of our areas.
    """
    storing = beginning.storing
    storing.open_spool()
    storing.line.on_other = storing.disown
    try:
        conn = connect(settings.database)
    except DependencyError as error:
        on_owned()
        done: Recovered | None = _without_database(settings, beginning, boot, error)
    else:
        done = _with_database(beginning, conn, standby=standby, on_owned=on_owned)
    if done is not None and storing.kept is not None:
        storing.kept.write_boot(boot)
    return done


def _with_database(
    beginning: Beginning,
    conn: Connection,
    *,
    standby: bool,
    on_owned: Callable[[], None],
) -> Recovered | None:
    storing = beginning.storing
    try:
        points.ensure_areas(conn)
        conn.commit()
        conn.close()
        if not storing.line.own(standby=standby):
            return None
        on_owned()
        conn = storing.line.open()
        return beginning.begin(conn)
    except StateConflict:
        storing.disown()
        conn.close()
        raise
    except psycopg.OperationalError as error:
        conn.close()
        raise DependencyError(f"the database went away: {error}") from None
    except BaseException:
        conn.close()
        raise


def _without_database(
    settings: Settings, beginning: Beginning, boot: str, why: DependencyError
) -> Recovered:
    storing = beginning.storing
    folder, kept, spool = settings.ingest.spool_dir, storing.kept, storing.spool
    if storing.copy is None or folder is None or kept is None or spool is None:
        raise why
    run = beginning.evaluator.engine.run
    try:
        past = read_copy(folder, kept, spool, storing.line.scopes, run)
    except DependencyError as error:
        raise DependencyError(f"{why}; not begun without it: {error}") from error
    try:
        other = online_boot(settings.mqtt, f"{settings.mqtt.client_id}-look-{boot}")
        if other is not None and other not in kept.boots():
            raise DependencyError(
                f"{why}; not begun without it: another process ({other}) says at the"
                " broker that it is online, and may own our areas"
            )
        log.critical("the database is away: %s", why)
        return beginning.begin_from_copy(past)
    finally:
        past.close()

"""The beginning of ingest: what was, read from the database and the spool.

Which way it goes depends on the spool of a former process. When nobody owned our areas
since, its turns are the newest part of one history: they are judged again like the
log, and written while judging goes on. When somebody did, they are handed over as late
data first. Without a snapshot of the engine the spool is written before anything else,
because then only the database knows what was judged.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gasmon.alarms.engine import AlarmEngine
from gasmon.clock import Clock
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.handover import StillOpen, late_part
from gasmon.pipeline.merge import merge
from gasmon.pipeline.recover import Recovered, recover
from gasmon.pipeline.restore import (
    know_frames,
    know_points,
    know_raised,
    newest_judged,
    restore,
)
from gasmon.pipeline.standing import Standing
from gasmon.pipeline.storing import DRAIN_TURNS, Storing
from gasmon.store import alarms, clocks, latest, replay_log
from gasmon.store.db import Connection

log = logging.getLogger(__name__)


def begin(
    conn: Connection,
    storing: Storing,
    evaluator: Evaluator,
    annunciator: Annunciator,
    standing: Standing,
    new_engine: Callable[[], AlarmEngine],
    clock: Clock,
) -> Recovered:
    """Know what the database and the spool know, and write through ``conn``.

    Args:
        storing: owns our areas; its spool is open.
        evaluator: its parts are empty; gets an engine.
        standing: gets the open alarms that the engine does not decide.
        new_engine: makes one that knows nothing.

    Raises:
        DependencyError: the spool cannot be read now.
        psycopg.Error: the database went away.
    """
    with _without_collector():
        done = _begin(
            conn, storing, evaluator, annunciator, standing, new_engine, clock
        )
    storing.open(conn)
    return done


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage is looked for among what is here to stay.

    A nation's million definitions are as many objects: looking through all of them
    again and again doubles the time of a start, and once in a while would stop judging
    for a second later on.
    """
    gc.unfreeze()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _begin(
    conn: Connection,
    storing: Storing,
    evaluator: Evaluator,
    annunciator: Annunciator,
    standing: Standing,
    new_engine: Callable[[], AlarmEngine],
    clock: Clock,
) -> Recovered:
    run, book = evaluator.engine.run, evaluator.book
    kept = storing.kept
    if kept is not None and not kept.is_continued(storing.line.fencing):
        _hand_over(conn, storing, clock)
        kept.forget()
    _know_clocks(conn, evaluator)
    done = _go_on(conn, storing, evaluator, annunciator, standing, new_engine, clock)
    if done is None:
        done = _without_snapshot(
            conn, storing, evaluator, annunciator, standing, new_engine, clock
        )
    log.warning("start: %s", done)
    standing.begin(alarms.open_alarms(conn, run), done.said, clock.now_us())
    evaluator.boots |= {
        mine: boot
        for mine, boot in latest.load_boots(conn, run).items()
        if mine not in evaluator.boots
    }
    conn.commit()
    for mine, newest_us in newest_judged(book, evaluator.engine).items():
        evaluator.clocks.know(run, mine, newest_us)
    return done


def _go_on(
    conn: Connection,
    storing: Storing,
    evaluator: Evaluator,
    annunciator: Annunciator,
    standing: Standing,
    new_engine: Callable[[], AlarmEngine],
    clock: Clock,
) -> Recovered | None:
    """From a snapshot, the log and the spool; None without a usable snapshot."""
    run, book, now_us = evaluator.engine.run, evaluator.book, clock.now_us()
    versions = know_points(conn, book)
    know_frames(conn, evaluator.seen, run, now_us)
    know_raised(annunciator, book, standing, alarms.open_alarms(conn, run))
    conn.commit()

    def engine() -> AlarmEngine:
        made = new_engine()
        made.adopt(book.table, versions, now_us)
        return made

    evaluator.engine = engine()
    return recover(
        conn,
        evaluator,
        annunciator,
        storing.scope,
        engine,
        spool=storing.spool,
        kept=storing.kept,
        now_us=now_us,
    )


def _without_snapshot(
    conn: Connection,
    storing: Storing,
    evaluator: Evaluator,
    annunciator: Annunciator,
    standing: Standing,
    new_engine: Callable[[], AlarmEngine],
    clock: Clock,
) -> Recovered:
    """The spool first; then the newest values and the open alarms must do."""
    run, book = evaluator.engine.run, evaluator.book
    _write_spool(conn, storing, clock, lambda judged: judged)
    _know_clocks(conn, evaluator)
    now_us = clock.now_us()
    versions = know_points(conn, book)
    know_frames(conn, evaluator.seen, run, now_us)
    open_now = alarms.open_alarms(conn, run)
    know_raised(annunciator, book, standing, open_now)
    evaluator.engine = new_engine()
    evaluator.engine.adopt(book.table, versions, now_us)
    restore(conn, book, evaluator.engine, open_now, now_us)
    evaluator.step = replay_log.last_step(conn, run, storing.scope)
    conn.commit()
    return Recovered(step=evaluator.step)


def _know_clocks(conn: Connection, evaluator: Evaluator) -> None:
    """The corrections of gateways' clocks."""
    for clock in clocks.load(conn, evaluator.engine.run):
        evaluator.clocks.restore(clock)
    conn.commit()


def _hand_over(conn: Connection, storing: Storing, clock: Clock) -> None:
    """Store what a former process judged while another one owned our areas."""
    still_open = StillOpen()

    def change(judged: Judged) -> Judged:
        late = late_part(judged)
        still_open.note(late.events)
        return late

    _write_spool(conn, storing, clock, change)
    if ends := list(still_open.ends()):
        writer = storing.make_writer(conn, _known(conn))
        writer.persist(Judged(events=ends), clock.now_us())


def _write_spool(
    conn: Connection,
    storing: Storing,
    clock: Clock,
    change: Callable[[Judged], Judged],
) -> None:
    """Write what a former process left in the spool, before anything else.

    Args:
        change: what is written of each turn.
    """
    spool = storing.spool
    if spool is None or spool.n_turns == 0:
        return
    book = _known(conn)
    writer = storing.make_writer(conn, book)
    while waiting := spool.oldest(book, DRAIN_TURNS):
        log.warning("%d spooled turns of a former process wait", spool.n_turns)
        now_us = clock.now_us()
        writer.persist(merge([change(turn.judged) for turn in waiting]), now_us)
        spool.done(waiting[-1].id, now_us)


def _known(conn: Connection) -> PointBook:
    """A book of its own, for writing what is not to be judged."""
    book = PointBook()
    know_points(conn, book)
    return book

"""The beginning of ingest: what was, read from the database and the spool.

Which way it goes depends on the spool of a former process. When nobody owned our areas
since, its turns are the newest part of one history: they are judged again like the
log, and written while judging goes on. When somebody did, they are handed over as late
data first. Without a snapshot of the engine the spool is written before anything else,
because then only the database knows what was judged.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from gasmon.alarms.engine import AlarmEngine
from gasmon.clock import Clock
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.apart import write_all
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.handover import Handed, late_part
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


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is filled, and from where.

    Attributes:
        conn: what is read and written through, from now on by ``storing``.
        storing: owns our areas; its spool is open.
        evaluator: its parts are empty; gets an engine.
        standing: gets the open alarms that the engine does not decide.
        new_engine: makes one that knows nothing.
    """

    conn: Connection
    storing: Storing
    evaluator: Evaluator
    annunciator: Annunciator
    standing: Standing
    new_engine: Callable[[], AlarmEngine]
    clock: Clock

    def begin(self) -> Recovered:
        """Know what the database and the spool know, then write.

        Raises:
            DependencyError: the spool cannot be read now.
            psycopg.Error: the database went away.
        """
        with _without_collector():
            self._settle_spool()
            done = self._go_on() or self._without_snapshot()
            self._know_the_rest(done)
        log.warning("start: %s", done)
        self.storing.open(self.conn)
        return done

    def _settle_spool(self) -> None:
        """Let the spool be the newest part of our history, or hand it over.

        Whose it is is written at once: should this start fail, the next one must not
        take its own spool for somebody else's.
        """
        kept, fencing = self.storing.kept, self.storing.line.fencing
        if kept is None:
            return
        if not kept.is_continued(fencing):
            self._hand_over()
            kept.forget()
        kept.write_owner(fencing)

    def _go_on(self) -> Recovered | None:
        """From a snapshot, the log and the spool; None without a usable snapshot."""
        now_us = self.clock.now_us()
        engine = self._know_the_present(now_us)
        self.evaluator.engine = engine()
        return recover(
            self.conn,
            self.evaluator,
            self.annunciator,
            self.storing.scope,
            engine,
            spool=self.storing.spool,
            kept=self.storing.kept,
            now_us=now_us,
        )

    def _without_snapshot(self) -> Recovered:
        """The spool first; then the newest values and the open alarms must do."""
        self._write_spool(lambda judged: judged)
        now_us = self.clock.now_us()
        conn, evaluator = self.conn, self.evaluator
        engine = evaluator.engine = self._know_the_present(now_us)()
        open_now = alarms.open_alarms(conn, engine.run)
        restore(conn, evaluator.book, engine, open_now, now_us)
        evaluator.step = replay_log.last_step(conn, engine.run, self.storing.scope)
        conn.commit()
        return Recovered(step=evaluator.step)

    def _know_the_present(self, now_us: int) -> Callable[[], AlarmEngine]:
        """What the database knows now; returns what makes engines that know it."""
        conn, evaluator = self.conn, self.evaluator
        run, book = evaluator.engine.run, evaluator.book
        for told in clocks.load(conn, run):
            evaluator.clocks.restore(told)
        versions = know_points(conn, book)
        know_frames(conn, evaluator.seen, run, now_us)
        open_now = alarms.open_alarms(conn, run)
        know_raised(self.annunciator, book, self.standing, open_now)
        conn.commit()

        def engine() -> AlarmEngine:
            made = self.new_engine()
            made.adopt(book.table, versions, now_us)
            return made

        return engine

    def _know_the_rest(self, done: Recovered) -> None:
        """What depends on how far the engine has come."""
        conn, evaluator = self.conn, self.evaluator
        run = evaluator.engine.run
        open_now = alarms.open_alarms(conn, run)
        self.standing.begin(open_now, done.said, self.clock.now_us())
        stored = latest.load_boots(conn, run)
        conn.commit()
        _know_newest(evaluator, stored)
        # Those of the spool are newer.
        evaluator.boots = stored | evaluator.boots

    def _hand_over(self) -> None:
        """Store what a former process judged while another one owned our areas."""
        self._write_spool(late_part, Handed())

    def _write_spool(
        self, change: Callable[[Judged], Judged], handed: Handed | None = None
    ) -> None:
        """Write what a former process left in the spool, before anything else.

        Args:
            change: what is written of each turn.
            handed: alarms that are written in the end, before the spool is done.
        """
        spool = self.storing.spool
        if spool is None or spool.n_turns == 0:
            return
        book, run = _known(self.conn), self.evaluator.engine.run
        writer = self.storing.make_writer(self.conn, book)

        def write(judged: Judged) -> bool:
            writer.persist(judged, self.clock.now_us())
            return True

        if handed is not None:
            # Twice through, so that a start that fails begins it all again.
            for judged in spool.replay(book):
                handed.note(judged.events)
            if events := handed.whole():
                write_all(write, [Judged(events=events)], run, self.clock.now_us())
        while waiting := spool.oldest(book, DRAIN_TURNS):
            log.warning("%d spooled turns of a former process wait", spool.n_turns)
            now_us = self.clock.now_us()
            write_all(write, [change(turn.judged) for turn in waiting], run, now_us)
            spool.done(waiting[-1].id, now_us)


def _know_newest(evaluator: Evaluator, stored: Mapping[str, str]) -> None:
    """The newest frame of each gateway, by which its clock is judged.

    Args:
        stored: the present start of each gateway that has a frame in the database.
    """
    run, seen = evaluator.engine.run, evaluator.seen
    for mine, newest_us in newest_judged(evaluator.book, evaluator.engine).items():
        newest_seq = seen.newest_of_boots(run, mine)
        told = (evaluator.boots.get(mine), stored.get(mine))
        boot = next((each for each in told if each in newest_seq), None)
        evaluator.clocks.know(run, mine, newest_us, boot, newest_seq)


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


def _known(conn: Connection) -> PointBook:
    """A book of its own, for writing what is not to be judged."""
    book = PointBook()
    know_points(conn, book)
    return book

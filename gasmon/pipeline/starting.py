"""The beginning of ingest: what was, read from the database and the spool.

Which way it goes depends on the spool of a former process. When nobody owned our areas
since, its turns are the newest part of one history: they are judged again like the
log, and written while judging goes on. When somebody did, they are handed over as late
data first. Without a snapshot of the engine the spool is written before anything else,
because then only the database knows what was judged.

While the database is away it begins from the copy beside the spool, if that is ours
and whole (``localcopy.py``), as an owner that lost the database while it ran.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.rule_history import adopt_under
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import RuleSet
from gasmon.clock import Clock
from gasmon.errors import ConfigError
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.apart import write_all
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.handover import Handed, late_part
from gasmon.pipeline.localcopy import LocalCopy
from gasmon.pipeline.past import FromCopy, FromDatabase, Past
from gasmon.pipeline.recover import Recovered, carried_on, know_turns, recover
from gasmon.pipeline.restore import (
    SEEN_BACK_US,
    know_newest,
    know_points,
    know_raised,
    living_of,
    restore,
)
from gasmon.pipeline.standing import Standing
from gasmon.pipeline.storing import DRAIN_TURNS, Storing
from gasmon.store import replay_log
from gasmon.store.db import Connection
from gasmon.store.rules_taken import note_present

STEPS_APART = 1_000_000
"""Steps that are left out behind a start without a database: more than there can be in
the database and not in the copy (two minutes of a nation are 30,000). Two steps of one
number would be one in the log."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is filled, and from where.

    Attributes:
        storing: its spool is open.
        evaluator: its parts are empty; gets an engine.
        standing: gets the open alarms that the engine does not decide.
        new_engine: makes one that knows nothing; under these rules, or under those of
            the site's file when there are none.
    """

    storing: Storing
    evaluator: Evaluator
    annunciator: Annunciator
    standing: Standing
    new_engine: Callable[[RuleSet | None], AlarmEngine]
    clock: Clock

    def begin(self, conn: Connection) -> Recovered:
        """Know what the database and the spool know, then write.

        Args:
            conn: what is read and written through, from now on by ``storing``, which
                owns our areas.

        Raises:
            DependencyError: the spool cannot be read now.
            psycopg.Error: the database went away.
        """
        storing = self.storing
        run = self.evaluator.engine.run
        past = FromDatabase(
            conn, run, storing.areas, storing.scope, storing.spool, storing.kept
        )
        with _without_collector():
            self._settle_spool(conn)
            done = self._go_on(past) or self._without_snapshot(conn, past)
            self._know_the_rest(past, done)
            if storing.copy is not None:
                storing.copy.drop()
                self._let_follow(storing.copy, past, done)
        log.warning("start: %s", done)
        self._note_rules(conn)
        storing.open(conn)
        return done

    def _note_rules(self, conn: Connection) -> None:
        """Let pages show by what is judged, also when no change ever told."""
        history = self.evaluator.engine.rules.history
        from_us, rules = history[-1]
        present = RuleChange.of(rules, from_us)
        note_present(conn, present, self.storing.scope, self.clock.now_us())
        conn.commit()

    def begin_from_copy(self, past: FromCopy) -> Recovered:
        """Know what the copy and the spool know, then spool until there is a database.

        Raises:
            DependencyError: they cannot be read now.
        """
        storing = self.storing
        assert storing.copy is not None, "it was read"
        with _without_collector():
            done = self._go_on(past) or self._with_less_memory(past)
            self._know_the_rest(past, done)
            self.annunciator.confirm(past.ranks)
            past.close()
            storing.copy.go_on(past)
            self._let_follow(storing.copy, past, done)
        # What was committed and is not in the copy has numbers too.
        self.evaluator.step = done.step + STEPS_APART
        log.critical("start without a database, from the copy: %s", done)
        storing.open_without_database(past.fencing)
        return done

    def _let_follow(self, copy: LocalCopy, past: Past, done: Recovered) -> None:
        """Let the copy go on from what the start knows."""
        copy.begin(past.open_alarms(), past.clocks())
        told = Judged(
            events=done.said, clocks=done.clocks, definitions=done.definitions
        )
        copy.note(told, self.evaluator.book.table)

    def _settle_spool(self, conn: Connection) -> None:
        """Let the spool be the newest part of our history, or hand it over.

        Whose it is is written at once: should this start fail, the next one must not
        take its own spool for somebody else's.
        """
        line, kept = self.storing.line, self.storing.kept
        if line.record is None or kept is None:
            return
        if not line.record.is_continued(line.fencing):
            self._hand_over(conn)
            kept.forget()
        line.record.write(line.fencing)

    def _go_on(self, past: Past) -> Recovered | None:
        """From a snapshot, the log and the spool; None without a usable snapshot."""
        now_us = self.clock.now_us()
        engine = self._know_the_present(past, now_us)
        self.evaluator.engine = engine(())
        return recover(past, self.evaluator, self.annunciator, engine, now_us)

    def _without_snapshot(self, conn: Connection, past: Past) -> Recovered:
        """The spool first; then the newest values and the open alarms must do."""
        self._write_spool(conn, lambda judged: judged)
        now_us = self.clock.now_us()
        evaluator = self.evaluator
        engine = evaluator.engine = self._know_the_present(past, now_us)(())
        open_now, ended = past.open_alarms(), past.ended(now_us - SEEN_BACK_US)
        evaluator.owing = restore(conn, evaluator.book, engine, open_now, ended, now_us)
        evaluator.step = replay_log.last_step(conn, engine.run, self.storing.scope)
        conn.commit()
        return Recovered(step=evaluator.step, n_owed=len(evaluator.owing))

    def _with_less_memory(self, past: FromCopy) -> Recovered:
        """The kept snapshot is of another version: the open alarms must do."""
        now_us = self.clock.now_us()
        evaluator = self.evaluator
        engine = evaluator.engine = self._know_the_present(past, now_us)(())
        done = Recovered(step=past.snapshot.step)
        for judged in know_turns(past, evaluator, self.annunciator, done, now_us):
            if judged.steps:
                done.step = judged.steps[-1].number
        recorded = living_of(evaluator.book, past.open_alarms())
        engine.resume(carried_on(recorded, done.said, evaluator.book))
        return done

    def _know_the_present(
        self, past: Past, now_us: int
    ) -> Callable[[Sequence[RuleChange]], AlarmEngine]:
        """What is known now; returns what makes engines that know it."""
        evaluator, book = self.evaluator, self.evaluator.book
        for told in past.clocks():
            evaluator.clocks.restore(told)
        mines, known = past.points()
        book.load(mines, known)
        versions = book.fresh()
        if self.storing.copy is not None:
            self.storing.copy.fill(mines, known)
        past.know_frames(evaluator.seen, now_us)
        know_raised(
            self.annunciator,
            book,
            self.standing,
            evaluator.planned,
            past.open_alarms(),
        )

        def engine(changes: Sequence[RuleChange]) -> AlarmEngine:
            sets = _still_right(changes)
            made = self.new_engine(sets[0][1] if sets else None)
            adopt_under(made, book.table, versions, sets[1:], now_us)
            return made

        return engine

    def _know_the_rest(self, past: Past, done: Recovered) -> None:
        """What depends on how far the engine has come."""
        evaluator = self.evaluator
        self.standing.change_rules(evaluator.engine.rules.rules)
        self.standing.begin(past.open_alarms(), done.said, self.clock.now_us())
        stored = past.boots()
        judged_us = past.judged_us()
        if judged_us is not None:
            for mine, at_us in done.turned_us.items():
                judged_us[mine] = max(at_us, judged_us.get(mine, at_us))
        know_newest(evaluator, stored, past.newest_frames(), judged_us)
        # Those of the spool are newer.
        evaluator.boots = stored | evaluator.boots

    def _hand_over(self, conn: Connection) -> None:
        """Store what a former process judged while another one owned our areas."""
        self._write_spool(conn, late_part, Handed())

    def _write_spool(
        self,
        conn: Connection,
        change: Callable[[Judged], Judged],
        handed: Handed | None = None,
    ) -> None:
        """Write what a former process left in the spool, before anything else.

        Args:
            change: what is written of each turn.
            handed: alarms that are written in the end, before the spool is done.
        """
        spool = self.storing.spool
        if spool is None or spool.n_turns == 0:
            return
        if self.storing.copy is not None:
            # These turns are in no copy, and will be in the database.
            self.storing.copy.drop()
        book, run = _known(conn), self.evaluator.engine.run
        writer = self.storing.make_writer(conn, book)

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


def _still_right(changes: Sequence[RuleChange]) -> list[tuple[int, RuleSet]]:
    """The rules of a history; none of it where this version refuses a part."""
    try:
        return [(change.from_us, change.rules()) for change in changes]
    except ConfigError as error:
        log.error("rules of before are refused, the file's are used: %s", error)
        return []

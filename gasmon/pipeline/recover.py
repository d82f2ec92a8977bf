"""A restart: the engine's memory, and everything it was given since.

In this order: what the database knows of points and frames, the newest snapshot of the
engine that can be read (from the database, or from beside the spool), the log of what
it was given since, and the turns in the spool, which the database has not seen. Then
judging goes on at once, while the spool is still being written. What is judged again
is not told again: its events were stored, or lie in the spool.

Without a usable snapshot the open alarms and newest values must do (``restore.py``).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import psycopg

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import (
    BY_SUBJECT_KINDS,
    ENGINE_KINDS,
    FORECAST_KINDS,
    LINK_BREAK,
)
from gasmon.alarms.packing import BadPacking
from gasmon.alarms.reconcile import owed, reconcile, subject_of
from gasmon.alarms.resuming import LivingAlarm
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.snapshot import excuse_absence, history_in, load
from gasmon.alarms.steps import Step, give
from gasmon.batch import GatewayClock
from gasmon.errors import ConfigError, GasmonError
from gasmon.ingest.decode import Definition
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.past import Past
from gasmon.pipeline.restore import SEEN_BACK_US, ends_of, living_of
from gasmon.points import PointDef

SAY_EVERY = 1000
"""Progress is told after so many turns."""

SAY_MOST = 20
"""Differences that are told one by one."""

log = logging.getLogger(__name__)


class LogBroken(Exception):
    """The log does not join the snapshot; says where."""


@dataclass(slots=True)
class Recovered:
    """How a restart went.

    Attributes:
        step: the last step that the engine was given; 0 when it knows none.
        from_step: the one in the snapshot; None when there was no usable one.
        n_steps: steps judged again.
        n_readings: readings in them.
        n_spooled: turns of the spool among them.
        said: what was told in the spooled turns; ``clocks`` and ``definitions``: what
            they tell of gateways and points.
        turned_us: when the newest frame of each mine in the spooled turns was judged
            [µs UTC], also where its readings were given up.
        differed: alarms in which the engine and the records did not agree.
        n_owed: events that are recorded ahead of readings that are to come again.
    """

    step: int = 0
    from_step: int | None = None
    n_steps: int = 0
    n_readings: int = 0
    n_spooled: int = 0
    said: list[AlarmEvent] = field(default_factory=list)
    clocks: list[GatewayClock] = field(default_factory=list)
    definitions: list[tuple[Definition, list[PointDef]]] = field(default_factory=list)
    turned_us: dict[str, int] = field(default_factory=dict)
    differed: list[str] = field(default_factory=list)
    n_owed: int = 0

    def __str__(self) -> str:
        ahead = f", {self.n_owed} events ahead of their readings" if self.n_owed else ""
        if self.from_step is None:
            return (
                f"no snapshot; open alarms and newest values, step {self.step}{ahead}"
            )
        return (
            f"snapshot of step {self.from_step}, {self.n_steps} steps with "
            f"{self.n_readings} readings judged again, {self.n_spooled} turns spooled"
            f"{ahead}"
        )


def recover(
    past: Past,
    evaluator: Evaluator,
    annunciator: Annunciator,
    new_engine: Callable[[Sequence[RuleChange]], AlarmEngine],
    now_us: int,
) -> Recovered | None:
    """Give the engine its memory back, and all that it was given since.

    Args:
        past: where snapshots, log and turns of the spool are read.
        evaluator: its book and frames are those of the past; gets the engine.
        annunciator: knows the open alarms.
        new_engine: makes one that knows the book's points and has judged nothing,
            under these rules.

    Returns:
        None when no snapshot fits; begin with a new engine then.

    Raises:
        DependencyError: the spool cannot be read now.
    """
    book = evaluator.book
    for snapshot in past.snapshots():
        done = Recovered(snapshot.step, snapshot.step)
        try:
            engine = new_engine(history_in(snapshot.body))
            load(engine, snapshot.body)
            _replay(past.logged(book, snapshot.step), engine, done)
            evaluator.engine = engine
            for judged in know_turns(past, evaluator, annunciator, done, now_us):
                _replay_turn(judged, engine, done)
        except (LogBroken, BadPacking) as error:
            log.error("the snapshot of step %d is not used: %s", snapshot.step, error)
            continue
        except (GasmonError, psycopg.Error):
            raise
        except Exception:
            # Of another version's making, or a mistake of ours: less memory is better
            # than no judging.
            log.exception("the snapshot of step %d is not used", snapshot.step)
            continue
        _agree(past, evaluator, done, now_us)
        excuse_absence(engine, now_us)
        evaluator.step = done.step
        return done
    return None


def know_turns(
    past: Past,
    evaluator: Evaluator,
    annunciator: Annunciator,
    done: Recovered,
    now_us: int,
) -> Iterator[Judged]:
    """Know what the turns behind the log tell, one by one; who asks judges them."""
    for judged in past.turns(evaluator.book):
        evaluator.adopt(now_us)
        evaluator.know(judged)
        yield judged
        annunciator.apply(judged.events)
        evaluator.planned.apply(judged.events)
        annunciator.know(judged.online)
        done.said += judged.events
        done.clocks += judged.clocks
        for frames in (judged.newest, judged.given_up):
            for mine, frame in frames.items():
                known_us = done.turned_us.get(mine, frame.judged_us)
                done.turned_us[mine] = max(known_us, frame.judged_us)
        done.definitions += judged.definitions
        done.n_spooled += 1
        if done.n_spooled % SAY_EVERY == 0:
            log.warning("%d spooled turns", done.n_spooled)


def _agree(past: Past, evaluator: Evaluator, done: Recovered, now_us: int) -> None:
    """Let the engine and what is recorded as open be the same, now or soon."""
    engine, book = evaluator.engine, evaluator.book
    recorded = carried_on(living_of(book, past.open_alarms()), done.said, book)
    ended = ends_of(book, past.ended(now_us - SEEN_BACK_US))
    debts = evaluator.owing = owed(engine, recorded, ended)
    if not debts:
        engine.owe(())  # what an earlier restart waited for is paid
    missing, surplus = reconcile(engine, recorded, debts)
    done.n_owed = len(debts)
    for debt in debts[:SAY_MOST]:
        alarm, is_end = debt.alarm, debt.cleared_us is not None
        log.warning(
            "after the restart: the %s of %s at %s is recorded, its readings are not",
            "end" if is_end else "beginning", alarm.kind,
            alarm.subject or book.table.keys[alarm.row],
        )  # fmt: skip
    done.differed = [
        *(f"{kind} {index} is open and was not known" for kind, index in missing),
        *(f"{kind} {index} was known and is not open" for kind, index in surplus),
    ]
    for line in done.differed[:SAY_MOST]:
        log.error("after the restart: %s", line)
    if len(done.differed) > SAY_MOST:
        log.error("after the restart: %d such alarms in all", len(done.differed))


def _replay(steps: Iterable[Step], engine: AlarmEngine, done: Recovered) -> None:
    """Judge again what comes after ``done.step``, without telling it."""
    for step in steps:
        if step.number <= done.step:
            continue
        if step.number != done.step + 1:
            raise LogBroken(f"step {done.step + 1} is not in the log")
        try:
            give(engine, step)
        except ConfigError as error:
            # What is in the file now comes to count as soon as we judge live.
            log.error("the rules of step %d are left out: %s", step.number, error)
            give(engine, replace(step, rules=None))
        if engine.forecast is not None:
            engine.forecast.take()
        done.step = step.number
        done.n_steps += 1
        done.n_readings += step.batch.n


def _replay_turn(judged: Judged, engine: AlarmEngine, done: Recovered) -> None:
    """Go on through a turn behind the log."""
    try:
        _replay(judged.steps, engine, done)
    except LogBroken as error:
        # A damaged turn was left out: go on behind it, and let the record count.
        log.error("in the spool: %s", error)
        done.step = judged.steps[0].number - 1
        _replay(judged.steps, engine, done)


def carried_on(
    recorded: Iterable[LivingAlarm], said: Iterable[AlarmEvent], book: PointBook
) -> list[LivingAlarm]:
    """The recorded open alarms after what the spool says of them."""
    open_now = {subject_of(alarm): alarm for alarm in recorded}
    for event in said:
        if event.kind not in (*ENGINE_KINDS, *FORECAST_KINDS):
            continue
        mine = book.table.mine_index.get(event.mine, -1)
        alarm = LivingAlarm(
            kind=event.kind,
            row=event.row if event.kind != LINK_BREAK else -1,
            mine=mine,
            raised_us=event.raised_at_us,
            rank=event.rank,
            peak=float("nan") if event.peak is None else event.peak,
            peak_at_us=event.peak_at_us or event.raised_at_us,
            unknown=event.event == "unknown",
            subject=event.subject if event.kind in BY_SUBJECT_KINDS else "",
        )
        subject = subject_of(alarm)
        if event.event == "cleared":
            open_now.pop(subject, None)
        elif subject not in open_now and not event.late:
            open_now[subject] = alarm
    return list(open_now.values())

"""A record that is ahead of an engine's log, and a restart between the two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import nan

from gasmon.alarms.engine import AlarmEngine, LivingAlarm
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.owing import Debt
from gasmon.alarms.reconcile import owed, reconcile, subject_of
from gasmon.alarms.steps import Step, give
from gasmon.batch import ReadingBatch
from tests.engine_world import Entry, World, feed


class Record:
    """Alarms of points and relations with their journal, as the database keeps them.

    Attributes:
        told: identities of the events, in order; each once.
    """

    def __init__(self, events: Iterable[AlarmEvent] = ()) -> None:
        self.told: list[str] = []
        self._open: dict[tuple[str, str], AlarmEvent] = {}
        self._ended: dict[str, tuple[AlarmEvent, int]] = {}
        self.take(events)

    def take(self, events: Iterable[AlarmEvent]) -> None:
        """An event that is known is passed over as a whole."""
        for event in events:
            if event.event_id in self.told:
                continue
            self.told.append(event.event_id)
            is_open = self._open.get((event.subject, event.kind))
            if event.key in self._ended or event.late:
                continue
            if event.event != "cleared":
                if is_open is None or is_open.key == event.key:
                    self._open[event.subject, event.kind] = event
            elif is_open is not None and is_open.key == event.key:
                del self._open[event.subject, event.kind]
                self._ended[event.key] = (event, event.happened_at_us)

    def open_now(self) -> list[LivingAlarm]:
        """What is open."""
        return [_alarm(event) for event in self._open.values()]

    def ended(self) -> list[Debt]:
        """What ended, and when."""
        return [Debt(_alarm(event), at_us) for event, at_us in self._ended.values()]

    def subjects(self) -> set[tuple[str, int | str, int]]:
        """(kind, row or relation, beginning) of what is open."""
        return {(*subject_of(a), a.raised_us) for a in self.open_now()}


def _alarm(event: AlarmEvent) -> LivingAlarm:
    peak = nan if event.peak is None else event.peak
    return LivingAlarm(
        event.kind,
        event.row,
        -1,
        event.raised_at_us,
        event.rank,
        peak,
        event.peak_at_us or event.raised_at_us,
        event.event == "unknown",
        event.subject if event.row < 0 else "",
    )


def owe(engine: AlarmEngine, record: Record) -> Step:
    """What a restart does with an engine that knows the log: a step of the log."""
    debts = owed(engine, record.open_now(), record.ended())
    reconcile(engine, record.open_now(), debts)
    step = Step(1, ReadingBatch.empty(), owed=tuple(debts))
    give(engine, step)
    return step


def restarted(world: World, logged: Sequence[Entry], record: Record) -> AlarmEngine:
    """An engine that knows the log, and what the record is ahead of it."""
    engine = world.engine()
    feed(engine, logged)
    owe(engine, record)
    return engine

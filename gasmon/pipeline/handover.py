"""Turns of a history that the database did not take part in (pure).

While a process was cut off and spooled, a standby took its areas over and went on from
what the database knew. What the first one had judged is stored all the same when its
spool is written, as late data: readings, refusals, and the alarms that it raised, with
the times at which they were decided. What it thought is *now* (newest values,
definitions, an engine's log) is old and must not replace what its successor knows; nor
is its word on alarms that were open before, for its successor went on with those.
"""

from collections.abc import Iterable
from dataclasses import replace

from gasmon.alarms.events import AlarmEvent
from gasmon.pipeline.evaluate import Judged


def late_part(judged: Judged) -> Judged:
    """What of such a turn is stored at once; its events come in the end."""
    return Judged(
        batches=judged.batches,
        rejects=judged.rejects,
        mine_events=judged.mine_events,
        statistics=judged.statistics,
        repeated=judged.repeated,
        crossed=judged.crossed,
        warned=judged.warned,
    )


class Handed:
    """The alarms that were raised in such turns, each with an end.

    One that was still open ends with its last event: if it went on, its successor
    raised it too, and if not, nobody else would ever end it. They are written in one
    piece, because an alarm whose end is in sight never touches one that is open now.
    """

    def __init__(self) -> None:
        self._events: dict[str, list[AlarmEvent]] = {}

    def note(self, events: Iterable[AlarmEvent]) -> None:
        """Take the events of one turn, in order."""
        for event in events:
            if event.event == "raised":
                self._events.setdefault(event.key, [])
            if event.key in self._events:
                self._events[event.key].append(replace(event, late=True))

    def whole(self) -> list[AlarmEvent]:
        """All of them, alarm by alarm."""
        return [event for told in self._events.values() for event in _ended(told)]


def _ended(told: list[AlarmEvent]) -> list[AlarmEvent]:
    last = told[-1]
    if last.event == "cleared":
        return told
    explain = {"ended": "handed over to another process"}
    return [*told, replace(last, event="cleared", explain=explain)]

"""Turns of a history that the database did not take part in (pure).

While a process was cut off and spooled, a standby took its areas over and went on from
what the database knew. What the first one had judged is stored all the same when its
spool is written, as late data: readings, refusals, and the alarms with the times at
which they were decided. What it thought is *now* (newest values, definitions, an
engine's log) is old and must not replace what its successor knows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gasmon.alarms.events import AlarmEvent
from gasmon.pipeline.evaluate import Judged


def late_part(judged: Judged) -> Judged:
    """What of such a turn is stored."""
    return Judged(
        batches=judged.batches,
        rejects=judged.rejects,
        events=[replace(event, late=True) for event in judged.events],
        mine_events=judged.mine_events,
        repeated=judged.repeated,
    )


class StillOpen:
    """The alarms that such turns left open; ended where their history ends.

    Their successor's engine judged what came later: if they went on, it raised them
    itself, and if not, nobody else would ever end them.
    """

    def __init__(self) -> None:
        self._open: dict[str, AlarmEvent] = {}

    def note(self, events: Iterable[AlarmEvent]) -> None:
        """Take the events of one turn, in order."""
        for event in events:
            if event.event == "cleared":
                self._open.pop(event.key, None)
            else:
                self._open[event.key] = event

    def ends(self) -> Iterator[AlarmEvent]:
        """An end for each, at its last event."""
        for last in self._open.values():
            explain = {"ended": "handed over to another process"}
            yield replace(last, event="cleared", late=True, explain=explain)

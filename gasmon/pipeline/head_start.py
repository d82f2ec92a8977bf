"""How far the judging thread takes a transaction of events before the lane goes on.

It asks, and where the answer comes at once it writes what becomes of the events: the
lane would have to be woken first, and to get the interpreter from the thread that
judges and tells the relays. It waits for a moment and no longer, for it has relays to
tell; whatever needs more than one answer is left to the lane.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gasmon.alarms.events import AlarmEvent
from gasmon.clock import Clock
from gasmon.errors import GasmonError
from gasmon.store import alarms
from gasmon.store.two_trips import TwoTrips

MOMENT_S = 0.005
"""How long the judging thread waits for an answer [s]. Ours: it takes 1 ms as a rule.
After one that took longer it waits for none, until the lane has seen a quick one."""

MOST_EVENTS = 20
"""More events are left to the lane: deciding takes 0.1 ms each, beside the waiting."""


@dataclass(slots=True, eq=False)
class HeadStart:
    """What was done already.

    Attributes:
        events: those of the one turn that it is for.
        asked_s: when the question was sent, monotonic [s].
        is_late: the answer did not come in time.
        asked: what the database answered; None while it has not.
        written: what was sent to be committed; None while nothing was.
    """

    events: Sequence[AlarmEvent]
    asked_s: float
    is_late: bool = False
    asked: alarms.Asked | None = None
    written: Sequence[alarms.StoredEvent] | None = None


class SubjectUnknown(GasmonError):
    """An event is about something that has no row yet; its turn makes one."""


class _NotNow(Exception):
    """Something needs another answer."""


def begin(
    trips: TwoTrips,
    events: Sequence[AlarmEvent],
    fencing: Mapping[str, int],
    encode: alarms.Encode,
    clock: Clock,
    wait_s: float,
) -> HeadStart:
    """Ask, and write if the answer comes in time.

    Args:
        trips: idle, and nobody else's meanwhile.
        fencing: the number of each scope that must still be ours.
        wait_s: how long to wait for the answer [s].

    Raises:
        psycopg.Error, StateConflict: what was begun is worth nothing any more, and the
            connection must be closed.
    """
    start = _asking(trips, events, fencing, clock)
    if len(events) > MOST_EVENTS:
        return start
    if not trips.is_answered(wait_s):
        start.is_late = True
        return start
    start.asked = trips.answer(fencing)
    if start.asked.without_rows():
        return start
    try:
        decided = alarms.decide(start.asked, _not_now, encode)
    except _NotNow:
        return start
    _write(trips, start, decided, clock)
    return start


def go_on(
    trips: TwoTrips,
    start: HeadStart | None,
    events: Sequence[AlarmEvent],
    fencing: Mapping[str, int],
    encode: alarms.Encode,
    clock: Clock,
) -> list[AlarmEvent]:
    """The rest of the transaction, or all of it; waits as long as it takes.

    Args:
        start: what :func:`begin` did for the same events; None when nothing.

    Returns:
        The events that were new.

    Raises:
        SubjectUnknown: nothing was written.
        psycopg.Error, StateConflict: as in :func:`begin`.
    """
    assert start is None or start.events == events, "another turn's"
    with trips.transaction():
        if start is None:
            start = _asking(trips, events, fencing, clock)
        if start.written is None:
            asked = start.asked or trips.answer(fencing)
            for event in asked.without_rows():
                raise SubjectUnknown(f"{event.subject} has no row yet")
            decided = alarms.decide(asked, trips.draw, encode)
            _write(trips, start, decided, clock)
        trips.finish()
        return [stored.event for stored in start.written or ()]


def _asking(
    trips: TwoTrips,
    events: Sequence[AlarmEvent],
    fencing: Mapping[str, int],
    clock: Clock,
) -> HeadStart:
    start = HeadStart(events, clock.monotonic_s())
    trips.ask(events, list(fencing))
    return start


def _write(
    trips: TwoTrips, start: HeadStart, decided: alarms.Decided, clock: Clock
) -> None:
    start.written = decided.events
    trips.write(decided, clock.now_us())


def _not_now(_table: str, _column: str, _n: int) -> Sequence[int]:
    raise _NotNow

"""A turn in pieces, for when the database refuses it as a whole (pure).

Readings and frames are sorted out by the store itself, row by row. What remains is a
definition, an alarm's event or a refusal whose text or number the database does not
take. Then each is written by itself, so that the one at fault costs nothing else.
"""

from collections.abc import Iterator
from dataclasses import replace

from gasmon.alarms.events import AlarmEvent
from gasmon.batch import Reject
from gasmon.pipeline.evaluate import Judged


def pieces(judged: Judged) -> Iterator[tuple[str, Judged]]:
    """What to write one after the other, with a name for each.

    In the order in which the whole would have been written: what later pieces need is
    there before them.
    """
    for definition, standing in judged.definitions:
        name = f"definition rev {definition.rev} of mine {definition.mine.code}"
        yield name, Judged(definitions=[(definition, standing)])
    readings = Judged(
        batches=judged.batches,
        newest=judged.newest,
        online=judged.online,
        latest=judged.latest,
        clocks=judged.clocks,
    )
    yield "readings and newest values", readings
    yield "the engine's log", Judged(steps=judged.steps, marks=judged.marks)
    for reject in judged.rejects:
        yield (
            f"refusal {reject.reason} of {reject.topic[:80]}",
            Judged(rejects=[reject]),
        )
    for event in judged.events:
        yield f"event {event.event_id}", Judged(events=[event])


def plain(event: AlarmEvent) -> AlarmEvent:
    """An event without its explanation, the one free-form part of it."""
    return replace(event, explain={})


def refusal(name: str, why: str, run: int, arrived_us: int) -> Reject:
    """What people are told of a piece that the database does not take."""
    return Reject(
        reason="not_storable",
        detail=f"{name}: {why}"[:2000].replace("\x00", ""),
        topic="",
        mine=None,
        run=run,
        arrived_us=arrived_us,
        first_bytes=b"",
        size=0,
        where="store",
    )

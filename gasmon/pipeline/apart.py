"""A turn in pieces, for when the database refuses it as a whole.

Readings and frames are sorted out by the store itself, row by row. What remains is a
definition, an alarm's event or a refusal whose text or number the database does not
take. Then each is written by itself, so that the one at fault costs nothing else.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gasmon.alarms.events import AlarmEvent
from gasmon.batch import Reject
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.merge import merge
from gasmon.store.frame_rows import REFUSALS

log = logging.getLogger(__name__)


def write_all(
    write: Callable[[Judged], bool], turns: Sequence[Judged], run: int, now_us: int
) -> bool:
    """Write turns together, or apart when the database refuses one.

    Args:
        write: writes one turn; False while the database is away. Raises one of
            ``REFUSALS`` when it is the turn's own fault.

    Returns:
        False while the database is away; what was written is written again then.
    """
    try:
        return write(merge(turns))
    except REFUSALS as error:
        if len(turns) > 1:
            return all(write_all(write, [turn], run, now_us) for turn in turns)
        log.critical("the database refuses a turn: %s", error)
    for name, piece in pieces(turns[0]):
        try:
            if not write(piece):
                return False
        except REFUSALS as error:
            log.critical("the database refuses %s: %s", name, error)
            bare = Judged(
                events=[plain(event) for event in piece.events],
                rejects=[refusal(name, str(error), run, now_us)],
            )
            try:
                if not write(bare):
                    return False
            except REFUSALS as again:
                log.critical("nor without its explanation: %s", again)
                if not _say_so(write, bare.rejects):
                    return False
    return True


def _say_so(write: Callable[[Judged], bool], rejects: list[Reject]) -> bool:
    """Keep at least that it was refused; False when nothing at all is taken."""
    try:
        return write(Judged(rejects=rejects))
    except REFUSALS as error:
        # What only says that something was refused has nothing that could be wrong.
        log.critical("the database takes nothing: %s", error)
        return False


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
        given_up=judged.given_up,
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
    return Reject.without_packet(
        "not_storable",
        f"{name}: {why}"[:2000].replace("\x00", ""),
        mine=None,
        run=run,
        arrived_us=arrived_us,
        where="store",
    )

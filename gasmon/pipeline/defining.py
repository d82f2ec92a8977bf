"""Definitions of a mine: which of them count, and what is said of the others (pure)."""

from collections.abc import Iterable, Sequence

import numpy as np

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import ReadingBatch, Reject
from gasmon.ingest.decode import Definition
from gasmon.ingest.topics import points_topic
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.heeded import Heeded
from gasmon.points import PointDef
from gasmon.units import iso_us

_OTHER = {"01": "02", "02": "01"}


def unheeded(
    definition: Definition, known: Heeded | None, standing: Sequence[PointDef]
) -> Iterable[Reject]:
    """What of a definition does not count, as refusals; the same one again is none.

    Args:
        known: what counted of its mine before it.
    """
    mine, rev = definition.mine, definition.rev
    is_again = known is not None and rev == known.rev and not standing
    if is_again and definition.points:
        return
    if known is not None and known.is_older(definition):
        reason = "older_definition"
        detail = (
            f"rev {rev} of mine {mine.code} is not above {known.highest}, and not"
            f" written after rev {known.rev} had come at {iso_us(known.told_us)}"
        )
    elif not definition.points:
        reason = "empty_definition"
        detail = f"rev {rev} of mine {mine.code} has no point; the known ones stay"
    else:
        standing_keys = {point.key for point in standing}
        n_more = sum(p.key not in standing_keys for p in definition.points)
        if n_more == 0:
            return
        reason = "too_many_points"
        detail = f"mine {mine.code}: {n_more} points beyond what a mine may have"
    yield Reject(
        reason=reason,
        detail=detail,
        topic=points_topic(mine.area, mine.code, definition.run),
        mine=mine.code,
        run=definition.run,
        arrived_us=definition.arrived_us,
        first_bytes=b"",
        size=0,
        where="definition",
    )


def moved(
    book: PointBook, engine: AlarmEngine, standing: Iterable[PointDef]
) -> ReadingBatch:
    """Newest readings of made-up points, for the points that they really are.

    A short number that nobody defined is taken for one of safety monitoring. When the
    definition names it as one of drainage, the frame before meant that point.

    Args:
        standing: what ``PointBook.define`` gave; the engine knows it.

    Returns:
        Readings of points that have none yet; not while their mine is silent, because
        what is given to an engine is a sign of life.
    """
    s, rows, sources = engine.state, [], []
    for point in standing:
        if not point.retired or point.source != "provisional":
            continue
        source = book.table.index[point.key]
        row = book.table.index.get(point.key._replace(system=_OTHER[point.key.system]))
        silent = engine.links.raised_us[book.table.mine_of[source]] != NEVER_US
        if row is None or silent or s.last_at_us[source] == LONG_AGO_US:
            continue
        if s.last_at_us[row] == LONG_AGO_US:
            rows.append(row)
            sources.append(source)
    return ReadingBatch(
        row=np.asarray(rows, np.int32),
        value=s.last_value[sources],
        at_us=s.last_at_us[sources],
        arrived_us=s.last_arrived_us[sources],
        state=s.last_state[sources],
    )

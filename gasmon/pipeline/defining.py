"""Definitions of a mine: which of them count, and what is said of the others (pure)."""

from collections.abc import Iterable

from gasmon.batch import Reject
from gasmon.ingest.decode import Definition
from gasmon.ingest.topics import points_topic


def unheeded(
    definition: Definition, known_rev: int | None, n_standing: int
) -> Iterable[Reject]:
    """What of a definition does not count, as refusals; the same one again is none."""
    mine, rev = definition.mine, definition.rev
    if known_rev is not None and rev <= known_rev:
        if rev == known_rev:
            return
        reason = "older_definition"
        detail = f"rev {rev} of mine {mine.code} is below {known_rev}, which counts"
    elif not definition.points:
        reason = "empty_definition"
        detail = f"rev {rev} of mine {mine.code} has no point; the known ones stay"
    else:
        n_more = len(definition.points) - n_standing
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

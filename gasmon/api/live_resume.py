"""A page that comes back is told the alarm events that it missed, or that it cannot be.

A page keeps the outbox's epoch and the number of the newest event that it was told of;
with these in its address it gets what came since before anything live. So it can say on
screen since when it has every event, and a hole is told aloud.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gasmon.api.hub import Hub, Subscriber
from gasmon.store.db import AsyncPool
from gasmon.store.outbox import Told, position_async
from gasmon.store.scope import Scope
from gasmon.store.views_outbox import told_between

PAGE = 500
MOST_MISSED = 20_000
"""Entries of the outbox behind which a page begins anew: its lists are read again in
any case, and nobody reads so many events; ours."""

_AFTER = re.compile(r"([0-9a-f-]{36}):([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Join:
    """Where a page's live events begin.

    Attributes:
        position: of the outbox; later entries come by the hub.
        after: it has everything up to here already; None: it cannot be resumed.
    """

    epoch: str
    position: int
    after: int | None


def parse_after(text: str) -> tuple[str, int] | None:
    """Epoch and number of ``epoch:number``; None when it is no such text."""
    found = _AFTER.fullmatch(text)
    return None if found is None else (found[1], int(found[2]))


async def still_kept(
    pool: AsyncPool, after: tuple[str, int] | None
) -> tuple[str, int] | None:
    """The same, or None where the outbox does not reach back to it any more."""
    if after is None:
        return None
    async with pool.connection() as conn:
        here = await position_async(conn)
    kept = here.epoch == after[0] and here.first_seq <= after[1] + 1
    return after if kept else None


def join_of(hub: Hub, place: Subscriber, after: tuple[str, int] | None) -> Join:
    """Where the live events of a place in the hub, which is ready, begin.

    What waits there already is later than the position.
    """
    position = place.queue[0].seq - 1 if place.queue else hub.position
    resumed = (
        after is not None
        and after[0] == hub.epoch
        and position - MOST_MISSED <= after[1] <= position
    )
    return Join(hub.epoch, position, after[1] if after and resumed else None)


async def missed(pool: AsyncPool, scope: Scope, join: Join) -> AsyncIterator[Told]:
    """What a page missed, in order; nothing where it cannot be resumed."""
    after = join.position if join.after is None else join.after
    while after < join.position:
        async with pool.connection() as conn:
            found = await told_between(
                conn,
                scope,
                after=after,
                up_to=join.position,
                areas=None,
                min_rank=0,
                limit=PAGE,
            )
        for entry in found:
            yield entry
        after = found[-1].seq if len(found) == PAGE else join.position

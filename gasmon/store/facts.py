"""What the database knows of the subjects that events are about."""

from collections.abc import Sequence
from dataclasses import dataclass

from gasmon.alarms.events import AlarmEvent
from gasmon.store.db import Connection


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database knows of an event's subject at the time it began.

    Attributes:
        has_parents: its run and its area have rows.
    """

    mine_id: int | None = None
    mine_name: str = ""
    point_id: int | None = None
    place: str = ""
    quantity: str = ""
    uom: str = ""
    has_parents: bool = False

    def are_of(self, event: AlarmEvent) -> bool:
        """Whether everything that an event is about has a row."""
        return (
            self.has_parents
            and (not event.mine or self.mine_id is not None)
            and (event.no is None or self.point_id is not None)
        )


def ensure_parents(conn: Connection, events: Sequence[AlarmEvent]) -> None:
    """Runs and areas that nobody announced: an alarm is not lost for want of them."""
    if not events:
        return
    conn.execute(
        "INSERT INTO run (run, name) SELECT r, 'drill ' || r FROM unnest(%s::int[])"
        " AS r WHERE NOT EXISTS (SELECT FROM run WHERE run.run = r)"
        " ON CONFLICT DO NOTHING",
        (sorted({e.run for e in events}),),
    )
    conn.execute(
        "INSERT INTO area (code, slug, name_zh, name_en) SELECT a, a, a, a"
        " FROM unnest(%s::bpchar[]) AS a"
        " WHERE NOT EXISTS (SELECT FROM area WHERE code = a) ON CONFLICT DO NOTHING",
        (sorted({e.area for e in events}),),
    )

"""What the database knows of the subjects that events are about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gasmon.alarms.events import AlarmEvent
from gasmon.store.db import Connection
from gasmon.store.recordset import recordset


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


FactsKey = tuple[str, str, str, int, str, int, str]


_ASKED = ("mine", "system", "no", "at_us", "unit", "run", "area", "nr")


def facts_key(event: AlarmEvent) -> FactsKey:
    """What the facts of an event depend on: of a unit its name stands for the place."""
    unit = event.unit or "" if event.subject_type == "unit" else ""
    return (
        *(event.mine, event.system or "", event.no or "", event.raised_at_us, unit),
        *(event.run, event.area),
    )


def ask_facts(
    conn: Connection, events: Sequence[AlarmEvent]
) -> Callable[[], dict[FactsKey, Facts]]:
    """What is known of each subject, by the version in force when it began.

    Returns:
        What waits for the answer, which may come together with others of a pipeline.
    """
    keys = sorted({facts_key(event) for event in events})
    asked = conn.execute(
        """SELECT m.mine_id, coalesce(m.name, ''), p.point_id,
                  coalesce(v.place, u.name, ''), coalesce(v.quantity, ''),
                  coalesce(v.uom, ''),
                  EXISTS (SELECT FROM run WHERE run.run = k.run)
                  AND EXISTS (SELECT FROM area WHERE code = k.area::bpchar)
           FROM json_to_recordset(%s::json)
                AS k (mine text, system text, no text, at_us bigint, unit text,
                      run int, area text, nr int)
           LEFT JOIN mine m ON m.code = k.mine::bpchar
           LEFT JOIN unit u ON u.mine_id = m.mine_id AND u.slug = k.unit
           LEFT JOIN point p ON p.mine_id = m.mine_id
                AND p.system = k.system::bpchar AND p.no = k.no
           LEFT JOIN LATERAL (
               SELECT w.place, w.quantity, w.uom FROM point_version w
               WHERE w.point_id = p.point_id AND w.effective_from_us <= k.at_us
               ORDER BY w.effective_from_us DESC LIMIT 1) v ON true
           ORDER BY k.nr""",
        (recordset(_ASKED, ((*key, nr) for nr, key in enumerate(keys))),),
    )

    def found() -> dict[FactsKey, Facts]:
        rows = cast(list[tuple[Any, ...]], asked.fetchall())
        return {key: Facts(*row) for key, row in zip(keys, rows, strict=True)}

    return found

"""Abnormal events that mines' own systems told: one row each, until they have ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from gasmon.store.db import Connection
from gasmon.units import to_datetime


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One telling of an event; times are [µs UTC] and within 2000 to 2100.

    Attributes:
        kind: three digits, 001 to 010 (docs/payloads.md).
        ended_us: None while it lasts.
        peak: the highest value as the mine says.
    """

    mine: str
    system: str
    no: str
    kind: str
    started_us: int
    ended_us: int | None
    peak: float | None
    peak_us: int | None
    mean: float | None
    cause: str
    measure: str
    entered_by: str
    arrived_us: int


_SET = ", ".join(
    f"{name} = CASE WHEN e.ended_at IS NOT NULL AND excluded.ended_at IS NULL"
    f" THEN e.{name} ELSE excluded.{name} END"
    for name in ("peak", "peak_at", "mean", "cause", "measure", "entered_by")
)

_UPSERT = f"""
INSERT INTO mine_event AS e (run, mine_id, system, no, kind, started_at, ended_at,
    peak, peak_at, mean, cause, measure, entered_by, first_told, last_told)
SELECT %s, mine_id, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s FROM mine
WHERE code = %s::bpchar
ON CONFLICT (run, mine_id, system, no, kind, started_at) DO UPDATE SET {_SET},
    ended_at = coalesce(excluded.ended_at, e.ended_at), n_told = e.n_told + 1,
    last_told = greatest(e.last_told, excluded.last_told)"""


def save(conn: Connection, run: int, events: Sequence[ToldEvent]) -> None:
    """Write these in the caller's transaction, in their order.

    The same event is told again and again: a telling with an end replaces the open one,
    and one without never replaces an end.

    Args:
        events: their mines must have rows already.
    """
    if not events:
        return
    conn.cursor().executemany(
        _UPSERT,
        [
            (
                *(run, event.system, event.no, event.kind),
                to_datetime(event.started_us),
                *(_time(event.ended_us), event.peak, _time(event.peak_us), event.mean),
                *(event.cause, event.measure, event.entered_by),
                *(to_datetime(event.arrived_us), to_datetime(event.arrived_us)),
                event.mine,
            )
            for event in events
        ],
    )


@dataclass(frozen=True, slots=True)
class ToldStatistic:
    """An interval of a mine's own statistics; times as of ``ToldEvent``."""

    mine: str
    system: str
    no: str
    started_us: int
    ended_us: int
    highest: float | None
    lowest: float | None
    mean: float | None
    arrived_us: int


def save_statistics(
    conn: Connection, run: int, statistics: Sequence[ToldStatistic]
) -> None:
    """Keep these until they are compared; told again, the newest counts.

    Args:
        statistics: their mines must have rows already.
    """
    if not statistics:
        return
    conn.cursor().executemany(
        "INSERT INTO mine_statistic (run, mine_id, system, no, started_at, ended_at,"
        " highest, lowest, mean, told_at)"
        " SELECT %s, mine_id, %s, %s, %s, %s, %s, %s, %s, %s FROM mine"
        " WHERE code = %s::bpchar"
        " ON CONFLICT (run, mine_id, system, no, started_at, ended_at) DO UPDATE SET"
        " highest = excluded.highest, lowest = excluded.lowest, mean = excluded.mean",
        [
            (
                *(run, told.system, told.no),
                *(to_datetime(told.started_us), to_datetime(told.ended_us)),
                *(told.highest, told.lowest, told.mean, to_datetime(told.arrived_us)),
                told.mine,
            )
            for told in statistics
        ],
    )


def _time(time_us: int | None) -> object:
    return None if time_us is None else to_datetime(time_us)

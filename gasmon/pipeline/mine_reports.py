"""What mines' own systems told, as the store keeps it (pure)."""

from collections.abc import Iterable

from gasmon.ingest.decode import MineEvent, MineStatistic
from gasmon.pipeline.book import PointBook
from gasmon.store.mine_events import ToldEvent, ToldStatistic
from gasmon.units import TIME_MAX_US, TIME_MIN_US, US_PER_MS


def told_events(events: Iterable[MineEvent], book: PointBook) -> list[ToldEvent]:
    """The events of a turn.

    Args:
        events: their begins are within 2000 to 2100; decoding refuses others.
        book: says which system a short number means.
    """
    return [_told(event, book) for event in events]


def told_statistics(statistics: Iterable[MineStatistic]) -> list[ToldStatistic]:
    """The statistics of a turn; their times are within 2000 to 2100."""
    return [
        ToldStatistic(
            mine=told.mine,
            system=told.statistic.system,
            no=told.statistic.no,
            started_us=told.statistic.start_ms * US_PER_MS,
            ended_us=told.statistic.end_ms * US_PER_MS,
            highest=told.statistic.max,
            lowest=told.statistic.min,
            mean=told.statistic.mean,
            arrived_us=told.arrived_us,
        )
        for told in statistics
    ]


def _told(told: MineEvent, book: PointBook) -> ToldEvent:
    event = told.event
    return ToldEvent(
        mine=told.mine,
        system=event.system or _system_of(told.mine, event.no, book),
        no=event.no,
        kind=event.code,
        started_us=event.start_ms * US_PER_MS,
        ended_us=_sane(event.end_ms),
        peak=event.max,
        peak_us=_sane(event.max_ms),
        mean=event.mean,
        cause=event.cause,
        measure=event.measure,
        entered_by=event.entered_by,
        arrived_us=told.arrived_us,
    )


def _system_of(mine: str, no: str, book: PointBook) -> str:
    (row,) = book.rows(mine, (no,)).tolist()
    return book.table.keys[row].system if row >= 0 else "01"


def _sane(time_ms: int | None) -> int | None:
    """A time that a table of times may hold [µs UTC]; an absurd one is none."""
    if time_ms is None or not TIME_MIN_US <= time_ms * US_PER_MS < TIME_MAX_US:
        return None
    return time_ms * US_PER_MS

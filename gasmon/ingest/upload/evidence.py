"""What the mine's own system made of its values: events (YCBJ), statistics (TJSJ)."""

from __future__ import annotations

from collections.abc import Iterable

from gasmon.ingest.records import EventPayload, StatisticPayload
from gasmon.ingest.upload.records import Abnormal, Statistic
from gasmon.units import US_PER_MS, US_PER_S


def newest(
    events: Iterable[Abnormal],
) -> dict[tuple[str, str, str, int, str], Abnormal]:
    """Fold repeated YCBJ records to one per event.

    Args:
        events: In order of arrival, of one file or many.

    Returns:
        By (mine, system, number, start, kind): the last record, except that one
        without an end never replaces one with an end.
    """
    folded: dict[tuple[str, str, str, int, str], Abnormal] = {}
    for event in events:
        before = folded.get(event.key)
        if before is None or event.end_us is not None or before.end_us is None:
            folded[event.key] = event
    return folded


def event_of(record: Abnormal) -> EventPayload:
    """Return a YCBJ record as the event that a gateway would tell."""
    ends = (record.end_us, record.max_at_us)
    end_ms, max_ms = (None if us is None else us // US_PER_MS for us in ends)
    most, mean = (None if v != v else v for v in (record.max, record.mean))
    return EventPayload(
        eid=f"{record.code}-{record.kind}-{record.start_us // US_PER_S}",
        no=record.code.no,
        code=record.kind,
        start_ms=record.start_us // US_PER_MS,
        end_ms=end_ms,
        max=most,
        max_ms=max_ms,
        system=record.code.system,
        mean=mean,
        cause=record.cause,
        measure=record.measure,
        entered_by=record.entered_by,
    )


def statistic_of(record: Statistic) -> StatisticPayload:
    """Return a TJSJ record as plain values."""
    most, least, mean = (
        None if v != v else v for v in (record.max, record.min, record.mean)
    )
    return StatisticPayload(
        system=record.code.system,
        no=record.code.no,
        start_ms=record.start_us // US_PER_MS,
        end_ms=record.end_us // US_PER_MS,
        max=most,
        min=least,
        mean=mean,
    )

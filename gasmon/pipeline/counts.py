"""What ingest counts: one place for the names that docs/operations.md lists."""

from collections.abc import Iterable, Sequence

from gasmon.alarms.events import AlarmEvent
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.merge import unrecorded
from gasmon.pipeline.persist import Persisted
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S


class IngestCounts:
    """Counters of the persisting thread."""

    def __init__(self, metrics: Metrics) -> None:
        c = metrics.counter
        self._n_frames = c("gasmon_frames_total", "Frames stored")
        self._n_readings = c("gasmon_readings_total", "Readings stored")
        self._n_repeats = c("gasmon_frames_repeated_total", "Frames seen before")
        self._n_rejects = c("gasmon_rejects_total", "Refused input, by reason")
        self._n_events = c(
            "gasmon_alarm_events_total", "Alarm events, by kind and event"
        )
        self._n_ahead = c(
            "gasmon_alarm_events_ahead_total", "Alarm events recorded before readings"
        )
        self.n_files = c("gasmon_files_total", "Upload files moved, by folder")
        self.n_retries = c("gasmon_persist_retries_total", "Turns tried again")
        self._commit_s = metrics.histogram(
            "gasmon_commit_seconds", "From decision to commit"
        )
        self._lag_s = metrics.histogram(
            "gasmon_arrival_to_commit_seconds", "From arrival to commit"
        )

    def stored(self, judged: Judged, written: Persisted, now_us: int) -> None:
        """Count a turn that was committed at ``now_us``."""
        self._n_frames.inc(written.n_frames)
        self._n_readings.inc(written.n_readings)
        self._n_repeats.inc(len(judged.repeated))
        for reject in judged.rejects:
            self._n_rejects.inc(reject.n, reason=reject.reason)
        told = unrecorded(judged)
        self._committed(told, now_us)
        if written.n_frames:
            # In the record before these frames: the answer to that was lost. Where the
            # frames were there as well, it was the answer to this turn.
            new = {stored.event.event_id for stored in written.events}
            self._n_ahead.inc(sum(event.event_id not in new for event in told))
        if judged.packets:
            oldest_us = judged.packets[0].arrived_us
            self._lag_s.observe((now_us - oldest_us) / US_PER_S)

    def told(self, events: Sequence[AlarmEvent], now_us: int) -> None:
        """Count events that were committed ahead of their readings at ``now_us``."""
        self._n_ahead.inc(len(events))
        self._committed(events, now_us)

    def _committed(self, events: Iterable[AlarmEvent], now_us: int) -> None:
        for event in events:
            self._n_events.inc(kind=event.kind, event=event.event)
            self._commit_s.observe((now_us - event.decided_at_us) / US_PER_S)

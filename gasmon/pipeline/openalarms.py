"""The open alarms as the record has them, followed event by event (pure).

The persisting thread keeps them beside the database: what is safe (stored or spooled)
is counted in, in order. So a start without a database knows what is open, and the
database's word can be compared with ours when it is back.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.planned import BROKE_THROUGH
from gasmon.store.alarms import OpenAlarm

CONFIRMED = ("any",)
"""Stands for the tiers that confirmed: the annunciator asks only whether one did."""

SAY_MOST = 20
"""Differences that are told one by one."""

Subject = tuple[str, str, str]
"""(type, id, kind)."""


class RecordDiffers(Exception):
    """The record is not what we went on from: begin anew from it. Says where."""


class OpenAlarms:
    """Alarms by key."""

    def __init__(self) -> None:
        """None is open."""
        self._open: dict[str, OpenAlarm] = {}

    def begin(self, recorded: Iterable[OpenAlarm]) -> None:
        """What is open now, instead of what was known."""
        self._open = {_key(alarm): alarm for alarm in recorded}

    def follow(self, events: Iterable[AlarmEvent]) -> None:
        """Take what was said, in order; the same twice changes nothing."""
        for event in events:
            if event.event == "cleared":
                self._open.pop(event.key, None)
            else:
                self._open[event.key] = _opened(event, self._open.get(event.key))

    def told(self, ranks: Mapping[str, int]) -> list[dict[str, Any]]:
        """All of them as JSON holds them, for ``alarms_of``.

        Args:
            ranks: alarm key → the rank it was confirmed at.
        """
        return [
            asdict(_confirmed(key, alarm, ranks)) for key, alarm in self._open.items()
        ]

    def require_same(
        self, recorded: Iterable[OpenAlarm], areas: Collection[str] = ()
    ) -> None:
        """Compare with what is recorded as open, when everything is stored.

        By subject and kind: where two beginnings were told of one alarm, the record
        goes on with the first.

        Args:
            areas: codes of the areas that are ours; none means all.

        Raises:
            RecordDiffers: not the same are open.
        """

        def subjects(open_now: Iterable[OpenAlarm]) -> set[Subject]:
            return {_subject(a) for a in open_now if not areas or a.area in areas}

        ours, theirs = subjects(self._open.values()), subjects(recorded)
        lines = [f"{s[2]} of {s[0]} {s[1]} is open" for s in sorted(theirs - ours)]
        lines += [f"{s[2]} of {s[0]} {s[1]} is not open" for s in sorted(ours - theirs)]
        if lines:
            more = len(lines) - SAY_MOST
            said = "; ".join(lines[:SAY_MOST]) + (f"; {more} more" if more > 0 else "")
            raise RecordDiffers(f"the record differs from ours: {said}")


def alarms_of(
    told: Iterable[Mapping[str, Any]], ranks: Mapping[str, int] | None = None
) -> list[OpenAlarm]:
    """The alarms that ``told`` wrote.

    Args:
        ranks: what was confirmed since; None when nothing newer is known.

    Raises:
        TypeError, KeyError: they are of another version.
    """
    known = [
        OpenAlarm(**{**each, "confirmed_by": tuple(each["confirmed_by"])})
        for each in told
    ]
    if ranks is None:
        return known
    return [_confirmed(_key(alarm), alarm, ranks) for alarm in known]


def _confirmed(key: str, alarm: OpenAlarm, ranks: Mapping[str, int]) -> OpenAlarm:
    is_confirmed = ranks.get(key, -1) >= alarm.rank
    return replace(alarm, confirmed_by=CONFIRMED if is_confirmed else ())


def _key(alarm: OpenAlarm) -> str:
    subject = f"{alarm.subject_type}:{alarm.subject_id}"
    return f"{alarm.run}/{subject}/{alarm.kind}/{alarm.raised_at_us}"


def _subject(alarm: OpenAlarm) -> Subject:
    return alarm.subject_type, alarm.subject_id, alarm.kind


def _opened(event: AlarmEvent, before: OpenAlarm | None) -> OpenAlarm:
    """An alarm after an event; the record's numbers are not known of a new one."""
    return OpenAlarm(
        alarm_id=0 if before is None else before.alarm_id,
        incident_id=0 if before is None else before.incident_id,
        run=event.run,
        subject_type=event.subject_type,
        subject_id=event.subject_id,
        kind=event.kind,
        rule=event.rule,
        area=event.area,
        mine=event.mine,
        system=event.system,
        no=event.no,
        unit=event.unit,
        raised_at_us=event.raised_at_us,
        arrived_at_us=event.arrived_at_us,
        decided_at_us=event.decided_at_us,
        rank=event.rank,
        value=event.value,
        limit=event.limit,
        peak=event.peak,
        peak_at_us=event.peak_at_us,
        unknown=_is_unknown(event, before),
        late=event.late,
        planned=event.planned,
        quiet=event.quiet,
        explain=event.explain,
        confirmed_by=(),
    )


def _is_unknown(event: AlarmEvent, before: OpenAlarm | None) -> bool:
    """Breaking through a plan says nothing of whether there is data."""
    if event.event == BROKE_THROUGH and before is not None:
        return before.unknown
    return event.event == "unknown"


def opened_event(alarm: OpenAlarm, row: int) -> AlarmEvent:
    """An open alarm as the event that began it, with what is known of it now.

    Args:
        row: of its point in this process; -1 when it is about none.
    """
    names = {each.name for each in fields(AlarmEvent)}
    told = {name: getattr(alarm, name) for name in OpenAlarm.__slots__ if name in names}
    return AlarmEvent(
        event="raised", happened_at_us=alarm.raised_at_us, row=row, **told
    )

"""A sheet out of a record and criteria. Pure: no clock, no network, no file.

Nobody gets points for what did not happen: an alarm that did not come was not confirmed
either, so each missing one counts as one that failed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulators.criteria import Criterion, SheetFile
from simulators.drill_record import Delivery, DrillAlarm, DrillRecord, Entry


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a criterion looked at.

    Attributes:
        what: the alarm, recipient or inject, in words.
        took_s: how long it took [s of the drill]; None when it did not happen.
        by: who did it, if somebody.
    """

    what: str
    took_s: float | None
    is_met: bool
    by: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the sheet.

    Attributes:
        items: what was looked at; empty: nothing was there to look at.
        points: that were given.
    """

    criterion: Criterion
    items: tuple[Item, ...]
    points: float

    @property
    def is_met(self) -> bool:
        """Met by everything that it looks at, and there was something."""
        return bool(self.items) and all(item.is_met for item in self.items)

    @property
    def took_s(self) -> float | None:
        """The longest that anything took; None where something did not happen."""
        times = [item.took_s for item in self.items]
        known = [took_s for took_s in times if took_s is not None]
        return max(known) if known and len(known) == len(times) else None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a drill is worth.

    Attributes:
        is_passed: enough points, and everything that must be met is. A drill that a
            real alarm or a hand stopped is not passed.
    """

    results: tuple[Result, ...]
    points: float
    of_points: float
    pass_share: float
    is_passed: bool

    @property
    def share(self) -> float:
        """Points as a share of what could be had, 0 to 1."""
        return self.points / self.of_points if self.of_points else 1.0

    def took_s(self, name: str) -> float | None:
        """How long the criterion of a name took; None without one."""
        found = [r.took_s for r in self.results if r.criterion.name == name]
        return found[0] if found else None


def score(record: DrillRecord, sheet_file: SheetFile) -> Sheet:
    """Hold a drill against its criteria."""
    results = []
    for criterion in sheet_file.criteria:
        items = tuple(_items(record, criterion))
        met = sum(item.is_met for item in items)
        share = met / len(items) if items else 0.0
        results.append(Result(criterion, items, round(share * criterion.points, 2)))
    points = round(sum(result.points for result in results), 2)
    of_points = sum(criterion.points for criterion in sheet_file.criteria)
    enough = points >= round(of_points * sheet_file.pass_share, 2)
    musts = all(result.is_met for result in results if result.criterion.must)
    whole = record.ended_by in ("done", "time")
    return Sheet(
        tuple(results),
        points,
        of_points,
        sheet_file.pass_share,
        enough and musts and whole,
    )


def _items(record: DrillRecord, criterion: Criterion) -> Iterator[Item]:
    if criterion.measure == "alarms":
        yield from _alarms(record)
    elif criterion.measure == "inject":
        yield from _inject(record, criterion)
    else:
        yield from _scoped(record, criterion)


def _alarms(record: DrillRecord) -> Iterator[Item]:
    """Each expected alarm that came or did not, and each that nobody expected."""
    for alarm in record.alarms:
        if alarm.fits == "expected":
            yield Item(words(alarm), None, True)
        elif alarm.fits == "unexpected":
            yield Item(f"意外 unexpected: {words(alarm)}", None, False)
    for missing in record.missing:
        for _ in range(missing.n):
            yield _lacking("|".join(missing.kinds), missing.where)


def _lacking(kinds: str, where: str) -> Item:
    return Item(f"缺少 missing: {kinds} {where}", None, False)


def _scoped(record: DrillRecord, criterion: Criterion) -> Iterator[Item]:
    alarms = [
        alarm
        for alarm in sorted(record.alarms, key=lambda a: (a.told_s, a.alarm_id))
        if alarm.fits == "expected" and alarm.rank >= criterion.least_rank
    ]
    if criterion.scope == "first":
        alarms = alarms[:1]
    items = [item for alarm in alarms for item in _of_alarm(record, criterion, alarm)]
    if criterion.scope == "any" and items:
        yield min(items, key=lambda i: (i.took_s is None, i.took_s or 0.0))
        return
    yield from items
    if criterion.scope == "each" or not alarms:
        for missing in record.missing:
            if not missing.levels or max(missing.levels) >= criterion.least_rank:
                for _ in range(missing.n):
                    yield _lacking("|".join(missing.kinds), missing.where)


def _of_alarm(
    record: DrillRecord, criterion: Criterion, alarm: DrillAlarm
) -> Iterator[Item]:
    if criterion.measure == "detection":
        since_s = alarm.cause_s if criterion.since == "cause" else alarm.raised_s
        took_s = round(alarm.told_s - since_s, 3)
        yield Item(words(alarm), took_s, took_s <= criterion.within_s)
    elif criterion.measure == "record":
        since_s = alarm.cause_s if criterion.since == "cause" else alarm.told_s
        found = _first(record, criterion, alarm.entries, since_s)
        yield _item(words(alarm), found, since_s, criterion)
    else:
        for way in _ways(record, criterion, alarm):
            at_s = way.steps.get(criterion.step)
            after_s = None if at_s is None else round(at_s - alarm.told_s, 3)
            met = after_s is not None and after_s <= criterion.within_s
            yield Item(f"{way.recipient}: {words(alarm)}", after_s, met)


def _inject(record: DrillRecord, criterion: Criterion) -> Iterator[Item]:
    """The first fitting record of any alarm after the inject was given."""
    given = [call for call in record.calls if call.name == criterion.inject]
    if not given:
        yield Item(f"{criterion.inject}: 未注入 not given", None, False)
    for call in given:
        entries = [entry for alarm in record.alarms for entry in alarm.entries]
        found = _first(record, criterion, entries, call.at_s)
        yield _item(f"{call.name} → {call.to}", found, call.at_s, criterion)


def _first(
    record: DrillRecord,
    criterion: Criterion,
    entries: Sequence[Entry],
    since_s: float,
) -> Entry | None:
    fitting = [
        entry
        for entry in entries
        if entry.stands
        and entry.event in criterion.events
        and criterion.tier in ("", entry.tier)
        and (not record.participants or entry.by in record.participants)
        and (not criterion.words or any(w in entry.note for w in criterion.words))
        and entry.at_s >= since_s
    ]
    return min(fitting, key=lambda entry: (entry.at_s, entry.by), default=None)


def _item(what: str, entry: Entry | None, since_s: float, criterion: Criterion) -> Item:
    if entry is None:
        return Item(what, None, False)
    took_s = round(entry.at_s - since_s, 3)
    return Item(what, took_s, took_s <= criterion.within_s, entry.by)


def _ways(
    record: DrillRecord, criterion: Criterion, alarm: DrillAlarm
) -> list[Delivery]:
    """Recipients that take part; a named platform of which nothing is known too."""
    ways = [way for way in alarm.deliveries if way.role == criterion.role]
    if record.platforms and criterion.role == "platform":
        known = {way.recipient: way for way in ways}
        return [
            known.get(name, Delivery(name, "platform", {})) for name in record.platforms
        ]
    return ways


def words(alarm: DrillAlarm) -> str:
    """An alarm for people."""
    return " ".join(part for part in (alarm.kind, alarm.mine, alarm.place) if part)

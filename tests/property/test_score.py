"""Scores of drills: what must hold of any drill and any criteria."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.criteria import (
    EVENTS,
    SCOPES,
    STEPS,
    TIERS,
    Criterion,
    SheetFile,
)
from simulators.drill_record import (
    Call,
    Delivery,
    DrillAlarm,
    DrillRecord,
    Entry,
    Missing,
    read,
    write,
)
from simulators.score import score
from tests.drill_records import ALARM, GOOD

TIMES = st.integers(0, 900).map(float)
NAMES = st.sampled_from(["li", "wang", "zhao"])
NOTES = st.sampled_from(["", "已撤人", "加强通风", "来电不实"])

ENTRIES = st.builds(
    Entry,
    event=st.sampled_from(EVENTS),
    at_s=TIMES,
    by=NAMES,
    tier=st.sampled_from(TIERS),
    note=NOTES,
    stands=st.booleans(),
)
DELIVERIES = st.builds(
    Delivery,
    recipient=NAMES,
    role=st.sampled_from(["platform", "room"]),
    steps=st.dictionaries(st.sampled_from(STEPS), TIMES, max_size=3),
)
ALARMS = st.builds(
    DrillAlarm,
    alarm_id=st.integers(1, 50),
    mine=st.just(ALARM.mine),
    kind=st.sampled_from(["over_limit", "cut_off"]),
    place=st.just(ALARM.place),
    zh=st.just(ALARM.zh),
    en=st.just(ALARM.en),
    rank=st.integers(0, 4),
    raised_s=TIMES,
    told_s=TIMES,
    cleared_s=st.none() | TIMES,
    cause=st.just("bursts"),
    cause_s=st.just(60.0),
    fits=st.sampled_from(["expected", "allowed", "unexpected"]),
    entries=st.lists(ENTRIES, max_size=4).map(tuple),
    deliveries=st.lists(DELIVERIES, max_size=2).map(tuple),
)
MISSING = st.builds(
    Missing,
    kinds=st.just(("over_limit",)),
    where=st.just("heading"),
    cause=st.just("bursts"),
    levels=st.sampled_from([(), (4,), (1, 2)]),
    n=st.integers(1, 2),
)
RECORDS = st.builds(
    DrillRecord,
    **{
        name: st.just(getattr(GOOD, name))
        for name in (
            "run",
            "scenario",
            "zh",
            "en",
            "county",
            "seed",
            "announced",
        )
    },
    participants=st.lists(NAMES, max_size=2, unique=True).map(tuple),
    platforms=st.lists(NAMES, max_size=2, unique=True).map(tuple),
    mines=st.just(GOOD.mines),
    begin_us=st.just(GOOD.begin_us),
    ended_s=TIMES,
    ended_by=st.sampled_from(["done", "time", "stopped", "real_alarm"]),
    calls=st.lists(
        st.builds(Call, st.just("call"), st.just("call"), TIMES, *[st.just("x")] * 3),
        max_size=1,
    ).map(tuple),
    alarms=st.lists(ALARMS, max_size=4, unique_by=lambda a: a.alarm_id).map(tuple),
    missing=st.lists(MISSING, max_size=2).map(tuple),
)


def criterion(measure: str, name: str) -> st.SearchStrategy[Criterion]:
    """Criteria of one measure."""
    since = {"detection": ["cause", "raised"], "record": ["cause", "alarm"]}
    return st.builds(
        Criterion,
        name=st.just(name),
        zh=st.just(name),
        en=st.just(name),
        measure=st.just(measure),
        within_s=TIMES,
        points=st.integers(0, 20).map(float),
        must=st.booleans(),
        scope=st.sampled_from(SCOPES),
        least_rank=st.integers(0, 4),
        since=st.sampled_from(since.get(measure, [""])),
        events=st.lists(st.sampled_from(EVENTS), min_size=1, max_size=3).map(tuple),
        tier=st.sampled_from(["", *TIERS]),
        words=st.sampled_from([(), ("撤人",), ("撤人", "不实")]),
        step=st.sampled_from(STEPS),
        role=st.sampled_from(["platform", "room"]),
        inject=st.just("call"),
    )


SHEETS = st.builds(
    SheetFile,
    name=st.just("trial"),
    zh=st.just("试"),
    en=st.just("trial"),
    pass_share=st.sampled_from([0.0, 0.5, 0.8, 1.0]),
    criteria=st.tuples(
        criterion("alarms", "alarms"),
        criterion("detection", "detection"),
        criterion("record", "record"),
        criterion("delivery", "delivery"),
        criterion("inject", "inject"),
    ),
    injects=st.just(()),
)


@given(record=RECORDS, sheets=SHEETS, shuffle=st.randoms(use_true_random=False))
def test_a_sheet_is_bounded_and_knows_no_order(
    record: DrillRecord, sheets: SheetFile, shuffle: object
) -> None:
    """Points between none and all; passed only with every must and a whole drill."""
    sheet = score(record, sheets)

    assert 0 <= sheet.points <= sheet.of_points + 1e-9
    assert all(0 <= r.points <= r.criterion.points for r in sheet.results)
    if sheet.is_passed:
        assert record.ended_by in ("done", "time")
        assert all(r.is_met for r in sheet.results if r.criterion.must)
    other = replace(
        record,
        alarms=tuple(
            replace(alarm, entries=alarm.entries[::-1]) for alarm in record.alarms[::-1]
        ),
    )
    assert score(other, sheets).points == sheet.points
    assert score(other, sheets).is_passed == sheet.is_passed


@given(record=RECORDS, sheets=SHEETS, extra=ENTRIES)
def test_what_does_not_count_changes_nothing(
    record: DrillRecord, sheets: SheetFile, extra: Entry
) -> None:
    """A record that was withdrawn, or of somebody who does not take part."""
    idle = replace(extra, stands=False)
    if record.participants:
        idle = replace(extra, by="nobody")
    more = replace(
        record,
        alarms=tuple(replace(a, entries=(*a.entries, idle)) for a in record.alarms),
    )
    assert score(more, sheets) == score(record, sheets)


@given(record=RECORDS, sheets=SHEETS, extra=ENTRIES)
def test_doing_more_is_never_worse(
    record: DrillRecord, sheets: SheetFile, extra: Entry
) -> None:
    """Another record takes no point away."""
    more = replace(
        record,
        alarms=tuple(replace(a, entries=(*a.entries, extra)) for a in record.alarms),
    )
    for before, after in zip(
        score(record, sheets).results, score(more, sheets).results, strict=True
    ):
        assert after.points >= before.points


@given(record=RECORDS, sheets=SHEETS, longer_s=TIMES)
def test_more_time_is_never_worse(
    record: DrillRecord, sheets: SheetFile, longer_s: float
) -> None:
    """A criterion that allows more gives as many points or more."""
    lenient = replace(
        sheets,
        criteria=tuple(
            replace(c, within_s=c.within_s + longer_s) for c in sheets.criteria
        ),
    )
    for before, after in zip(
        score(record, sheets).results, score(record, lenient).results, strict=True
    ):
        assert after.points >= before.points


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=RECORDS, sheets=SHEETS)
def test_a_record_that_was_kept_gives_the_same_sheet(
    tmp_path: Path, record: DrillRecord, sheets: SheetFile
) -> None:
    """Digit for digit."""
    path = tmp_path / "drill-7.json"
    write(record, path)
    assert read(path) == record
    assert score(read(path), sheets) == score(record, sheets)

"""Events: their identity, their explanation, and what keeps them quiet."""

from __future__ import annotations

import json
from math import inf

import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import RANK_NAMES, RANK_NAMES_ZH, AlarmEvent
from gasmon.alarms.quiet import Quiet, QuietTable
from gasmon.domain import states
from tests.engine_world import World, at, batch_of, feed, live, mark, point

FACE = World.of(point(unit_slug="11121"))


def only(quiet: Quiet | None, value: float = 1.2) -> AlarmEvent:
    """The over-limit that a value raises under one window."""
    table = QuietTable.of([quiet] if quiet else [])
    said = feed(FACE.engine(), [live(0, value, 10)], quiet=table)
    return next(e for e in said if e.kind == "over_limit")


def window(subject: str, **changes: object) -> Quiet:
    """A planned window around the reading that lets blue stay quiet."""
    fields: dict[str, object] = {
        "name": "plan:17", "subject": subject, "from_us": at(0), "until_us": at(60),
        "rank_ceiling": 1,
    }  # fmt: skip
    return Quiet(**{**fields, **changes})  # type: ignore[arg-type]


POINT = "point:530627000001-01-001A01"


def test_an_event_names_itself() -> None:
    """Keys are built from event time only."""
    event = only(None)
    assert event.subject == POINT
    assert event.key == f"0/{POINT}/over_limit/{at(10)}"
    assert event.event_id == f"{event.key}/raised/1/{at(10)}"
    assert (event.level, event.area, event.mine) == ("blue", "530627", "530627000001")
    assert (event.system, event.no, event.unit, event.row) == (
        "01",
        "001A01",
        "11121",
        0,
    )
    assert (event.arrived_at_us, event.decided_at_us) == (at(10), at(0))


def test_an_event_explains_itself() -> None:
    """Everything a person needs, ready for JSON."""
    event = only(None)
    assert json.loads(json.dumps(event.explain)) == {
        "value": 1.2,
        "state": states.NORMAL,
        "quantity": "CH4",
        "place_class": "FACE_T1",
        "limits": {
            "alarm_high": 1.0, "clear_high": 1.0, "cut_high": 1.5, "restore_high": 1.0,
        },
        "limits_from": "law:FACE_T1",
        "level_rule": 2,
        "on_delay_s": 0.0,
        "text": {"zh": "甲烷超限", "en": "methane over its limit"},
        "since": "2026-09-21T22:13:30.000+08:00",
        "lasting_s": 0.0,
    }  # fmt: skip


def test_a_run_is_part_of_every_key() -> None:
    """No drill's alarm can be taken for a live one."""
    engine = AlarmEngine(FACE.rules, run=7)
    engine.adopt(FACE.table, FACE.versions, at(0))
    said = engine.tick(batch_of([live(0, 1.2, 1)]), now_us=at(5), marks=[at(100)])
    assert {e.key.split("/")[0] for e in said} == {"7"}
    assert {e.decided_at_us for e in said} == {at(5)}


def test_ranks_have_names_in_both_languages() -> None:
    """Five of each."""
    assert len(RANK_NAMES) == len(RANK_NAMES_ZH) == 5


@pytest.mark.parametrize(
    "subject", [POINT, "unit:530627000001/11121", "mine:530627000001"]
)
def test_a_window_is_for_a_point_a_unit_or_a_mine(subject: str) -> None:
    """The event is made all the same, with the record's name."""
    event = only(window(subject))
    assert (event.quiet, event.planned) == ("plan:17", True)


def test_a_shelf_is_not_planned_work() -> None:
    """Quiet, and counted otherwise."""
    event = only(window(POINT, name="shelf:3", planned=False))
    assert (event.quiet, event.planned) == ("shelf:3", False)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "mine:530627000002"},
        {"rank_ceiling": 0},
        {"value_ceiling": 1.1},
        {"until_us": at(10)},
        {"from_us": at(11)},
    ],
)
def test_what_a_window_does_not_cover_is_aloud(changes: dict[str, object]) -> None:
    """Other subjects, worse levels, worse values, other times."""
    assert only(window(**{"subject": POINT, **changes})).quiet is None  # type: ignore[arg-type]


def test_the_ceiling_itself_is_quiet() -> None:
    """Only what is above it breaks through."""
    assert only(window(POINT, value_ceiling=1.2)).quiet == "plan:17"


def test_a_link_can_be_quiet_too() -> None:
    """A mine that announced that its line is being worked on."""
    quiet = QuietTable.of([window("mine:530627000001", until_us=at(600))])
    said = feed(FACE.engine(), [mark(61)], quiet=quiet)
    assert [(e.kind, e.quiet, e.planned) for e in said] == [
        ("link_break", "plan:17", True)
    ]


def test_what_can_never_be_quiet() -> None:
    """Red, and a window without a length."""
    with pytest.raises(AssertionError, match="red cannot be quiet"):
        window(POINT, rank_ceiling=4)
    with pytest.raises(AssertionError, match="ends before it begins"):
        window(POINT, until_us=at(0))


def test_two_windows_of_one_subject() -> None:
    """Any of them may cover."""
    table = QuietTable.of([window(POINT, rank_ceiling=0), window(POINT, name="b")])
    found = table.look_up([POINT], at(1), 1, None)
    assert found is not None
    assert (found.name, found.value_ceiling) == ("b", inf)


def test_a_shelf_is_about_one_kind_only() -> None:
    """Whoever shelves a broken sensor does not quiet gas at the same place."""
    table = QuietTable.of([window(POINT, name="shelf:3", alarm_kind="sensor_break")])
    found = table.look_up([POINT], at(1), 1, None, "sensor_break")
    assert found is not None
    assert table.look_up([POINT], at(1), 1, None, "over_limit") is None
    assert only(window(POINT, alarm_kind="cut_off")).quiet is None
    assert only(window(POINT, alarm_kind="over_limit")).quiet == "plan:17"

"""From what the platform says of a drill to its record; and where it takes place."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gasmon.errors import ConfigError
from gasmon.units import US_PER_S, iso_us
from simulators.act import Act
from simulators.drill_curves import CurveKeeper
from simulators.drill_places import drill_places
from simulators.drill_seen import Setup, record_of
from simulators.gateway import MineGateway
from simulators.places import find_places
from simulators.scenario import load
from simulators.verdict import Clock

BEGIN_US = 1_790_042_400 * US_PER_S
SCENARIO = load("local-fan-failure")
KNOWN = [
    {"code": f"530628{n:06}", "name": f"真实{n}号煤矿", "kind": kind}
    for n, kind in enumerate(["low_gas", "high_gas", "outburst", "low_gas"])
]


def setup(seed: int = 1) -> Setup:
    """A drill of the scenario; the platform's clock is not the mines'."""
    return Setup(
        run=7,
        scenario=SCENARIO,
        places=drill_places(SCENARIO, "yiliang", KNOWN, seed),
        county="yiliang",
        seed=seed,
        announced=True,
        participants=(),
        platforms=(),
        clock=Clock(BEGIN_US, BEGIN_US + 3 * US_PER_S, 1.0),
    )


def at(drill_s: float) -> str:
    """A second of the drill as the platform's clock shows it."""
    return iso_us(BEGIN_US + int((3 + drill_s) * US_PER_S))


def said(of: Setup, kind: str, raised_s: float, **more: Any) -> dict[str, Any]:
    """An alarm of the heading as ``/drills/{run}/record`` tells it."""
    mine = of.places.plan.mines[0]
    journal = {"tier": None, "note": None, "by": None, "stands": True}
    raised = {"event": "raised", "recorded_at": at(raised_s + 1)}
    return {
        "alarm_id": 3,
        "mine": mine.code,
        "mine_name": mine.name,
        "kind": kind,
        "subject": "",
        "point": None,
        "unit": next(u.unit_id for u in mine.units if u.kind == "heading"),
        "place": "掘进工作面",
        "text": {"zh": "停风", "en": "fan stopped"},
        "rank": 2,
        "peak_rank": 2,
        "value": None,
        "raised_at": iso_us(BEGIN_US + int(raised_s * US_PER_S)),
        "decided_at": at(raised_s),
        "cleared_at": None,
        "late": False,
        "planned": False,
        "records": [{**journal, **raised}],
        "ledger": [],
    } | more


def record(of: Setup, *alarms: dict[str, Any]) -> Any:
    """Its record once it is over."""
    return record_of(of, alarms, ended_s=480.0, ended_by="done")


def test_an_alarm_is_told_with_its_cause_and_its_times() -> None:
    """All in seconds of the drill, by the platform's clock."""
    of = setup()
    found = record(of, said(of, "local_fan_stopped", 61.0))
    (alarm,) = found.alarms
    assert (alarm.fits, alarm.cause, alarm.cause_s) == ("expected", "stops", 60.0)
    assert (alarm.raised_s, alarm.told_s) == (61.0, 62.0)
    assert [m.kinds for m in found.missing] == [
        ("over_limit",),
        ("cut_off",),
        ("feed_lost",),
    ]
    assert found.mines == {m.code: m.name for m in of.places.plan.mines}


def test_what_comes_behind_the_end_is_nobodys_fault() -> None:
    """The scenario promises nothing there; within it, an unknown kind is unexpected."""
    of = setup()
    behind = said(of, "smoke", SCENARIO.duration_s + 1)
    within = said(of, "smoke", 100.0)
    assert record(of, behind).alarms[0].fits == "allowed"
    assert record(of, within).alarms[0].fits == "unexpected"


def test_a_drill_that_was_cut_off_is_judged_as_far_as_it_came() -> None:
    """What would have come later is not missing; silent mines are nobody's fault."""
    of = setup()
    silence = said(of, "link_break", 70.0)
    cut = record_of(of, [silence], ended_s=100.0, ended_by="cut_off", played_s=66.5)
    assert [alarm.fits for alarm in cut.alarms] == ["allowed"]
    assert [m.kinds for m in cut.missing] == [("local_fan_stopped",), ("feed_lost",)]
    early = record_of(of, [], ended_s=100.0, ended_by="cut_off", played_s=30.0)
    assert early.missing == ()


def test_people_and_deliveries_are_read_and_rules_are_not() -> None:
    """A rule's own records have nobody's tier."""
    of = setup()
    row = {"recorded_at": at(90), "note": None, "stands": True}
    rows = [
        {"event": "raised", "by": None, "tier": None, **row},
        {"event": "escalated", "by": "gasmon", "tier": None, **row},
        {"event": "confirmed", "by": "li", "tier": "county", **row, "stands": False},
    ]
    way = {"recipient": "zhenxiong", "role": "platform"}
    ledger = [
        {
            "event": event,
            "recipients": [
                {**way, "steps": {"sent": at(91), "drawn": None}},
                {**way, "role": "county_officer", "steps": {"sent": at(91)}},
            ],
        }
        for event in ("raised", "cleared")
    ]
    alarm = said(of, "local_fan_stopped", 61.0, records=rows, ledger=ledger)
    (told,) = record(of, alarm).alarms
    (entry,) = told.entries
    assert (entry.event, entry.at_s, entry.by) == ("confirmed", 90.0, "li")
    assert not entry.stands
    (delivery,) = told.deliveries
    assert delivery.steps == {"sent": 91.0}


def test_a_drill_takes_place_in_mines_that_are_known() -> None:
    """By the seed, of the same kind where there is one; readings stay as they are."""
    own = find_places(SCENARIO)
    drawn = {seed: setup(seed).places for seed in range(8)}
    codes = {places.plan.mines[0].code for places in drawn.values()}
    low = {mine["code"] for mine in KNOWN if mine["kind"] == "low_gas"}
    assert codes == low
    assert setup(3).places == drawn[3]
    first, dressed = Act(SCENARIO, own, "a"), Act(SCENARIO, drawn[3], "b", run=7)
    for _ in range(5):
        assert str(first.cycle().step) == str(dressed.cycle().step)
    assert dressed.gateways[0].data_topic.startswith("gasmon-drill/v1/7/530628/")

    with pytest.raises(ConfigError, match="gasmon knows 0 in yiliang"):
        drill_places(SCENARIO, "yiliang", [], 1)
    with pytest.raises(ConfigError, match="unknown county 'atlantis'"):
        drill_places(SCENARIO, "atlantis", KNOWN, 1)


def test_curves_are_of_points_whose_alarms_must_come() -> None:
    """What was sent, in order; at most four."""
    places = setup().places
    keeper = CurveKeeper(SCENARIO, places)
    act = Act(SCENARIO, places, "boot")
    for _ in range(3):
        keeper.take(act.cycle())
    curves = keeper.curves()
    assert len(curves) == 4
    assert curves[0].limit == 1.0
    assert curves[0].at_s == (0.0, 5.0, 10.0)
    assert all(v is not None and not math.isnan(v) for v in curves[0].value)


def test_a_drill_leaves_nothing_with_the_broker() -> None:
    """Its retained messages are emptied with its last words; live ones stay."""
    mine = setup().places.plan.mines[0]
    drill = MineGateway(mine, "boot", 1, run=7).farewell(BEGIN_US)
    assert [(m.topic.rsplit("/", 1)[1], bool(m.payload)) for m in drill] == [
        ("state", True),
        ("points", False),
        ("state", False),
    ]
    assert all(m.retain for m in drill)
    (live,) = MineGateway(mine, "boot", 1).farewell(BEGIN_US)
    assert live.payload

"""Escalation on a real database: the job, its records and messages, and the api."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gasmon.alarms.escalation_rules import EscalationRules, default_escalation
from gasmon.alarms.events import AlarmEvent
from gasmon.clock import SystemClock
from gasmon.duty.escalating import Escalation
from gasmon.remote.frames import encode_body
from gasmon.store import alarms
from gasmon.units import US_PER_MIN, US_PER_S
from tests.answers_only import EXPECTING, answers_only
from tests.fix_api import MINE_S, MINE_Z, World
from tests.fix_node import begin_to_follow

MIN = US_PER_MIN


def look(world: World, at_us: int, rules: EscalationRules | None = None) -> str:
    """One look of a duty that remembers nothing; by the shipped rules about answers."""
    escalation = Escalation(rules or answers_only(), EXPECTING, encode_body)
    said = escalation.look(world.conn, at_us)
    world.conn.commit()
    return said


def tell(world: World, *events: AlarmEvent, ago_us: int = 0) -> int:
    """Record events as if it were some time ago; gives that time."""
    at_us = SystemClock().now_us() - ago_us
    with world.conn.transaction():
        alarms.record(world.conn, events, encode_body, at_us)
    return at_us


def steps(world: World, alarm_id: int = 1) -> list[tuple[str, str, str, int]]:
    """(step, who must act, outcome, level) of what came for an alarm."""
    rows = world.conn.execute(
        "SELECT step, tier, outcome, rank FROM escalation WHERE alarm_id = %s"
        " ORDER BY escalation_id",
        (alarm_id,),
    ).fetchall()
    world.conn.commit()
    return [(str(a), str(b), str(c), int(str(d))) for a, b, c, d in rows]


def escalated(world: World) -> list[dict[str, Any]]:
    """Bodies of the messages that told of steps."""
    bodies = [json.loads(body) for _, body in world.outbox()]
    return [body for body in bodies if body["event"] == "escalated"]


def ask(world: World, path: str, who: str = "county", **query: Any) -> Any:
    """What the api answers."""
    with world.client(who) as client:
        answer = client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(world: World, who: str, action: str, alarm_id: int = 1, **body: Any) -> None:
    """Somebody does something now."""
    with world.client(who) as client:
        path = f"/api/v1/alarms/{alarm_id}/actions/{action}"
        answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text


def test_each_step_comes_once_at_its_time_and_is_told(world: World) -> None:
    """Journal, stream, alarm's answer and counters; a further look adds nothing."""
    at_us = tell(world, world.event())
    look(world, at_us + 3 * MIN - 1)
    assert steps(world) == []
    assert ask(world, "escalation")["tiers"]["county"] == {
        "nearly_due": 0, "overdue": 0,
    }  # fmt: skip
    following = ask(world, "alarms/1")["next_step"]
    assert following["tier"] == "county"
    for _ in range(2):
        look(world, at_us + 3 * MIN)
        assert steps(world) == [("confirmed/county/1", "county", "called", 2)]
    (body,) = escalated(world)
    assert (body["by"], body["to"], body["without"]) == (
        "gasmon",
        "county",
        "confirmed",
    )
    assert body["waited_min"] == 3
    assert body["text"]["zh"].endswith("无人确认，升级至县级")
    assert body["text"]["en"].endswith("nobody confirmed: the county must act")
    record = ask(world, "alarms/1/life")["records"][-1]
    assert (record["event"], record["by"]) == ("escalated", "gasmon")
    assert record["detail"]["to"] == "county"
    found = ask(world, "alarms/1/escalation")
    assert found["overdue"] == ["county"]
    assert found["steps"][0]["record_id"] == record["record_id"]
    look(world, at_us + 10 * MIN)
    assert ask(world, "alarms/1")["overdue"] == ["county", "city"]
    now = ask(world, "escalation")["tiers"]
    assert [now[tier]["overdue"] for tier in ("mine", "county", "city")] == [0, 1, 1]


def test_a_confirmation_ends_the_duty_and_what_was_to_come(world: World) -> None:
    """The county confirms after it was called: the city is not."""
    at_us = tell(world, world.event(), ago_us=4 * MIN)
    look(world, at_us + 3 * MIN)
    act(world, "county", "confirm")
    look(world, at_us + 60 * MIN)
    assert [tier for _, tier, _, _ in steps(world)] == ["county"]
    row = ask(world, "alarms/1")
    assert (row["overdue"], row["next_step"]) == ([], None)


@pytest.mark.parametrize(("overdue", "found"), [("county", 1), ("city", 0), ("any", 1)])
def test_the_list_shows_what_a_tier_must_act_on(
    world: World, overdue: str, found: int
) -> None:
    """``overdue`` names a tier; another one's duty is not in it."""
    tell(world, world.event(), world.event(MINE_S), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    page = ask(world, "alarms", overdue=overdue)
    assert [row["alarm_id"] for row in page["items"]] == [1] * found
    assert page["total"] == found


def test_what_is_due_shows_as_overdue_also_where_duty_is_away(world: World) -> None:
    """The watch was written before; the time has come since."""
    at_us = tell(world, world.event(), ago_us=4 * MIN)
    look(world, at_us)
    assert ask(world, "escalation")["tiers"]["county"]["overdue"] == 1
    assert ask(world, "alarms", overdue="county")["total"] == 1


def test_a_look_after_hours_finds_what_looks_each_second_had_found(
    world: World,
) -> None:
    """Duty was away while somebody answered: the step came, nobody is called for it."""
    tell(world, world.event(), ago_us=5 * MIN)
    act(world, "county", "confirm")
    look(world, SystemClock().now_us() + 120 * MIN)
    assert steps(world) == [("confirmed/county/1", "county", "answered", 2)]


def test_one_incident_calls_a_tier_once_for_many_alarms(world: World) -> None:
    """The others are recorded as folded; a worse one calls again."""
    at_us = tell(world, world.event(), world.event(no="001A02"))
    look(world, at_us + 3 * MIN)
    assert [outcome for _, _, outcome, _ in steps(world, 1) + steps(world, 2)] == [
        "called",
        "folded",
    ]
    rise = world.event(event="level", rank=3, happened_at_us=world.now_us + US_PER_S)
    risen_us = tell(world, rise)
    look(world, risen_us + 4 * MIN)
    assert steps(world, 1)[-1] == ("confirmed/county/1", "county", "called", 3)
    folds = ask(world, "alarms/2/escalation")["steps"]
    assert folds[0]["folded_into"] == 1


def test_of_two_levels_that_wait_the_worse_is_called_for(world: World) -> None:
    """Both steps came while duty was away; one call is enough."""
    tell(world, world.event(), ago_us=9 * MIN)
    rise = world.event(event="level", rank=3, happened_at_us=world.now_us + US_PER_S)
    tell(world, rise, ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    assert steps(world) == [
        ("confirmed/county/1", "county", "called", 3),
        ("confirmed/county/1", "county", "folded", 2),
    ]


def test_a_county_where_nobody_is_falls_to_the_city(world: World) -> None:
    """Its officer and its platform are retired."""
    world.conn.execute(
        "UPDATE principal SET retired_at = created_at WHERE name IN"
        " ('county', 'zhenxiong')"
    )
    tell(world, world.event(), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    (step,) = ask(world, "alarms/1/escalation", "city_officer")["steps"]
    assert (step["tier"], step["of_tier"]) == ("city", "county")


def test_a_platform_of_the_county_is_somebody_there_once_it_connected(
    world: World,
) -> None:
    """Suijiang has no officer of its own here; its platform's token was only made."""
    tell(world, world.event(MINE_S), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    assert [tier for _, tier, _, _ in steps(world)] == ["city"]
    begin_to_follow(world.conn, "suijiang")
    tell(world, world.event(MINE_S, "001A02"), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    assert [tier for _, tier, _, _ in steps(world, 2)] == ["county"]


def test_whoever_handles_is_asked_for_a_report_each_half_hour(world: World) -> None:
    """The request is a record of the alarm's; the report ends it."""
    at_us = tell(world, world.event(rank=3))
    act(world, "dispatcher", "confirm")
    act(world, "dispatcher", "handle", text="停工撤人")
    look(world, at_us + 20 * MIN)
    assert steps(world) == []
    look(world, at_us + 45 * MIN)
    assert steps(world) == [("report/mine/1", "mine", "called", 3)]
    life = ask(world, "alarms/1/life")
    assert life["tiers"]["mine"]["owes_status"] is True
    assert life["records"][-1]["event"] == "status_requested"
    assert ask(world, "alarms/1")["overdue"] == ["mine"]
    act(world, "dispatcher", "feed_back", text="浓度下降")
    look(world, at_us + 46 * MIN)
    assert ask(world, "alarms/1")["overdue"] == []


def test_shelved_planned_and_closed_alarms_call_nobody(world: World) -> None:
    """A shelf holds back, and its end begins anew."""
    at_us = tell(
        world,
        world.event(rank=1),
        world.event(no="001A02", planned=True, quiet="plan:1"),
    )
    act(world, "county", "shelve", text="检修", minutes=30)
    look(world, at_us + 20 * MIN)
    assert steps(world, 1) + steps(world, 2) == []
    look(world, at_us + 38 * MIN)
    assert [tier for _, tier, _, _ in steps(world)] == ["county"]
    waiting = world.conn.execute("SELECT alarm_id FROM alarm_watch").fetchall()
    assert waiting == [(1,)]


def test_what_broke_through_its_plan_is_as_loud_as_any_other(world: World) -> None:
    """Nothing keeps it quiet any more."""
    tell(world, world.event(planned=True, quiet=None), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    assert [tier for _, tier, _, _ in steps(world)] == ["county"]


def test_pre_warnings_and_what_closed_by_itself_are_not_watched(world: World) -> None:
    """Nobody owes an answer of them."""
    tell(world, world.event(kind="forecast", rank=0), ago_us=60 * MIN)
    tell(world, world.event(no="001A02", rank=2))
    world.conn.execute(
        "UPDATE alarm SET cleared_at = raised_at, closed_at = raised_at,"
        " self_closed = true WHERE alarm_id = 2"
    )
    look(world, SystemClock().now_us() + 60 * MIN)
    assert steps(world, 1) + steps(world, 2) == []


def test_what_duty_recorded_once_it_never_records_again(world: World) -> None:
    """The database itself refuses a second row, whoever writes it."""
    tell(world, world.event(), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    world.conn.execute("UPDATE escalation_position SET seq = 0")
    world.conn.commit()
    look(world, SystemClock().now_us())
    assert len(steps(world)) == 1
    with pytest.raises(Exception, match="duplicate key"):
        world.conn.execute(
            "INSERT INTO escalation (incident_id, alarm_id, step, rank, since_us, rule,"
            " tier, of_tier, due_at, recorded_at, outcome, journal_id)"
            " SELECT incident_id, alarm_id, step, rank, since_us, rule, tier, of_tier,"
            " due_at, recorded_at, outcome, journal_id FROM escalation"
        )
    world.conn.rollback()


def test_rules_of_the_site_count(world: World) -> None:
    """Without steps nobody is called."""
    rules = default_escalation()
    silent = replace(rules, rows=tuple(replace(row, steps=()) for row in rules.rows))
    at_us = tell(world, world.event())
    assert look(world, at_us + 60 * MIN, silent).startswith("0 steps, 1 alarms")
    assert steps(world) == []


def test_a_dispatcher_sees_only_counters_of_the_own_mine(world: World) -> None:
    """Another county's alarms are in nobody else's counters."""
    begin_to_follow(world.conn, "suijiang")
    tell(world, world.event(MINE_S), world.event(MINE_Z), ago_us=4 * MIN)
    look(world, SystemClock().now_us())
    for who, wanted in (("dispatcher", 1), ("viewer", 1), ("city_officer", 2)):
        assert ask(world, "escalation", who)["tiers"]["county"]["overdue"] == wanted

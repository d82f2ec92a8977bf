"""Planned work over HTTP: filed by the mine, decided by an upper tier, all recorded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gasmon.api import routes_plans
from gasmon.api.schemas_plans import Plan, PlanPage, PlanStatistics
from gasmon.clock import SystemClock
from gasmon.store import access, shelves
from gasmon.units import US_PER_H, US_PER_MIN, iso_us
from tests.fix_api import ANSWER_S, MINE_S, MINE_Z, MINE_Z2, SUIJIANG, World

CLOCK = SystemClock()


def body(**changes: Any) -> dict[str, Any]:
    """A plan of an hour, from a minute ago."""
    now_us = CLOCK.now_us()
    return {
        "mine": MINE_Z,
        "work": "blasting",
        "points": ["01-001A01"],
        "from": iso_us(now_us - US_PER_MIN),
        "until": iso_us(now_us + US_PER_H),
        "rank_ceiling": 3,
        "value_ceiling": 1.5,
        "reason": "11121放炮",
        **changes,
    }


def file(client: httpx.Client, **changes: Any) -> httpx.Response:
    """File a plan."""
    return client.post("/api/v1/plans", json=body(**changes))


def do(client: httpx.Client, plan_id: int, action: str, **more: Any) -> httpx.Response:
    """Decide on it, or take it back."""
    return client.post(f"/api/v1/plans/{plan_id}/actions/{action}", json=more)


def filed(world: World, **changes: Any) -> int:
    """The number of a plan that the dispatcher filed."""
    with world.client("dispatcher") as mine:
        answer = file(mine, **changes)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["plan_id"])


def windows(world: World) -> list[tuple[str, int, int]]:
    """(kind of alarm, from, until [µs]) of what the engine is given of plans."""
    table = shelves.windows(world.conn, 0)
    world.conn.commit()
    found = [w for windows in table.by_subject.values() for w in windows if w.planned]
    return [(w.alarm_kind or "", w.from_us, w.until_us) for w in found]


def test_a_plan_is_quiet_from_its_approval_on_and_both_are_recorded(
    both_world: World,
) -> None:
    """Who, when and why; nothing is quiet before somebody else agreed."""
    world = both_world
    plan_id = filed(world)
    assert windows(world) == []
    before_us = CLOCK.now_us()
    with world.client("county") as county:
        assert county.get(f"/api/v1/plans/{plan_id}").json()["state"] == "filed"
        answer = do(county, plan_id, "approve", reason="同意")
    plan = answer.json()
    Plan.model_validate(plan)
    assert (plan["state"], plan["state_text"]["zh"]) == ("running", "进行中")
    assert [(r["event"], r["by"], r["role"], r["reason"]) for r in plan["records"]] == [
        ("filed", "dispatcher", "mine_dispatcher", "11121放炮"),
        ("approved", "county", "county_officer", "同意"),
    ]
    kinds = [kind for kind, _, _ in windows(world)]
    assert kinds == ["over_limit", "cut_off", "rapid_rise", "extent_over_limit"]
    # Not for the minute before: an approval does not silence the past.
    assert all(from_us >= before_us for _, from_us, _ in windows(world))
    rows = world.conn.execute(
        "SELECT principal, action, subject, outcome FROM audit"
        " WHERE action LIKE 'plan.%' ORDER BY audit_id"
    ).fetchall()
    assert rows == [
        ("dispatcher", "plan.filed", str(plan_id), "done"),
        ("county", "plan.approved", str(plan_id), "done"),
    ]


def test_a_refused_plan_quiets_nothing(world: World) -> None:
    """And it says why; without a reason it is not refused."""
    plan_id = filed(world)
    with world.client("city_officer") as city:
        assert do(city, plan_id, "refuse", reason=" ").status_code == 422
        answer = do(city, plan_id, "refuse", reason="时段过长")
        again = do(city, plan_id, "approve")
    assert answer.json()["state"] == "refused"
    assert again.status_code == 409
    assert "报备已驳回 · it was refused" in again.json()["detail"]
    assert windows(world) == []


def test_a_running_plan_is_ended_early_by_either_side(world: World) -> None:
    """Its windows end then, and it stays a plan that ran."""
    for who in ("dispatcher", "county"):
        plan_id = filed(world)
        with world.client("county") as county:
            do(county, plan_id, "approve")
        with world.client(who) as client:
            answer = do(client, plan_id, "withdraw", reason="提前完工")
            late = do(client, plan_id, "withdraw", reason="提前完工")
        assert answer.json()["state"] == "ended"
        assert (late.status_code, late.json()["detail"]) == (
            409, f"plan {plan_id}: 报备时间已过 · its window is over"
        )  # fmt: skip
    now_us = CLOCK.now_us()
    assert all(until_us <= now_us for _, _, until_us in windows(world))


def test_a_withdrawn_plan_is_decided_no_more(world: World) -> None:
    """Taken back before anybody decided."""
    plan_id = filed(world)
    with world.client("dispatcher") as mine:
        answer = do(mine, plan_id, "withdraw", reason="改期")
        assert answer.json()["state"] == "withdrawn"
        assert "withdrawn" in answer.json()["actions"]["withdraw"]["en"]
    with world.client("county") as county:
        assert do(county, plan_id, "approve").status_code == 409


def test_the_mine_files_and_upper_officers_decide(world: World) -> None:
    """Whoever is watched does not quiet the watch, and neither does who looks on."""
    plan_id = filed(world)
    for who in ("dispatcher", "viewer", "admin", "zhenxiong"):
        with world.client(who) as client:
            answer = do(client, plan_id, "approve")
        assert answer.status_code == (404 if who == "viewer" else 403), who
    for who in ("county", "city_officer", "admin", "viewer"):
        with world.client(who) as client:
            assert file(client).status_code == 403, who
    assert windows(world) == []


def test_who_filed_a_plan_does_not_decide_on_it_in_another_role(world: World) -> None:
    """Also when he became an officer meanwhile."""
    plan_id = filed(world)
    world.conn.execute(
        "UPDATE principal SET role = 'county_officer', mines = NULL"
        " WHERE name = 'dispatcher'"
    )
    world.conn.commit()
    with world.client("dispatcher") as former:
        answer = do(former, plan_id, "approve")
    assert answer.status_code == 409
    assert "nobody decides on a plan of his own" in answer.json()["detail"]


def test_another_county_neither_sees_nor_decides(world: World) -> None:
    """Its officer is told that there is none; a mine sees its own alone."""
    world.tokens["suijiang_officer"] = access.create_token(
        world.conn,
        name="suijiang_officer",
        role="county_officer",
        areas=[SUIJIANG],
        mines=None,
        now_us=world.now_us,
    )
    world.conn.commit()
    plan_id = filed(world)
    statistics = {"from": iso_us(world.now_us), "to": iso_us(CLOCK.now_us() + US_PER_H)}
    with world.client("suijiang_officer") as other:
        assert other.get(f"/api/v1/plans/{plan_id}").status_code == 404
        assert other.get("/api/v1/plans").json()["items"] == []
        found = other.get("/api/v1/plans/statistics", params=statistics)
        assert found.json()["items"] == []
        for action in ("approve", "refuse", "withdraw"):
            answer = do(other, plan_id, action, reason="x")
            assert answer.status_code == 404
            assert "镇雄" not in answer.text
    with world.client("dispatcher") as mine:
        for foreign in (MINE_Z2, MINE_S, "530627999999"):
            assert file(mine, mine=foreign).status_code == 404
        assert len(mine.get("/api/v1/plans").json()["items"]) == 1
    assert windows(world) == []


def test_every_route_of_plans_wants_to_know_who_asks(world: World) -> None:
    """Without a token each of them is 401."""
    plan_id = filed(world)
    with httpx.Client(base_url=world.api.base, timeout=ANSWER_S) as nobody:
        for route in routes_plans.router.routes:
            path = route.path.format(plan_id=plan_id, action="approve")  # type: ignore[attr-defined]
            for method in route.methods:  # type: ignore[attr-defined]
                assert nobody.request(method, "/api/v1" + path).status_code == 401


def test_the_same_key_is_done_once(world: World) -> None:
    """A request that got no answer is simply sent again, also at the same time."""
    wanted = body(key="key-0001")
    with world.client("dispatcher") as mine:
        with ThreadPoolExecutor(4) as pool:
            answers = list(
                pool.map(lambda _: mine.post("/api/v1/plans", json=wanted), range(4))
            )
        assert {a.status_code for a in answers} == {200}
        assert len({a.json()["plan_id"] for a in answers}) == 1
        other = mine.post("/api/v1/plans", json={**wanted, "reason": "另一次"})
        assert other.status_code == 409
    plan_id = answers[0].json()["plan_id"]
    with world.client("county") as county:
        for _ in range(2):
            again = do(county, plan_id, "approve", key="key-0002")
            assert again.status_code == 200
        assert len(again.json()["records"]) == 2
        assert (
            do(county, plan_id, "refuse", reason="x", key="key-0002").status_code == 409
        )


def test_two_officers_decide_once(world: World) -> None:
    """The second one is told who was first."""
    plan_id = filed(world)

    def decide(who: str) -> int:
        with world.client(who) as client:
            return do(client, plan_id, "approve").status_code

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(decide, ("county", "city_officer")))
    assert sorted(codes) == [200, 409]
    assert len(windows(world)) == 4


GAS = {"work": "calibration", "value_ceiling": None, "test_gas": 2.0}


Changes = Callable[[int], dict[str, Any]]
NO_PLANS: tuple[tuple[Changes, str], ...] = (
    (lambda now: {"work": "party"}, "work 'party' is not known"),
    (lambda now: {"work": "other"}, "alarm_kinds: other needs some"),
    (lambda now: {"points": []}, "points, units"),
    (lambda now: {"whole_mine": True}, "points, units"),
    (lambda now: {"points": ["01-001A01"] * 2}, "named twice"),
    (lambda now: {"points": ["01-009A99"]}, "has no '01-009A99'"),
    (lambda now: {"points": [], "units": ["99999"]}, "has no '99999'"),
    (lambda now: {"alarm_kinds": ["clock_wrong"]}, "'clock_wrong' cannot"),
    (lambda now: {"alarm_kinds": ["suspicious_data"]}, "for blasting"),
    (lambda now: {"value_ceiling": None}, "value_ceiling: needed"),
    (lambda now: {"value_ceiling": 0}, "value_ceiling 0"),
    (lambda now: {"test_gas": 2.0}, "test_gas: has no place"),
    (lambda now: {**GAS, "test_gas": None}, "test_gas: a calibration"),
    (lambda now: {**GAS, "value_ceiling": 2.5}, "value_ceiling: the test gas"),
    (lambda now: {**GAS, "units": ["11121"]}, "names its sensors"),
    (lambda now: {"until": iso_us(now - US_PER_H)}, "until"),
    (lambda now: {"until": iso_us(now + 25 * US_PER_H)}, "life.longest_plan_h"),
    (
        lambda now: {
            "from": iso_us(now + 800 * US_PER_H),
            "until": iso_us(now + 801 * US_PER_H),
        },
        "31 days ahead",
    ),
    (lambda now: {"rank_ceiling": 4}, "rank_ceiling"),
    (lambda now: {"reason": " "}, "reason"),
    (lambda now: {"surprise": 1}, "surprise"),
)
"""What is wrong with a plan, given the present [µs], and what is said of it."""


def test_what_is_no_plan_is_refused_by_its_name(world: World) -> None:
    """Each member that does not fit is named, with its value."""
    with world.client("dispatcher") as mine:
        for changes, said in NO_PLANS:
            answer = file(mine, **changes(CLOCK.now_us()))
            assert answer.status_code == 422, said
            assert said in answer.json()["detail"]


def test_a_calibration_has_the_ceiling_of_its_test_gas(world: World) -> None:
    """Only kinds that the value makes have one."""
    plan_id = filed(world, **GAS)
    with world.client("county") as county:
        do(county, plan_id, "approve")
    (found,) = shelves.windows(world.conn, 0).by_subject.values()
    assert {w.test_gas for w in found} == {2.0}
    ceilings = {w.alarm_kind: w.value_ceiling for w in found}
    assert ceilings["over_limit"] == pytest.approx(2.3)
    assert ceilings["calibration"] == float("inf")
    assert {w.name for w in found} == {f"plan:{plan_id}"}


def test_units_and_whole_mines_are_subjects(world: World) -> None:
    """As the engine names them."""
    unit = filed(world, points=[], units=["11121"])
    mine = filed(world, points=[], whole_mine=True, work="power_outage")
    with world.client("county") as county:
        for plan_id in (unit, mine):
            assert do(county, plan_id, "approve").status_code == 200
    found = shelves.windows(world.conn, 0).by_subject
    assert set(found) == {f"unit:{MINE_Z}/11121", f"mine:{MINE_Z}"}


def test_lists_come_in_pages_and_are_filtered(world: World) -> None:
    """The newest first; the counts of a page are those that were asked for."""
    numbers = [filed(world) for _ in range(3)]
    with world.client("county") as county:
        first = county.get("/api/v1/plans", params={"limit": 2}).json()
        PlanPage.model_validate(first)
        assert [p["plan_id"] for p in first["items"]] == numbers[:0:-1]
        rest = county.get("/api/v1/plans", params={"cursor": first["next"]}).json()
        assert [p["plan_id"] for p in rest["items"]] == numbers[:1]
        assert rest["next"] is None
        for query, n in (
            ({"current": "true"}, 3),
            ({"mine": MINE_Z}, 3),
            ({"mine": MINE_Z2}, 0),
            ({"area": "zhenxiong"}, 3),
            ({"area": "530600"}, 3),
            ({"area": "suijiang"}, 0),
        ):
            page = county.get("/api/v1/plans", params=query).json()
            assert len(page["items"]) == n, query
        assert county.get("/api/v1/plans/999").status_code == 404
        assert do(county, numbers[0], "dance").status_code == 404


def test_misuse_is_counted_for_each_mine(both_world: World) -> None:
    """Plans, planned alarms, what broke through and why; other mines have none."""
    world = both_world
    plan_id = filed(world, **GAS)
    with world.client("county") as county:
        do(county, plan_id, "approve")
    name = f"plan:{plan_id}"
    no_gas = {"broke_through": {"plan": name, "why": "no_test_gas"}}
    world.raise_alarm(planned=True, quiet=name)
    world.raise_alarm(explain=no_gas)
    world.raise_alarm(explain=no_gas)
    world.raise_alarm(kind="forecast", rank=0)
    at_us = world.now_us + 30 * US_PER_MIN
    open_now = {"raised_at_us": at_us, "planned": True}
    world.record(
        world.event(**open_now, quiet=name),
        world.event(
            event="broke_through",
            happened_at_us=at_us + 1,
            explain={"broke_through": {"plan": name, "why": "window_over"}},
            **open_now,
        ),
    )
    query = {"from": iso_us(world.now_us), "to": iso_us(CLOCK.now_us() + US_PER_H)}
    with world.client("county") as county:
        answer = county.get("/api/v1/plans/statistics", params=query).json()
        backwards = {"from": query["to"], "to": query["from"]}
        bad = county.get("/api/v1/plans/statistics", params=backwards)
    PlanStatistics.model_validate(answer)
    (row,) = answer["items"]
    assert (row["mine"], row["filed"], row["approved"]) == (MINE_Z, 1, 1)
    assert (row["alarms"], row["planned"], row["planned_share"]) == (4, 2, 0.5)
    assert row["broke_through"] == {
        "window_over": 1, "level": 0, "ceiling": 0, "no_test_gas": 2, "unknown_plan": 0
    }  # fmt: skip
    assert row["misused_plans"] == 1
    assert bad.status_code == 422


def test_plans_and_their_records_never_change(world: World) -> None:
    """Not even by a mistake of ours."""
    filed(world)
    for statement in (
        "UPDATE plan SET rank_ceiling = 0",
        "DELETE FROM plan_record",
        "UPDATE plan_record SET reason = ''",
    ):
        with pytest.raises(Exception, match="append-only"):
            world.conn.execute(statement.encode())
        world.conn.rollback()

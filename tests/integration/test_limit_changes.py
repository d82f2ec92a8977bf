"""Changes of limits over HTTP: proposed, back-tested by duty, decided by another."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.api import routes_changes
from gasmon.api.schemas_changes import BesideAlarmList, Change, ChangePage
from gasmon.cli import main
from gasmon.clock import SystemClock
from gasmon.duty.back_testing import TURN_S, BackTests, rules_in_force
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.store import limit_changes
from gasmon.store.definitions import save_definitions
from gasmon.units import US_PER_H, US_PER_MIN, iso_us
from tests.fix_api import ANSWER_S, MINE_S, MINE_Z, World, write_readings
from tests.rule_texts import LIMITS_ALONE

CLOCK = SystemClock()
SITE = parse_rules(LIMITS_ALONE, "alone.toml")
POINT = PointKey(MINE_Z, "01", "001A01")
STRICT = {"alarm_high": 0.8, "clear_high": 0.7}


def propose(client: httpx.Client, **changes: Any) -> httpx.Response:
    """Propose a stricter limit at the return corner."""
    body = {
        "mine": MINE_Z,
        "point": "01-001A01",
        "limits": STRICT,
        "reason": "回风隅角瓦斯偏高",
        **changes,
    }
    return client.post("/api/v1/limit-changes", json=body)


def proposed(world: World, who: str = "county", **changes: Any) -> int:
    """The number of a change that somebody proposed."""
    with world.client(who) as client:
        answer = propose(client, **changes)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["change_id"])


def do(world: World, who: str, change_id: int, action: str, **more: Any) -> Any:
    """Decide on it, or take it back."""
    path = f"/api/v1/limit-changes/{change_id}/actions/{action}"
    with world.client(who) as client:
        return client.post(path, json=more)


def duty(world: World, rules: Callable[[], RuleSet] = lambda: SITE) -> list[str]:
    """Back-test all that waits, as duty does, with turns of one slice each."""
    # Each look at this clock is a whole turn later.
    ticks = count()
    tests = BackTests(rules, lambda: next(ticks) * TURN_S)
    said: list[str] = []
    while not said or said[-1] != "none waits":
        said.append(tests.look(world.conn, CLOCK.now_us()))
        world.conn.commit()
        assert len(said) < 1000
    return said


def ready(world: World, **changes: Any) -> int:
    """A change that waits for a decision."""
    change_id = proposed(world, **changes)
    duty(world)
    return change_id


def gas(world: World) -> None:
    """Three hours of methane with a quarter of an hour at 0.9 %."""
    begin_us = CLOCK.now_us() - 3 * US_PER_H
    values = [0.9 if 60 <= minute < 75 else 0.4 for minute in range(180)]
    write_readings(
        world.conn,
        world.ids[POINT],
        [(begin_us + m * US_PER_MIN, v, 0) for m, v in enumerate(values)],
    )
    world.conn.commit()


def test_a_change_is_tested_approved_by_another_and_then_counts(
    both_world: World,
) -> None:
    """With its difference, records, the audit, the log, and what ingest is given."""
    world = both_world
    gas(world)
    change_id = proposed(world)
    assert do(world, "city_officer", change_id, "approve").json()["detail"] == (
        f"change {change_id}: 回溯尚未完成 · its back-test is not done"
    )
    said = duty(world)
    assert said[0].startswith(f"change {change_id}: ")
    assert said[-2:] == [f"change {change_id}: done", "none waits"]
    with world.client("county") as county:
        change = county.get(f"/api/v1/limit-changes/{change_id}").json()
    Change.model_validate(change)
    result = change["back_test"]["result"]
    assert (change["state"], result["n_readings"]) == ("tested", 180)
    assert (result["before"]["alarm_high"], result["after"]["alarm_high"]) == (1.0, 0.8)
    assert [(a["kind"], a["rank"]) for a in result["added"]["items"]] == [
        ("over_limit", 3)
    ]
    assert (result["removed"]["n"], result["other"]["n"]) == (0, 0)
    own = do(world, "county", change_id, "approve")
    assert (own.status_code, own.json()["detail"]) == (
        409,
        f"change {change_id}: 不得审批本人提出的修改"
        " · nobody decides on a change of his own",
    )
    assert limit_changes.approved(world.conn) == ()
    before_us = CLOCK.now_us()
    answer = do(world, "city_officer", change_id, "approve", reason="同意")
    assert answer.json()["state"] == "in_force"
    (counts,) = limit_changes.approved(world.conn)
    assert (counts.number, counts.point) == (change_id, str(POINT))
    assert dict(counts.limits) == STRICT
    assert counts.from_us >= before_us
    rows = world.conn.execute(
        "SELECT principal, action, subject FROM audit"
        " WHERE action LIKE 'limit_change.%' ORDER BY audit_id"
    ).fetchall()
    assert rows == [
        ("county", "limit_change.proposed", str(change_id)),
        ("city_officer", "limit_change.approved", str(change_id)),
    ]
    rows = world.conn.execute(
        "SELECT attribute, old_value, new_value FROM point_change"
        " WHERE source = %s ORDER BY 1",
        (f"change:{change_id}",),
    ).fetchall()
    world.conn.commit()
    assert rows == [("alarm_high", "1.0", "0.8"), ("clear_high", "1.0", "0.7")]
    now_us = CLOCK.now_us()
    counting = rules_in_force(world.conn, SITE, now_us)
    assert "change 1" in counting.text
    with pytest.raises(psycopg.errors.RaiseException):
        world.conn.execute("DELETE FROM limit_change_record")
    world.conn.rollback()


def test_what_cannot_count_says_so_before_anybody_decides(world: World) -> None:
    """The law's limit is stricter, or nothing would be different."""
    loose = ready(world, limits={"alarm_high": 1.3})
    same = ready(world, limits={"alarm_high": 1.0})
    wrong = ready(world, limits={"clear_high": 0.95, "restore_high": 1.1})
    with world.client("city_officer") as city:
        page = city.get("/api/v1/limit-changes").json()
    ChangePage.model_validate(page)
    failures = {c["change_id"]: c["back_test"]["failure"] for c in page["items"]}
    assert failures[loose].startswith("alarm_high 1.3 would not count: 1 from ")
    assert failures[same] == "it changes nothing"
    assert "restore_high 1.1" in failures[wrong]
    assert {c["state"] for c in page["items"]} == {"impossible"}
    answer = do(world, "city_officer", loose, "approve")
    assert answer.status_code == 409
    assert (
        do(world, "city_officer", loose, "refuse", reason="不可行").status_code == 200
    )


def test_a_back_test_that_fails_does_not_keep_others_waiting(world: World) -> None:
    """Our own mistake is told as its failure."""
    first = proposed(world)

    def broken() -> RuleSet:
        raise ZeroDivisionError("ours")

    duty(world, broken)
    with world.client("county") as county:
        change = county.get(f"/api/v1/limit-changes/{first}").json()
    assert "ZeroDivisionError" in change["back_test"]["failure"]


def test_a_change_waits_for_its_time_and_may_be_taken_back_until_then(
    world: World,
) -> None:
    """What counts already is changed by two people again."""
    later_us = (CLOCK.now_us() // US_PER_MIN + 60) * US_PER_MIN
    first = ready(world, **{"from": iso_us(later_us)})
    assert do(world, "city_officer", first, "approve").json()["state"] == "approved"
    assert limit_changes.approved(world.conn)[0].from_us == later_us
    assert do(world, "dispatcher", first, "withdraw").status_code == 422
    answer = do(world, "dispatcher", first, "withdraw", reason="改期")
    assert answer.json()["state"] == "withdrawn"
    assert limit_changes.approved(world.conn) == ()
    world.conn.commit()
    second = ready(world)
    do(world, "city_officer", second, "approve")
    answer = do(world, "county", second, "withdraw", reason="x")
    assert answer.status_code == 409
    assert "it counts already" in answer.json()["detail"]
    third = ready(world, limits={})
    answer = do(world, "city_officer", third, "approve")
    assert answer.json()["back_test"]["result"]["after"]["alarm_high"] == 1.0


def test_who_may_not_is_refused_and_who_may_not_see_is_told_nothing(
    world: World,
) -> None:
    """Roles and areas; unknown limits, contradictions and far times are named."""
    for who, status in (("viewer", 403), ("admin", 403), ("zhenxiong", 403)):
        with world.client(who) as client:
            mine = MINE_S if who == "viewer" else MINE_Z
            assert propose(client, mine=mine).status_code == status, who
    with world.client("county") as county:
        assert propose(county, mine=MINE_S).status_code == 404
        assert propose(county, point="01-009Z99").status_code == 404
        far = iso_us(CLOCK.now_us() + 32 * 24 * US_PER_H)
        for changes, named in (
            ({"limits": {"alarm": 1.0}}, "'alarm' is none of"),
            ({"limits": {"alarm_high": 0.8, "clear_high": 0.9}}, "clear_high 0.9"),
            ({"from": far}, "31 days ahead"),
        ):
            answer = propose(county, **changes)
            assert answer.status_code == 422
            assert named in answer.json()["detail"]
    change_id = ready(world)
    with world.client("viewer") as other:
        assert other.get(f"/api/v1/limit-changes/{change_id}").status_code == 404
        assert other.get("/api/v1/limit-changes").json()["items"] == []
    assert do(world, "dispatcher", change_id, "approve").status_code == 403
    assert do(world, "county", change_id, "eat").status_code == 404
    with httpx.Client(base_url=world.api.base, timeout=ANSWER_S) as nobody:
        for route in routes_changes.router.routes:
            path = route.path.format(change_id=1, action="approve", alarm_id=1)  # type: ignore[attr-defined]
            for method in route.methods:  # type: ignore[attr-defined]
                assert nobody.request(method, "/api/v1" + path).status_code == 401


def test_a_place_class_is_corrected_like_a_limit(world: World) -> None:
    """Tested by the law of the other place, approved by another, logged, in force."""
    change_id = ready(world, limits={}, place_class="TOTAL_RETURN")
    same = ready(world, limits={}, place_class="FACE_T0")
    answer = do(world, "city_officer", change_id, "approve", reason="现场核实")
    Change.model_validate(answer.json())
    result = answer.json()["back_test"]["result"]
    assert result["place_class"] == {"before": "FACE_T0", "after": "TOTAL_RETURN"}
    assert result["before"] != result["after"]
    counting = rules_in_force(world.conn, SITE, CLOCK.now_us())
    ((key, place),) = [(one.key, one.place_class) for one in counting.points]
    assert (key, place) == (str(POINT), "TOTAL_RETURN")
    rows = world.conn.execute(
        "SELECT old_value, new_value FROM point_change WHERE source = %s"
        " AND attribute = 'place_class'",
        (f"change:{change_id}",),
    ).fetchall()
    world.conn.commit()
    assert rows == [("FACE_T0", "TOTAL_RETURN")]
    with world.client("county") as county:
        change = county.get(f"/api/v1/limit-changes/{same}").json()
        assert change["back_test"]["failure"] == "it changes nothing"
        answer = propose(county, limits={}, place_class="MOON")
    assert (answer.status_code, "'MOON' is none of" in answer.json()["detail"]) == (
        422,
        True,
    )


def test_two_people_say_that_a_point_is_gone_for_good(world: World) -> None:
    """Only of one that its mine names no more, and with nothing else of it."""
    with world.client("county") as county:
        answer = propose(county, limits={}, retire=True)
        assert "definitions still name this point" in answer.json()["detail"]
        answer = propose(county, retire=True)
        assert "nothing else of a retired point" in answer.json()["detail"]
    world.conn.execute(
        "UPDATE point SET retired_at = now() WHERE point_id = %s", (world.ids[POINT],)
    )
    world.conn.commit()
    with world.client("county") as county:
        assert propose(county).status_code == 404
    change_id = ready(world, limits={}, retire=True, reason="传感器已拆除")
    own = do(world, "county", change_id, "approve")
    assert own.status_code == 409
    answer = do(world, "city_officer", change_id, "approve", reason="同意")
    assert (answer.json()["state"], answer.json()["retire"]) == ("in_force", True)
    (counts,) = limit_changes.approved(world.conn)
    assert (counts.point, counts.retired) == (str(POINT), True)
    rows = world.conn.execute(
        "SELECT attribute, new_value FROM point_change WHERE source = %s",
        (f"change:{change_id}",),
    ).fetchall()
    world.conn.commit()
    assert rows == [("retirement", "approved")]


def test_the_same_key_is_done_once(world: World) -> None:
    """Sent again it is the same change; for something else it is refused."""
    with world.client("county") as county:
        first = propose(county, key="key-0001").json()["change_id"]
        assert propose(county, key="key-0001").json()["change_id"] == first
        answer = propose(county, key="key-0001", limits={"alarm_high": 0.7})
    assert answer.status_code == 409
    assert f"(change {first})" in answer.json()["detail"]


def test_an_alarm_shows_what_was_changed_around_it(world: World) -> None:
    """By the mine's definition and by people; the audit has the mine's too."""
    world.raise_alarm()
    change_id = ready(world)
    do(world, "city_officer", change_id, "approve")
    definition = MineDef(
        MINE_Z, MINE_Z[:6], "镇雄县1号煤矿", "high_gas", 84.0,
        (UnitDef("11121", "face", "11121采煤工作面"),), 2,
    )  # fmt: skip
    point = PointDef(
        POINT, effective_from_us=CLOCK.now_us(), rev=2, sensor_type="0001",
        quantity="CH4", uom="%", place="回风隅角T0", place_class="FACE_T0",
        unit_slug="11121", alarm_high=0.9,
    )  # fmt: skip
    save_definitions(world.conn, definition, [point], now_us=CLOCK.now_us())
    world.conn.commit()
    with world.client("county") as county:
        (alarm,) = county.get("/api/v1/alarms?state=all").json()["items"]
        found = county.get(f"/api/v1/alarms/{alarm['alarm_id']}/limit-changes").json()
    BesideAlarmList.model_validate(found)
    rows = [(r["attribute"], r["old"], r["new"], r["source"]) for r in found["items"]]
    assert ("alarm_high", "1.0", "0.9", "points") in rows
    assert ("alarm_high", "1.0", "0.8", f"change:{change_id}") in rows
    ((who, subject, detail),) = world.conn.execute(
        "SELECT principal, subject, detail FROM audit WHERE action = 'limits.defined'"
    ).fetchall()
    assert (who, subject) == (f"mine:{MINE_Z}", MINE_Z)
    assert detail["first"] == [[str(POINT), "alarm_high", "1.0", "0.9"]]  # type: ignore[index]


def test_a_change_goes_its_way_on_the_command_line(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proposed, shown with its difference, approved; for people and programs."""
    gas(world)

    def run(who: str, *words: str) -> tuple[int, str, str]:
        file = tmp_path / who
        file.write_text(world.tokens[who], "utf-8")
        server = ("--url", world.api.base, "--token-file", str(file))
        code = main(["change", *words, *server])
        said = capsys.readouterr()
        return code, said.out, said.err

    words = ["propose", "--mine", MINE_Z, "--point", "01-001A01", "--reason", "偏高"]
    assert run("county", *words, "--limit", "alarm_high")[0] == 2
    code, _, err = run("county", *words, "--retire")
    assert (code, "definitions still name this point" in err) == (2, True)
    code, out, err = run("county", *words, "--limit", "alarm_high=0.8")
    assert code == 0, err
    assert "回溯中" in out
    assert "back-test over 90 days: 0%" in out
    duty(world)
    code, out, _ = run("city_officer", "show", "1")
    assert "alarm_high    1.0 → 0.8" in out
    assert "added: 1 (1 over_limit orange)" in out
    assert "possible now: approve, refuse, withdraw" in out
    assert run("city_officer", "approve", "1", "--reason", "同意")[0] == 0
    code, out, _ = run("county", "ls", "--json")
    assert json.loads(out)["items"][0]["state"] == "in_force"
    code, out, _ = run("county", "ls")
    assert len(out.splitlines()) == 1
    code, _, err = run("county", "withdraw", "1", "--reason", "x")
    assert (code, "it counts already" in err) == (1, True)
    run("county", *words, "--limit", "alarm_high=2")
    duty(world)
    assert "cannot count: alarm_high 2 would not count" in run("county", "show", "2")[1]

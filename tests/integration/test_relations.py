"""An alarm of a unit goes the way of every alarm, and over a restart."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.reconcile import living
from gasmon.alarms.rules import default_rules
from gasmon.points import MineDef, PointDef, PointKey, UnitDef, lay_out
from gasmon.store.alarms import open_alarms
from gasmon.units import US_PER_S
from tests.engine_world import Reading, batch_of
from tests.fix_api import MINE_Z, World
from tests.fix_pipeline import CH4, MINE
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import HIGH, LOW, Plant, paired  # noqa: F401
from tests.integration.test_restart import kill, logged

SECOND = replace(CH4, no="001A02", place="回风巷", place_class="FACE_T2")
UNIT = f"unit:{MINE}/u/11121"


def open_units(plant: Plant) -> list[tuple[str, int]]:
    """Kind and level of what is recorded as open of units."""
    return [
        (str(kind), int(rank))
        for kind, rank in plant.ask(
            "SELECT kind, rank FROM alarm WHERE cleared_at IS NULL"
            " AND subject_type = 'unit' ORDER BY kind"
        )
    ]


def send(plant: Plant, first: float, second: float) -> None:
    """One frame with both methane points."""
    plant.gateway.frame(("001A01", first, 0), ("001A02", second, 0))


def test_an_alarm_of_a_unit_is_everywhere_it_belongs(paired: Plant) -> None:  # noqa: F811
    """Database, journal, outbox with its place, and the mine's relay."""
    paired.start()
    paired.gateway.define(CH4, SECOND)
    send(paired, LOW, LOW)
    send(paired, HIGH, HIGH)
    paired.stored(2)
    told = paired.gateway.told
    wait_until(
        lambda: told and "extent_over_limit" in {a.kind for a in told[-1].open},
        what="the relay hears of the unit",
    )
    assert open_units(paired) == [("extent_over_limit", 4)]
    ((subject, unit),) = paired.ask(
        "SELECT subject_type || ':' || subject_id, unit_slug FROM alarm"
        " WHERE subject_type = 'unit'"
    )
    assert (subject, unit) == (UNIT, "11121")
    # One incident with the alarms of its points.
    assert paired.count("incident", "scope_type = 'unit'") == 1
    bodies = [orjson.loads(row[0]) for row in paired.ask("SELECT body FROM outbox")]
    (body,) = [b for b in bodies if b["kind"] == "extent_over_limit"]
    assert (body["subject"], body["unit"], body["level"]) == (UNIT, "11121", "red")
    assert (body["place"], body["point"]) == ("工作面", None)
    assert "多点超限" in body["text"]["zh"]

    send(paired, LOW, HIGH)
    paired.stored(3)
    assert open_units(paired) == []


@pytest.mark.parametrize("forgets", [False, True], ids=["snapshot", "open-alarms"])
@pytest.mark.parametrize("paired", [("postgres", "nats")], indirect=True, ids="-".join)
def test_a_restart_goes_on_with_an_alarm_of_a_unit(
    paired: Plant,  # noqa: F811
    forgets: bool,
) -> None:
    """It is not raised again, and ends as itself."""
    paired.start()
    paired.gateway.define(CH4, SECOND)
    send(paired, HIGH, HIGH)
    paired.stored(1)
    wait_until(lambda: logged(paired) > 3, 20, "there is a log behind the snapshot")
    kill(paired)
    if forgets:
        paired.change("DELETE FROM engine_snapshot")

    second = paired.start()

    assert ("no snapshot" in second.restarted) == forgets
    assert ("extent_over_limit", UNIT) in living(second.evaluator.engine)
    send(paired, HIGH, HIGH)
    paired.stored(2)
    send(paired, LOW, LOW)
    paired.stored(3)
    assert open_units(paired) == []
    assert paired.count("alarm", "kind = 'extent_over_limit'") == 1
    assert paired.count("alarm_journal", "event_id LIKE '%extent%/raised/%'") == 1


def said_of_a_unit(world: World) -> list[AlarmEvent]:
    """What an engine says of two methane points of one unit."""
    unit = UnitDef("11121", "face")
    points = [
        PointDef(
            PointKey(MINE_Z, "01", no),
            quantity="CH4",
            place_class="FACE_T1",
            unit_slug="11121",
        )
        for no in ("001A01", "001A02")
    ]
    table = lay_out([MineDef(MINE_Z, MINE_Z[:6], units=(unit,))], points)
    engine = AlarmEngine(default_rules())
    engine.adopt(table, points, world.now_us)
    moment = world.now_us + US_PER_S
    frame = [Reading(row, 1.2, moment, moment) for row in (0, 1)]
    return engine.tick(batch_of(frame), now_us=moment)


def test_the_api_lists_and_confirms_an_alarm_of_a_unit(world: World) -> None:
    """With the unit's name as its place; a restart finds it open."""
    world.record(*said_of_a_unit(world))
    kinds = {(a.subject_type, a.kind) for a in open_alarms(world.conn, 0)}
    world.conn.commit()
    assert ("unit", "extent_over_limit") in kinds
    with world.client("county") as client:
        page = client.get("/api/v1/alarms", params={"state": "open"}).json()
        (alarm,) = [a for a in page["items"] if a["kind"] == "extent_over_limit"]
        assert alarm["subject"] == f"unit:{MINE_Z}/u/11121"
        assert alarm["place"].endswith("11121采煤工作面")
        assert alarm["level"] == "yellow"
        assert [p["no"] for p in alarm["explain"]["points"]] == ["001A01", "001A02"]
        path = f"/api/v1/alarms/{alarm['alarm_id']}"
        answer = client.post(f"{path}/confirm", json={"note": "two places"})
        assert answer.status_code == 200, answer.text
        assert client.get(path).json()["confirmations"]["county"] is not None
        (incident,) = client.get("/api/v1/incidents").json()["items"]
        assert set(incident["kinds"]) == {"over_limit", "extent_over_limit"}
    told = [orjson.loads(body) for _, body in world.outbox()]
    assert {b["place"] for b in told if b["kind"] == "extent_over_limit"} == {
        alarm["place"]
    }

"""Classes of places over HTTP: who sees them, who decides, and what is refused."""

from __future__ import annotations

from typing import Any

from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, ZHENXIONG, World

POINT = "01-001A01"


def places(world: World, who: str, **query: str) -> dict[str, Any]:
    """The list of places as somebody sees it."""
    with world.client(who) as client:
        answer = client.get("/api/v1/places", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def rule(world: World, who: str, **more: str) -> tuple[int, dict[str, Any]]:
    """Decide a point's place; status and answer."""
    seen = world.conn.execute(
        "SELECT v.place FROM point_version v JOIN point p USING (point_id)"
        " JOIN mine m USING (mine_id) WHERE m.code = %s AND p.no = '001A01'",
        (MINE_Z,),
    ).fetchone()
    world.conn.commit()
    assert seen is not None
    body = {
        **{"mine": MINE_Z, "point": POINT, "place": seen[0]},
        **{"place_class": "FACE_T0", "reason": "现场核实", **more},
    }
    with world.client(who) as client:
        answer = client.post("/api/v1/places/rulings", json=body)
    return answer.status_code, answer.json()


def test_a_place_is_decided_by_those_who_may(world: World) -> None:
    """A county does; a mine, a foreign county, an old sight and a looser class not."""
    before = places(world, "county", mine=MINE_Z, undecided="false")
    assert before["may_rule"]
    assert {item["mine"] for item in before["items"]} == {MINE_Z}
    (item,) = [one for one in before["items"] if one["point"] == "001A01"]
    assert (item["place_class"], item["ruling"]) == ("FACE_T0", None)
    assert "FACE_T0" in {one["place_class"] for one in before["classes"]}

    assert rule(world, "dispatcher")[0] == 403
    assert rule(world, "suijiang")[0] == 403  # a platform
    assert rule(world, "county", place="别处")[0] == 409
    assert rule(world, "county", place_class="NOWHERE")[0] == 422
    assert rule(world, "county", point="01-999A01")[0] == 404
    assert rule(world, "county", mine=MINE_S)[0] == 404
    assert rule(world, "county", reason=" ")[0] == 422
    status, problem = rule(world, "county", place_class="SURFACE_GALLERY")
    assert status == 409, problem
    assert "two people" in problem["detail"]
    assert not places(world, "dispatcher")["may_rule"]

    status, told = rule(world, "county", reason=" 现场核实 ")
    assert (status, told["old"], told["new"]) == (200, "FACE_T0", "FACE_T0"), told
    after = places(world, "county", mine=MINE_Z, undecided="false")
    (item,) = [one for one in after["items"] if one["point"] == "001A01"]
    assert (item["ruling"]["by"], item["ruling"]["reason"]) == ("county", "现场核实")
    audited = world.conn.execute(
        "SELECT principal, subject, detail ->> 'old', detail ->> 'new' FROM audit"
        " WHERE action = 'place.rule'"
    ).fetchall()
    world.conn.commit()
    assert audited == [("county", f"{MINE_Z}-{POINT}", "FACE_T0", "FACE_T0")]


def test_a_foreign_place_is_not_listed(both_world: World) -> None:
    """Neither by the area nor by the mine that is asked for."""
    ours = places(both_world, "suijiang", undecided="false")
    assert {item["area"] for item in ours["items"]} == {SUIJIANG}
    for query in ({"area": ZHENXIONG}, {"mine": MINE_Z}):
        found = places(both_world, "suijiang", undecided="false", **query)
        assert (found["n"], found["items"]) == (0, [])
    mine = places(both_world, "suijiang", undecided="false", mine=MINE_S, limit="1")
    assert (mine["n"] >= 1, len(mine["items"])) == (True, 1)

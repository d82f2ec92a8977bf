"""Crossings over HTTP."""

from __future__ import annotations

import psycopg
import pytest

from gasmon.alarms.crossings import Crossing
from gasmon.api import schemas_trust
from gasmon.points import PointKey
from gasmon.store import crossings
from gasmon.units import US_PER_H, US_PER_S, iso_us
from tests.fix_api import MINE_Z, World


def test_crossings_are_shown_to_who_sees_the_point(world: World) -> None:
    """The newest first, within the range that was asked for, and never changed."""
    point_id = world.ids[PointKey(MINE_Z, "01", "001A01")]
    begin = world.now_us - US_PER_H
    told = [
        Crossing(0, "over_limit", "law:FACE_T0", begin + at * US_PER_S,
                 begin + at * US_PER_S, value, 1.0, held_by, late=late)
        for at, value, held_by, late in (
            (10, 1.2, "on_delay", False),
            (20, 1.3, "deadband", False),
            (30, None, "off_delay", True),
        )
    ]  # fmt: skip
    for _ in range(2):  # a turn that is written again changes nothing
        crossings.append(world.conn, 0, [point_id] * 3, told)
        world.conn.commit()
    query = {"from": iso_us(begin), "to": iso_us(begin + 25 * US_PER_S)}
    path = f"/api/v1/points/{point_id}/crossings"
    with world.client("zhenxiong") as client:
        answer = client.get(path, params=query).json()
        whole = client.get(path, params={**query, "to": iso_us(world.now_us)}).json()
        backwards = client.get(path, params={"from": query["to"], "to": query["from"]})
    with world.client("suijiang") as client:
        foreign = client.get(path, params=query)
    schemas_trust.CrossingList.model_validate(answer)
    assert [(i["value"], i["held_by"]) for i in answer["items"]] == [
        (1.3, "deadband"),
        (1.2, "on_delay"),
    ]
    assert whole["items"][0]["late"] is True
    assert whole["items"][0]["value"] is None
    assert (backwards.status_code, foreign.status_code) == (422, 404)
    with pytest.raises(psycopg.errors.RaiseException):
        world.conn.execute("DELETE FROM crossing")
    world.conn.rollback()

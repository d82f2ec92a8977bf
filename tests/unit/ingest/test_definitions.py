"""Definitions: every contradiction is refused by itself, everything else is kept."""

from __future__ import annotations

from math import isnan
from typing import Any

import orjson
import pytest

from gasmon.ingest.decode import Decoded
from gasmon.ingest.payloads import MineInfo, PointInfo, UnitInfo, encode_points
from gasmon.ingest.topics import points_topic
from gasmon.points import PointKey, UnitDef
from tests.fix_directory import (
    AREA,
    ARRIVED_US,
    MINE,
    TS_MS,
    TS_US,
    decode,
    packet,
    reasons,
)

NEIGHBOUR = {"no": "B9", "type": "0001", "alarm_high": 0.5}


def define(*points: Any, **other: Any) -> Decoded:
    """Decode a definition of these points beside a good neighbour."""
    obj = {"v": 1, "rev": 12, "ts": TS_MS, "points": [*points, NEIGHBOUR], **other}
    return decode(packet(orjson.dumps(obj), topic=points_topic(AREA, MINE)))


def test_a_definition_becomes_mine_and_points() -> None:
    """Everything that the encoder writes arrives."""
    payload = encode_points(
        12,
        TS_MS,
        MineInfo("示例煤矿", "outburst", 84.0),
        [UnitInfo("11121", "face", "11121采煤工作面")],
        [
            PointInfo(
                "001A01",
                type="0001",
                unit_id="11121",
                place="回风隅角",
                place_class="FACE_T0",
                uom="%",
                range=(0, 4),
                alarm_high=1.0,
                clear_high=1.0,
                cut_high=1.5,
                restore_high=1.0,
                relations=("D-001D01-x",),
            ),
            PointInfo("001A01", system="02", type="0022", alarm_low=25.0),
        ],
    )
    decoded = decode(packet(payload, topic=points_topic(AREA, MINE)))
    assert decoded.rejects == []
    (definition,) = decoded.definitions
    assert (definition.rev, definition.ts_ms, definition.refused) == (12, TS_MS, {})
    mine = definition.mine
    assert (mine.code, mine.area, mine.name) == (MINE, AREA, "示例煤矿")
    assert (mine.kind, mine.atmosphere_kpa, mine.rev) == ("outburst", 84.0, 12)
    assert mine.units == (UnitDef("11121", "face", "11121采煤工作面"),)
    first, second = definition.points
    assert first.key == PointKey(MINE, "01", "001A01")
    assert (first.quantity, first.place_class) == ("CH4", "FACE_T0")
    assert (first.range_low, first.range_high) == (0.0, 4.0)
    assert (first.alarm_high, first.cut_high, first.restore_high) == (1.0, 1.5, 1.0)
    assert isnan(first.alarm_low)
    assert (first.effective_from_us, first.relations) == (TS_US, ("D-001D01-x",))
    assert second.key == PointKey(MINE, "02", "001A01")
    assert (second.quantity, second.alarm_low) == ("CH4_PIPE", 25.0)


CONTRADICTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"alarm_high": 1.0, "restore_high": 1.2}, ["restore_high"]),
    ({"alarm_high": 1.0, "cut_high": 0.8}, ["cut_high"]),
    ({"alarm_high": 1.0, "clear_high": 1.1}, ["clear_high"]),
    ({"cut_high": 1.5, "restore_high": 1.6}, ["restore_high"]),
    ({"alarm_low": 2.0, "alarm_high": 1.0}, ["alarm_low"]),
    ({"alarm_low": 1.0, "alarm_high": 1.0}, ["alarm_low"]),
    ({"alarm_low": 18, "clear_low": 17}, ["clear_low"]),
    ({"alarm_low": 18, "cut_low": 19}, ["cut_low"]),
    ({"alarm_low": 18, "restore_low": 17}, ["restore_low"]),
    ({"cut_low": 16, "restore_low": 15}, ["restore_low"]),
    (
        {"alarm_high": 1.0, "cut_high": 0.5, "clear_high": 2.0},
        ["cut_high", "clear_high"],
    ),
]


@pytest.mark.parametrize(("limits", "refused"), CONTRADICTIONS, ids=str)
def test_a_contradictory_limit_is_refused_by_itself(
    limits: dict[str, float], refused: list[str]
) -> None:
    """The limit is named with both numbers; the point's others and its mine's stay."""
    decoded = define({"no": "A1", **limits})
    assert reasons(decoded) == ["limit_contradiction"] * len(refused)
    assert all(reject.where == "definition" for reject in decoded.rejects)
    for reject, name in zip(decoded.rejects, refused, strict=True):
        assert f"{name} {limits[name]:g}" in reject.detail
        assert "01-A1" in reject.detail
    point, neighbour = decoded.definitions[0].points
    for name, limit in limits.items():
        kept = getattr(point, name)
        assert isnan(kept) if name in refused else kept == limit
    assert neighbour.alarm_high == 0.5
    assert decoded.definitions[0].refused == {point.key: tuple(refused)}


@pytest.mark.parametrize("limit", ["1.0", True, [], {}], ids=str)
def test_a_limit_that_is_no_number_is_refused_by_itself(limit: Any) -> None:
    """It is named, and it does not make another one contradictory."""
    decoded = define({"no": "A1", "alarm_high": limit, "cut_high": 0.1})
    assert reasons(decoded) == ["limit_not_a_number"]
    point = decoded.definitions[0].points[0]
    assert (isnan(point.alarm_high), point.cut_high) == (True, 0.1)


def test_nan_as_a_limit_is_refused_by_itself() -> None:
    """The token NaN does not cost the definition."""
    payload = b'{"v":1,"rev":1,"ts":1,"points":[{"no":"A1","alarm_high":NaN}]}'
    decoded = decode(packet(payload, topic=points_topic(AREA, MINE)))
    assert reasons(decoded) == ["limit_not_a_number"]
    assert len(decoded.definitions[0].points) == 1


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (7, "wrong_type"),
        ({}, "missing_key"),
        ({"no": "123456789"}, "bad_point_number"),
        ({"no": "A1", "system": "03"}, "bad_text"),
        ({"no": "A1", "system": []}, "bad_text"),
        (NEIGHBOUR, "duplicate_point"),
    ],
    ids=str,
)
def test_a_point_that_cannot_be_told_is_refused_alone(point: Any, reason: str) -> None:
    """Its neighbour stays."""
    decoded = define(point)
    assert reasons(decoded) == [reason]
    assert "points[" in decoded.rejects[0].detail
    assert len(decoded.definitions[0].points) == 1


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("type", "1", "bad_text"),
        ("type", 1, "wrong_type"),
        ("kind", "XX", "unknown_word"),
        ("place", "a\x00", "bad_text"),
        ("range", [4, 0], "range"),
        ("range", [0], "range"),
        ("range", ["a", 1], "range"),
        ("range", 4, "range"),
        ("relations", "D", "wrong_type"),
        ("relations", [5], "wrong_type"),
    ],
)
def test_a_bad_attribute_is_refused_and_the_point_stays(
    attribute: str, value: Any, reason: str
) -> None:
    """The point keeps its limits."""
    decoded = define({"no": "A1", "alarm_high": 1.0, attribute: value})
    assert reasons(decoded) == [reason]
    assert attribute in decoded.rejects[0].detail or reason == "wrong_type"
    assert decoded.definitions[0].points[0].alarm_high == 1.0


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"mine": 5}, "wrong_type"),
        ({"mine": {"kind": "gassy"}}, "unknown_word"),
        ({"mine": {"atmosphere_kpa": -1}}, "wrong_type"),
        ({"mine": {"atmosphere_kpa": "84"}}, "wrong_type"),
        ({"units": 5}, "wrong_type"),
        ({"units": [5]}, "wrong_type"),
        ({"units": [{"id": "1"}, {"id": "1"}]}, "duplicate_unit"),
        ({"units": [{"id": "1", "kind": "hole"}]}, "unknown_word"),
    ],
    ids=str,
)
def test_a_bad_mine_or_unit_costs_no_point(other: dict[str, Any], reason: str) -> None:
    """Refused by itself, the points stay."""
    decoded = define(**other)
    assert reasons(decoded) == [reason]
    assert len(decoded.definitions[0].points) == 1


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"points": 5}, "wrong_type"),
        ({"rev": "a"}, "wrong_type"),
        ({"v": 3}, "unknown_version"),
        ({"mine": {"code": "530627000001"}}, "mine_disagrees"),
    ],
    ids=str,
)
def test_only_an_unreadable_definition_is_refused_whole(
    other: dict[str, Any], reason: str
) -> None:
    """What cannot be parsed, or speaks of another mine."""
    decoded = define(**other)
    assert (reasons(decoded), decoded.definitions) == ([reason], [])
    assert decoded.rejects[0].where == "definition"


@pytest.mark.parametrize(
    ("ts_ms", "effective_us"),
    [(TS_MS, TS_US), (TS_MS + 10**9, ARRIVED_US), (0, ARRIVED_US)],
)
def test_a_definition_counts_from_when_it_was_written(
    ts_ms: int, effective_us: int
) -> None:
    """Not from a time ahead of its arrival, nor from an absurd one."""
    decoded = define(ts=ts_ms)
    assert decoded.definitions[0].points[0].effective_from_us == effective_us


@pytest.mark.parametrize(
    ("no", "told", "kept", "refused"),
    [("fan", "003", "003", []), ("001A01", "003", "003", []), ("001A01", "001", "", []),
     ("fan", "", "", []), ("fan", "000003", "", ["bad_text"])],
)  # fmt: skip
def test_a_substation_is_kept_where_the_number_does_not_tell_it(
    no: str, told: str, kept: str, refused: list[str]
) -> None:
    """At most five characters, as the upload format has it."""
    decoded = define({"no": no, "substation": told})
    assert reasons(decoded) == refused
    assert decoded.definitions[0].points[0].substation == kept

"""Encoders, strict parsers and JSON Schemas say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from gasmon.ingest import fields
from gasmon.ingest.definitions import parse_points
from gasmon.ingest.payloads import (
    SCHEMAS,
    CmdReq,
    CmdRes,
    EventPayload,
    MineInfo,
    PayloadError,
    PointInfo,
    RaisedAlarm,
    StatePayload,
    UnitInfo,
    encode_alarms,
    encode_cmd_req,
    encode_cmd_res,
    encode_data,
    encode_event,
    encode_points,
    encode_state,
    parse_alarms,
    parse_cmd_req,
    parse_cmd_res,
    parse_event,
    parse_state,
    schema,
    split_code,
)
from gasmon.ingest.topics import Topic

EVENT = EventPayload("e1", "001A01", "001", 5, None, 1.2, 7)
ALARM = RaisedAlarm("a1", "001A01", "over_limit", 4, 1.6, 5)
RESEND = CmdReq("c1", "resend", "k3f9", 10, 16)
TOPIC = Topic(0, "530627", "530627004499", "points", "")
EXAMPLES: list[tuple[str, bytes]] = [
    ("data", encode_data("b", 1, 2, [("A1", 0.4, 0), ("A2", float("nan"), 1, 3)])),
    ("points", encode_points(1, 2, MineInfo(), [], [])),
    (
        "points",
        encode_points(
            12,
            2,
            MineInfo("示例", "outburst", 84.0),
            [UnitInfo("11121", "face", "面")],
            [PointInfo("001A01", unit_id="11121", place_class="FACE_T0", uom="%")],
        ),
    ),
    ("state", encode_state("online", "b", 1, "1.0")),
    ("event", encode_event(EVENT)),
    ("alarms", encode_alarms(1, 2, [ALARM])),
    ("alarms", encode_alarms(1, 2, [])),
    ("cmd_req", encode_cmd_req(RESEND)),
    ("cmd_req", encode_cmd_req(CmdReq("c1", "time", ts_ms=5))),
    ("cmd_res", encode_cmd_res(CmdRes("c1", False, "no such boot"))),
]


def read_points(payload: bytes) -> object:
    """Parse a definition strictly: the first refusal is raised."""

    def refuse(error: PayloadError) -> None:
        raise error

    return parse_points(TOPIC, payload, 5, refuse)


PARSERS: dict[str, Callable[[bytes], object]] = {
    "points": read_points,
    "state": parse_state,
    "event": parse_event,
    "alarms": parse_alarms,
    "cmd_req": parse_cmd_req,
    "cmd_res": parse_cmd_res,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    """Each file is a valid JSON Schema 2020-12."""
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize(("name", "payload"), EXAMPLES)
def test_what_encoders_write_is_valid(name: str, payload: bytes) -> None:
    """Schema and parser accept what the encoder writes."""
    Draft202012Validator(schema(name)).validate(orjson.loads(payload))
    if name in PARSERS:
        PARSERS[name](payload)


@pytest.mark.parametrize(("name", "payload"), EXAMPLES)
def test_schema_and_parser_refuse_the_same_missing_keys(
    name: str, payload: bytes
) -> None:
    """Take one key away: both refuse, or neither does."""
    obj = orjson.loads(payload)
    for key in obj:
        less = {k: v for k, v in obj.items() if k != key}
        valid = Draft202012Validator(schema(name)).is_valid(less)
        if name in PARSERS:
            if valid:
                PARSERS[name](orjson.dumps(less))
                continue
            with pytest.raises(PayloadError, match=key):
                PARSERS[name](orjson.dumps(less))


def test_values_come_back() -> None:
    """Each parser is the twin of its encoder."""
    state = StatePayload("offline", "b", 5, "1.0")
    assert parse_state(encode_state("offline", "b", 5, "1.0")) == state
    assert parse_event(encode_event(EVENT)) == EVENT
    alarms = parse_alarms(encode_alarms(1, 2, [ALARM]))
    assert (alarms.ts_ms, alarms.valid_until_ms) == (1, 2)
    assert (alarms.highest, alarms.open) == ("red", (ALARM,))
    assert parse_alarms(encode_alarms(1, 2, [])).highest == ""
    assert parse_cmd_req(encode_cmd_req(RESEND)) == RESEND
    rebirth = CmdReq("c2", "rebirth")
    assert parse_cmd_req(encode_cmd_req(rebirth)) == rebirth
    assert parse_cmd_res(encode_cmd_res(CmdRes("c1", True))) == CmdRes("c1", True)


def changed(payload: bytes, **other: Any) -> bytes:
    """Return a payload with some keys replaced."""
    return orjson.dumps({**orjson.loads(payload), **other})


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        ("state", changed(encode_state("online", "b", 1), s="dead"), "bad_text"),
        ("event", changed(encode_event(EVENT), code="1"), "bad_text"),
        ("event", changed(encode_event(EVENT), max="1"), "wrong_type"),
        ("event", changed(encode_event(EVENT), no="a/b"), "bad_point_number"),
        ("alarms", changed(encode_alarms(1, 2, []), open={}), "wrong_type"),
        ("alarms", changed(encode_alarms(1, 2, []), open=[1]), "wrong_type"),
        ("cmd_req", changed(encode_cmd_req(RESEND), cmd="explode"), "bad_text"),
        ("cmd_req", changed(encode_cmd_req(RESEND), to=-1), "out_of_range"),
        ("cmd_res", changed(encode_cmd_res(CmdRes("c", True)), ok=1), "wrong_type"),
    ],
)
def test_other_faults_are_refused_by_parser_and_schema(
    name: str, payload: bytes, reason: str
) -> None:
    """One wrong value: both refuse."""
    with pytest.raises(PayloadError) as caught:
        PARSERS[name](payload)
    assert caught.value.reason == reason
    assert not Draft202012Validator(schema(name)).is_valid(orjson.loads(payload))


def test_full_codes_split() -> None:
    """Mine, system, value kind, sensor type and number of the upload files."""
    parts = ("530627173111", "01", "MN", "0002", "001A06")
    assert split_code("".join(parts)) == parts
    assert split_code("001A06") is None
    assert split_code("".join(parts) + "123") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 100, repr("x" * 60)[:57] + "..."),
        ([1, 2], "an array of 2"),
        ({}, "an object of 0"),
        (True, "true"),
        (None, "null"),
        (10**41, "a number over 40 digits"),
        (1.5, "1.5"),
    ],
)
def test_values_are_shown_short(value: object, text: str) -> None:
    """What a detail quotes never grows with the payload."""
    assert fields.show(value) == text

"""Frames as they are written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.remote import frames
from gasmon.remote.parsing import parse_client, parse_server

AT_US = 1_795_392_381_123_000
EVENT = AlarmEvent(
    event="raised",
    kind="over_limit",
    rule="law:FACE_T0",
    subject_type="point",
    subject_id="530627000001-01-001A01",
    area="530627",
    mine="530627000001",
    raised_at_us=AT_US,
    happened_at_us=AT_US,
    arrived_at_us=AT_US + 1000,
    decided_at_us=AT_US + 2000,
    rank=3,
    system="01",
    no="001A01",
    unit="11121",
    value=1.6,
    limit=1.0,
    peak=1.6,
    peak_at_us=AT_US,
    explain={"为什么": "值"},
)


@dataclass(frozen=True)
class Stored:
    """An event with its place in the database."""

    event: AlarmEvent = EVENT
    alarm_id: int = 123
    incident_id: int = 45
    mine_name: str = "某煤矿"
    place: str = "回风隅角"
    quantity: str = "CH4"
    uom: str = "%"
    cleared_at_us: int | None = None
    by: str | None = None
    tier: str | None = None
    note: str | None = None
    cause_code: str | None = None
    more: dict[str, object] = field(default_factory=dict)


def test_a_body_has_every_member_of_the_contract() -> None:
    """What outbox, stream, receiver and replay carry."""
    body = json.loads(frames.encode_body(Stored()))

    assert body.pop("text")["zh"].startswith("橙色 镇雄县 某煤矿 回风隅角 瓦斯 1.60%")
    assert body == {
        "id": EVENT.event_id,
        "event": "raised",
        "kind": "over_limit",
        "rule": "law:FACE_T0",
        "run": 0,
        "drill": False,
        "subject": "point:530627000001-01-001A01",
        "area": "530627",
        "mine": "530627000001",
        "mine_name": "某煤矿",
        "system": "01",
        "point": "001A01",
        "unit": "11121",
        "place": "回风隅角",
        "quantity": "CH4",
        "uom": "%",
        "level": "orange",
        "rank": 3,
        "value": 1.6,
        "limit": 1.0,
        "peak": 1.6,
        "peak_at": "2026-11-23T08:06:21.123+08:00",
        "raised_at": "2026-11-23T08:06:21.123+08:00",
        "happened_at": "2026-11-23T08:06:21.123+08:00",
        "arrived_at": "2026-11-23T08:06:21.124+08:00",
        "decided_at": "2026-11-23T08:06:21.125+08:00",
        "cleared_at": None,
        "late": False,
        "planned": False,
        "quiet": None,
        "alarm_id": 123,
        "incident_id": 45,
        "explain": {"为什么": "值"},
    }


def test_a_cleared_event_says_when() -> None:
    """``cleared_at`` is the event's own time, or what the database knows."""
    cleared = replace(EVENT, event="cleared", happened_at_us=AT_US + 60_000_000)
    own = json.loads(frames.encode_body(Stored(event=cleared)))
    known = json.loads(frames.encode_body(Stored(cleared_at_us=AT_US)))

    assert own["cleared_at"] == "2026-11-23T08:07:21.123+08:00"
    assert known["cleared_at"] == "2026-11-23T08:06:21.123+08:00"


def test_a_confirmation_says_who_and_why() -> None:
    """by, tier, note and cause_code belong to what people do alone."""
    confirmed = Stored(
        event=replace(EVENT, event="confirmed"), by="张三", tier="county", note="核实"
    )
    body = json.loads(frames.encode_body(confirmed))

    assert (body["by"], body["tier"], body["note"]) == ("张三", "county", "核实")
    assert body["cause_code"] is None
    assert body["text"]["zh"].endswith("已由县级 张三 确认")
    assert "by" not in json.loads(frames.encode_body(Stored()))


def test_a_body_is_inside_the_frame_unchanged() -> None:
    """The envelope is put around the very characters that are stored."""
    body = frames.encode_body(Stored())

    assert body in frames.event("e", 1, 2, body)
    assert body in frames.snapshot("e", 2, [body, body])


@pytest.mark.parametrize(
    "text",
    [
        frames.hello(
            server="gasmon",
            epoch="e",
            head=9,
            now_us=AT_US,
            heartbeat_s=5.0,
            principal="p",
            areas=["530627"],
        ),
        frames.hello(
            server="gasmon",
            epoch="e",
            head=9,
            now_us=AT_US,
            heartbeat_s=0.5,
            principal="p",
            areas=None,
        ),
        frames.resumed("e", 4),
        frames.refused("ahead", "why"),
        frames.snapshot("e", 4, []),
        frames.snapshot("e", 4, ['{"id":"a"}', '{"id":"b"}']),
        frames.event("e", 3, 4, '{"id":"a"}'),
        frames.heartbeat("e", 4, 9, AT_US, AT_US),
        frames.result("12345678", status=503, detail="why"),
    ],
)
def test_the_server_writes_what_a_client_reads(text: str) -> None:
    """Every frame of the server is JSON that the client's parser takes."""
    kind = json.loads(text)["type"]

    assert type(parse_server(text)).__name__.lower() == kind


@pytest.mark.parametrize(
    "text",
    [
        frames.subscribe(epoch=None, seq=None, areas=None, min_rank=0),
        frames.subscribe(epoch="e", seq=3, areas=["530627"], min_rank=4),
        frames.ack(7),
        frames.CLIENT_HEARTBEAT,
    ],
)
def test_the_client_writes_what_the_server_reads(text: str) -> None:
    """Every frame of the client is JSON that the server's parser takes."""
    assert parse_client(text)


def test_an_unknown_reason_is_our_mistake() -> None:
    """Only the documented reasons may be sent."""
    with pytest.raises(AssertionError):
        frames.refused("because", "")


def test_a_shelf_says_until_when_and_a_rule_has_no_tier() -> None:
    """``more`` are members of the body; a rule acts for nobody's tier."""
    shelved = Stored(
        event=replace(EVENT, event="shelved"),
        by="张三",
        tier="city",
        more={"until": "2026-11-23T10:00:00.000+08:00", "ceiling": 3},
    )
    closed = Stored(event=replace(EVENT, event="closed"), by="gasmon")
    body, by_rule = (json.loads(frames.encode_body(s)) for s in (shelved, closed))

    assert (body["until"][:16], body["ceiling"]) == ("2026-11-23T10:00", 3)
    assert body["text"]["en"].endswith("shelved by city 张三")
    assert by_rule["tier"] is None
    assert by_rule["text"]["zh"].endswith("已由gasmon 结束")

"""Frames of ``gasmon.alarms.v1``: JSON text, written. Pure; ``parsing`` reads them.

An event's body is encoded once, when it is stored; every client gets the same
characters inside a small envelope of its own.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from gasmon.alarms.events import AlarmEvent
from gasmon.remote.texts import Told, sentence
from gasmon.units import iso_us

SUBPROTOCOL = "gasmon.alarms.v1"

CLOSE_TOO_SLOW = 1013
CLOSE_RESTART = 1012
CLOSE_MALFORMED = 4400
CLOSE_UNAUTHENTICATED = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_SILENT = 4408
CLOSE_REPLACED = 4409
CLOSE_TOO_LARGE = 4413
CLOSE_FLOOD = 4429

REFUSALS = ("epoch_changed", "too_old", "ahead")


OFFERS = (
    *("kinds", "receipts", "commands", "answers", "history", "made", "drills"),
    "seals",
)
"""What this server takes beyond the first edition of v1, as its hello says."""


class StoredEvent(Protocol):
    """What ``gasmon.store`` knows of an event when it is to be told."""

    @property
    def event(self) -> AlarmEvent: ...
    @property
    def alarm_id(self) -> int: ...
    @property
    def incident_id(self) -> int: ...
    @property
    def mine_name(self) -> str: ...
    @property
    def place(self) -> str: ...
    @property
    def quantity(self) -> str: ...
    @property
    def uom(self) -> str: ...


def _dumps(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def encode_body(stored: StoredEvent) -> str:
    """One event's JSON, as outbox, stream, receiver and replay carry it.

    Args:
        stored: the event with its place in the database. What somebody does with an
            alarm is an event too; ``by``, ``tier``, ``note``, ``cause_code`` and
            ``more`` are attributes of ``stored`` then.
    """
    event = stored.event
    by = str(getattr(stored, "by", None) or "")
    tier = str(getattr(stored, "tier", None) or "")
    more: dict[str, Any] = getattr(stored, "more", {})
    told = Told(
        event=event.event,
        kind=event.kind,
        rank=event.rank,
        area=event.area,
        mine_name=stored.mine_name,
        place=stored.place,
        quantity=stored.quantity,
        value=event.value,
        limit=event.limit,
        uom=stored.uom,
        drill=event.run != 0,
        by=by,
        tier=tier,
        to=str(more.get("to") or ""),
        without=str(more.get("without") or ""),
    )
    cleared_us = event.happened_at_us if event.event == "cleared" else None
    body: dict[str, Any] = {
        "id": event.event_id,
        "event": event.event,
        "kind": event.kind,
        "rule": event.rule,
        "run": event.run,
        "drill": event.run != 0,
        "subject": event.subject,
        "area": event.area,
        "mine": event.mine or None,
        "mine_name": stored.mine_name,
        "system": event.system,
        "point": event.no,
        "unit": event.unit,
        "place": stored.place,
        "quantity": stored.quantity,
        "uom": stored.uom,
        "level": event.level,
        "rank": event.rank,
        "value": event.value,
        "limit": event.limit,
        "peak": event.peak,
        "peak_at": _iso(event.peak_at_us),
        "raised_at": iso_us(event.raised_at_us),
        "happened_at": iso_us(event.happened_at_us),
        "arrived_at": iso_us(event.arrived_at_us),
        "decided_at": iso_us(event.decided_at_us),
        "cleared_at": _iso(getattr(stored, "cleared_at_us", None) or cleared_us),
        "late": event.late,
        "planned": event.planned,
        "quiet": event.quiet,
        "alarm_id": stored.alarm_id,
        "incident_id": stored.incident_id,
        "text": sentence(told),
        "explain": event.explain,
    }
    if by:
        body |= _acted(stored, by, tier)
    return _dumps(body)


def _acted(stored: StoredEvent, by: str, tier: str) -> dict[str, Any]:
    """What a body says of somebody's doing, besides its event."""
    return {
        **getattr(stored, "more", {}),
        "by": by,
        "tier": tier or None,
        "note": str(getattr(stored, "note", None) or ""),
        "cause_code": getattr(stored, "cause_code", None),
    }


def kind_of(body: str) -> str:
    """The kind of alarm that an encoded body is about; empty when it names none."""
    return str(orjson.loads(body).get("kind", ""))


def id_of(body: str) -> str:
    """The identity of the event that an encoded body tells."""
    return str(orjson.loads(body).get("id", ""))


def _iso(time_us: int | None) -> str | None:
    return None if time_us is None else iso_us(time_us)


# What the server says.


def hello(
    *,
    server: str,
    epoch: str,
    head: int,
    now_us: int,
    heartbeat_s: float,
    principal: str,
    areas: Sequence[str] | None,
) -> str:
    """The first frame; ``areas`` None means all."""
    return _dumps(
        {
            "type": "hello",
            "protocol": SUBPROTOCOL,
            "server": server,
            "epoch": epoch,
            "head": head,
            "now": iso_us(now_us),
            "heartbeat_s": heartbeat_s,
            "principal": principal,
            "areas": None if areas is None else list(areas),
            "offers": list(OFFERS),
        }
    )


def resumed(epoch: str, seq: int) -> str:
    """The position was accepted; everything after it follows."""
    return _dumps({"type": "resumed", "epoch": epoch, "seq": seq})


def refused(reason: str, detail: str) -> str:
    """The position was not accepted; a snapshot follows."""
    assert reason in REFUSALS, reason
    return _dumps({"type": "refused", "reason": reason, "detail": detail})


def snapshot(epoch: str, seq: int, bodies: Sequence[str]) -> str:
    """Everything that is open; the position ``seq`` was taken before it was read."""
    return (
        f'{{"type":"snapshot","epoch":"{epoch}","seq":{seq},'
        f'"alarms":[{",".join(bodies)}]}}'
    )


def event(epoch: str, from_seq: int, seq: int, body: str) -> str:
    """One event around its encoded body; claims all of the client's in (from, seq]."""
    return (
        f'{{"type":"event","epoch":"{epoch}","seq":{seq},'
        f'"from":{from_seq},"to":{seq},"data":{body}}}'
    )


def heartbeat(
    epoch: str, from_seq: int, to_seq: int, at_us: int, complete_to_us: int
) -> str:
    """The server lives, and claims all of the client's in (from, to]."""
    return (
        f'{{"type":"heartbeat","epoch":"{epoch}","from":{from_seq},"to":{to_seq},'
        f'"at":"{iso_us(at_us)}","complete_to":"{iso_us(complete_to_us)}"}}'
    )


def seal(hour_us: int, hash_: str, body: str) -> str:
    """The seal of an hour of the server's arrival log (``gasmon.sealing``).

    Args:
        hour_us: begin of the hour [µs UTC].
        hash_: SHA-256 of the body, hex.
    """
    told = {"type": "seal", "hour": iso_us(hour_us), "hour_us": hour_us}
    return _dumps({**told, "hash": hash_, "body": body})


def result(
    key: str,
    *,
    status: int,
    record_id: int | None = None,
    repeated: bool = False,
    detail: str = "",
) -> str:
    """What became of a client's command; below 400 it is done."""
    return _dumps(
        {
            "type": "result",
            "key": key,
            "ok": status < 400,
            "status": status,
            "record_id": record_id,
            "repeated": repeated,
            "detail": detail,
        }
    )


# What a client says.


def subscribe(
    *,
    epoch: str | None,
    seq: int | None,
    areas: Sequence[str] | None,
    min_rank: int,
    kinds: Sequence[str] | None = None,
    reports: Sequence[str] = (),
    history: bool = False,
    drills: bool = False,
    seals: int | None = None,
) -> str:
    """The client's first frame; without a position it asks for a snapshot.

    Args:
        seals: hour of the newest seal held [µs UTC], 0 for none; None asks for none.
    """
    wish: dict[str, Any] = {
        "type": "subscribe",
        "resume": None if epoch is None else {"epoch": epoch, "seq": seq},
        "areas": None if areas is None else list(areas),
        "min_rank": min_rank,
    }
    if kinds is not None:
        wish["kinds"] = list(kinds)
    if reports:
        wish["reports"] = list(reports)
    if history:
        wish["history"] = True
    if drills:
        wish["drills"] = True
    if seals is not None:
        wish["seals"] = seals
    return _dumps(wish)


def ack(seq: int) -> str:
    """Everything up to ``seq`` is kept safely on the client's side."""
    return f'{{"type":"ack","seq":{seq}}}'


CLIENT_HEARTBEAT = '{"type":"heartbeat"}'


def client_heartbeat(seq: int) -> str:
    """The client lives, and holds everything up to ``seq``."""
    return f'{{"type":"heartbeat","seq":{seq}}}'


def receipt(
    step: str, ids: Sequence[str], at_us: int | None = None, key: str = ""
) -> str:
    """A step happened to events on the client's side, at its time [µs UTC].

    Args:
        key: asks for a result that bears it.
    """
    frame: dict[str, Any] = {"type": "receipt", "step": step, "ids": list(ids)}
    if key:
        frame["key"] = key
    if at_us is not None:
        frame["at"] = iso_us(at_us)
    return _dumps(frame)


def command(key: str, alarm_id: int, action: str, **body: Any) -> str:
    """Act on an alarm; the same key is done once."""
    told = {"key": key, "alarm_id": alarm_id, "action": action, **body}
    return _dumps({"type": "command", **told})

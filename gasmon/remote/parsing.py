"""Frames of ``gasmon.alarms.v1``: JSON text, read. Pure; ``frames`` writes them.

Strict about what is used and lenient about the rest: unknown members are ignored,
unknown frames of the *server* too (a newer server may say more), unknown frames of a
*client* are malformed.
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from gasmon.alarms.receipts import PROMISED, REPORTED
from gasmon.units import US_PER_S, parse_iso_us

MAX_AREAS = 4000
"""Areas in one frame; the country has about 2,850 counties."""

MAX_KINDS = 200
"""Kinds in one frame; there are about fifty."""

MAX_IDS = 500
"""Events of one receipt; an id has about 100 characters."""

CREDIBLE_US = (946_684_800 * US_PER_S, 4_102_444_800 * US_PER_S)
"""Years 2000 to 2100: a clock outside of it says nothing [µs UTC]."""

_KEY = re.compile(r"[!-~]{8,80}", re.ASCII)


class Malformed(ValueError):
    """A frame that is not of this protocol; names the member and what it held."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A client's wish; ``resume`` is (epoch, seq) or None.

    Attributes:
        seals: hour of the newest seal that it holds [µs UTC]; None: it wants none.
    """

    resume: tuple[str, int] | None
    areas: tuple[str, ...] | None
    min_rank: int
    kinds: tuple[str, ...] | None = None
    reports: tuple[str, ...] = ()
    history: bool = False
    drills: bool = False
    seals: int | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A client kept everything up to ``seq``."""

    seq: int


@dataclass(frozen=True, slots=True)
class ClientHeartbeat:
    """A client lives; it may say up to where it kept everything."""

    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A step happened to these events, at a time of the client's clock if it says one.

    Attributes:
        at_us: [µs UTC]; None when it says none or an incredible one.
        key: a result with it is wanted once it is written; None: no result.
    """

    step: str
    ids: tuple[str, ...]
    at_us: int | None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A client acts on an alarm; ``body`` is everything else that it says."""

    key: str
    alarm_id: int
    action: str
    body: dict[str, Any]


ClientFrame = Subscribe | Ack | ClientHeartbeat | Receipt | Command


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client needs of the server's first frame; ``areas`` None means all.

    ``offers`` names what the server takes beyond the first edition of v1.
    """

    epoch: str
    head: int
    heartbeat_s: float
    principal: str
    areas: tuple[str, ...] | None
    offers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resumed:
    """The position was accepted."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The position was not accepted."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything open, with the position that is up to date with it."""

    epoch: str
    seq: int
    alarms: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One event; all of the client's in (from_seq, to_seq] are now told."""

    epoch: str
    seq: int
    from_seq: int
    to_seq: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The server lives; all of the client's in (from_seq, to_seq] are told."""

    epoch: str
    from_seq: int
    to_seq: int
    complete_to: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of a newer server; to be ignored."""

    type: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command.

    Attributes:
        status: as HTTP would answer.
        record_id: of the journal; None when nothing was done.
        repeated: it was done before, under the same key.
    """

    key: str
    ok: bool
    status: int
    record_id: int | None
    repeated: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Seal:
    """The seal of an hour; ``body`` is what ``hash`` is of."""

    hour_us: int
    hash: str
    body: str


_Answer = Hello | Resumed | Refused | Snapshot | Result
ServerFrame = _Answer | Event | Heartbeat | Seal | Unknown


def parse_client(text: str) -> ClientFrame:
    """Read a client's frame.

    Raises:
        Malformed: it is none.
    """
    frame = _object(text)
    match frame.get("type"):
        case "subscribe":
            return _subscribe(frame)
        case "ack":
            return Ack(_count(frame, "seq"))
        case "heartbeat":
            held = frame.get("seq")
            return ClientHeartbeat(None if held is None else _count(frame, "seq"))
        case "receipt":
            return _receipt(frame)
        case "command":
            return _command(frame)
        case other:
            raise Malformed(
                f"type {_shown(other)} is none of subscribe, ack, heartbeat, receipt,"
                " command"
            )


def _subscribe(frame: dict[str, Any]) -> Subscribe:
    resume = frame.get("resume")
    position: tuple[str, int] | None = None
    if resume is not None:
        if not isinstance(resume, dict):
            raise Malformed(f"resume {_shown(resume)} is neither an object nor null")
        position = (_text(resume, "epoch"), _count(resume, "seq"))
    min_rank = _count(frame, "min_rank") if "min_rank" in frame else 0
    if min_rank > 4:
        raise Malformed(f"min_rank {min_rank} is over 4")
    reports = _names(frame, "reports", len(PROMISED)) or ()
    for step in reports:
        if step not in PROMISED:
            raise Malformed(f"reports {_shown(step)} is none of {', '.join(PROMISED)}")
    return Subscribe(
        position,
        _names(frame, "areas", MAX_AREAS),
        min_rank,
        _names(frame, "kinds", MAX_KINDS),
        reports,
        frame.get("history") is True,
        frame.get("drills") is True,
        None if frame.get("seals") is None else _count(frame, "seals"),
    )


def _receipt(frame: dict[str, Any]) -> Receipt:
    step = _text(frame, "step")
    if step not in REPORTED:
        raise Malformed(f"step {_shown(step)} is none of {', '.join(REPORTED)}")
    ids = _names(frame, "ids", MAX_IDS)
    if not ids:
        raise Malformed(f"ids {_shown(ids)} names no event")
    if any("\x00" in one for one in ids):
        raise Malformed("ids has one with a NUL")
    at_us = None
    if frame.get("at") is not None:
        try:
            at_us = parse_iso_us(_text(frame, "at"))
        except ValueError:
            raise Malformed(f"at {_shown(frame['at'])} is not a time") from None
        if not CREDIBLE_US[0] <= at_us <= CREDIBLE_US[1]:
            at_us = None
    return Receipt(step, ids, at_us, _key(frame) if "key" in frame else None)


def _key(frame: dict[str, Any]) -> str:
    key = _text(frame, "key")
    if not _KEY.fullmatch(key):
        raise Malformed(f"key {_shown(key)} is not 8 to 80 printable characters")
    return key


def _command(frame: dict[str, Any]) -> Command:
    key = _key(frame)
    body = {k: v for k, v in frame.items() if k not in ("type", "alarm_id", "action")}
    return Command(key, _count(frame, "alarm_id"), _text(frame, "action"), body)


def _names(frame: dict[str, Any], member: str, most: int) -> tuple[str, ...] | None:
    names = frame.get(member)
    if names is None:
        return None
    if not isinstance(names, list) or len(names) > most:
        raise Malformed(f"{member} {_shown(names)} is neither a short list nor null")
    for name in names:
        if not isinstance(name, str):
            raise Malformed(f"{member} {_shown(name)} is not text")
    return tuple(names)


def parse_server(text: str) -> ServerFrame:
    """Read a server's frame.

    Raises:
        Malformed: it breaks the protocol.
    """
    frame = _object(text)
    kind = _text(frame, "type")
    match kind:
        case "hello":
            return Hello(
                _text(frame, "epoch"),
                _count(frame, "head"),
                _number(frame, "heartbeat_s"),
                _text(frame, "principal"),
                _names(frame, "areas", MAX_AREAS),
                _names(frame, "offers", MAX_KINDS) or (),
            )
        case "resumed":
            return Resumed(_text(frame, "epoch"), _count(frame, "seq"))
        case "refused":
            return Refused(_text(frame, "reason"), str(frame.get("detail", "")))
        case "snapshot":
            alarms = frame.get("alarms")
            if not isinstance(alarms, list):
                raise Malformed(f"alarms {_shown(alarms)} is not a list")
            return Snapshot(
                _text(frame, "epoch"),
                _count(frame, "seq"),
                tuple(_body(alarm) for alarm in alarms),
            )
        case "event":
            return Event(
                _text(frame, "epoch"),
                _count(frame, "seq"),
                _count(frame, "from"),
                _count(frame, "to"),
                _body(frame.get("data")),
            )
        case "heartbeat":
            return Heartbeat(
                _text(frame, "epoch"),
                _count(frame, "from"),
                _count(frame, "to"),
                str(frame.get("complete_to", "")),
            )
        case "result":
            return _result(frame)
        case "seal":
            if (hour_us := _count(frame, "hour_us")) >= CREDIBLE_US[1]:
                raise Malformed(f"hour_us {hour_us} is not a time")
            return Seal(hour_us, _text(frame, "hash"), _text(frame, "body"))
        case _:
            return Unknown(kind)


def _result(frame: dict[str, Any]) -> Result:
    return Result(
        key=_text(frame, "key"),
        ok=frame.get("ok") is True,
        status=_count(frame, "status"),
        record_id=None
        if frame.get("record_id") is None
        else _count(frame, "record_id"),
        repeated=frame.get("repeated") is True,
        detail=str(frame.get("detail", "")),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from None
    if not isinstance(frame, dict):
        raise Malformed(f"{_shown(frame)} is not an object")
    return frame


def _body(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        raise Malformed(f"event body {_shown(data)} has no id")
    return data


def _text(frame: dict[str, Any], name: str) -> str:
    value = frame.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{name} {_shown(value)} is not text")
    return value


def _count(frame: dict[str, Any], name: str) -> int:
    value = frame.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise Malformed(f"{name} {_shown(value)} is not a number from 0 up")
    return value


def _number(frame: dict[str, Any], name: str) -> float:
    value = frame.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise Malformed(f"{name} {_shown(value)} is not a positive number")
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

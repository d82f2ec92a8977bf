"""Frames of ``gasmon.alarms.v1``: JSON text, read. Pure; ``frames`` writes them.

Strict about what is used and lenient about the rest: unknown members are ignored,
unknown frames of the *server* too (a newer server may say more), unknown frames of a
*client* are malformed.
"""

from dataclasses import dataclass
from typing import Any

import orjson

MAX_AREAS = 4000
"""Areas in one frame; the country has about 2,850 counties."""

MAX_KINDS = 200
"""Kinds in one frame; there are about fifty."""


class Malformed(ValueError):
    """A frame that is not of this protocol; names the member and what it held."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A client's wish; ``resume`` is (epoch, seq) or None."""

    resume: tuple[str, int] | None
    areas: tuple[str, ...] | None
    min_rank: int
    kinds: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """A client kept everything up to ``seq``."""

    seq: int


@dataclass(frozen=True, slots=True)
class ClientHeartbeat:
    """A client lives; it may say up to where it kept everything."""

    seq: int | None = None


ClientFrame = Subscribe | Ack | ClientHeartbeat


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


ServerFrame = Hello | Resumed | Refused | Snapshot | Event | Heartbeat | Unknown


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
        case other:
            raise Malformed(
                f"type {_shown(other)} is none of subscribe, ack, heartbeat"
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
    areas = _names(frame, "areas", MAX_AREAS)
    return Subscribe(position, areas, min_rank, _names(frame, "kinds", MAX_KINDS))


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
        case _:
            return Unknown(kind)


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

"""What a gateway and gasmon write to each other, as dataclasses and bytes.

JSON, UTF-8, `v` = 1, times in ms UTC. Encoders are used by gasmon, by the simulated
gateways and by the tests; each `parse_*` is the strict twin of its encoder and raises
`PayloadError`. Frames of live data have a faster path in `decode.py`, point
definitions a more forgiving one in `definitions.py`. The same rules as JSON Schema
stand in `schemas/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import orjson

from gasmon.ingest.fields import (
    INT64_MAX,
    VERSION,
    PayloadError,
    check_version,
    finite,
    is_short_no,
    load_object,
    need,
    need_boot,
    need_int,
    need_no,
    need_text,
    need_time_ms,
    optional_text,
    optional_time_ms,
    show,
)
from gasmon.ingest.records import (
    ABNORMAL_KINDS,
    COMMANDS,
    LEVELS,
    LIMIT_NAMES,
    AlarmsPayload,
    CmdReq,
    CmdRes,
    EventPayload,
    Item,
    MineInfo,
    PointInfo,
    RaisedAlarm,
    StatePayload,
    UnitInfo,
)

__all__ = [
    "ABNORMAL_KINDS",
    "COMMANDS",
    "LEVELS",
    "LIMIT_NAMES",
    "SCHEMAS",
    "AlarmsPayload",
    "CmdReq",
    "CmdRes",
    "EventPayload",
    "Item",
    "MineInfo",
    "PayloadError",
    "PointInfo",
    "RaisedAlarm",
    "StatePayload",
    "UnitInfo",
    "encode_alarms",
    "encode_cmd_req",
    "encode_cmd_res",
    "encode_data",
    "encode_event",
    "encode_points",
    "encode_state",
    "parse_alarms",
    "parse_cmd_req",
    "parse_cmd_res",
    "parse_event",
    "parse_state",
    "schema",
    "split_code",
]

SCHEMAS = ("data", "points", "state", "event", "alarms", "cmd_req", "cmd_res")


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one payload, one of `SCHEMAS`."""
    text = files(__package__).joinpath("schemas", f"{name}.json").read_bytes()
    loaded: dict[str, Any] = orjson.loads(text)
    return loaded


def encode_data(boot: str, seq: int, ts_ms: int, d: Iterable[Item]) -> bytes:
    """Encode a frame for `data` or `backfill`.

    Args:
        boot: Name of the gateway's present start, 1 to 64 characters.
        seq: Number of the data frame since that start.
        ts_ms: Time of the cycle [ms UTC].
        d: One item per point; NaN and infinities are written as null.
    """
    return orjson.dumps(
        {"v": VERSION, "boot": boot, "seq": seq, "ts": ts_ms, "d": list(d)}
    )


def encode_points(
    rev: int,
    ts_ms: int,
    mine: MineInfo,
    units: Sequence[UnitInfo],
    points: Sequence[PointInfo],
) -> bytes:
    """Encode all definitions of a mine; `rev` rises with every change."""
    head: dict[str, Any] = {"name": mine.name}
    if mine.kind:
        head["kind"] = mine.kind
    if mine.atmosphere_kpa is not None:
        head["atmosphere_kpa"] = mine.atmosphere_kpa
    return orjson.dumps(
        {
            "v": VERSION,
            "rev": rev,
            "ts": ts_ms,
            "mine": head,
            "units": [{"id": u.id, "kind": u.kind, "name": u.name} for u in units],
            "points": [_point_object(point) for point in points],
        }
    )


def _point_object(point: PointInfo) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "no": point.no,
        "system": point.system,
        "type": point.type,
        "kind": point.kind,
        "place": point.place,
        "uom": point.uom,
        "range": list(point.range),
        "relations": list(point.relations),
    }
    for name in ("unit_id", "place_class", "substation"):
        if getattr(point, name):
            obj[name] = getattr(point, name)
    for name in LIMIT_NAMES:
        obj[name] = getattr(point, name)
    return obj


def encode_state(s: str, boot: str, ts_ms: int, ver: str = "") -> bytes:
    """Encode a birth message or last will; `s` is `online` or `offline`.

    Also used for `gasmon/v1/state`, where gasmon tells that it is alive.
    """
    assert s in ("online", "offline"), s
    return orjson.dumps({"v": VERSION, "s": s, "boot": boot, "ts": ts_ms, "ver": ver})


def encode_event(event: EventPayload) -> bytes:
    """Encode an abnormal event of the mine's own system."""
    return orjson.dumps(
        {
            "v": VERSION,
            "eid": event.eid,
            "no": event.no,
            "code": event.code,
            "start": event.start_ms,
            "end": event.end_ms,
            "max": event.max,
            "max_ts": event.max_ms,
        }
    )


def encode_alarms(
    ts_ms: int, valid_until_ms: int, raised: Sequence[RaisedAlarm]
) -> bytes:
    """Encode the annunciator of one mine.

    Args:
        ts_ms: When this was true [ms UTC].
        valid_until_ms: Until when it may be trusted without a refresh [ms UTC].
        raised: Every alarm that is raised; empty clears the annunciator.
    """
    ranks = [alarm.rank for alarm in raised]
    return orjson.dumps(
        {
            "v": VERSION,
            "ts": ts_ms,
            "valid_until": valid_until_ms,
            "highest": LEVELS[max(ranks)] if ranks else None,
            "open": [
                {
                    "id": alarm.id,
                    "no": alarm.no,
                    "kind": alarm.kind,
                    "level": LEVELS[alarm.rank],
                    "rank": alarm.rank,
                    "value": alarm.value,
                    "since": alarm.since_ms,
                    "confirmed": alarm.confirmed,
                }
                for alarm in raised
            ],
        }
    )


def encode_cmd_req(request: CmdReq) -> bytes:
    """Encode a request to a gateway."""
    assert request.cmd in COMMANDS, request.cmd
    obj: dict[str, Any] = {"v": VERSION, "id": request.id, "cmd": request.cmd}
    optional = {
        "boot": request.boot or None,
        "from": request.from_seq,
        "to": request.to_seq,
        "ts": request.ts_ms,
    }
    obj.update({key: value for key, value in optional.items() if value is not None})
    return orjson.dumps(obj)


def encode_cmd_res(response: CmdRes) -> bytes:
    """Encode a gateway's answer."""
    obj: dict[str, Any] = {"v": VERSION, "id": response.id, "ok": response.ok}
    if response.error:
        obj["error"] = response.error
    return orjson.dumps(obj)


def parse_state(payload: bytes) -> StatePayload:
    """Parse a birth message or last will.

    Raises:
        PayloadError: Not such a payload; names the key.
    """
    obj = _versioned(payload)
    s = need_text(obj, "s")
    if s not in ("online", "offline"):
        raise PayloadError("bad_text", f"s is {show(s)}, not online or offline")
    return StatePayload(
        s, need_boot(obj), need_time_ms(obj, "ts"), optional_text(obj, "ver")
    )


def parse_event(payload: bytes) -> EventPayload:
    """Parse an abnormal event; an unknown `code` of three digits is kept.

    Raises:
        PayloadError: Not such a payload; names the key.
    """
    obj = _versioned(payload)
    code = need_text(obj, "code")
    if not (len(code) == 3 and code.isascii() and code.isdigit()):
        raise PayloadError("bad_text", f"code is {show(code)}, not three digits")
    return EventPayload(
        eid=need_text(obj, "eid", 100),
        no=need_no(obj),
        code=code,
        start_ms=need_time_ms(obj, "start"),
        end_ms=optional_time_ms(obj, "end"),
        max=_optional_number(obj, "max"),
        max_ms=optional_time_ms(obj, "max_ts"),
    )


def parse_alarms(payload: bytes) -> AlarmsPayload:
    """Parse the annunciator, as a relay at the mine does.

    Raises:
        PayloadError: Not such a payload; names the key. Treat it as silence.
    """
    obj = _versioned(payload)
    rows = need(obj, "open")
    if type(rows) is not list or not all(type(row) is dict for row in rows):
        raise PayloadError("wrong_type", f"open is {show(rows)}, not of objects")
    return AlarmsPayload(
        need_time_ms(obj, "ts"),
        need_time_ms(obj, "valid_until"),
        optional_text(obj, "highest"),
        tuple(
            RaisedAlarm(
                id=need_text(row, "id"),
                no=optional_text(row, "no"),
                kind=need_text(row, "kind"),
                rank=need_int(row, "rank", 0, 4),
                value=_optional_number(row, "value"),
                since_ms=need_time_ms(row, "since"),
                confirmed=row.get("confirmed") is True,
            )
            for row in rows
        ),
    )


def parse_cmd_req(payload: bytes) -> CmdReq:
    """Parse a request, as a gateway does.

    Raises:
        PayloadError: Not such a payload, an unknown command, or a `resend` without
            its range.
    """
    obj = _versioned(payload)
    cmd = need_text(obj, "cmd")
    if cmd not in COMMANDS:
        raise PayloadError("bad_text", f"cmd is {show(cmd)}, known: {COMMANDS}")
    resend = cmd == "resend"
    return CmdReq(
        id=need_text(obj, "id", 100),
        cmd=cmd,
        boot=need_boot(obj) if resend else "",
        from_seq=need_int(obj, "from", 0, INT64_MAX) if resend else None,
        to_seq=need_int(obj, "to", 0, INT64_MAX) if resend else None,
        ts_ms=optional_time_ms(obj, "ts"),
    )


def parse_cmd_res(payload: bytes) -> CmdRes:
    """Parse a gateway's answer.

    Raises:
        PayloadError: Not such a payload; names the key.
    """
    obj = _versioned(payload)
    ok = need(obj, "ok")
    if type(ok) is not bool:
        raise PayloadError("wrong_type", f"ok is {show(ok)}, not true or false")
    return CmdRes(need_text(obj, "id", 100), ok, optional_text(obj, "error"))


def split_code(code: str) -> tuple[str, str, str, str, str] | None:
    """Split a full point code of the upload files.

    Mine (12) + system (2) + value kind (2) + sensor type (4) + number (1 to 8), for
    example `530627173111` `01` `MN` `0002` `001A06` written together.

    Returns:
        (mine, system, value kind, sensor type, number), or None when it is none.
    """
    if not 21 <= len(code) <= 28:
        return None
    mine, system, kind, sensor_type = code[:12], code[12:14], code[14:16], code[16:20]
    digits = mine + sensor_type
    if not (digits.isascii() and digits.isdigit() and system in ("01", "02")):
        return None
    if kind not in ("MN", "KG", "LJ", "DT") or not is_short_no(code[20:]):
        return None
    return mine, system, kind, sensor_type, code[20:]


def _versioned(payload: bytes) -> dict[str, Any]:
    obj = load_object(payload)
    check_version(obj)
    return obj


def _optional_number(obj: Mapping[str, Any], key: str) -> float | None:
    value = obj.get(key)
    if value is None:
        return None
    number = finite(value)
    if number is None:
        raise PayloadError("wrong_type", f"{key} is {show(value)}, no number")
    return number

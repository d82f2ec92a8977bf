"""The payloads as plain values, and the words that are fixed on the wire.

Encoders and parsers stand in `payloads.py`, which also exports these names.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = {4: "red", 3: "orange", 2: "yellow", 1: "blue", 0: "ungraded"}
"""Names of the alarm ranks on the wire, worst first."""

COMMANDS = ("resend", "rebirth", "time")
ABNORMAL_KINDS = {
    "001": "over-limit alarm",
    "002": "cut-off alarm",
    "003": "feed abnormality",
    "004": "sensor line break",
    "005": "substation power loss",
    "006": "substation not reachable",
    "007": "calibration",
    "008": "over-range",
    "009": "high pre-warning",
    "010": "low pre-warning",
}
"""Abnormal kinds of the upload files (seen alike in several working programs)."""

LIMIT_NAMES = (
    "alarm_high",
    "clear_high",
    "cut_high",
    "restore_high",
    "alarm_low",
    "clear_low",
    "cut_low",
    "restore_low",
)

Value = float | int | None
Item = tuple[str, Value, int] | tuple[str, Value, int, int | None]
"""(point number, value or None, state bits[, the sample's own time in ms UTC])."""


@dataclass(frozen=True, slots=True)
class MineInfo:
    """What a definition says about the mine; `kind` "" and None mean unsaid.

    Attributes:
        kind: `low_gas`, `high_gas`, `outburst` or "".
        atmosphere_kpa: Air pressure at the mine [kPa].
    """

    name: str = ""
    kind: str = ""
    atmosphere_kpa: float | None = None


@dataclass(frozen=True, slots=True)
class UnitInfo:
    """A face, heading, return or drainage station that points belong to.

    Attributes:
        kind: `face`, `heading`, `return`, `drainage` or `other`.
    """

    id: str
    kind: str = "other"
    name: str = ""


@dataclass(frozen=True, slots=True)
class PointInfo:
    """One point as its mine defines it; limits of None are not set.

    Attributes:
        no: Original number, at most 8 characters.
        system: `01` safety monitoring, `02` gas drainage.
        type: Four-digit sensor type of the upload dictionary, "0000" unknown.
        kind: Value kind: MN analog, KG switch, LJ accumulated, DT multi-state.
        place_class: Class of place in the table of legal limits, "" when unsaid.
        range: Measuring range (low, high) in `uom`.
        substation: Number of its substation, "" where `no` tells it.
        relations: Codes such as `D-001D01-name` (D cut-off, G related door, ...).
    """

    no: str
    system: str = "01"
    type: str = "0000"
    kind: str = "MN"
    unit_id: str = ""
    place: str = ""
    place_class: str = ""
    uom: str = ""
    range: tuple[float | None, float | None] = (None, None)
    alarm_high: float | None = None
    clear_high: float | None = None
    cut_high: float | None = None
    restore_high: float | None = None
    alarm_low: float | None = None
    clear_low: float | None = None
    cut_low: float | None = None
    restore_low: float | None = None
    substation: str = ""
    relations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatePayload:
    """A birth message (`online`) or last will (`offline`).

    Attributes:
        ts_ms: When it was written; a will is written at connect, not at death.
    """

    s: str
    boot: str
    ts_ms: int
    ver: str = ""


@dataclass(frozen=True, slots=True)
class EventPayload:
    """An abnormal event of the mine's own system; `end_ms` None while it lasts.

    Attributes:
        system: `01` or `02` where it was told (upload files), "" else; what follows
            it is told by upload files only.
    """

    eid: str
    no: str
    code: str
    start_ms: int
    end_ms: int | None = None
    max: float | None = None
    max_ms: int | None = None
    system: str = ""
    mean: float | None = None
    cause: str = ""
    measure: str = ""
    entered_by: str = ""


@dataclass(frozen=True, slots=True)
class StatisticPayload:
    """What the mine's own system made of one interval of a point (TJSJ).

    Attributes:
        min, max, mean: None where it told none.
    """

    system: str
    no: str
    start_ms: int
    end_ms: int
    max: float | None = None
    min: float | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """One line of the annunciator: an alarm that is raised now.

    Attributes:
        no: Point number, "" when the subject is no point.
        rank: 0 ungraded to 4 red, see `LEVELS`.
    """

    id: str
    no: str
    kind: str
    rank: int
    value: float | None
    since_ms: int
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class AlarmsPayload:
    """The annunciator: after `valid_until_ms` silence itself is an alarm."""

    ts_ms: int
    valid_until_ms: int
    highest: str
    open: tuple[RaisedAlarm, ...]


@dataclass(frozen=True, slots=True)
class CmdReq:
    """A request to a gateway: resend frames [from_seq, to_seq] of a boot, send the
    definitions again (`rebirth`), or set the clock to `ts_ms` (`time`)."""

    id: str
    cmd: str
    boot: str = ""
    from_seq: int | None = None
    to_seq: int | None = None
    ts_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CmdRes:
    """The gateway's answer; `error` says why when `ok` is false."""

    id: str
    ok: bool
    error: str = ""

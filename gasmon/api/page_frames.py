"""What a page says by its live stream: of itself, and what it showed. Pure.

* ``console``: ``page`` (this tab), ``console`` (the workstation), ``visible``,
  ``sound``, ``tested_at_ms`` or null, ``clock_off_ms``
* ``shown``: ``step`` (drawn, sounded or blocked), ``alarms`` (each a number and a
  level), ``at_ms``
* ``leave``: somebody signs out
"""

import re
from dataclasses import dataclass
from typing import Any

import orjson

from gasmon.alarms.receipts import BLOCKED, DRAWN, SOUNDED
from gasmon.remote.parsing import Malformed
from gasmon.remote.session import FLOOD_BURST, FLOOD_PER_S
from gasmon.shifts.consoles import SOUNDS
from gasmon.units import US_PER_MS

MOST_ALARMS = 500
"""Alarms of one frame; a page knows 2,000 at most."""

MAX_OFF_MS = 2**31 - 1
"""A clock that is 24 days off is as wrong as one that is ten years off [ms]."""

_NAME = re.compile(r"[0-9a-f]{8,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ConsoleSaid:
    """A tab as it is; ``tested_us`` by our clock [µs UTC]."""

    page: str
    console: str
    visible: bool
    sound: str
    tested_us: int | None
    clock_off_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """Alarms with the level at which they were shown; ``at_us`` by our clock."""

    step: str
    alarms: tuple[tuple[int, int], ...]
    at_us: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody signs out there."""


PageFrame = ConsoleSaid | Shown | Leave


def parse_page(text: str) -> PageFrame:
    """Read a page's frame.

    Raises:
        Malformed: it is none.
    """
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from None
    kind = frame.get("type") if isinstance(frame, dict) else None
    match kind:
        case "console":
            return _console(frame)
        case "shown":
            return _shown(frame)
        case "leave":
            return Leave()
        case _:
            raise Malformed("type is none of console, shown, leave")


def _console(frame: dict[str, Any]) -> ConsoleSaid:
    for name in ("page", "console"):
        if not isinstance(frame.get(name), str) or not _NAME.fullmatch(frame[name]):
            raise Malformed(f"{name} is not 8 to 32 hexadecimal digits")
    if frame.get("sound") not in SOUNDS:
        raise Malformed(f"sound is none of {', '.join(SOUNDS)}")
    if not isinstance(frame.get("visible"), bool):
        raise Malformed("visible is not true or false")
    tested = frame.get("tested_at_ms")
    off_ms = _number(frame, "clock_off_ms", -MAX_OFF_MS, MAX_OFF_MS)
    return ConsoleSaid(
        frame["page"],
        frame["console"],
        frame["visible"],
        frame["sound"],
        None if tested is None else _time_us(frame, "tested_at_ms"),
        off_ms,
    )


def _shown(frame: dict[str, Any]) -> Shown:
    if frame.get("step") not in (DRAWN, SOUNDED, BLOCKED):
        raise Malformed("step is none of drawn, sounded, blocked")
    alarms = frame.get("alarms")
    if not isinstance(alarms, list) or not 0 < len(alarms) <= MOST_ALARMS:
        raise Malformed(f"alarms is not a list of 1 to {MOST_ALARMS}")
    pairs = []
    for one in alarms:
        if not isinstance(one, list) or len(one) != 2:
            raise Malformed("alarms has one that is not [number, level]")
        named = {"alarm": one[0], "level": one[1]}
        pairs.append(
            (_number(named, "alarm", 1, 2**63 - 1), _number(named, "level", 0, 4))
        )
    return Shown(frame["step"], tuple(pairs), _time_us(frame, "at_ms"))


def _time_us(frame: dict[str, Any], name: str) -> int:
    """A time between 2000 and 2100 [µs UTC]."""
    return _number(frame, name, 946_684_800_000, 4_102_444_800_000) * US_PER_MS


def _number(frame: dict[str, Any], name: str, least: int, most: int) -> int:
    value = frame.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(f"{name} is not a number")
    if not least <= value <= most:
        raise Malformed(f"{name} is not from {least} to {most}")
    return value


class Credit:
    """How many frames a page may still send; as for platforms."""

    def __init__(self, at_s: float) -> None:
        """Begin full at a monotonic time [s]."""
        self._left = float(FLOOD_BURST)
        self._at_s = at_s

    def take(self, at_s: float) -> bool:
        """Use one up; False when there is none left."""
        more = (at_s - self._at_s) * FLOOD_PER_S
        self._left = min(float(FLOOD_BURST), self._left + more) - 1.0
        self._at_s = at_s
        return self._left >= 0

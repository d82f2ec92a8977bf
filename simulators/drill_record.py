"""What was done and seen in a drill: one plain value, kept as JSON.

A sheet is computed from a record and criteria alone, so a drill can be scored again, by
other criteria too, long after the platform forgot it. Times are seconds since its
begin, by the platform's clock.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError

VERSION = 1
"""Of the file; a reader refuses any other."""

ENDS = ("done", "time", "stopped", "real_alarm", "cut_off")
BROKEN_OFF = ("stopped", "real_alarm", "cut_off")
"""How a drill ended: everything asked for was done, its time was over, somebody
stopped it, a real alarm came, or whoever played it fell silent; ``BROKEN_OFF`` is no
pass whatever was done by then."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A cause as it was injected.

    Attributes:
        at_s, until_s: from when to when [s of the drill].
        where: mine, working and places in words.
    """

    name: str
    kind: str
    at_s: float
    until_s: float
    where: str


@dataclass(frozen=True, slots=True)
class Call:
    """An inject as it was given to the leader of the drill.

    Attributes:
        kind: ``call`` or ``false_report``.
        at_s: when it was given [s of the drill].
    """

    name: str
    kind: str
    at_s: float
    to: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that somebody did with an alarm, as the journal has it.

    Attributes:
        event: ``confirmed``, ``verified``, ``handled`` …
        at_s: when it was recorded [s of the drill].
        tier: ``mine``, ``county``, ``city`` or empty.
        stands: not withdrawn.
    """

    event: str
    at_s: float
    by: str
    tier: str
    note: str
    stands: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far the first event of an alarm came at a platform or room.

    Attributes:
        role: ``platform`` or ``room``.
        steps: when each step was reached [s of the drill].
    """

    recipient: str
    role: str
    steps: dict[str, float]


@dataclass(frozen=True, slots=True)
class DrillAlarm:
    """An alarm of the drill and all that became of it.

    Attributes:
        zh, en: the platform's own sentence about it.
        rank: highest level that it reached, 0 to 4.
        raised_s: when it began, in the mine's time [s of the drill].
        told_s: when the platform had stored it, so that it could be told.
        cleared_s: when it was over; None while it goes on.
        cause: name of the injected cause of which it must come; empty of any other.
        cause_s: when that began [s of the drill].
        fits: ``expected``, ``allowed`` or ``unexpected``.
    """

    alarm_id: int
    mine: str
    kind: str
    place: str
    zh: str
    en: str
    rank: int
    raised_s: float
    told_s: float
    cleared_s: float | None
    cause: str
    cause_s: float
    fits: str
    entries: tuple[Entry, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """An alarm that had to come and did not.

    Attributes:
        n: how many of them.
        levels: ranks, one of which it must have reached; empty for any.
    """

    kinds: tuple[str, ...]
    where: str
    cause: str
    levels: tuple[int, ...]
    n: int


@dataclass(frozen=True, slots=True)
class Curve:
    """What one point sent.

    Attributes:
        limit: its alarm limit in ``uom``; None without one.
        at_s: when [s of the drill]; ``value`` has None where it sent none.
    """

    mine: str
    no: str
    place: str
    uom: str
    limit: float | None
    at_s: tuple[float, ...]
    value: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class RealAlarm:
    """A real alarm that came while the drill went on."""

    alarm_id: int
    mine: str
    kind: str
    rank: int
    at_s: float


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """One drill.

    Attributes:
        begin_us: of the drill, by the platform's clock [µs UTC].
        ended_s: its end [s of the drill]; ``ended_by`` is one of ``ENDS``.
        participants: names of people who take part; empty: everybody.
        platforms: names of platforms that must be told; empty: all that are expected.
        mines: codes and names.
    """

    run: int
    scenario: str
    zh: str
    en: str
    county: str
    seed: int
    announced: bool
    participants: tuple[str, ...]
    platforms: tuple[str, ...]
    mines: dict[str, str]
    begin_us: int
    ended_s: float
    ended_by: str
    truths: tuple[Truth, ...] = ()
    calls: tuple[Call, ...] = ()
    alarms: tuple[DrillAlarm, ...] = ()
    missing: tuple[Missing, ...] = ()
    curves: tuple[Curve, ...] = ()
    real_alarms: tuple[RealAlarm, ...] = field(default=())


def write(record: DrillRecord, path: Path) -> None:
    """Keep a record.

    Raises:
        ConfigError: the file cannot be written.
    """
    tree = {"version": VERSION, **asdict(record)}
    try:
        path.write_text(json.dumps(tree, ensure_ascii=False, indent=1), "utf-8")
    except OSError as error:
        raise ConfigError(f"record of the drill: {error}") from None


def read(path: Path) -> DrillRecord:
    """A record that was kept.

    Raises:
        ConfigError: it is none, or of another version; names the file.
    """
    try:
        tree = json.loads(path.read_text("utf-8"))
        version = tree.pop("version")
        if version != VERSION:
            raise ConfigError(f"{path}: a record of version {version}, not {VERSION}")
        record = from_dict(tree)
        if record.ended_by not in ENDS:
            raise ValueError(f"ended_by {record.ended_by!r}")
        return record
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: no record of a drill: {error}") from None


def from_dict(tree: Mapping[str, Any]) -> DrillRecord:
    """A record from the plain values that ``asdict`` makes of it."""
    alarms = tuple(
        DrillAlarm(
            **{
                **alarm,
                "entries": tuple(Entry(**entry) for entry in alarm["entries"]),
                "deliveries": tuple(Delivery(**way) for way in alarm["deliveries"]),
            }
        )
        for alarm in tree["alarms"]
    )
    missing = tuple(
        Missing(**{**m, "kinds": tuple(m["kinds"]), "levels": tuple(m["levels"])})
        for m in tree["missing"]
    )
    curves = tuple(
        Curve(**{**c, "at_s": tuple(c["at_s"]), "value": tuple(c["value"])})
        for c in tree["curves"]
    )
    return DrillRecord(
        **{
            **tree,
            "participants": tuple(tree["participants"]),
            "platforms": tuple(tree["platforms"]),
            "truths": tuple(Truth(**truth) for truth in tree["truths"]),
            "calls": tuple(Call(**call) for call in tree["calls"]),
            "alarms": alarms,
            "missing": missing,
            "curves": curves,
            "real_alarms": tuple(RealAlarm(**real) for real in tree["real_alarms"]),
        }
    )

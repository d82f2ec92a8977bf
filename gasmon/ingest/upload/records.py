"""The records of the six upload files, as plain values.

Fields and their order follow MT/T 1201.1-2023 as several independent public programs
write and read it; the text of the standard itself was not at hand. Times are
[µs UTC], None where a field is empty; numbers are NaN where one is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

FILE_TYPES = ("CDDY", "CDSS", "YCBJ", "TJSJ", "FZDY", "FZSS")

DEFINING = ("CDDY", "FZDY")
"""Types that say what there is: of files of one time they are read first."""

LIMITS_IN_ORDER = (
    "alarm_high",
    "clear_high",
    "alarm_low",
    "clear_low",
    "cut_high",
    "restore_high",
    "cut_low",
    "restore_low",
)
"""The eight limits as they follow one another in CDDY."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "CDDY": (
        *("code", "system", "substation", "sensor_type", "value_kind", "uom"),
        *("range_high", "range_low", *LIMITS_IN_ORDER),
        *("text_on", "text_off", "place", "x", "y", "z", "relations", "at"),
    ),
    "CDSS": ("code", "type_name", "place", "value", "uom", "state", "at"),
    "YCBJ": (
        *("code", "type_name", "place", "uom", "kind", "start", "end"),
        *("max", "max_at", "min", "min_at", "mean"),
        *("cause", "measure", "entered", "entered_by", "at"),
    ),
    "TJSJ": (
        *("code", "type_name", "place", "uom", "start", "end"),
        *("max", "max_at", "min", "min_at", "mean", "at"),
    ),
    "FZDY": ("code", "place", "x", "y", "z", "at"),
    "FZSS": ("code", "run", "power", "at"),
}
"""Names of the fields of each type, in order: 24, 7, 17, 12, 6 and 4."""

RELATION_KINDS = {
    "B": "interlock",
    "G": "related_door",
    "K": "control",
    "H": "protection",
    "Z": "main_standby",
    "D": "cut_off",
    "T": "regulation",
}
RELATION_SEPARATOR = "◇"

RUN_STATES = {"0": "normal", "1": "communication_break", "2": "fault", "9": "unknown"}
"""How a substation runs, by its code in FZSS."""

POWER_WORDS = ("dc", "ac", "fault", "unknown", "untold")
"""How a substation is fed; `untold` only by a profile: this mine never says it."""


class PointCode(NamedTuple):
    """A full point code: 21 to 28 characters, written without separators.

    Attributes:
        mine: 12 digits.
        system: 01 safety monitoring, 02 gas drainage.
        value_kind: MN analog, KG switch, LJ accumulated, DT multi-state.
        sensor_type: four digits.
        no: the mine's own number, at most 8 characters.
    """

    mine: str
    system: str
    value_kind: str
    sensor_type: str
    no: str

    def __str__(self) -> str:
        """As it stands in a file."""
        return "".join(self)


class SubstationCode(NamedTuple):
    """Mine (12 digits) and a number of at most 5 characters."""

    mine: str
    no: str

    def __str__(self) -> str:
        """As it stands in a file."""
        return "".join(self)


class Relation(NamedTuple):
    """What a point does to another one.

    Attributes:
        kind: a value of `RELATION_KINDS`.
        point: the other point as sent, a short number or a full code.
    """

    kind: str
    point: str
    name: str


def read_relation(text: str) -> Relation | None:
    """Read `D-<point>-<name>`; None when it is no such text."""
    letter, _, rest = text.partition("-")
    point, _, name = rest.partition("-")
    if letter not in RELATION_KINDS or not point:
        return None
    return Relation(RELATION_KINDS[letter], point, name)


@dataclass(frozen=True, slots=True)
class Header:
    """The first record of a file.

    Attributes:
        mine: 12 digits.
        uploaded_us: None when it could not be read [µs UTC].
        extra: what stands between name and upload time; of CDDY: system model,
            system name, maker, validity of the safety mark.
    """

    mine: str
    name: str = ""
    uploaded_us: int | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PointRow:
    """CDDY: one point with its limits.

    Attributes:
        substation: as sent, may be empty.
        text_on: word for 1 of a switch; `text_off` for 0.
        x: CGCS2000 [m], NaN when not told; so `y`, `z`.
        relations: as sent; `read_relation` reads one.
        refused: names of limits that were sent but are no numbers.
    """

    code: PointCode
    substation: str = ""
    uom: str = ""
    range_high: float = nan
    range_low: float = nan
    alarm_high: float = nan
    clear_high: float = nan
    alarm_low: float = nan
    clear_low: float = nan
    cut_high: float = nan
    restore_high: float = nan
    cut_low: float = nan
    restore_low: float = nan
    text_on: str = ""
    text_off: str = ""
    place: str = ""
    x: float = nan
    y: float = nan
    z: float = nan
    relations: tuple[str, ...] = ()
    at_us: int | None = None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """CDSS: one value of one point.

    Attributes:
        value: NaN when there is none.
        state: bits of `gasmon.domain.states`, however the mine writes them.
    """

    code: PointCode
    type_name: str = ""
    place: str = ""
    value: float = nan
    uom: str = ""
    state: int = 0
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Abnormal:
    """YCBJ: an abnormal event of the mine's own system, sent until it has ended.

    Attributes:
        kind: three digits, see `gasmon.ingest.records.ABNORMAL_KINDS`.
        end_us: None while it lasts.
    """

    code: PointCode
    kind: str
    start_us: int
    end_us: int | None = None
    type_name: str = ""
    place: str = ""
    uom: str = ""
    max: float = nan
    max_at_us: int | None = None
    min: float = nan
    min_at_us: int | None = None
    mean: float = nan
    cause: str = ""
    measure: str = ""
    entered_us: int | None = None
    entered_by: str = ""
    at_us: int | None = None

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """Identity: a later record with it replaces this one."""
        code = self.code
        return code.mine, code.system, code.no, self.start_us, self.kind


@dataclass(frozen=True, slots=True)
class Statistic:
    """TJSJ: what the mine's own system made of one interval."""

    code: PointCode
    start_us: int
    end_us: int
    type_name: str = ""
    place: str = ""
    uom: str = ""
    max: float = nan
    max_at_us: int | None = None
    min: float = nan
    min_at_us: int | None = None
    mean: float = nan
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Substation:
    """FZDY: where a substation hangs."""

    code: SubstationCode
    place: str = ""
    x: float = nan
    y: float = nan
    z: float = nan
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class SubstationState:
    """FZSS: how a substation runs and is fed.

    Attributes:
        run: a value of `RUN_STATES`.
        power: one of `POWER_WORDS`, however the mine numbers them.
    """

    code: SubstationCode
    run: str = "unknown"
    power: str = "unknown"
    at_us: int | None = None


Record = PointRow | Reading | Abnormal | Statistic | Substation | SubstationState

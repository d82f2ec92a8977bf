"""The field's own tables, shipped as data: areas, limits, sensor types, state bits.

Sources: GB/T 2260 codes for areas; AQ 1029-2019 table 1 for limits; the sensor
dictionary of the national upload format. Each row of ``limits.csv`` carries its own
confidence, because not every clause could be read in the standard itself; a site may
override any of them in its rule file. Loading reads package files and nothing else.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import nan


@dataclass(frozen=True, slots=True)
class Area:
    """One county-level area, or the city itself.

    Attributes:
        code: six digits (GB/T 2260).
        slug: name for commands and addresses.
        platform: ``city``, ``county`` or empty where no platform receives alarms.
        mines: number of mines to simulate there; 0 for the city.
    """

    code: str
    slug: str
    name_zh: str
    name_en: str
    platform: str
    mines: int


@dataclass(frozen=True, slots=True)
class SensorType:
    """One row of the sensor dictionary.

    Attributes:
        code: four digits.
        value_kind: MN analog, KG switch, LJ accumulated, DT multi-state.
        unit: empty for switches.
        state_0: Chinese word for a switch at 0, ``state_1`` for 1.
        quantity: what gasmon's rules call it.
    """

    code: str
    name_zh: str
    name_en: str
    value_kind: str
    unit: str
    state_0: str
    state_1: str
    quantity: str


@dataclass(frozen=True, slots=True)
class LegalLimit:
    """The law's limits for one quantity at one class of place; NaN means none.

    A value at or over ``alarm_high`` alarms and stops alarming below
    ``clear_high``; at or over ``cut_high`` power is cut and may return below
    ``restore_high``; at or below ``alarm_low`` a low quantity alarms.
    """

    place_class: str
    place_zh: str
    place_en: str
    applies_to: str
    quantity: str
    unit: str
    alarm_high: float
    clear_high: float
    cut_high: float
    restore_high: float
    alarm_low: float
    confidence: str
    note: str


UNKNOWN_QUANTITY = "UNKNOWN"

# Names that rules use. A type that is absent here is recorded as OTHER: kept,
# shown and watched for silence, but no limit of the law applies to it.
_QUANTITIES = {
    "0001": "CH4",
    "0002": "AIR_VELOCITY",
    "0003": "TEMP",
    "0004": "CO",
    "0005": "PRESSURE_DIFF",
    "0006": "SUCTION",
    "0009": "H2S",
    "0011": "CH4",
    "0012": "O2",
    "0013": "CO2",
    "0014": "DUST",
    "0018": "HUMIDITY",
    "0019": "AIR_QUANTITY",
    "0022": "CH4_PIPE",
    "0023": "PIPE_TEMP",
    "0025": "PIPE_PRESSURE",
    "0036": "PIPE_FLOW",
    "0037": "PIPE_FLOW_PURE",
    "0038": "PIPE_CO",
    "0040": "PIPE_FLOW",
    "0043": "CH4",
    "1001": "FAN_LOCAL",
    "1002": "DOOR",
    "1003": "DUCT",
    "1004": "EQUIPMENT",
    "1006": "AIR_DIRECTION",
    "1008": "SMOKE",
    "1009": "BREAKER",
    "1010": "FAN_MAIN",
    "1011": "FEED",
    "1015": "FEED",
    "3001": "PRODUCTION",
    "3002": "DRAINED",
    "4001": "SUBSTATION",
    "4002": "POWER",
}


def _rows(name: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _number(text: str) -> float:
    return float(text) if text else nan


@cache
def areas() -> tuple[Area, ...]:
    """The city first, then its counties in code order."""
    return tuple(
        Area(
            code=row["area_code"],
            slug=row["slug"],
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            platform=row["platform"],
            mines=int(row["mines"] or 0),
        )
        for row in _rows("areas.csv")
    )


def area_by(code_or_slug: str) -> Area:
    """Find an area by its six digits or its slug.

    Raises:
        KeyError: there is no such area.
    """
    for area in areas():
        if code_or_slug in (area.code, area.slug):
            return area
    raise KeyError(code_or_slug)


@cache
def sensor_types() -> dict[str, SensorType]:
    """The sensor dictionary by four-digit code."""
    return {
        row["code"]: SensorType(
            code=row["code"],
            name_zh=row["name_zh"],
            name_en=row["name_en"] or row["name_zh"],
            value_kind=row["value_kind"],
            unit=row["unit"],
            state_0=row["state_0"],
            state_1=row["state_1"],
            quantity=_QUANTITIES.get(row["code"], "OTHER"),
        )
        for row in _rows("sensor_types.csv")
    }


def quantity_of(sensor_type: str) -> str:
    """What rules call the quantity that a sensor type measures."""
    known = sensor_types().get(sensor_type)
    return known.quantity if known else UNKNOWN_QUANTITY


@cache
def limits() -> tuple[LegalLimit, ...]:
    """The law's limits, in the order of AQ 1029-2019 table 1."""
    return tuple(
        LegalLimit(
            place_class=row["place_class"],
            place_zh=row["place_zh"],
            place_en=row["place_en"],
            applies_to=row["applies_to"],
            quantity=row["quantity"],
            unit=row["unit"],
            alarm_high=_number(row["alarm_high"]),
            clear_high=_number(row["alarm_clear_below"]),
            cut_high=_number(row["cut_high"]),
            restore_high=_number(row["restore_below"]),
            alarm_low=_number(row["alarm_low"]),
            confidence=row["confidence"],
            note=row["note"],
        )
        for row in _rows("limits.csv")
    )

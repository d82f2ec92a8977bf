"""Substations as points: FZDY defines them, FZSS gives their values (pure).

A substation has no point of its own in the format, but what FZSS says of it is what
points say: a power state (sensor type 4002: 0 none, 1 AC, 2 DC), and that it cannot be
reached (state bit 16). So it is one, `FZ` and its number, and the rules of every point
judge it: `substation_power_loss`, `substation_not_reachable`, silence.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np

from gasmon.domain.states import NORMAL, NOT_POLLED, SUBSTATION_FAULT
from gasmon.ingest.upload.fast import NO_TIME_US, ReadingFile
from gasmon.ingest.upload.parse import UploadFile
from gasmon.ingest.upload.records import (
    PointCode,
    PointRow,
    Substation,
    SubstationCode,
    SubstationState,
)
from gasmon.points import PointDef

MARK = "FZ"
"""What such a point's number begins with: 分站. Ours; with five characters of the
substation's number it is seven of the eight that a point may have."""

POWER_TYPE = "4002"
"""Sensor type of a power state (`domain/sensor_types.csv`)."""

UNTOLD = 9.0
"""Value of a power state that the mine's program never tells: no rule asks for it."""

POWER = {"ac": 1.0, "dc": 2.0, "fault": 0.0, "unknown": nan, "untold": UNTOLD}
"""Power state of FZSS as a value of the sensor type; a fault of it is none."""

STATE = {
    "normal": NORMAL,
    "communication_break": SUBSTATION_FAULT,
    "fault": SUBSTATION_FAULT,
    "unknown": NORMAL,
}
"""Run state of FZSS as state bits; of an unknown one nothing is said."""


def _state(one: SubstationState) -> int:
    """State bits; a power state that is not told is no data, and ends nothing.

    Of a mine that never tells it, the run state alone counts; unknown, it is no data.
    """
    dark = one.power == "unknown" or (one.power == "untold" and one.run == "unknown")
    return STATE[one.run] or (NOT_POLLED if dark else NORMAL)


def code_of(substation: SubstationCode) -> PointCode:
    """The code of a substation's point."""
    return PointCode(substation.mine, "01", "DT", POWER_TYPE, MARK + substation.no)


def is_substation(point: PointDef) -> bool:
    """Whether a point is one that FZDY defined."""
    return point.key.no.startswith(MARK) and point.sensor_type == POWER_TYPE


def points_of(file: UploadFile) -> UploadFile:
    """An FZDY file with its substations as points."""
    rows = [
        PointRow(
            code_of(one.code), place=one.place, x=one.x, y=one.y, z=one.z,
            at_us=one.at_us,
        )
        for one in file.records
        if isinstance(one, Substation)
    ]  # fmt: skip
    return replace(file, records=tuple(rows))


def readings_of(file: UploadFile) -> ReadingFile:
    """An FZSS file as readings of its substations' points."""
    told = [one for one in file.records if isinstance(one, SubstationState)]
    return ReadingFile(
        file=file.file,
        mine=file.mine,
        header=file.header,
        codes=[code_of(one.code) for one in told],
        value=np.asarray([POWER[one.power] for one in told], np.float64),
        state=np.asarray([_state(one) for one in told], np.int32),
        at_us=np.asarray(
            [NO_TIME_US if one.at_us is None else one.at_us for one in told], np.int64
        ),
        numbers=np.asarray(file.numbers, np.int32),
        refusals=file.refusals,
        completeness=file.completeness,
        n_records=file.n_records,
    )

"""A mine that writes upload files instead of speaking MQTT.

It writes as its profile says, and as FTP servers deliver: under another name first.
"""

from collections.abc import Iterable, Sequence
from math import nan
from pathlib import Path
from typing import Any

from gasmon.domain import sensor_types
from gasmon.ingest.upload.names import format_file_name
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import (
    Abnormal,
    Header,
    PointCode,
    PointRow,
    Reading,
    Record,
)
from gasmon.ingest.upload.write import write_file
from gasmon.units import US_PER_S
from simulators.plan import MinePlan, PointPlan


class FileMine:
    """The writing side of one mine."""

    def __init__(self, mine: MinePlan, profile: Profile | None = None) -> None:
        """Write nothing yet; without a profile as the national format."""
        self.mine = mine
        self.profile = profile or Profile()
        self._codes = [_code(mine.code, point) for point in mine.points]
        types = sensor_types()
        self._names = [types[point.sensor_type].name_zh for point in mine.points]

    def definitions(self, at_us: int) -> bytes:
        """CDDY: all points with limits, places and relations."""
        rows = [
            _row(code, point, self.mine.code, at_us)
            for code, point in zip(self._codes, self.mine.points, strict=True)
        ]
        extra = ("KJ90X", "煤矿安全监控系统", "示例厂家", "2030-12-31")
        return self._file("CDDY", at_us, rows, extra)

    def readings(
        self, at_us: int, value: Iterable[float], state: Iterable[int]
    ) -> bytes:
        """CDSS: what all sensors show at one instant.

        Args:
            at_us: of the cycle [µs UTC]; files tell whole seconds.
            value: one per point in the order of the plan, NaN for none.
            state: the state bits of each.
        """
        assert at_us % US_PER_S == 0, at_us
        columns = (self._codes, self._names, self.mine.points, value, state)
        rows = [
            Reading(code, name, point.place, v, point.uom, bits, at_us)
            for code, name, point, v, bits in zip(*columns, strict=True)
        ]
        return self._file("CDSS", at_us, rows)

    def events(self, at_us: int, events: Sequence[Abnormal]) -> bytes:
        """YCBJ: what the mine's own system holds for abnormal."""
        return self._file("YCBJ", at_us, events)

    def code_of(self, no: str) -> PointCode:
        """The full code of a point."""
        return next(code for code in self._codes if code.no == no)

    def put(self, folder: Path, file_type: str, at_us: int, data: bytes) -> Path:
        """Write a file as an FTP server does; returns its path."""
        name = format_file_name(self.mine.code, file_type, at_us, self.profile)
        path = folder / name
        part = folder / f"{name}.part"
        part.write_bytes(data)
        part.rename(path)
        return path

    def _file(
        self,
        file_type: str,
        at_us: int,
        records: Iterable[Record],
        extra: tuple[str, ...] = (),
    ) -> bytes:
        header = Header(self.mine.code, self.mine.name, at_us, extra)
        return write_file(file_type, header, records, self.profile)


def _code(mine: str, point: PointPlan) -> PointCode:
    return PointCode(mine, point.system, point.kind, point.sensor_type, point.no)


def _row(code: PointCode, point: PointPlan, mine: str, at_us: int) -> PointRow:
    low, high = point.range or (nan, nan)
    limits: dict[str, Any] = point.limits  # all of them names of its fields
    return PointRow(
        code=code,
        substation=f"{mine}{point.substation:03d}",
        uom=point.uom,
        range_high=high,
        range_low=low,
        text_on="开" if point.kind == "KG" else "",
        text_off="停" if point.kind == "KG" else "",
        place=point.place,
        relations=point.relations,
        at_us=at_us,
        **limits,
    )

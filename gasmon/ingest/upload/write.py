"""Records to the bytes of an upload file, as a mine with a given profile writes it.

What is written here is read back as the same records (times to the second).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import (
    FILE_TYPES,
    LIMITS_IN_ORDER,
    RELATION_SEPARATOR,
    RUN_STATES,
    Abnormal,
    Header,
    PointRow,
    Reading,
    Record,
    Statistic,
    Substation,
    SubstationState,
)
from gasmon.units import BEIJING, to_datetime

_CLASSES = {
    "CDDY": PointRow,
    "CDSS": Reading,
    "YCBJ": Abnormal,
    "TJSJ": Statistic,
    "FZDY": Substation,
    "FZSS": SubstationState,
}


def write_file(
    file_type: str, header: Header, records: Iterable[Record], profile: Profile
) -> bytes:
    """Write a whole file, end mark included.

    Args:
        file_type: One of `FILE_TYPES`.
        header: Its `extra` is filled with empty fields, or cut, to the profile's
            width.
        records: Of the class that belongs to the type.
        profile: How the mine writes.

    Raises:
        ValueError: A text holds a separator, or a state has no code in the profile.
    """
    assert file_type in FILE_TYPES, file_type
    rows = [_header_fields(header, profile.header_width_of(file_type))]
    for record in records:
        assert isinstance(record, _CLASSES[file_type]), type(record).__name__
        rows.append(_fields(record, profile))
    between = profile.record_separator + profile.line_break
    text = between.join(_joined(row, profile) for row in rows)
    return (text + profile.end_mark).encode(profile.codec)


def _joined(row: Sequence[str], profile: Profile) -> str:
    forbidden = [profile.field_separator, profile.record_separator, "\r", "\n"]
    if profile.end_mark:
        forbidden.append(profile.end_mark)
    for text in row:
        for sign in forbidden:
            if sign in text:
                raise ValueError(f"{text[:60]!r} holds {sign!r}, which separates")
    return profile.field_separator.join(row)


def _header_fields(header: Header, width: int) -> list[str]:
    if width == 2:
        return [header.mine, time_text(header.uploaded_us)]
    n_extra = width - 3
    extra = (*header.extra, *[""] * n_extra)[:n_extra]
    return [header.mine, header.name, *extra, time_text(header.uploaded_us)]


def _fields(record: Record, profile: Profile) -> list[str]:
    if isinstance(record, PointRow):
        return _point_fields(record)
    if isinstance(record, Reading):
        return [
            *(str(record.code), record.type_name, record.place),
            *(number_text(record.value), record.uom),
            *(str(profile.state_code(record.state)), time_text(record.at_us)),
        ]
    if isinstance(record, Abnormal):
        return [
            *_measured(record),
            record.kind,
            *_span(record),
            *(record.cause, record.measure),
            *(time_text(record.entered_us), record.entered_by),
            time_text(record.at_us),
        ]
    if isinstance(record, Statistic):
        return [*_measured(record), *_span(record), time_text(record.at_us)]
    if isinstance(record, Substation):
        place = [number_text(axis) for axis in (record.x, record.y, record.z)]
        return [str(record.code), record.place, *place, time_text(record.at_us)]
    run = next(code for code, word in RUN_STATES.items() if word == record.run)
    power = profile.power_code(record.power)
    return [str(record.code), run, power, time_text(record.at_us)]


def _point_fields(point: PointRow) -> list[str]:
    code = point.code
    numbers = [point.range_high, point.range_low]
    numbers += [getattr(point, name) for name in LIMITS_IN_ORDER]
    return [
        *(str(code), code.system, point.substation),
        *(code.sensor_type, code.value_kind, point.uom),
        *map(number_text, numbers),
        *(point.text_on, point.text_off, point.place),
        *map(number_text, (point.x, point.y, point.z)),
        *(RELATION_SEPARATOR.join(point.relations), time_text(point.at_us)),
    ]


def _measured(record: Abnormal | Statistic) -> tuple[str, ...]:
    return str(record.code), record.type_name, record.place, record.uom


def _span(record: Abnormal | Statistic) -> tuple[str, ...]:
    return (
        *(time_text(record.start_us), time_text(record.end_us)),
        *(number_text(record.max), time_text(record.max_at_us)),
        *(number_text(record.min), time_text(record.min_at_us)),
        number_text(record.mean),
    )


def number_text(number: float) -> str:
    """Write a number so that it reads back the same; NaN is an empty field."""
    if not isfinite(number):
        return ""
    text = repr(float(number))
    return text.removesuffix(".0")


def time_text(time_us: int | None) -> str:
    """Write a time in Beijing time, to the second; None is an empty field."""
    if time_us is None:
        return ""
    moment = to_datetime(time_us).astimezone(BEIJING)
    return f"{moment:%Y-%m-%d %H:%M:%S}"

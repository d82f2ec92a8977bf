"""Made-up upload files of every type and profile, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from random import Random

from gasmon.domain import sensor_types
from gasmon.ingest.upload.profile import (
    ORDINAL_STATES,
    POWER_FROM_ONE,
    POWER_STANDARD,
    SINGLE_STATES,
    Profile,
)
from gasmon.ingest.upload.records import (
    FILE_TYPES,
    Abnormal,
    Header,
    PointCode,
    PointRow,
    Reading,
    Record,
    Statistic,
    Substation,
    SubstationCode,
    SubstationState,
)
from gasmon.ingest.upload.write import write_file
from gasmon.units import US_PER_S

MINE = "530627004499"
BEGIN_US = 1_784_170_800 * US_PER_S
PLACES = ("11121采煤工作面回风隅角T0", "11123掘进工作面T1", "总回风巷（东）", "")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file and what went into it."""

    file_type: str
    profile: Profile
    header: Header
    records: tuple[Record, ...]
    data: bytes


def some_profile(rng: Random) -> Profile:
    """Any combination of what mines are known to do."""
    bits = rng.random() < 0.7
    return Profile(
        encoding=rng.choice(("utf-8", "gbk")),
        record_separator=rng.choice("~^"),
        line_break=rng.choice(("", "", "\r\n", "\n")),
        end_mark=rng.choice(("||", "||", "]]]", "")),
        type_prefix=rng.choice(("", "N")),
        extension=rng.choice((".txt", ".TXT")),
        header_width=rng.choice((3, 3, 4, 6)),
        definition_header_width=rng.choice((7, 7, 9)),
        state_reading="bits" if bits else "enumeration",
        state_codes=rng.choice((SINGLE_STATES, ORDINAL_STATES)),
        power_codes=rng.choice((POWER_STANDARD, POWER_FROM_ONE)),
    )


def some_sample(rng: Random, file_type: str = "", n_max: int = 6) -> Sample:
    """A whole file of a random mine."""
    file_type = file_type or rng.choice(FILE_TYPES)
    profile = some_profile(rng)
    width = profile.header_width_of(file_type)
    header = Header(MINE, "示例煤矿", BEGIN_US, tuple("甲乙丙丁戊己庚辛"[: width - 3]))
    make = _MAKERS[file_type]
    records = tuple(make(rng, profile) for _ in range(rng.randint(0, n_max)))
    data = write_file(file_type, header, records, profile)
    return Sample(file_type, profile, header, records, data)


def _code(rng: Random) -> PointCode:
    kind = rng.choice([t for t in sensor_types().values() if t.value_kind != "DT"])
    # 28 characters when the number has all its eight.
    no = rng.choice(("001A01", "12345678", "A1", "007D16"))
    return PointCode(MINE, rng.choice(("01", "02")), kind.value_kind, kind.code, no)


def _time(rng: Random) -> int:
    return BEGIN_US + rng.randrange(86_400) * US_PER_S


def _maybe_time(rng: Random) -> int | None:
    return None if rng.random() < 0.2 else _time(rng)


def _number(rng: Random) -> float:
    return rng.choice((nan, 0.0, round(rng.uniform(-5, 40), 2), rng.uniform(0, 1e6)))


def _point_row(rng: Random, _profile: Profile) -> PointRow:
    low = round(rng.uniform(0.1, 0.4), 2)
    return PointRow(
        code=_code(rng),
        substation=f"{MINE}{rng.randrange(1, 999):03d}",
        uom=rng.choice(("%", "ppm", "")),
        range_high=4.0,
        range_low=0.0,
        alarm_high=rng.choice((nan, 1.0, 0.8)),
        clear_high=rng.choice((nan, 0.8)),
        alarm_low=rng.choice((nan, low)),
        cut_high=rng.choice((nan, 1.5, 1.0)),
        restore_high=rng.choice((nan, 0.8)),
        text_on="开",
        text_off="停",
        place=rng.choice(PLACES),
        x=rng.choice((nan, 35_412_345.678)),
        relations=rng.choice(((), ("D-001D01-馈电", "G-002D02-风门"))),
        at_us=_maybe_time(rng),
    )


def _reading(rng: Random, profile: Profile) -> Reading:
    states = [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128]
    if profile.state_reading == "bits":
        states += [5, 3, 129]
    return Reading(
        code=_code(rng),
        type_name=rng.choice(("环境瓦斯", "局部通风机", "")),
        place=rng.choice(PLACES),
        value=_number(rng),
        uom=rng.choice(("%", "")),
        state=rng.choice(states),
        at_us=_maybe_time(rng),
    )


def _abnormal(rng: Random, _profile: Profile) -> Abnormal:
    return Abnormal(
        code=_code(rng),
        kind=f"{rng.randrange(1, 11):03d}",
        start_us=_time(rng),
        end_us=_maybe_time(rng),
        type_name="环境瓦斯",
        place=rng.choice(PLACES),
        uom="%",
        max=_number(rng),
        max_at_us=_maybe_time(rng),
        min=_number(rng),
        min_at_us=_maybe_time(rng),
        mean=_number(rng),
        cause=rng.choice(("", "放炮")),
        measure=rng.choice(("", "撤人")),
        entered_us=_maybe_time(rng),
        entered_by=rng.choice(("", "值班员")),
        at_us=_maybe_time(rng),
    )


def _statistic(rng: Random, _profile: Profile) -> Statistic:
    start_us = _time(rng)
    return Statistic(
        code=_code(rng),
        start_us=start_us,
        end_us=start_us + 300 * US_PER_S,
        place=rng.choice(PLACES),
        max=_number(rng),
        min=_number(rng),
        mean=_number(rng),
        at_us=_maybe_time(rng),
    )


def _substation_code(rng: Random) -> SubstationCode:
    return SubstationCode(MINE, f"{rng.randrange(1, 99999)}")


def _substation(rng: Random, _profile: Profile) -> Substation:
    return Substation(
        _substation_code(rng), rng.choice(PLACES), 1.5, nan, -3.0, _maybe_time(rng)
    )


def _substation_state(rng: Random, _profile: Profile) -> SubstationState:
    return SubstationState(
        _substation_code(rng),
        rng.choice(("normal", "communication_break", "fault", "unknown")),
        rng.choice(("dc", "ac", "fault")),
        _maybe_time(rng),
    )


_MAKERS: dict[str, Callable[[Random, Profile], Record]] = {
    "CDDY": _point_row,
    "CDSS": _reading,
    "YCBJ": _abnormal,
    "TJSJ": _statistic,
    "FZDY": _substation,
    "FZSS": _substation_state,
}

JUNK = (
    *(b"\x00", b"\xff", b"\xb0", b"\xe9\xbb", b"~", b"^", b";", b"|", b"||", b"]]]"),
    *(b"\r\n", b"\n\n", b"nan", b"-", b"1e999", b"0x1F", b"1_000", b"\xef\xbb\xbf"),
    *(b"2026-02-30 25:61:61", b" ", b"\t", b"\x1f", "０．５".encode(), "，".encode()),
    *(b"99999999999999999999", b";;;;;;;;", b"\xc2\xa0", "\ufffd".encode()),
)


def damaged(rng: Random, data: bytes) -> bytes:
    """The file after one to three accidents."""
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(_ACCIDENTS)(rng, data)
    return data


def _at(rng: Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    begin = _at(rng, data)
    return begin, min(len(data), begin + rng.choice((1, 1, 3, 20, 200)))


def _break_off(rng: Random, data: bytes) -> bytes:
    return data[: _at(rng, data)]


def _lose(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:begin] + data[end:]


def _repeat(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:end] + data[begin:]


def _insert(rng: Random, data: bytes) -> bytes:
    at = _at(rng, data)
    return data[:at] + rng.choice(JUNK) + data[at:]


def _overwrite(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:begin] + rng.randbytes(end - begin) + data[end:]


def _blank_page(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:begin] + bytes(end - begin) + data[end:]


def _swap_separators(rng: Random, data: bytes) -> bytes:
    old, new = rng.sample((b"~", b"^", b";", b",", b"\t", b"||", b"]]]"), 2)
    return data.replace(old, new, rng.choice((1, 3, -1)))


def _lose_the_beginning(rng: Random, data: bytes) -> bytes:
    return data[_at(rng, data) :]


def _twice(rng: Random, data: bytes) -> bytes:
    return data + data[: _at(rng, data)]


def _other_encoding(rng: Random, data: bytes) -> bytes:
    codecs = ["utf-8", "gb18030", "utf-16", "utf-8-sig"]
    text = data.decode(rng.choice(codecs[:2]), "replace")
    return text.encode(rng.choice(codecs), "replace")


def _empty_a_field(rng: Random, data: bytes) -> bytes:
    parts = data.split(b";")
    parts[rng.randrange(len(parts))] = rng.choice((b"", b" ", rng.choice(JUNK)))
    return b";".join(parts)


def _other_mine(rng: Random, data: bytes) -> bytes:
    return data.replace(MINE.encode(), b"530627000001", rng.choice((1, 2, -1)))


_ACCIDENTS: tuple[Callable[[Random, bytes], bytes], ...] = (
    *(_break_off, _lose, _repeat, _insert, _overwrite, _blank_page),
    *(_swap_separators, _lose_the_beginning, _twice, _other_encoding),
    *(_empty_a_field, _other_mine, _insert, _empty_a_field),
)

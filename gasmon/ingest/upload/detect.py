"""A mine's profile, proposed from samples of what it writes.

Each setting is decided by what the bytes show, with a confidence and the reason in
words; what the samples cannot show keeps its national default and says so. A person
looks at the proposal before it counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gasmon.ingest.fields import PayloadError
from gasmon.ingest.upload.names import parse_file_name
from gasmon.ingest.upload.profile import (
    END_MARKS,
    ORDINAL_STATES,
    POWER_FROM_ONE,
    POWER_STANDARD,
    POWER_UNTOLD,
    RECORD_SEPARATORS,
    SINGLE_STATES,
    Profile,
)
from gasmon.ingest.upload.records import FIELDS

FIELD_SEPARATORS = (";", "|", ",", "#")
_TIME = re.compile(r"\s*[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}[ T][0-9: .]+\s*")
LEAST_UNTOLD = 3
"""Records with nothing but 9 from which on a power state is taken as never told: one
substation may be unknown for once, a mine's all are not."""

_NO_VALUE_ORDINALS = frozenset((5, 6, 7, 8))
"""Substation fault, not polled, paused and sensor fault, when states are counted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One file of the mine, whole if possible; the name without its folder."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One setting and why.

    Attributes:
        confidence: From 0 to 1; below 0.5 the samples do not show it.
    """

    setting: str
    value: Any
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A profile, setting by setting.

    Attributes:
        confidence: Of the least certain setting that the samples do show; 0 when
            there is no usable sample.
        unused: Names of samples that could not be used, and why.
    """

    profile: Profile
    findings: tuple[Finding, ...]
    confidence: float
    unused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A sample as text, with its type."""

    file_type: str
    prefix: str
    extension: str
    data: bytes
    text: str


def propose(samples: Sequence[Sample]) -> Proposal:
    """Propose a profile; nothing in a sample raises.

    Args:
        samples: Files of one mine, of several types if possible: states are seen in
            CDSS, power states in FZSS, the wide header in CDDY.
    """
    findings: list[Finding] = []
    encoding = _encoding(samples)
    codec = Profile(encoding=encoding.value).codec
    used: list[_Read] = []
    unused: list[str] = []
    for sample in samples:
        try:
            name = parse_file_name(sample.name)
        except PayloadError as error:
            unused.append(f"{sample.name}: {error}")
            continue
        text = sample.data.decode(codec, "replace").lstrip("\ufeff").strip()
        if not text:
            unused.append(f"{sample.name}: it is empty")
            continue
        used.append(
            _Read(name.file_type, name.prefix, name.extension, sample.data, text)
        )
    findings.append(encoding)
    if not used:
        return Proposal(Profile(), tuple(findings), 0.0, tuple(unused))
    findings.append(_most("type_prefix", [read.prefix for read in used]))
    findings.append(_most("extension", [read.extension for read in used]))
    end_mark = _end_mark(used)
    findings.append(end_mark)
    separators = _separators(used, end_mark.value)
    findings += separators
    field, record = separators[0].value, separators[1].value
    rows = [
        (read.file_type, _rows(read, end_mark.value, field, record)) for read in used
    ]
    findings.append(_line_break(used, record))
    findings += _widths(rows)
    findings += _states(
        [row for kind, table in rows if kind == "CDSS" for row in table]
    )
    findings.append(
        _power([row for kind, table in rows if kind == "FZSS" for row in table])
    )
    profile = Profile(**{found.setting: found.value for found in findings})
    shown = [found.confidence for found in findings if found.confidence >= 0.5]
    return Proposal(profile, tuple(findings), min(shown, default=0.0), tuple(unused))


def _encoding(samples: Sequence[Sample]) -> Finding:
    data = [sample.data for sample in samples if not sample.data.isascii()]
    if not data:
        return Finding("encoding", "utf-8", 0.3, "no byte above 127 in the samples")
    fits = {
        name: sum(_decodes(one, codec) for one in data)
        for name, codec in (("utf-8", "utf-8"), ("gbk", "gb18030"))
    }
    n = len(data)
    if fits["utf-8"] == n:
        return Finding("encoding", "utf-8", 0.99, f"all {n} are valid UTF-8")
    if fits["gbk"] > fits["utf-8"]:
        reason = f"{fits['gbk']} of {n} are valid GBK, {fits['utf-8']} UTF-8"
        return Finding("encoding", "gbk", 0.95 * fits["gbk"] / n, reason)
    reason = f"{fits['utf-8']} of {n} are valid UTF-8, {fits['gbk']} GBK"
    return Finding("encoding", "utf-8", 0.5 + 0.4 * fits["utf-8"] / n, reason)


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _most(setting: str, values: Sequence[Any]) -> Finding:
    """The most frequent value, as sure as it is frequent."""
    value, count = Counter(values).most_common(1)[0]
    reason = f"{count} of {len(values)} files have {value!r}"
    return Finding(setting, value, round(0.98 * count / len(values), 3), reason)


def _end_mark(used: Sequence[_Read]) -> Finding:
    ends = [
        next((mark for mark in END_MARKS if read.text.endswith(mark)), "")
        for read in used
    ]
    found = _most("end_mark", ends)
    marked = [mark for mark in ends if mark]
    if found.value == "" and marked:
        # Files with a mark exist, so those without one are rather broken off.
        reason = f"{len(marked)} of {len(ends)} files end with a mark, others break off"
        return Finding("end_mark", Counter(marked).most_common(1)[0][0], 0.6, reason)
    if found.value == "":
        reason = f"none of {len(ends)} files ends with a known mark"
        return Finding("end_mark", "", 0.7, reason)
    return found


def _separators(used: Sequence[_Read], end_mark: str) -> list[Finding]:
    """The pair of separators under which most records have their fields."""
    best, best_pair, total = -1.0, (";", "~"), 0
    for record in RECORD_SEPARATORS:
        for field in FIELD_SEPARATORS:
            if field in end_mark:
                continue
            fits = n = 0
            for read in used:
                for row in _rows(read, end_mark, field, record)[1:]:
                    n += 1
                    fits += len(row) == len(FIELDS[read.file_type])
            if fits > best:
                best, best_pair, total = float(fits), (field, record), n
    field, record = best_pair
    if best == 0:
        reason = "no record has its fields under any separators"
        return [
            Finding("field_separator", field, 0.2, reason),
            Finding("record_separator", record, 0.2, reason),
        ]
    share = best / total
    reason = f"{best:.0f} of {total} records have the fields of their type"
    return [
        Finding("field_separator", field, round(0.99 * share, 3), reason),
        Finding("record_separator", record, round(0.99 * share, 3), reason),
    ]


def _rows(read: _Read, end_mark: str, field: str, record: str) -> list[list[str]]:
    """Header and records as fields; an unmarked last one is left out."""
    text = read.text
    pieces = text.removesuffix(end_mark).split(record)
    if end_mark and not text.endswith(end_mark) and len(pieces) > 1:
        pieces.pop()
    return [piece.strip().split(field) for piece in pieces if piece.strip()]


def _line_break(used: Sequence[_Read], record: str) -> Finding:
    breaks = []
    for read in used:
        for piece in read.text.split(record)[1:]:
            beginning = next((b for b in ("\r\n", "\n") if piece.startswith(b)), "")
            breaks.append(beginning)
    if not breaks:
        return Finding("line_break", "", 0.3, "no sample has two records")
    return _most("line_break", breaks)


def _widths(rows: Sequence[tuple[str, list[list[str]]]]) -> list[Finding]:
    """Widths of headers: a twelve-digit code first and a time last."""
    found = []
    for setting, is_definition in (
        ("header_width", False),
        ("definition_header_width", True),
    ):
        national = Profile().definition_header_width if is_definition else 3
        headers = [
            table[0]
            for kind, table in rows
            if (kind == "CDDY") is is_definition
            and table
            and re.fullmatch("[0-9]{12}", table[0][0].strip())
            and 2 <= len(table[0]) <= 50
        ]
        if not headers:
            reason = "no sample has such a header"
            found.append(Finding(setting, national, 0.3, reason))
            continue
        widest = _most(setting, [len(header) for header in headers])
        timed = sum(_TIME.fullmatch(header[-1]) is not None for header in headers)
        sure = widest.confidence * (1 if timed == len(headers) else 0.7)
        found.append(Finding(setting, widest.value, round(sure, 3), widest.reason))
    return found


def _states(rows: Sequence[Sequence[str]]) -> list[Finding]:
    """Bits, unless only a counted-through enumeration explains the samples."""
    seen: Counter[int] = Counter()
    with_value: set[int] = set()
    for row in rows:
        if len(row) == len(FIELDS["CDSS"]) and re.fullmatch(
            "[0-9]{1,9}", row[5].strip()
        ):
            state = int(row[5])
            seen[state] += 1
            if row[3].strip():
                with_value.add(state)
    states = sorted(seen)
    told = f"states seen: {', '.join(map(str, states))}" if states else "no states seen"
    codes = SINGLE_STATES
    counted = _NO_VALUE_ORDINALS & set(states)
    if any(state > 8 for state in states):
        sure = 0.95 if any(state & (state - 1) for state in states) else 0.8
        reading, reason = "bits", f"{told}; above 8 nobody counts states"
    elif counted and not counted & with_value and sum(seen[s] for s in counted) >= 3:
        reading, codes, sure = "enumeration", ORDINAL_STATES, 0.6
        reason = f"{told}; those from 5 to 8 never have a value"
    elif counted & with_value:
        reading, sure, reason = "bits", 0.8, f"{told}; those above 4 have values"
    elif 3 in states:
        reading, sure, reason = "bits", 0.55, f"{told}; 3 may be alarm and cut-off"
    else:
        reading, sure = "bits", 0.4
        reason = f"{told}; no combined state, so bits and enumeration look alike"
    return [
        Finding("state_reading", reading, sure, reason),
        Finding("state_codes", codes, sure, reason),
    ]


def _power(rows: Sequence[Sequence[str]]) -> Finding:
    """Most substations run on the mains, so the usual code is AC."""
    seen = Counter(row[2].strip() for row in rows if len(row) == len(FIELDS["FZSS"]))
    told = ", ".join(f"{code!r} × {n}" for code, n in sorted(seen.items()))
    if seen["9"] >= LEAST_UNTOLD and set(seen) == {"9"}:
        reason = f"{told}: nothing else, so this mine's program does not tell it"
        return Finding("power_codes", POWER_UNTOLD, 0.6, reason)
    if seen["0"]:
        return Finding("power_codes", POWER_STANDARD, 0.95, f"{told}: 0 occurs")
    if seen["1"] + seen["2"] == 0:
        return Finding("power_codes", POWER_STANDARD, 0.3, "no power states seen")
    if seen["2"] > seen["1"]:
        reason = f"{told}: 2 is the usual state, so it means AC"
        return Finding("power_codes", POWER_FROM_ONE, 0.75, reason)
    reason = f"{told}: 1 is the usual state, so it means AC"
    return Finding("power_codes", POWER_STANDARD, 0.75, reason)

"""Bytes of an upload file to records, one after the other.

Every record of a file becomes a value or a refusal with its number, field and reason.
A field that cannot be read costs the record only where the record would mean nothing
without it (which point, which event); else the record is kept without that field,
and never looks better for it: no value, a state that counts as an alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gasmon.ingest.fields import PayloadError, show
from gasmon.ingest.upload.cells import read_text, read_time
from gasmon.ingest.upload.cut import (
    Completeness,
    CutFile,
    Refusal,
    Refusals,
    cut_file,
)
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import FIELDS, FILE_TYPES, Header, Record
from gasmon.ingest.upload.rows import MAKERS, Refused, Row, Words

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadFile:
    """Everything that one file held.

    Attributes:
        file: its name, as the caller called it.
        mine: the mine whose file it is; None when neither caller nor header told.
        header: None when there is none or its mine code cannot be read.
        records: in order; all of the class that belongs to `file_type`.
        numbers: number of each record in the file, from 1.
        n_records: records found, refused ones included.
    """

    file: str
    file_type: str
    mine: str | None
    header: Header | None
    records: tuple[Record, ...]
    numbers: tuple[int, ...]
    refusals: tuple[Refusal, ...]
    completeness: Completeness
    n_records: int


def parse_file(
    data: bytes,
    profile: Profile,
    file_type: str,
    *,
    file: str = "",
    mine: str | None = None,
) -> UploadFile:
    """Parse a file of any type; nothing in it raises.

    Args:
        data: All bytes of it.
        profile: How its mine writes.
        file_type: One of `FILE_TYPES`, from the file's name or the topic.
        file: What to call it in refusals.
        mine: The mine by the file's name or topic, the authority: records of other
            mines are refused. None takes the header's.
    """
    assert file_type in FILE_TYPES, file_type
    refusals = Refusals(file)
    cut = cut_file(data, profile, file_type, refusals)
    header = read_header(cut, profile, file_type, mine, refusals)
    mine = mine or (header.mine if header else None)
    reader = RecordReader(profile, file_type, mine, refusals)
    records: list[Record] = []
    numbers: list[int] = []
    for number, text in enumerate(cut.records, 1):
        record = reader.read(number, text)
        if record is not None:
            records.append(record)
            numbers.append(number)
    n_records = len(cut.records) + refuse_cut_off(cut, refusals)
    return UploadFile(
        file=file,
        file_type=file_type,
        mine=mine,
        header=header,
        records=tuple(records),
        numbers=tuple(numbers),
        refusals=tuple(refusals.all),
        completeness=cut.completeness,
        n_records=n_records,
    )


def refuse_cut_off(cut: CutFile, refusals: Refusals) -> int:
    """Refuse the piece after which the file breaks off; returns how many there are."""
    if cut.cut_off is None:
        return 0
    detail = f"the file breaks off after {show(cut.cut_off[-40:])}"
    number = len(cut.records) + 1
    refusals.record(number, "", "cut_off", detail, cut.cut_off, False)
    return 1


def read_header(
    cut: CutFile,
    profile: Profile,
    file_type: str,
    mine: str | None,
    refusals: Refusals,
) -> Header | None:
    """Read the header; each part that is odd is told, what can be read is used."""
    if cut.header is None:
        return None
    text = cut.header
    parts = [part.strip() for part in text.split(profile.field_separator)]
    width = profile.header_width_of(file_type)
    while len(parts) > width and not parts[-1]:
        parts.pop()
    if len(parts) != width:
        detail = f"{len(parts)} fields, the profile says {width}"
        refusals.header("", "header_width", detail, text)
    code = parts[0]
    if not (len(code) == 12 and code.isascii() and code.isdigit()):
        detail = f"{show(code)} is not twelve digits"
        refusals.header("mine", "bad_mine_code", detail, text)
        if mine is None:
            return None
        code = mine
    elif mine is not None and code != mine:
        detail = f"the header names mine {code}, the file belongs to {mine}"
        refusals.header("mine", "mine_disagrees", detail, text)
        code = mine

    def taken(field: str, part: str, read: Callable[[str], T], default: T) -> T:
        try:
            return read(part)
        except PayloadError as error:
            refusals.header(field, error.reason, error.detail, text)
            return default

    name = taken("name", parts[1], read_text, "") if len(parts) > 2 else ""
    uploaded_us = None
    if len(parts) > 1:
        uploaded_us = taken("uploaded", parts[-1], read_time, None)
    extra = tuple(taken("extra", part, read_text, "") for part in parts[2:-1])
    return Header(code, name, uploaded_us, extra)


class RecordReader:
    """Reads records of one type for one mine."""

    def __init__(
        self, profile: Profile, file_type: str, mine: str | None, refusals: Refusals
    ) -> None:
        """Begin.

        Args:
            profile: How the mine writes.
            file_type: One of `FILE_TYPES`.
            mine: Records of other mines are refused; None takes all.
            refusals: Told about each bad record and field.
        """
        self._words = Words(profile, mine)
        self._separator = profile.field_separator
        self._names = FIELDS[file_type]
        self._make = MAKERS[file_type]
        self._refusals = refusals

    def read(self, number: int, text: str) -> Record | None:
        """Read one record; None when it is refused.

        Args:
            number: Of the record in its file, from 1.
            text: Without what surrounds it.
        """
        names = self._names
        parts = _without_tail(text.split(self._separator), len(names))
        if len(parts) != len(names):
            detail = f"{len(parts)} fields, {len(names)} belong to it"
            self._refusals.record(number, "", "field_count", detail, text, False)
            return None
        row = Row(dict(zip(names, parts, strict=True)), number, text, self._refusals)
        try:
            return self._make(self._words, row)
        except Refused as refused:
            error = refused.error
            self._refusals.record(
                number, refused.field, error.reason, error.detail, text, False
            )
            return None


def _without_tail(parts: list[str], width: int) -> list[str]:
    """Leave out empty fields behind the last one, which is a time in every type.

    Without a time there, a separator too many further ahead may have shifted all
    fields by one, and limits would be read as other limits.
    """
    if len(parts) > width and not any(map(str.strip, parts[width:])):
        try:
            ends_with_time = read_time(parts[width - 1]) is not None
        except PayloadError:
            ends_with_time = False
        if ends_with_time:
            return parts[:width]
    return parts

"""A CDSS file in which nothing is odd, read from its bytes.

Nearly all files are such. Separators are single ASCII signs, which stand in UTF-8 for
nothing else, so the bytes are cut and only a field that never came before becomes text.
Whatever is odd in the least, also only in how it is surrounded, makes the whole file
go the other way (`fast`), which says what it is. This file says nothing of its own: it
answers as that way does, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gasmon.batch import Float64, Int32, Int64
from gasmon.ingest.fields import PayloadError
from gasmon.ingest.upload.cells import (
    read_code,
    read_number,
    read_text,
    state_reader,
    time_reader,
)
from gasmon.ingest.upload.cut import Completeness
from gasmon.ingest.upload.profile import END_MARKS, Profile
from gasmon.ingest.upload.records import FIELDS, Header, PointCode

NO_TIME_US: Final = -(2**63)
"""Stands in columns of times where a record has no time of its own."""

WIDTH = len(FIELDS["CDSS"])

REMEMBERED = 100_000
"""Texts remembered per field: all values of two decimals up to 1000. More are
forgotten at once, which only costs reading them again."""


@dataclass(frozen=True, slots=True)
class PlainFile:
    """What a file held in which nothing is odd; columns of n as in `ReadingFile`."""

    header: Header
    codes: Sequence[PointCode]
    value: Float64
    state: Int32
    at_us: Int64
    completeness: Completeness


class _Odd(Exception):
    """Something is not as it is in nearly all files."""


class _Memory(dict[bytes, Any]):
    """What fields mean; only those that can be read."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read
        self._fields: list[bytes] = []
        self._values: list[Any] = []

    def column(self, fields: list[bytes]) -> list[Any]:
        """Return what each means; do not change the list.

        Of codes and places, which are the same each cycle: comparing is cheaper than
        looking each of them up.
        """
        if fields != self._fields:
            values = list(map(self.__getitem__, fields))
            self._fields, self._values = fields, values
        return self._values

    def __missing__(self, field: bytes) -> Any:
        if len(self) > REMEMBERED:
            self.clear()
        try:
            value = self[field] = self._read(field.decode())
        except (PayloadError, UnicodeDecodeError):
            raise _Odd from None
        return value


class PlainReader:
    """Reads the CDSS files of one mine, as long as nothing is odd."""

    def __init__(self, profile: Profile, mine: str) -> None:
        """Begin with nothing remembered.

        Args:
            profile: How the mine writes.
            mine: By the file's name or topic.
        """
        self._profile = profile
        self._mine = mine.encode()
        self._code_is_possible = re.fullmatch("[0-9]{12}", mine) is not None
        self._between = profile.field_separator.encode()
        self._end = profile.record_separator.encode()
        # Between the fields of two records, so that their ends can be counted.
        self._stop = self._between + self._end + self._between
        self._end_mark = profile.end_mark.encode()
        self._other_marks = tuple(mark.encode() for mark in END_MARKS)
        self._codes = _Memory(lambda code: read_code(code, mine))
        self._names, self._places = _Memory(read_text), _Memory(read_text)
        self._values, self._units = _Memory(read_number), _Memory(read_text)
        self._states = _Memory(state_reader(profile))
        read_time = time_reader()
        self._times = _Memory(
            lambda text: NO_TIME_US if (at_us := read_time(text)) is None else at_us
        )

    def read(self, data: bytes) -> PlainFile | None:
        """Read a file; None when anything in it is odd.

        Args:
            data: All bytes of it.
        """
        try:
            return self._read(data)
        except _Odd:
            return None

    def _read(self, data: bytes) -> PlainFile:
        if self._profile.encoding == "gbk":
            data = _from_gbk(data)
        body, completeness = self._body(data.rstrip())
        begin, _, rest = body.partition(self._end)
        header = self._header(begin)
        fields = rest.replace(self._end, self._stop).split(self._between)
        n = (len(fields) + 1) // (WIDTH + 1)
        if len(fields) != n * (WIDTH + 1) - 1:
            raise _Odd
        k = WIDTH + 1
        if fields[WIDTH::k] != [self._end] * (n - 1):
            raise _Odd
        self._names.column(fields[1::k])
        self._places.column(fields[2::k])
        self._units.column(fields[4::k])
        return PlainFile(
            header=header,
            codes=self._codes.column(fields[0::k]),
            value=np.array([*map(self._values.__getitem__, fields[3::k])], np.float64),
            state=np.array([*map(self._states.__getitem__, fields[5::k])], np.int32),
            at_us=np.array([*map(self._times.__getitem__, fields[6::k])], np.int64),
            completeness=completeness,
        )

    def _body(self, data: bytes) -> tuple[bytes, Completeness]:
        """Return header and records; a blank piece behind the last one is none."""
        completeness: Completeness = "unmarked"
        mark = self._end_mark
        if mark:
            if data.find(mark) != len(data) - len(mark):
                raise _Odd
            data, completeness = data[: -len(mark)].rstrip(), "complete"
        elif data.endswith(self._other_marks):
            raise _Odd
        return data.removesuffix(self._end), completeness

    def _header(self, text: bytes) -> Header:
        code, *parts = text.split(self._between)
        width = self._profile.header_width_of("CDSS")
        if code != self._mine or len(parts) != width - 1 or not self._code_is_possible:
            raise _Odd
        uploaded_us = self._times[parts.pop()]
        name, *extra = [self._names[part] for part in parts] or [""]
        return Header(
            mine=code.decode(),
            name=name,
            uploaded_us=None if uploaded_us == NO_TIME_US else uploaded_us,
            extra=tuple(extra),
        )


def _from_gbk(data: bytes) -> bytes:
    """Return the same text in UTF-8; two tries that it is not UTF-8 already."""
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        raise _Odd from None
    if not text.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return text.encode()
        raise _Odd
    return data

"""CDSS, the file of every cycle, read a column at a time.

Files in which nothing is odd are read by `plain`, all others here. A mine sends the
same codes, places, units and states each cycle and few different values and times. So
each text is read once by the function that also reads it field by field, and remembered
with its meaning; after that a record costs one split and seven look-ups, all in C.
Records in which anything is odd go the way of `parse.RecordReader`, one by one, so all
ways give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

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
from gasmon.ingest.upload.cut import Completeness, Refusal, Refusals, cut_file
from gasmon.ingest.upload.parse import RecordReader, read_header, refuse_cut_off
from gasmon.ingest.upload.plain import NO_TIME_US, REMEMBERED, WIDTH, PlainReader
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import Header, PointCode, Reading

__all__ = ["NO_TIME_US", "ReadingFile", "ReadingsReader"]


@dataclass(frozen=True, slots=True)
class ReadingFile:
    """The readings of one CDSS file as parallel columns of n.

    Attributes:
        file: its name, as the caller called it.
        mine: the mine whose file it is; None when nobody told.
        header: None when there is none or its mine code cannot be read.
        codes: n point codes.
        value: float64[n], NaN without a value.
        state: int32[n], bits.
        at_us: int64[n] [µs UTC], `NO_TIME_US` where a record has none.
        numbers: int32[n], number of the record in the file, from 1.
        n_records: records found, refused ones included.
    """

    file: str
    mine: str | None
    header: Header | None
    codes: Sequence[PointCode]
    value: Float64
    state: Int32
    at_us: Int64
    numbers: Int32
    refusals: tuple[Refusal, ...]
    completeness: Completeness
    n_records: int


class _Memory(dict[str, Any]):
    """What texts mean; None for one that has to be looked at more closely."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read
        self._texts: list[str] = []
        self._values: list[Any] = []

    def column(self, texts: list[str]) -> list[Any]:
        """Return what each text means; do not change the list.

        The same points come in the same order each cycle, and comparing texts is
        cheaper than looking each of them up.
        """
        if texts != self._texts:
            self._texts, self._values = texts, list(map(self.__getitem__, texts))
        return self._values

    def __missing__(self, text: str) -> Any:
        try:
            value = self._read(text)
        except PayloadError:
            value = None
        self[text] = value
        return value


def _memories(profile: Profile, mine: str | None) -> tuple[_Memory, ...]:
    """Return one memory per field, in the order of the file."""
    return (
        _Memory(lambda code: read_code(code, mine)),
        *(_Memory(read_text), _Memory(read_text)),
        _Memory(read_number),
        _Memory(read_text),
        _Memory(state_reader(profile)),
        _Memory(time_reader()),
    )


class ReadingsReader:
    """Reads the CDSS files of one mine; keep it from file to file."""

    def __init__(self, profile: Profile, mine: str | None = None) -> None:
        """Begin with nothing remembered.

        Args:
            profile: How the mine writes.
            mine: By the file's name or topic; None takes each header's, and then
                nothing is remembered from file to file.
        """
        self.profile = profile
        self.mine = mine
        self._memories = _memories(profile, mine)
        self._plain = None if mine is None else PlainReader(profile, mine)

    def read(self, data: bytes, *, file: str = "") -> ReadingFile:
        """Read a file; nothing in it raises.

        Args:
            data: All bytes of it.
            file: What to call it in refusals.
        """
        plain = self._plain.read(data) if self._plain else None
        if plain is not None:
            n = len(plain.codes)
            return ReadingFile(
                file=file,
                mine=self.mine,
                header=plain.header,
                codes=plain.codes,
                value=plain.value,
                state=plain.state,
                at_us=plain.at_us,
                numbers=np.arange(1, n + 1, dtype=np.int32),
                refusals=(),
                completeness=plain.completeness,
                n_records=n,
            )
        return self._read_any(data, file)

    def _read_any(self, data: bytes, file: str) -> ReadingFile:
        refusals = Refusals(file)
        cut = cut_file(data, self.profile, "CDSS", refusals)
        header = read_header(cut, self.profile, "CDSS", self.mine, refusals)
        mine, memories = self.mine, self._memories
        if mine is None and header is not None:
            mine = header.mine
            memories = _memories(self.profile, mine)
        for memory in memories:
            if len(memory) > REMEMBERED:
                memory.clear()
        slow = RecordReader(self.profile, "CDSS", mine, refusals)
        columns = _Columns(cut.records, self.profile.field_separator, memories)
        taken = columns.correct(slow)
        n_records = len(cut.records) + refuse_cut_off(cut, refusals)
        return ReadingFile(
            file=file,
            mine=mine,
            header=header,
            codes=columns.codes,
            value=columns.value,
            state=columns.state,
            at_us=columns.at_us,
            numbers=taken,
            refusals=tuple(refusals.all),
            completeness=cut.completeness,
            n_records=n_records,
        )


class _Columns:
    """The columns of all records; first read as if each were in order."""

    def __init__(
        self, records: Sequence[str], separator: str, memories: Sequence[_Memory]
    ) -> None:
        self._records = records
        n = len(records)
        counts = [record.count(separator) for record in records]
        odd: set[int] = set()
        if counts.count(WIDTH - 1) < n:
            odd = {i for i, count in enumerate(counts) if count != WIDTH - 1}
            # Something of the right shape stands in, so that the rest keeps its place.
            blank = separator * (WIDTH - 1)
            records = [blank if i in odd else r for i, r in enumerate(records)]
        parts = separator.join(records).split(separator) if n else []
        columns = [memory.column(parts[k::WIDTH]) for k, memory in enumerate(memories)]
        for column in columns:
            if None in column:
                odd.update(i for i, value in enumerate(column) if value is None)
        self._odd = sorted(odd)
        self.codes: Sequence[PointCode] = columns[0]
        if odd:
            for k, default in ((3, nan), (5, 0), (6, NO_TIME_US)):
                columns[k] = list(columns[k])
                for i in self._odd:
                    columns[k][i] = default
        self.value = np.array(columns[3], np.float64)
        self.state = np.array(columns[5], np.int32)
        self.at_us = np.array(columns[6], np.int64)

    def correct(self, reader: RecordReader) -> Int32:
        """Read the odd records one by one; those that are refused go.

        Returns:
            The numbers of the records that are left, int32[n], from 1.
        """
        numbers = np.arange(1, len(self._records) + 1, dtype=np.int32)
        if not self._odd:
            return numbers
        codes = list(self.codes)
        left = np.ones(len(codes), np.bool_)
        for i in self._odd:
            record = reader.read(i + 1, self._records[i])
            if not isinstance(record, Reading):
                left[i] = False
                continue
            codes[i] = record.code
            self.value[i] = record.value
            self.state[i] = record.state
            self.at_us[i] = NO_TIME_US if record.at_us is None else record.at_us
        self.codes = [codes[i] for i in np.flatnonzero(left).tolist()]
        self.value, self.state = self.value[left], self.state[left]
        self.at_us = self.at_us[left]
        kept: Int32 = numbers[left]
        return kept

"""One record of an upload file: its fields to a value, type by type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import nan
from typing import Any, TypeVar

from gasmon.ingest.fields import PayloadError, show
from gasmon.ingest.frame import STATE_UNREADABLE
from gasmon.ingest.upload.cells import (
    read_code,
    read_number,
    read_substation,
    read_text,
    read_time,
    state_reader,
    word_reader,
)
from gasmon.ingest.upload.cut import Refusals
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import (
    LIMITS_IN_ORDER,
    RELATION_SEPARATOR,
    RUN_STATES,
    Abnormal,
    PointCode,
    PointRow,
    Reading,
    Record,
    Statistic,
    Substation,
    SubstationCode,
    SubstationState,
    read_relation,
)

T = TypeVar("T")


class Words:
    """What a mine's codes mean."""

    def __init__(self, profile: Profile, mine: str | None) -> None:
        """Begin.

        Args:
            profile: How the mine writes.
            mine: Records of other mines are refused; None takes all.
        """
        self.mine = mine
        self.state = state_reader(profile)
        self.power = word_reader("unknown_power_state", dict(profile.power_codes))
        self.run = word_reader("unknown_run_state", RUN_STATES)


class Refused(Exception):
    """A record is refused for one of its fields."""

    def __init__(self, field: str, error: PayloadError) -> None:
        super().__init__(field, error)
        self.field = field
        self.error = error


class Row:
    """The fields of one record by name."""

    def __init__(
        self, parts: Mapping[str, str], number: int, text: str, refusals: Refusals
    ) -> None:
        """Begin; nothing is read yet."""
        self.parts = parts
        self._number = number
        self._text = text
        self._refusals = refusals

    def need(self, name: str, read: Callable[[str], T]) -> T:
        """Read a field without which the record means nothing."""
        try:
            return read(self.parts[name])
        except PayloadError as error:
            raise Refused(name, error) from None

    def take(self, name: str, read: Callable[[str], T], default: T) -> T:
        """Read a field; a bad one is told and becomes the default."""
        try:
            return read(self.parts[name])
        except PayloadError as error:
            self.tell(name, error.reason, error.detail)
            return default

    def tell(self, name: str, reason: str, detail: str) -> None:
        """Say what is odd about a field of a record that is kept."""
        self._refusals.record(self._number, name, reason, detail, self._text, True)

    def text(self, name: str) -> str:
        """Read an optional text."""
        return self.take(name, read_text, "")

    def number(self, name: str) -> float:
        """Read an optional number, NaN when there is none."""
        return self.take(name, read_number, nan)

    def time(self, name: str) -> int | None:
        """Read an optional time [µs UTC]."""
        return self.take(name, read_time, None)

    def needed_time(self, name: str) -> int:
        """Read a time without which the record means nothing [µs UTC]."""
        time_us = self.need(name, read_time)
        if time_us is None:
            raise Refused(name, PayloadError("bad_time", "it is empty"))
        return time_us


def _code(words: Words, row: Row) -> PointCode:
    return row.need("code", lambda text: read_code(text, words.mine))


def _substation_code(words: Words, row: Row) -> SubstationCode:
    return row.need("code", lambda text: read_substation(text, words.mine))


def _point_row(words: Words, row: Row) -> PointRow:
    code = _code(words, row)
    for name in ("system", "sensor_type", "value_kind"):
        told, known = row.parts[name].strip(), getattr(code, name)
        if told and told != known:
            detail = f"{name} is {show(told)}, the point code says {known}"
            row.tell(name, "code_disagrees", detail)
    limits: dict[str, Any] = {}
    refused: list[str] = []
    for name in ("range_high", "range_low", *LIMITS_IN_ORDER):
        try:
            limits[name] = read_number(row.parts[name])
        except PayloadError as error:
            is_limit = name in LIMITS_IN_ORDER
            reason = "limit_not_a_number" if is_limit else error.reason
            row.tell(name, reason, error.detail)
            if is_limit:
                refused.append(name)
    return PointRow(
        code=code,
        substation=row.text("substation"),
        uom=row.text("uom"),
        text_on=row.text("text_on"),
        text_off=row.text("text_off"),
        place=row.text("place"),
        x=row.number("x"),
        y=row.number("y"),
        z=row.number("z"),
        relations=_relations(row),
        at_us=row.time("at"),
        refused=tuple(refused),
        **limits,
    )


def _relations(row: Row) -> tuple[str, ...]:
    good: list[str] = []
    for part in row.parts["relations"].split(RELATION_SEPARATOR):
        try:
            text = read_text(part)
        except PayloadError as error:
            row.tell("relations", error.reason, error.detail)
            continue
        if text and read_relation(text) is None:
            detail = f"{show(text)} is no <letter>-<point>-<name>"
            row.tell("relations", "bad_relation", detail)
        if text:
            good.append(text)
    return tuple(good)


def _reading(words: Words, row: Row) -> Reading:
    return Reading(
        code=_code(words, row),
        type_name=row.text("type_name"),
        place=row.text("place"),
        value=row.number("value"),
        uom=row.text("uom"),
        state=row.take("state", words.state, STATE_UNREADABLE),
        at_us=row.time("at"),
    )


def _abnormal_kind(text: str) -> str:
    text = text.strip()
    if not (len(text) == 3 and text.isascii() and text.isdigit()):
        raise PayloadError("bad_kind", f"{show(text)} is not three digits")
    return text


def _extremes(row: Row) -> dict[str, Any]:
    """Read what YCBJ and TJSJ say alike."""
    return {
        "type_name": row.text("type_name"),
        "place": row.text("place"),
        "uom": row.text("uom"),
        "max": row.number("max"),
        "max_at_us": row.time("max_at"),
        "min": row.number("min"),
        "min_at_us": row.time("min_at"),
        "mean": row.number("mean"),
        "at_us": row.time("at"),
    }


def _abnormal(words: Words, row: Row) -> Abnormal:
    return Abnormal(
        code=_code(words, row),
        kind=row.need("kind", _abnormal_kind),
        start_us=row.needed_time("start"),
        end_us=row.time("end"),
        cause=row.text("cause"),
        measure=row.text("measure"),
        entered_us=row.time("entered"),
        entered_by=row.text("entered_by"),
        **_extremes(row),
    )


def _statistic(words: Words, row: Row) -> Statistic:
    return Statistic(
        code=_code(words, row),
        start_us=row.needed_time("start"),
        end_us=row.needed_time("end"),
        **_extremes(row),
    )


def _substation(words: Words, row: Row) -> Substation:
    return Substation(
        code=_substation_code(words, row),
        place=row.text("place"),
        x=row.number("x"),
        y=row.number("y"),
        z=row.number("z"),
        at_us=row.time("at"),
    )


def _substation_state(words: Words, row: Row) -> SubstationState:
    return SubstationState(
        code=_substation_code(words, row),
        run=row.take("run", words.run, "unknown"),
        power=row.take("power", words.power, "unknown"),
        at_us=row.time("at"),
    )


MAKERS: Mapping[str, Callable[[Words, Row], Record]] = {
    "CDDY": _point_row,
    "CDSS": _reading,
    "YCBJ": _abnormal,
    "TJSJ": _statistic,
    "FZDY": _substation,
    "FZSS": _substation_state,
}

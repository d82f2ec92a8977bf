"""What HTTP asks and answers about what points measured."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from gasmon.api.schemas import Answer, Limits, Query, TimeUs

MAX_POINTS = 5000
"""Rows of one answer of readings at most; a screen has fewer columns."""


class RangeQuery(Query):
    from_: Annotated[TimeUs, Field(alias="from", description="first time, RFC 3339")]
    to: TimeUs = Field(description="end, not included, RFC 3339")


class ReadingsQuery(RangeQuery):
    max_points: int = Field(800, ge=1, le=MAX_POINTS)


class SparklinesQuery(Query):
    minutes: int = Field(60, ge=5, le=24 * 60, description="up to now")
    buckets: int = Field(60, ge=5, le=240)
    run: int = Field(0, ge=0, le=2**31 - 1, description="0, or that of a drill")


class Readings(Answer):
    from_: datetime = Field(alias="from")
    to: datetime
    step_ms: int = Field(description="length of a bucket; 0: raw readings")
    columns: list[str]
    rows: list[list[float | int | None]]


class AlarmMark(Answer):
    alarm_id: int
    kind: str
    rank: int
    planned: bool
    from_: datetime = Field(alias="from")
    to: datetime | None = Field(description="null: still on")


class LimitsMark(Answer):
    from_: datetime = Field(
        alias="from", description="the first holds at the range's start already"
    )
    source: str = Field(description="points, file, provisional, import, change")
    limits: Limits


class Marks(Answer):
    alarms: list[AlarmMark] = Field(description="by level, the worst last")
    limits: list[LimitsMark] = Field(description="by time")
    more: bool = Field(description="there are more than are told")


class Sparkline(Answer):
    point_id: int
    rows: list[list[float | int]] = Field(description="t_ms, min, max")


class Sparklines(Answer):
    from_: datetime = Field(alias="from")
    to: datetime
    step_ms: int
    items: list[Sparkline] = Field(description="points with a good value")

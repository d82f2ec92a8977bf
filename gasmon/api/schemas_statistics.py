"""What HTTP asks and answers about statistics."""

from datetime import date
from typing import Literal

from pydantic import Field

from gasmon.api.schemas import Answer, AreaCode, MineCode, Query, TimeUs
from gasmon.reports.period import KINDS
from gasmon.reports.report import BY, SORTS


class DailyQuery(Query):
    day: date | None = Field(None, description="of Beijing time; without it today")
    area: AreaCode | None = None
    mine: MineCode | None = None


class StatisticsQuery(DailyQuery):
    period: Literal[KINDS] = Field(  # type: ignore[valid-type]
        "day", description="that the day lies in; range wants from"
    )
    from_: TimeUs | None = Field(None, alias="from", description="of a range")
    to: TimeUs | None = Field(None, description="end of a range, not included")
    by: Literal[BY] = "area"  # type: ignore[valid-type]
    sort: Literal[SORTS] = Field(  # type: ignore[valid-type]
        "alarms", description="most first; online: the lowest rate first"
    )
    limit: int = Field(500, ge=1, le=5000)


class OverLimit(Answer):
    n: int = Field(description="raised in the period, planned ones not among them")
    n_planned: int
    s: float = Field(description="over the limit within the period, all points [s]")
    s_planned: float
    longest_s: float = Field(description="whole length of the longest one [s]")
    ongoing: int = Field(description="on at the end of the period, or now")
    by_grade: list[int] = Field(description="methane peaks < 2, 2–3, ≥ 3 %")


class PeakAnswer(Answer):
    value: float = Field(description="methane [%]")
    at: str
    alarm_id: int
    mine: str | None
    mine_name: str
    place: str


class OnlineAnswer(Answer):
    pct: float | None = Field(description="online time ÷ time of linked mines [%]")
    registered: int
    linked: int
    long_offline: int = Field(description="never online here, broken for 7 days")
    never_heard: int
    breaks: int = Field(description="breaks of linked mines that began here")
    break_s: float
    longest_break_s: float


class TimelyAnswer(Answer):
    asked: int = Field(description="alarms whose time is over, or that were answered")
    in_time: int
    pct: float | None
    median_s: float | None = Field(description="from when it was told [s]")


class Answered(Answer):
    confirmed: TimelyAnswer
    handled: TimelyAnswer


class HandlingAnswer(Answer):
    mine: Answered
    county: Answered


class BeforeAnswer(Answer):
    alarms: int
    planned: int
    over_limit: int
    over_s: float
    online_pct: float | None


class ChangeAnswer(Answer):
    alarms: float | None
    planned: float | None
    over_limit: float | None
    over_s: float | None


class StatisticsRow(Answer):
    name: str = Field(description="of area, mine, point, kind or cause; empty for all")
    label: str
    area: str
    alarms: int = Field(description="raised in the period, planned ones not among them")
    planned: int
    late: int = Field(description="discovered after the fact")
    by_rank: list[int] = Field(description="by the highest level, ungraded first")
    carried_in: int = Field(description="on at its begin")
    on_at_end: int
    over_limit: OverLimit
    peak: PeakAnswer | None
    handling: HandlingAnswer
    online: OnlineAnswer | None = Field(description="null: by point, kind or cause")
    before: BeforeAnswer
    change_pct: ChangeAnswer = Field(description="against the period before")


class _Heading(Answer):
    period: Literal[KINDS]  # type: ignore[valid-type]
    from_: str = Field(alias="from")
    to: str
    until: str = Field(description="up to where it is counted: its end, or now")
    before_from: str = Field(description="the period before, cut to the same length")
    before_to: str


class StatisticsAnswer(_Heading):
    by: Literal[BY]  # type: ignore[valid-type]
    sort: Literal[SORTS]  # type: ignore[valid-type]
    items: list[StatisticsRow]


class MineDayQuery(Query):
    mine: MineCode
    day: date | None = Field(None, description="of Beijing time; without it today")


class Times(Answer):
    n: int = Field(description="began in the day")
    s: float = Field(description="of all of them, within the day [s]")
    ongoing: int = Field(description="on at the end of the day, or now")


class MineDayRow(Answer):
    subject: str = Field(description="a sensor; a unit whose feed was abnormal")
    type_zh: str
    type_en: str
    place: str
    quantity: str
    uom: str
    alarm: float | None = Field(description="limit as the mine told it, high or low")
    cut_off: float | None
    restore: float | None
    n: int = Field(description="good readings")
    n_bad: int = Field(description="in calibration, or without a value")
    mean: float | None = Field(description="of the good readings")
    min: float | None
    max: float | None
    max_at: str | None
    coverage_pct: float | None = Field(description="minutes with a good reading [%]")
    alarms: Times = Field(description="over or below its limit, planned not among them")
    cut_offs: Times
    feeds: Times = Field(description="feed abnormalities of a unit")
    planned: Times = Field(description="of all these, what planned work kept quiet")


class MineDayAnswer(Answer):
    mine: str
    name: str
    area: str
    from_: str = Field(alias="from")
    to: str
    until: str = Field(description="up to where it is counted: its end, or now")
    items: list[MineDayRow]


class TierTimes(Answer):
    mine: str | None
    county: str | None
    city: str | None


class ListedAlarm(Answer):
    alarm_id: int
    kind: str
    rank: int
    area: str
    mine: str | None
    mine_name: str
    subject: str
    place: str
    quantity: str
    uom: str
    peak: float | None
    peak_at: str | None
    raised_at: str
    cleared_at: str | None
    ongoing: bool
    lasted_s: float = Field(description="whole length, up to now while it is on [s]")
    in_period_s: float = Field(description="what of it lies within the day [s]")
    planned: bool
    late: bool
    cause_code: str | None
    confirmed: TierTimes
    handled: TierTimes


class DailyAnswer(_Heading):
    total: StatisticsRow
    areas: list[StatisticsRow]
    mines: list[StatisticsRow] = Field(description="the ten with the most alarms")
    points: list[StatisticsRow] = Field(description="the ten longest over the limit")
    kinds: list[StatisticsRow]
    causes: list[StatisticsRow] = Field(description="none: no record names one")
    over_limits: list[ListedAlarm] = Field(description="the worst first, at most 500")
    over_limits_all: int
    breaks: list[ListedAlarm]
    breaks_all: int

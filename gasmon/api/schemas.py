"""What HTTP asks and answers, for the OpenAPI page and for checking requests.

Answers are built by the store and encoded as they are; tests hold them against these
models, so that the page cannot drift away from the truth.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gasmon.alarms.lifecycle import STATES
from gasmon.units import TIME_MAX_US, TIME_MIN_US, parse_iso_us

MAX_RANGE_DAYS = 400
"""Longest range of readings [d]: a year with room for comparing months."""


class Query(BaseModel):
    """Base of query parameters: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Base of answers: the models are complete."""

    model_config = ConfigDict(extra="forbid")


def _time_us(text: Any) -> Any:
    """Read a time; the bounds keep it inside of what PostgreSQL and people mean."""
    if not isinstance(text, str):
        raise ValueError("a time such as 2026-11-23T10:46:21+08:00 is expected")
    # A plus sign in an address means a space; an unescaped offset arrives so.
    time_us = parse_iso_us(text.strip().replace(" ", "+") if "T" in text else text)
    if not TIME_MIN_US <= time_us < TIME_MAX_US:
        raise ValueError("a time between 2000 and 2100 is expected")
    return time_us


TimeUs = Annotated[int, BeforeValidator(_time_us, json_schema_input_type=str)]
AreaCode = Annotated[str, Field(max_length=40, description="code or slug")]
MineCode = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
Words = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Tier = Literal["mine", "county", "city"]


class MinesQuery(Query):
    area: AreaCode | None = None
    q: Words | None = None


class AlarmsQuery(Query):
    state: Literal["open", "cleared", "standing", "all"] = Field(
        "open", description="standing: open, or cleared and not confirmed by your tier"
    )
    area: AreaCode | None = None
    mine: MineCode | None = None
    point: str | None = Field(
        None,
        pattern=r"^([0-9]{1,9}|[0-9]{12}-0[12]-[^\x00]{1,8})$",
        description="point_id, or mine-system-number",
    )
    kind: str | None = Field(
        None, pattern=r"^[a-z0-9_,]{1,200}$", description="one or more, with commas"
    )
    min_rank: int = Field(0, ge=0, le=4)
    confirmed: bool | None = None
    overdue: Literal["mine", "county", "city", "any"] | None = Field(
        None, description="only what this tier must act on now"
    )
    work: Literal["handling", "quiet"] | None = Field(
        None, description="somebody works on it; shelved or planned work now"
    )
    from_: TimeUs | None = Field(None, alias="from", description="raised at or after")
    to: TimeUs | None = Field(None, description="raised before")
    q: Words | None = None
    run: int = Field(0, ge=0, le=2**31 - 1, description="0 live, else a drill's number")
    order: Literal["new", "worst"] = Field("new", description="what comes first")
    cursor: str | None = Field(None, max_length=60)
    limit: int = Field(50, ge=1, le=500)


class IncidentsQuery(Query):
    state: Literal["open", "closed", "all"] = "open"
    area: AreaCode | None = None
    mine: MineCode | None = None
    run: int = Field(0, ge=0, le=2**31 - 1, description="0, or that of a drill")
    limit: int = Field(100, ge=1, le=500)


class ScoreQuery(Query):
    days: int = Field(30, ge=1, le=MAX_RANGE_DAYS)
    by: Literal["all", "area", "mine", "point"] = "all"
    area: AreaCode | None = None
    mine: MineCode | None = None


class ScoreLine(Answer):
    n_warned: int = Field(description="pre-warnings said")
    n_hits: int = Field(description="of which the limit was newly reached in time")
    n_false: int
    n_unknown: int = Field(description="readings are missing in which it could hide")
    n_undecided: int
    n_onsets: int = Field(description="times the limit was newly reached")
    n_warned_of: int = Field(description="of which a pre-warning told")
    n_missed: int
    n_early: int = Field(description="told 3 min before or earlier")
    median_lead_s: float | None
    false_per_day: float | None


class ScoreItem(Answer):
    name: str = Field(description="area, mine or point; empty for all of it")
    advisory: int = Field(description="points whose forecast is advisory now")
    forecast: ScoreLine
    ewma_1min: ScoreLine
    last_value: ScoreLine


class Scoreboard(Answer):
    from_: str = Field(alias="from")
    to: str
    days: float = Field(description="of which readings were searched")
    by: str
    items: list[ScoreItem]


class ConfirmBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: str = Field("", max_length=1000, pattern=r"^[^\x00]*$")
    cause_code: str | None = Field(None, max_length=40, pattern=r"^[^\x00]*$")


class PrincipalAnswer(Answer):
    id: int
    name: str
    role: str
    areas: list[str] | None = Field(description="null: all areas")
    mines: list[str] | None = Field(description="null: all mines of the areas")
    may: Literal["read", "act", "administer"] = Field(
        description="what its token is for; a password is for all of the role"
    )


class Me(Answer):
    principal: PrincipalAnswer
    csrf: str | None = Field(description="null for programs")


class AreaAnswer(Answer):
    code: str
    slug: str
    name_zh: str
    name_en: str
    platform: str
    mines: int
    online: int
    worst_rank: int | None
    open_alarms: int
    unconfirmed: int


class AreaList(Answer):
    items: list[AreaAnswer]


class Top(Answer):
    point_id: int
    no: str
    place: str
    value: float
    at: datetime


class Mine(Answer):
    code: str
    area: str
    name: str
    kind: str
    online: bool
    arrived_at: datetime | None
    points: int
    worst_rank: int | None
    open_alarms: int
    unconfirmed: int
    top_ch4: Top | None


class MineList(Answer):
    items: list[Mine]


class Unit(Answer):
    id: str
    kind: str
    name: str


class UnitList(Answer):
    items: list[Unit]


class MineDetail(Mine):
    atmosphere_kpa: float | None
    units: list[Unit]


class Limits(Answer):
    alarm_high: float | None
    clear_high: float | None
    cut_high: float | None
    restore_high: float | None
    alarm_low: float | None
    clear_low: float | None
    cut_low: float | None
    restore_low: float | None


class Point(Answer):
    point_id: int
    run: int = Field(description="0: live; else a drill's own point")
    mine: str
    mine_name: str
    area: str
    system: str
    no: str
    sensor_type: str
    type_zh: str
    type_en: str
    value_kind: str
    quantity: str
    uom: str
    place: str
    place_class: str | None
    unit_id: str | None
    range: list[float | None]
    limits: Limits
    provisional: bool
    retired_at: datetime | None = Field(
        description="since when the mine does not define it any more"
    )
    state_0: str
    state_1: str


class PointList(Answer):
    items: list[Point]


class LatestValue(Answer):
    point_id: int
    system: str
    no: str
    value: float | None
    state: int
    at: datetime
    arrived_at: datetime


class Latest(Answer):
    seq: int
    at: datetime | None
    online: bool
    items: list[LatestValue]


class Text(Answer):
    zh: str
    en: str


class Mark(Answer):
    by: str
    at: datetime
    note: str
    cause_code: str | None


class Marks(Answer):
    mine: Mark | None
    county: Mark | None
    city: Mark | None


class NextStep(Answer):
    tier: Tier
    at: datetime


class Alarm(Answer):
    alarm_id: int
    incident_id: int
    run: int
    drill: bool = Field(description="an exercise: never counted, nobody is in danger")
    subject: str
    kind: str
    area: str
    mine: str | None
    mine_name: str
    system: str | None
    point: str | None
    point_id: int | None
    unit: str | None
    place: str
    quantity: str
    uom: str
    level: str
    rank: int
    peak_rank: int
    value: float | None
    limit: float | None
    peak: float | None
    peak_at: datetime | None
    raised_at: datetime
    arrived_at: datetime
    decided_at: datetime
    cleared_at: datetime | None
    unknown: bool
    late: bool
    planned: bool
    quiet: str | None
    rule: str
    explain: dict[str, Any]
    text: Text
    confirmations: Marks = Field(
        description="marks that hold at the present level, one per tier"
    )
    shelved_until: datetime | None
    closed_at: datetime | None
    state: Literal[STATES] = Field(  # type: ignore[valid-type]
        description="for the asker's own tier; for others by any tier's mark"
    )
    overdue: list[Tier] = Field(description="who must act now, by escalation")
    next_step: NextStep | None = Field(description="whom escalation calls next")


class AlarmList(Answer):
    items: list[Alarm]
    next: str | None
    total: int
    at: datetime
    seq: int = Field(description="stream position that these are at least as new as")


class Incident(Answer):
    incident_id: int
    area: str
    mine: str | None
    mine_name: str
    unit: str | None
    subject: str
    opened_at: datetime
    closed_at: datetime | None
    worst_rank: int
    kinds: list[str]
    alarms: list[int]


class IncidentList(Answer):
    items: list[Incident]


class Version(Answer):
    version: str
    mode: str
    epoch: str
    now: datetime


class Problem(BaseModel):
    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None

"""What HTTP answers about the live load of alarms, and about searching."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gasmon.api.schemas import Answer, Query, Words


class AreaLoad(Answer):
    area: str
    n_10min: int = Field(description="told aloud in the last 10 min")
    n_60min: int
    overdue: int = Field(description="alarms that some tier must act on now")
    stale: int = Field(description="open for over 24 h")


class CauseAnswer(Answer):
    subject: str = Field(description="`type:id`")
    kind: str
    area: str
    mine: str | None
    mine_name: str | None
    point_id: int | None
    n: int
    share_pct: float
    chattering: bool = Field(description="three times in some minute")


class LoadNow(Answer):
    at: datetime
    from_: datetime = Field(alias="from")
    n_10min: int
    n_60min: int
    mean_per_10min: float
    peak_10min: int = Field(description="worst 10 min of the hour")
    grade: Literal["acceptable", "manageable", "over"]
    flood: bool = Field(description="over 10 in the last 10 min")
    stale: int
    causes: list[CauseAnswer] = Field(description="the ten most frequent of the hour")
    areas: list[AreaLoad] = Field(description="areas with anything")
    more: bool = Field(description="more was told than was looked through")


class SearchQuery(Query):
    q: Words
    limit: int = Field(20, ge=1, le=50)


class FoundPoint(Answer):
    point_id: int
    no: str
    system: str
    place: str
    sensor_type: str
    mine: str
    mine_name: str
    area: str


class FoundMine(Answer):
    code: str
    name: str
    area: str


class Found(Answer):
    mines: list[FoundMine]
    points: list[FoundPoint]
    more: bool

"""What HTTP asks and answers about changes of limits."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from gasmon.alarms.changes import CHANGE_STATES
from gasmon.api.schemas import Answer, AreaCode, MineCode, Query, Text, TimeUs
from gasmon.api.schemas_life import Body, Key, Note
from gasmon.points import LIMIT_FIELDS

LimitName = Annotated[str, Field(max_length=40, pattern=r"^[a-z_]+$")]
Limits = dict[LimitName, float]


class ChangeBody(Body):
    """Without limits, place class and end it takes back the change before it."""

    mine: MineCode
    point: str = Field(
        max_length=20,
        pattern=r"^(01|02)-[^\s\x00]{1,8}$",
        description="system-number, e.g. 01-001A01",
    )
    limits: Limits = Field(
        {},
        max_length=len(LIMIT_FIELDS),
        description="in the point's unit: " + ", ".join(LIMIT_FIELDS),
    )
    place_class: str = Field(
        "",
        max_length=40,
        pattern=r"^[A-Z0-9_]*$",
        description="where it really hangs; empty leaves what its mine says",
    )
    retire: bool = Field(
        False, description="a point that its mine names no more is gone for good"
    )
    from_: TimeUs | None = Field(
        None, alias="from", description="RFC 3339; without it, from its approval on"
    )
    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")
    key: Key


class ChangeActionBody(Body):
    reason: Note
    key: Key


class ChangesQuery(Query):
    mine: MineCode | None = None
    area: AreaCode | None = None
    point_id: int | None = Field(None, ge=1, le=2**31 - 1)
    cursor: int | None = Field(None, ge=1, le=2**63 - 1)
    limit: int = Field(50, ge=1, le=500)


class ChangeRecord(Answer):
    event: Literal["proposed", "approved", "refused", "withdrawn"]
    by: str
    role: str
    reason: str
    at: datetime


class TestedAlarm(Answer):
    subject: str
    kind: str
    rank: int
    raised_at: datetime
    cleared_at: datetime | None
    limit: float | None
    peak: float | None


class TestedCount(Answer):
    kind: str
    rank: int
    n: int


class TestedAlarms(Answer):
    n: int
    counts: list[TestedCount]
    items: list[TestedAlarm] = Field(description="the worst 100")


class Places(Answer):
    before: str | None
    after: str | None


class Difference(Answer):
    before: Limits = Field(description="limits that count without the change")
    after: Limits = Field(description="and with it")
    place_class: Places
    n_readings: int = Field(description="stored readings that were judged")
    first: datetime | None
    last: datetime | None
    added: TestedAlarms = Field(description="only with the change")
    removed: TestedAlarms = Field(description="only without it")
    other: TestedAlarms = Field(description="with another time or level")
    n_same: int


class BackTestResult(Answer):
    days: int
    progress: float = Field(description="0 to 1")
    failure: str | None = Field(description="why the change cannot count")
    result: Difference | None


class Change(Answer):
    change_id: int
    mine: str
    mine_name: str
    area: str
    point: str
    point_id: int
    place: str
    uom: str
    limits: Limits
    place_class: str
    retire: bool
    from_: datetime | None = Field(
        alias="from",
        description="as wished, null: from its approval on; once approved, as it is",
    )
    reason: str
    state: str = Field(description=", ".join(CHANGE_STATES))
    state_text: Text
    back_test: BackTestResult
    records: list[ChangeRecord]
    actions: dict[str, Text | None] = Field(
        description="what the asker's role may do; null: now, else why not now"
    )


class ChangePage(Answer):
    items: list[Change]
    next: int | None


class BesideAlarm(Answer):
    point: str
    attribute: str
    old: str | None
    new: str | None
    source: str = Field(description="points, file, … by the mine; change:N by people")
    changed_at: datetime
    recorded_at: datetime


class BesideAlarmList(Answer):
    items: list[BesideAlarm]

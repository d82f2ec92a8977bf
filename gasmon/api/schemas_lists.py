"""What HTTP asks and answers about alarms in other forms: groups, and files."""

from datetime import datetime

from pydantic import Field

from gasmon.api.schemas import AlarmsQuery, Answer, AreaCode, MineCode, Query

MOST_EXPORTED = 20_000
"""Rows of one file of alarms; more is asked for by days, and not cut off silently."""


class GroupsQuery(Query):
    area: AreaCode | None = None
    mine: MineCode | None = None
    limit: int = Field(200, ge=1, le=1000)


class WorstOfGroup(Answer):
    alarm_id: int
    rank: int
    place: str
    value: float | None
    uom: str
    raised_at: datetime


class AlarmGroup(Answer):
    area: str
    mine: str | None
    mine_name: str
    kind: str
    n: int
    unconfirmed: int = Field(description="by the asker's tier")
    red: int
    worst_rank: int
    first_at: datetime
    last_at: datetime
    worst: WorstOfGroup


class AlarmGroups(Answer):
    items: list[AlarmGroup]
    total: int = Field(description="open alarms in all groups")
    groups: int = Field(description="of which the worst are given")


class ExportQuery(AlarmsQuery):
    limit: int = Field(MOST_EXPORTED, ge=1, le=MOST_EXPORTED)

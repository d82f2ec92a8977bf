"""What HTTP asks and answers about how far data can be trusted."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gasmon.api.schemas import Answer, Query, Text
from gasmon.api.schemas_points import RangeQuery


class CrossingsQuery(RangeQuery):
    limit: int = Field(200, ge=1, le=1000, description="of the newest")


class CrossingAnswer(Answer):
    kind: str = Field(description="of the alarm that it would have begun")
    crossed_at: datetime
    arrived_at: datetime
    value: float | None
    limit: float | None
    rule: str
    held_by: Literal["on_delay", "deadband", "off_delay"]
    late: bool


class CrossingList(Answer):
    items: list[CrossingAnswer]


class SignatureAnswer(Answer):
    signature: str
    text: Text
    numbers: dict[str, Any] = Field(description="what shows it")


class SignatureList(Answer):
    items: list[SignatureAnswer]


class SuspicionQuery(Query):
    hours: int = Field(24, ge=1, le=72, description="back from now")


class FindingAnswer(Answer):
    sign: str
    text: Text
    from_: datetime = Field(alias="from")
    to: datetime
    numbers: dict[str, Any] = Field(description="what it rests on")


class SuspiciousPoint(Answer):
    point_id: int
    no: str
    place: str
    quantity: str
    score: int = Field(description="0 to 100")
    findings: list[FindingAnswer]


class Suspicion(Answer):
    mine: str
    mine_name: str
    area: str
    from_: datetime = Field(alias="from")
    to: datetime
    score: int = Field(description="0 to 100")
    findings: list[FindingAnswer] = Field(description="of the mine and its units")
    points: list[SuspiciousPoint] = Field(description="the most suspicious first")

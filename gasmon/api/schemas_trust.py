"""What HTTP asks and answers about how far data can be trusted."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gasmon.api.schemas import Answer
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

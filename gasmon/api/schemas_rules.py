"""What HTTP answers about the rules that are judged by."""

from datetime import datetime
from typing import Any

from pydantic import Field

from gasmon.api.schemas import Answer, Query


class RulesVersion(Answer):
    rules_id: int
    scope: str = Field(description="whose: codes of areas, or * for all")
    from_: datetime | None = Field(
        alias="from", description="first event time judged by them; null: ever"
    )
    taken_at: datetime = Field(description="when they began to be judged by")
    file: str
    sha256: str
    limit_changes: list[int] = Field(description="approved changes that are in them")
    in_force: bool


class RulesVersionList(Answer):
    items: list[RulesVersion]


class RulesAnswer(Answer):
    version: RulesVersion
    readable: bool = Field(description="this version of gasmon still reads them")
    rules: dict[str, Any] | None = Field(
        description="as `gasmon rules show --json` tells them; null if unreadable"
    )


class ExplainQuery(Query):
    subject: str = Field(
        max_length=64,
        description="mine-system-number of a point, MINE/u/UNIT, or a mine",
    )


class Explained(Answer):
    version: RulesVersion
    story: dict[str, Any] = Field(
        description="as `gasmon rules explain --json` tells it"
    )

"""What HTTP asks and answers about tokens."""

from typing import Literal

from pydantic import Field, model_validator

from gasmon.api.schemas import Answer, Query
from gasmon.api.schemas_accounts import Body, Code, Name
from gasmon.store.access import MAY

MOST_DAYS = 3650


class TokensQuery(Query):
    ended: bool = Field(False, description="revoked ones too")


class NewTokenBody(Body):
    name: Name = Field(description="of somebody who exists, or of a new program")
    may: Literal[MAY] = "read"  # type: ignore[valid-type]
    days: int | None = Field(
        90, ge=1, le=MOST_DAYS, description="how long it lives; null: until revoked"
    )
    program: bool = Field(False, description="make a platform of this name")
    areas: list[Code] | None = Field(None, max_length=500, description="of a program")
    mines: list[Code] | None = Field(None, max_length=5000, description="of a program")

    @model_validator(mode="after")
    def _rights_of_a_program(self) -> "NewTokenBody":
        """What exists has its rights; a forgotten field must not show everything."""
        if self.program and self.areas is None and self.mines is None:
            raise ValueError("a program wants areas or mines")
        if not self.program and (self.areas is not None or self.mines is not None):
            raise ValueError("areas and mines are for a new program")
        return self


class TokenGiven(Answer):
    name: str
    token: str = Field(description="shown this once")
    expires_at: str | None


class TokenAnswer(Answer):
    id: int
    name: str
    role: str
    areas: list[str] | None
    mines: list[str] | None
    may: Literal[MAY]  # type: ignore[valid-type]
    speaks_for: list[str]
    state: Literal["alive", "expired", "revoked"]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class TokenList(Answer):
    items: list[TokenAnswer]

"""What HTTP asks and answers about log-ins, users and the audit."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gasmon.api.schemas import Answer, Query, TimeUs
from gasmon.store.access import ROLES

Secret = Annotated[str, Field(max_length=1000, repr=False)]
"""Longer than the longest password: its own check says how long it may be."""

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Code = Annotated[str, Field(pattern=r"^[0-9]+$", max_length=12)]


class Body(BaseModel):
    """Base of bodies: unknown members are refused, and values never repeated."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LogInBody(Body):
    name: Name
    password: Secret


class PasswordBody(Body):
    old: Secret
    new: Secret


class LinkBody(Body):
    link: Annotated[str, Field(max_length=100, repr=False)]


class LinkPasswordBody(LinkBody):
    password: Secret


class Invited(Answer):
    name: str
    role: str
    expires_at: str


class SessionAnswer(Answer):
    session_id: int
    created_at: str
    last_seen_at: str
    expires_at: str
    address: str | None
    agent: str | None
    by: Literal["password", "token"]
    current: bool


class SessionList(Answer):
    items: list[SessionAnswer]


class RightsBody(Body):
    role: Literal[ROLES]  # type: ignore[valid-type]
    areas: list[Code] | None = Field(description="null: all areas", max_length=500)
    mines: list[Code] | None = Field(
        description="null: all mines of the areas", max_length=5000
    )


class NewUserBody(RightsBody):
    name: Name


class UserAnswer(Answer):
    id: int
    name: str
    role: str
    areas: list[str] | None
    mines: list[str] | None
    created_at: str
    retired_at: str | None
    password_set_at: str | None
    link_until: str | None = Field(description="end of an unused one-time link")
    last_log_in: str | None
    sessions: int
    tokens: int


class UserList(Answer):
    items: list[UserAnswer]


class LinkAnswer(Answer):
    name: str
    link: str = Field(description="address of the page that sets the password, once")
    expires_at: str


class Ended(Answer):
    sessions: int
    tokens: int


class AuditQuery(Query):
    principal: str | None = Field(None, max_length=100, pattern=r"^[^\x00]*$")
    action: str | None = Field(None, pattern=r"^[a-z_]+(\.[a-z_]+)?$", max_length=60)
    subject: str | None = Field(None, max_length=200, pattern=r"^[^\x00]*$")
    outcome: Literal["done", "refused"] | None = None
    from_: TimeUs | None = Field(None, alias="from", description="recorded at or after")
    to: TimeUs | None = Field(None, description="recorded before")
    cursor: int | None = Field(None, ge=1, le=2**63 - 1)
    limit: int = Field(100, ge=1, le=1000)


class AuditRow(Answer):
    audit_id: int
    recorded_at: str
    principal: str | None = Field(description="null: a stranger")
    action: str
    subject: str | None
    outcome: str
    detail: dict[str, Any]


class AuditPage(Answer):
    items: list[AuditRow]
    next: int | None = Field(description="cursor of the next page")

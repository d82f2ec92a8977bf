"""What HTTP asks and answers about shifts and hand-overs."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from gasmon.api.schemas import Answer, AreaCode, Query, Tier
from gasmon.api.schemas_accounts import Name
from gasmon.api.schemas_life import Body, Note

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2099, 12, 31))]
ShiftsText = Annotated[
    str,
    Field(
        max_length=400,
        pattern=r"^[^\x00]*$",
        description="`早班 08:00-16:00, …`, or a preset such as `two-12h 08:00`;"
        " empty ends the calendar",
    ),
]


class PostQuery(Query):
    tier: Tier | None = None
    place: AreaCode | None = None


class DaysQuery(Query):
    from_: Day | None = Field(None, alias="from", description="default: today")
    days: int = Field(1, ge=1, le=62)


class HandoversQuery(PostQuery):
    unsigned: bool = Field(False, description="only those that `unsigned` is true of")
    limit: int = Field(20, ge=1, le=200)


class PatternBody(Body):
    shifts: ShiftsText
    from_day: Day


class DayBody(Body):
    shifts: ShiftsText
    day: Day
    reason: Note


class AssignmentBody(Body):
    name: Name
    shift: Name
    from_day: Day
    until_day: Day | None = Field(None, description="the last one; null: from then on")
    instead_of: Name | None = None
    reason: Note


class HandoverBody(Body):
    tier: Tier
    place: AreaCode
    shift: Literal["now", "before"] = "now"


class HandoverActionBody(Body):
    text: Note


class ShiftTimes(Answer):
    day: date = Field(description="on which it begins")
    name: str
    name_en: str
    from_: datetime = Field(alias="from")
    until: datetime


class SignedOn(Answer):
    name: str
    shift: str
    since: datetime
    shift_until: datetime


class PostNow(Answer):
    tier: Tier
    place: str
    now: ShiftTimes | None
    next: ShiftTimes | None
    assigned: list[str]
    assigned_next: list[str]
    signed_on: list[SignedOn]
    may_sign: bool = Field(description="whether the asker can have duty here")


class PostList(Answer):
    at: datetime
    items: list[PostNow]


class CalendarShift(ShiftTimes):
    assigned: list[str]


class AssignmentRow(Answer):
    assignment_id: int
    name: str
    shift: str
    from_day: date
    until_day: date | None
    instead_of: str | None
    reason: str


class CalendarAnswer(Answer):
    tier: Tier
    place: str
    shifts: list[CalendarShift]
    assignments: list[AssignmentRow]


class ShiftSet(Answer):
    tier: Tier
    place: str
    shifts: list[ShiftTimes] = Field(description="of the first day that it is about")


class AssignmentMade(Answer):
    assignment_id: int


class SignedOff(Answer):
    shifts: int


class LoadRow(Answer):
    shift: ShiftTimes
    load: "LoadFigures"


class LoadFigures(Answer):
    from_: datetime = Field(alias="from")
    until: datetime
    alarms: int
    mean_per_10min: float
    peak_10min: int
    flood_share_pct: float
    grade: Literal["acceptable", "manageable", "over"]
    flooded: bool
    standing: int
    stale: int = Field(description="standing for over 24 h")
    unconfirmed: int


class LoadAnswer(Answer):
    tier: Tier
    place: str
    items: list[LoadRow]


class Signature(Answer):
    by: str
    at: datetime
    fingerprint: str


class HandoverHead(Answer):
    handover_id: int
    tier: Tier
    place: str
    shift: ShiftTimes
    state: Literal["open", "signed", "refused", "accepted"]
    unsigned: bool = Field(description="its shift is over, and a signature is missing")
    reminded_at: datetime | None
    outgoing: Signature | None
    incoming: Signature | None


class HandoverList(Answer):
    items: list[HandoverHead]


class HandoverNote(Answer):
    by: str
    at: datetime
    text: str


class HandoverRecord(Answer):
    event: Literal["noted", "signed", "accepted", "refused", "reminded"]
    by: str | None
    at: datetime
    note: str
    fingerprint: str | None


class HandoverAnswer(HandoverHead):
    summary: dict[str, Any] = Field(
        description="counts and lists: of the signature, else of now"
    )
    load: LoadFigures
    on_duty: list[str]
    notes: list[HandoverNote]
    records: list[HandoverRecord]

"""What HTTP asks and answers about classes of places."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from gasmon.alarms.rule_match import PLACES
from gasmon.api.place_questions import NOBODY_KNOWS
from gasmon.api.schemas import Answer, AreaCode, MineCode, Query
from gasmon.api.schemas_life import Body

Why = Literal["unclear", "contradicts", "text_changed"]


class PlacesQuery(Query):
    area: AreaCode | None = None
    mine: MineCode | None = None
    undecided: bool = Field(True, description="only what a person should decide")
    limit: int = Field(200, ge=1, le=1000)


class PlaceRuling(Answer):
    place: str = Field(description="the location text that was ruled on")
    place_class: str | None = Field(description="null: it has none")
    reason: str
    by: str
    at: datetime


class Place(Answer):
    mine: str
    mine_name: str
    area: str
    system: str
    point: str
    point_id: int
    quantity: str
    place: str
    place_class: str | None = Field(description="what counts now; null: nobody knows")
    why: Why | None = Field(description="why a person should look; null: no need")
    suggested: str | None
    confidence: float | None = Field(description="of what the text says, 0 to 1")
    reason: str | None = Field(description="the rule by which the text was read")
    ruling: PlaceRuling | None


class PlaceClass(Answer):
    place_class: str
    zh: str
    en: str


class PlaceList(Answer):
    n: int = Field(description="how many there are; `items` has the first of them")
    items: list[Place]
    classes: list[PlaceClass]
    may_rule: bool = Field(description="whether the asker may decide")


class PlaceBody(Body):
    mine: MineCode
    point: Annotated[str, Field(max_length=20, pattern=r"^[0-9]{2}-[^\x00]{1,8}$")] = (
        Field(description="system-number, e.g. 01-001A01")
    )
    place_class: str = Field(
        max_length=40, description=", ".join([*sorted(PLACES), *NOBODY_KNOWS])
    )
    place: str = Field(
        max_length=500, pattern=r"^[^\x00]*$", description="the text as it was seen"
    )
    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")


class PlaceRuled(Answer):
    point: str
    old: str | None = Field(description="the class that counted before")
    new: str
    by: str

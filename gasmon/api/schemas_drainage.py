"""What ``/drainage`` asks and answers."""

from datetime import date

from pydantic import Field

from gasmon.api.schemas import Answer, MineCode, Query


class DrainageQuery(Query):
    mine: MineCode | None = None


class DrainageDaysQuery(Query):
    mine: MineCode
    from_: date = Field(alias="from", description="first day in Beijing")
    to: date = Field(description="last day, included")


class Flows(Answer):
    at: str | None
    flow_m3_min: float | None = Field(description="as measured in the pipe")
    ch4_pct: float | None
    gauge_kpa: float | None
    temperature_c: float | None
    standard_m3_min: float | None = Field(description="at 101.325 kPa and 293 K")
    pure_m3_min: float | None = Field(description="the methane in it")


class VolumeAnswer(Answer):
    mixed_m3: float
    pure_m3: float
    covered_h: float
    gap_h: float = Field(description="not measured, and not made up")
    n_gaps: int
    n_days: int


class DrainagePlace(Answer):
    point_id: int
    point: str
    mine: str
    mine_name: str
    area: str
    place: str
    unit_name: str
    missing: list[str] = Field(
        description="what is not known, without which nothing is computed"
    )
    now: Flows
    day: VolumeAnswer | None
    month: VolumeAnswer | None
    year: VolumeAnswer | None


class DrainageMine(Answer):
    mine: str
    mine_name: str
    area: str
    atmosphere_kpa: float | None
    drained_m3_min: float | None
    ventilated_m3_min: float | None = Field(description="methane in the return air")
    rate_pct: float | None
    required_pct: float | None = Field(description="what the standard asks for")
    places: list[DrainagePlace]


class DrainageList(Answer):
    items: list[DrainageMine]


class DrainageDay(Answer):
    mine: str
    mine_name: str
    area: str
    point: str
    place: str
    unit_name: str
    day: str
    until: str = Field(description="up to when it is counted")
    mixed_m3: float
    pure_m3: float
    covered_h: float
    gap_h: float
    n_gaps: int
    n_samples: int
    atmosphere_kpa: float


class DrainageDays(Answer):
    items: list[DrainageDay]

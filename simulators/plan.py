"""What a simulated city is made of: frozen plans of mines, working places and points.

Physics reads the ``role`` columns, the gateway those of the definition frame; nobody
ever changes a plan.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """A face, heading, return airway, drainage station or other part of a mine."""

    unit_id: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class PointPlan:
    """One point: what its definition says and which physics drives it.

    Attributes:
        no: original number, at most 8 characters, unique in the mine over both
            systems, because data frames carry it alone.
        system: ``01`` safety monitoring, ``02`` gas drainage.
        limits: any of ``alarm_high clear_high cut_high restore_high alarm_low`` in
            the point's own unit of measure.
        role: which physics drives it (``ch4``, ``co``, ``fan`` …).
        working: index of the working place in the mine whose air it breathes.
        gain: factor on the working's concentration (the corner is worse than the
            airway) or the nominal value of roles without a working.
        delay_s: transport time of the air from the working to the sensor [s].
    """

    no: str
    system: str
    sensor_type: str
    kind: str
    unit_id: str
    place: str
    place_class: str
    uom: str
    range: tuple[float, float] | None
    limits: dict[str, float]
    relations: tuple[str, ...]
    role: str
    working: int
    gain: float
    delay_s: float
    substation: int


@dataclass(frozen=True, slots=True)
class WorkingPlan:
    """One ventilated working place.

    Attributes:
        kind: ``face`` or ``heading``.
        air_m3_s: nominal air quantity [m³/s].
        ch4_pct: methane in its return at mean production [% CH4].
        volume_m3: air volume that mixes, so the lag is volume / quantity [m³].
        area_m2: cross-section of the return, for the air velocity [m²].
    """

    unit_id: str
    kind: str
    air_m3_s: float
    ch4_pct: float
    volume_m3: float
    area_m2: float


@dataclass(frozen=True, slots=True)
class MinePlan:
    """One mine with everything in it.

    Attributes:
        kind: ``low_gas``, ``high_gas`` or ``outburst``.
        atmosphere_kpa: mean pressure at the mine [kPa].
    """

    code: str
    area: str
    slug: str
    name: str
    kind: str
    drainage: bool
    atmosphere_kpa: float
    units: tuple[UnitPlan, ...]
    workings: tuple[WorkingPlan, ...]
    points: tuple[PointPlan, ...]


@dataclass(frozen=True, slots=True)
class CityPlan:
    """All mines in the order of their codes, and the seed that made them."""

    seed: int
    mines: tuple[MinePlan, ...]

    @property
    def n_points(self) -> int:
        """Points over all mines."""
        return sum(len(mine.points) for mine in self.mines)

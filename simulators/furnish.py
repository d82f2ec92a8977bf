"""The furniture of one mine: its working places and the points that hang in them.

Which sensors stand where follows AQ 1029-2019 as far as ``gasmon.domain`` carries it:
corner, face and return of every coal face, mixed and return flow of every heading,
panel and total return, fans, ducts, doors and the load side of what gets cut off.
"""

from math import isnan
from random import Random

from gasmon import domain
from simulators.plan import PointPlan, UnitPlan, WorkingPlan

# Measuring range of the sensor types used here, from usual data sheets: pellistors
# 0–4 % CH4, pipe methane 0–100 %, CO 0–1000 ppm, ultrasonic air speed 0–15 m/s.
_RANGES: dict[str, tuple[float, float]] = {
    "0001": (0, 4),
    "0002": (0, 15),
    "0003": (0, 100),
    "0004": (0, 1000),
    "0005": (0, 5000),
    "0012": (0, 25),
    "0019": (0, 20000),
    "0022": (0, 100),
    "0023": (0, 100),
    "0025": (-100, 100),
    "0036": (0, 500),
    "0037": (0, 500),
    "0038": (0, 1000),
    "3001": (0, 1_000_000),
    "3002": (0, 100_000_000),
}


TOTAL_RETURN_SHARE = 0.65
"""Air of the working places in that of the total return; the rest is clean leakage."""


class _Builder:
    """Numbers points as substations do: ``<substation><letter><channel>``."""

    def __init__(self, kind: str) -> None:
        self.mine_kind = kind
        self.units: list[UnitPlan] = []
        self.workings: list[WorkingPlan] = []
        self.points: list[PointPlan] = []
        self._substation = 0
        self._channels: dict[tuple[int, str], int] = {}
        self._system = "01"

    def unit(self, unit_id: str, kind: str, name: str, *, system: str = "01") -> None:
        """Open a unit on a substation of its own; following points belong to it."""
        self.units.append(UnitPlan(unit_id, kind, name))
        self._substation += 1
        self._system = system

    def point(
        self,
        sensor_type: str,
        place: str,
        role: str,
        gain: float = 0.0,
        *,
        place_class: str = "",
        working: int = -1,
        delay_s: float = 0.0,
        relations: tuple[str, ...] = (),
    ) -> str:
        """Add a point to the open unit; returns its number."""
        sensor = domain.sensor_types()[sensor_type]
        letter = {"MN": "A", "KG": "D", "LJ": "L", "DT": "M"}[sensor.value_kind]
        channel = self._channels.get((self._substation, letter), 0) + 1
        self._channels[self._substation, letter] = channel
        no = f"{self._substation:03d}{letter}{channel:02d}"
        self.points.append(
            PointPlan(
                no=no,
                system=self._system,
                sensor_type=sensor_type,
                kind=sensor.value_kind,
                unit_id=self.units[-1].unit_id,
                place=place,
                place_class=place_class,
                uom=sensor.unit,
                range=_RANGES.get(sensor_type),
                limits=limits_for(sensor.quantity, place_class),
                relations=relations,
                role=role,
                working=working,
                gain=gain,
                delay_s=delay_s,
                substation=self._substation,
            )
        )
        return no


def limits_for(quantity: str, place_class: str) -> dict[str, float]:
    """The law's limits of a quantity at a place, without those that do not exist."""
    for law in domain.limits():
        if law.quantity == quantity and law.place_class in (place_class, "ANY"):
            named = {
                "alarm_high": law.alarm_high,
                "clear_high": law.clear_high,
                "cut_high": law.cut_high,
                "restore_high": law.restore_high,
                "alarm_low": law.alarm_low,
            }
            if isnan(law.cut_high):
                # Nothing is cut, so there is nothing to restore either.
                named["restore_high"] = law.cut_high
            return {name: value for name, value in named.items() if not isnan(value)}
    return {}


def furnish(
    kind: str, rng: Random
) -> tuple[tuple[UnitPlan, ...], tuple[WorkingPlan, ...], tuple[PointPlan, ...]]:
    """Units, working places and points of one mine.

    Args:
        kind: ``low_gas``, ``high_gas`` or ``outburst``; the gassy two drain.
    """
    build = _Builder(kind)
    seam = rng.choice([11, 12, 21, 23, 31])
    n_faces = 2 if rng.random() < 0.25 else 1
    n_headings = rng.choice([2, 2, 3, 3])
    for i in range(n_faces):
        _face(build, f"{seam}{1 + i}{rng.randint(0, 2)}{1 + 2 * i}", rng)
    for i in range(n_headings):
        _heading(build, f"{seam}{1 + i}{rng.randint(3, 9)}{2 + i}", rng)
    _returns(build, rng)
    _surface(build, rng)
    if kind != "low_gas":
        _drainage(build, rng)
    return tuple(build.units), tuple(build.workings), tuple(build.points)


def _working(
    build: _Builder, unit_id: str, kind: str, air_m3_s: float, rng: Random
) -> int:
    """Add a working place; returns its index."""
    gassy = build.mine_kind != "low_gas"
    build.workings.append(
        WorkingPlan(
            unit_id=unit_id,
            kind=kind,
            air_m3_s=air_m3_s,
            ch4_pct=rng.uniform(0.36, 0.46) if gassy else rng.uniform(0.28, 0.42),
            volume_m3=air_m3_s * rng.uniform(35, 70),
            area_m2=air_m3_s / rng.uniform(1.2, 2.6),
        )
    )
    return len(build.workings) - 1


def _face(build: _Builder, number: str, rng: Random) -> None:
    name = f"{number}采煤工作面"
    build.unit(number, "face", name)
    working = _working(build, number, "face", rng.uniform(12, 24), rng)
    far_s = rng.uniform(90, 320)
    feed = build.point("1011", f"{name}馈电", "feed", 1.0, working=working)
    cut = (f"D-{feed}-{name}馈电",)

    def methane(
        place: str, place_class: str, gain: float, delay_s: float, role: str = "ch4"
    ) -> None:
        build.point(
            "0001",
            place,
            role,
            gain,
            place_class=place_class,
            working=working,
            delay_s=delay_s,
            relations=cut,
        )

    methane(f"{name}回风隅角T0", "FACE_T0", rng.uniform(1.1, 1.25), 0.0, "corner")
    methane(f"{name}T1", "FACE_T1", rng.uniform(0.8, 0.95), 0.0)
    methane(f"{name}回风巷T2", "FACE_T2", 1.0, far_s)
    if build.mine_kind != "low_gas":
        methane(f"{name}进风巷T3", "FACE_T3", rng.uniform(0.1, 0.2), 0.0)
    build.point(
        "0004",
        f"{name}回风巷一氧化碳",
        "co",
        rng.uniform(1.5, 5.0),
        working=working,
        delay_s=far_s,
    )
    build.point(
        "0012", f"{name}回风隅角氧气", "o2", rng.uniform(20.3, 20.7), working=working
    )
    build.point("0003", f"{name}温度", "temp", rng.uniform(21, 26), working=working)
    build.point("0002", f"{name}回风巷风速", "velocity", working=working, delay_s=far_s)
    build.point("1004", f"{name}采煤机开停", "machine", working=working)
    build.point("1008", f"{name}运输巷烟雾", "still", 0.0)


def _heading(build: _Builder, number: str, rng: Random) -> None:
    name = f"{number}掘进工作面"
    build.unit(number, "heading", name)
    working = _working(build, number, "heading", rng.uniform(4, 8), rng)
    far_s = rng.uniform(60, 240)
    feed = build.point("1011", f"{name}馈电", "feed", 1.0, working=working)
    cut = (f"D-{feed}-{name}馈电",)
    for place, place_class, gain, delay_s in (
        (f"{name}T1", "HEADING_T1", rng.uniform(0.8, 1.0), 0.0),
        (f"{name}回风流T2", "HEADING_T2", 1.0, far_s),
    ):
        build.point(
            "0001",
            place,
            "ch4",
            gain,
            place_class=place_class,
            working=working,
            delay_s=delay_s,
            relations=cut,
        )
    build.point(
        "0004",
        f"{name}回风流一氧化碳",
        "co",
        rng.uniform(0.5, 4.0),
        working=working,
        delay_s=far_s,
    )
    build.point("0003", f"{name}温度", "temp", rng.uniform(20, 25), working=working)
    build.point("1001", f"{name}局部通风机主机", "fan", working=working)
    build.point("1001", f"{name}局部通风机备机", "still", 0.0)
    build.point("1003", f"{name}风筒", "duct", working=working)
    build.point("1004", f"{name}掘进机开停", "machine", working=working)


def _returns(build: _Builder, rng: Random) -> None:
    build.unit("return", "return", "回风系统")
    for place, place_class, gain, delay_s in (
        ("采区回风巷", "PANEL_RETURN", 0.85, 120.0),
        ("一翼回风巷", "WING_RETURN", 0.7, 200.0),
        ("总回风巷", "TOTAL_RETURN", TOTAL_RETURN_SHARE, 320.0),
    ):
        build.point(
            "0001",
            f"{place}瓦斯",
            "ch4_mine",
            gain,
            place_class=place_class,
            delay_s=delay_s,
        )
    build.point("0004", "总回风巷一氧化碳", "co", rng.uniform(0.5, 3.0))
    build.point("0002", "总回风巷风速", "velocity_mine", rng.uniform(2.4, 3.8))
    warm_c = rng.uniform(18, 22)
    if build.mine_kind == "low_gas":
        build.point("0003", "总回风巷温度", "temp", warm_c)
    else:
        # Who drains measures the air as well: a drainage rate needs what it carries.
        build.point("0019", "总回风巷风量", "quantity_mine", 1 / TOTAL_RETURN_SHARE)
    build.point("1002", "总回风联络巷第一道风门", "door")
    build.point("1002", "总回风联络巷第二道风门", "door")


def _surface(build: _Builder, rng: Random) -> None:
    build.unit("main", "other", "主通风机与公用系统")
    build.point("1010", "1号主通风机开停", "main_fan", 1.0)
    build.point("1010", "2号主通风机开停", "main_fan", 0.0)
    build.point("0005", "主通风机风硐负压", "fan_pressure", rng.uniform(900, 2200))
    build.point("0003", "中央变电所温度", "temp", rng.uniform(20, 25))
    build.point("0003", "中央水泵房温度", "temp", rng.uniform(19, 24))
    build.point("0001", "煤仓上方瓦斯", "bunker", 0.12, place_class="COAL_BUNKER")
    build.point("1008", "主运输皮带机头烟雾", "still", 0.0)
    build.point("0004", "主运输皮带机头一氧化碳", "co", rng.uniform(0.0, 2.0))
    build.point("1004", "主运输皮带开停", "belt")
    build.point("1002", "井底车场第一道风门", "door")
    build.point("1002", "井底车场第二道风门", "door")
    build.point("1011", "井下总馈电", "mains")
    build.point("3001", "主皮带产量", "output")
    build.point("4002", "地面主供电电源状态", "mains")


def _drainage(build: _Builder, rng: Random) -> None:
    build.unit("drainage", "drainage", "地面瓦斯抽采泵站", system="02")
    build.point(
        "0022",
        "抽采主管路瓦斯浓度",
        "pipe_ch4",
        rng.uniform(34, 46),
        place_class="DRAINAGE_PIPE",
    )
    build.point("0025", "抽采主管路负压", "suction", -rng.uniform(16, 28))
    build.point("0036", "抽采主管路混合流量", "pipe_flow", rng.uniform(50, 130))
    build.point("0037", "抽采主管路纯量", "pipe_pure")
    build.point("0023", "抽采主管路温度", "pipe_temp", rng.uniform(18, 26))
    build.point("0038", "抽采主管路一氧化碳", "co", rng.uniform(1, 6))
    build.point("1004", "1号抽采泵开停", "pump", 1.0)
    build.point("1004", "2号抽采泵开停", "pump", 0.0)
    build.point("0001", "抽采泵房瓦斯", "room_ch4", 0.06, place_class="DRAINAGE_ROOM")
    build.point("3002", "累计抽采纯量", "drained")

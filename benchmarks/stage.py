"""A city to look at: the simulated one in a real database, served by a real api.

Definitions, values and history come from the simulator's physics; alarms are written as
ingest writes them, so that pages show what they would on site, without a broker and
without waiting for hours to pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from benchmarks.parts import Gasmon
from benchmarks.servers import Servers, servers
from gasmon import domain
from gasmon.alarms.events import AlarmEvent
from gasmon.batch import Frame, FrameKey, ReadingBatch
from gasmon.clock import SystemClock
from gasmon.ingest.definitions import Definition, parse_points
from gasmon.ingest.topics import parse_topic, points_topic
from gasmon.points import MineDef, PointDef
from gasmon.remote import frames
from gasmon.store import access, alarms
from gasmon.store.db import connect
from gasmon.store.definitions import save_definitions
from gasmon.store.latest import LATEST_DTYPE, MineLatest, upsert_latest
from gasmon.store.points import ensure_areas, ensure_points
from gasmon.store.readings import copy_frames_and_readings
from gasmon.units import US_PER_S
from simulators.city import City, CityStep
from simulators.gateway import definition
from simulators.layout import build_city
from simulators.plan import CityPlan, MinePlan

CYCLE_US = 15 * US_PER_S
SETTLE_STEPS = 40
"""The first steps are left out: gas needs minutes to spread through the airways."""


@dataclasses.dataclass
class Stage:
    """What is served, and hands that make things happen in it.

    Attributes:
        plan: the mines, in their order.
        mines: what each says of itself, by its code.
        ids: of the points, mine by mine, in the order of the simulated values.
        token: sees and does everything that a city officer does.
    """

    where: Servers
    plan: CityPlan
    mines: dict[str, MineDef]
    city: City
    points: list[PointDef]
    ids: np.ndarray[Any, np.dtype[np.int32]]
    token: str
    port: int = 0
    n_frames: int = 0

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.port}"

    def of_mine(self, code: str) -> list[int]:
        """Places of a mine's points among all."""
        return [i for i, point in enumerate(self.points) if point.key.mine == code]

    def point_id(self, code: str, place_class: str) -> int:
        """A mine's first methane point of a class of places."""
        for i in self.of_mine(code):
            point = self.points[i]
            if point.quantity == "CH4" and point.place_class == place_class:
                return int(self.ids[i])
        raise LookupError(f"mine {code} has no methane point in {place_class}")

    def feed(self, at_us: int, offline: Sequence[str] = ()) -> CityStep:
        """One cycle of every mine, as the pipeline leaves it for the page.

        Args:
            at_us: not before the cycle before [µs UTC].
            offline: mines that are silent.
        """
        step = self.city.step(at_us)
        self.n_frames += 1
        rows, begin = [], 0
        for mine in self.plan.mines:
            part = slice(begin, begin + len(mine.points))
            begin = part.stop
            packed = np.zeros(len(mine.points), LATEST_DTYPE)
            packed["point_id"], packed["state"] = self.ids[part], step.state[part]
            packed["value"] = step.value[part]
            packed["at_us"] = packed["arrived_us"] = at_us
            online = mine.code not in offline
            row = (mine.code, online, "stage", self.n_frames, at_us, at_us, packed)
            rows.append(MineLatest(*row))
        with connect(self.where.database) as conn:
            upsert_latest(conn, 0, rows)
            conn.commit()
        return step

    def store(self, steps: Sequence[CityStep], at: Sequence[int]) -> None:
        """Keep the readings of some points (places among all) of some cycles."""
        value = np.concatenate([step.value[at] for step in steps])
        at_us = np.repeat([step.at_us for step in steps], len(at)).astype(np.int64)
        state = np.concatenate([step.state[at] for step in steps])
        point_id = np.tile(self.ids[at], len(steps))
        mine = self.points[at[0]].key.mine
        self.n_frames += 1
        key = FrameKey(0, mine, "stage-history", self.n_frames)
        last_us = steps[-1].at_us
        frame = Frame(key, "data", last_us // 1000, last_us, last_us, len(value), 0)
        batch = ReadingBatch(
            row=np.zeros(len(value), np.int32),
            value=value.astype(np.float64),
            at_us=at_us,
            arrived_us=at_us,
            state=state.astype(np.int32),
            frames=(frame,),
        )
        with connect(self.where.database) as conn:
            copy_frames_and_readings(conn, 0, [frame], point_id, batch)
            conn.commit()

    def tell(self, events: Sequence[AlarmEvent]) -> None:
        """Record transitions of alarms and tell them."""
        with connect(self.where.database) as conn:
            alarms.record(conn, events, frames.encode_body, SystemClock().now_us())
            conn.commit()

    def event(
        self, place: int, kind: str, rank: int, raised_us: int, **more: Any
    ) -> AlarmEvent:
        """An alarm of one point (its place among all) that began at a time [µs UTC]."""
        point = self.points[place]
        about: dict[str, Any] = {
            "event": "raised",
            "happened_at_us": raised_us,
            "peak_at_us": raised_us,
            **more,
        }
        return AlarmEvent(
            kind=kind,
            rule="law",
            subject_type="point",
            subject_id=f"{point.key.mine}-{point.key.system}-{point.key.no}",
            area=point.key.mine[:6],
            mine=point.key.mine,
            raised_at_us=raised_us,
            arrived_at_us=about["happened_at_us"],
            decided_at_us=about["happened_at_us"],
            rank=rank,
            system=point.key.system,
            no=point.key.no,
            unit=point.unit_slug,
            **about,
        )


@contextmanager
def staged(n_mines: int | None = None, seed: int = 1) -> Iterator[Stage]:
    """A served city of the first mines of the simulated one; all of them by default.

    Raises:
        DependencyError: no database is installed.
    """
    plan = build_city(seed)
    if n_mines is not None:
        plan = dataclasses.replace(plan, mines=plan.mines[:n_mines])
    with ExitStack() as stack:
        where = stack.enter_context(servers())
        made = _prepare(where, plan, seed)
        api = stack.enter_context(Gasmon("api", where, {"mode": "demo"}))
        api.until_ready()
        made.port = api.port
        yield made


def _prepare(where: Servers, plan: CityPlan, seed: int) -> Stage:
    now_us = SystemClock().now_us()
    points: list[PointDef] = []
    mines: dict[str, MineDef] = {}
    with connect(where.database) as conn:
        ensure_areas(conn, domain.areas())
        for mine in plan.mines:
            told = _definition(mine, now_us)
            save_definitions(conn, told.mine, told.points, now_us=now_us)
            mines[mine.code] = told.mine
            points += told.points
        known = ensure_points(conn, [point.key for point in points], now_us)
        token = access.create_token(
            conn,
            name="陈值班",
            role="city_officer",
            areas=None,
            mines=None,
            now_us=now_us,
        )
        conn.commit()
    ids = np.array([known[point.key] for point in points], np.int32)
    city = City(plan, np.random.default_rng(seed))
    return Stage(where, plan, mines, city, points, ids, token)


def _definition(mine: MinePlan, now_us: int) -> Definition:
    """A mine's definition as ingest would take it over."""
    topic = parse_topic(points_topic(mine.area, mine.code))
    return parse_points(topic, definition(mine, now_us), now_us, _never)


def _never(error: Exception) -> None:
    raise AssertionError(f"the simulator's own definition is refused: {error}")


def warmed(
    stage: Stage, until_us: int, n_cycles: int, cycle_us: int = CYCLE_US
) -> list[CityStep]:
    """Let the city run up to a time [µs UTC]; its last cycles, oldest first."""
    n = SETTLE_STEPS + n_cycles
    begin_us = until_us - n * cycle_us
    return [stage.city.step(begin_us + i * cycle_us) for i in range(n)][SETTLE_STEPS:]

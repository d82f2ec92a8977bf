"""Latest values for pages: follows ``mine_latest``, draws snapshots and deltas.

The table is asked four times a second for mines whose ``seq`` is another than the one
we know. Not for ``seq`` above the highest known: numbers are drawn before the commit,
so a lower one may appear after a higher one and would be missed until the mine's next
frame. One row of 58 points is 1.9 kB; a city at a cycle of 5 s changes 52 a
second.

Each changed mine becomes a piece of JSON once, for all pages that show it.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import psycopg
from numpy.typing import NDArray

from gasmon.clock import Clock
from gasmon.domain import states
from gasmon.errors import DependencyError
from gasmon.settings import DatabaseSettings
from gasmon.store.db import connect_async, reason_of
from gasmon.store.latest import LATEST_DTYPE
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MS, from_datetime

log = logging.getLogger("gasmon.api.live")

TICK_S = 0.25
"""How often the table is asked [s]."""

TOLD_EVERY = 60
"""The log has every so many failures in a row, one a minute."""

DIRECTORY_S = 5.0
"""How often changed point definitions are looked for [s]."""

TOP_QUANTITY = "CH4"
"""The quantity whose highest value stands on a mine's tile."""

BAD_BITS = states.NO_VALUE | states.CALIBRATION


@dataclass(slots=True)
class LiveMine:
    """What is known now of one mine.

    Attributes:
        points: LATEST_DTYPE[k].
        changed: points that differ from the values before, LATEST_DTYPE[j].
    """

    code: str
    area: str
    seq: int
    online: bool
    arrived_ms: int
    points: NDArray[np.void]
    changed: NDArray[np.void]
    _full: str | None = None
    _delta: str | None = None
    _top: str | None = None

    def full(self) -> str:
        """The mine with all of its points, as JSON."""
        if self._full is None:
            self._full = self._with_points(self.points)
        return self._full

    def delta(self) -> str:
        """The mine with the points that changed, as JSON."""
        if self._delta is None:
            self._delta = self._with_points(self.changed)
        return self._delta

    def top(self, top_points: NDArray[np.int32]) -> str:
        """The mine with its highest methane alone, as JSON."""
        if self._top is None:
            self._top = self._with("top", top_of(self.points, top_points))
        return self._top

    def _with_points(self, points: NDArray[np.void]) -> str:
        return self._with("points", point_rows(points))

    def _with(self, name: str, value: Any) -> str:
        return orjson.dumps(
            {
                "mine": self.code,
                "seq": self.seq,
                "online": self.online,
                "arrived_ms": self.arrived_ms,
                name: value,
            }
        ).decode()


def unpack(packed: bytes) -> NDArray[np.void]:
    """The points of one row of ``mine_latest``, LATEST_DTYPE[k]."""
    points: NDArray[np.void] = np.frombuffer(packed, dtype=LATEST_DTYPE)
    return points


def point_rows(points: NDArray[np.void]) -> list[list[Any]]:
    """``[point_id, value or None, state, at_ms]`` of each point."""
    rows = zip(
        points["point_id"].tolist(),
        points["value"].tolist(),
        points["state"].tolist(),
        (points["at_us"] // US_PER_MS).tolist(),
        strict=True,
    )
    return [[pid, None if v != v else v, state, at] for pid, v, state, at in rows]


def top_of(
    points: NDArray[np.void], top_points: NDArray[np.int32]
) -> dict[str, Any] | None:
    """The highest good value among ``top_points`` (sorted ids); None without one."""
    good = (points["state"] & BAD_BITS) == 0
    good &= ~np.isnan(points["value"])
    good &= np.isin(points["point_id"], top_points)
    where = np.flatnonzero(good)
    if not where.size:
        return None
    best = points[where[np.argmax(points["value"][where])]]
    return {
        "quantity": TOP_QUANTITY,
        "point_id": int(best["point_id"]),
        "value": float(best["value"]),
        "at_ms": int(best["at_us"]) // US_PER_MS,
    }


def changed_points(
    before: NDArray[np.void] | None, now: NDArray[np.void]
) -> NDArray[np.void]:
    """The points of ``now`` that are not the same in ``before``."""
    if before is None or not np.array_equal(before["point_id"], now["point_id"]):
        return now
    same = before["at_us"] == now["at_us"]
    same &= before["state"] == now["state"]
    # NaN differs from itself: two missing values are the same.
    values = before["value"], now["value"]
    same &= (values[0] == values[1]) | (np.isnan(values[0]) & np.isnan(values[1]))
    changed: NDArray[np.void] = now[~same]
    return changed


_CHANGED = (
    "SELECT l.mine_id, m.code, m.area_code, l.seq, l.online, l.arrived_at, l.points"
    " FROM mine_latest l JOIN mine m USING (mine_id)"
    " LEFT JOIN unnest(%s::int[], %s::bigint[], %s::bool[])"
    "   AS k (mine_id, seq, online) ON k.mine_id = l.mine_id"
    " WHERE l.run = 0"
    " AND (k.mine_id IS NULL OR k.seq <> l.seq OR k.online <> l.online)"
)
_TOP_POINTS = (
    "SELECT p.point_id FROM point p CROSS JOIN LATERAL ("
    "   SELECT w.quantity FROM point_version w WHERE w.point_id = p.point_id"
    "   AND w.effective_from_us <= %s ORDER BY w.effective_from_us DESC LIMIT 1) v"
    " WHERE p.run = 0 AND v.quantity = %s ORDER BY p.point_id"
)


@dataclass(slots=True)
class LiveState:
    """The latest values of everything, and what changed with the last tick.

    Attributes:
        changed: mines that the last tick changed.
        top_points: ids of the points that :func:`top_of` looks at, sorted.
    """

    mines: dict[int, LiveMine] = field(default_factory=dict)
    changed: list[LiveMine] = field(default_factory=list)
    top_points: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def take(self, rows: list[Any]) -> None:
        """Take changed rows of the table."""
        self.changed = []
        for mine_id, code, area, seq, online, arrived_at, packed in rows:
            before = self.mines.get(mine_id)
            points = unpack(packed)
            self.mines[mine_id] = mine = LiveMine(
                code=code,
                area=area,
                seq=seq,
                online=online,
                arrived_ms=from_datetime(arrived_at) // US_PER_MS,
                points=points,
                changed=changed_points(before.points if before else None, points),
            )
            self.changed.append(mine)


class LiveListener:
    """One page's pending mines. Bounded by the number of mines, so it needs no limit:
    a mine that changes twice before it is taken is told whole the second time.
    """

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake
        self._pending: dict[str, tuple[LiveMine, bool]] = {}

    def offer(self, mines: list[LiveMine]) -> None:
        """Note what a tick changed."""
        for mine in mines:
            self._pending[mine.code] = (mine, mine.code in self._pending)
        self._wake.set()

    def take(self) -> list[tuple[LiveMine, bool]]:
        """What changed since the last time: the mine, and whether to tell it whole."""
        taken = list(self._pending.values())
        self._pending.clear()
        return taken


class LiveFollower:
    """Keeps a :class:`LiveState` up to date and wakes the streams that show it."""

    def __init__(
        self, database: DatabaseSettings, metrics: Metrics, clock: Clock
    ) -> None:
        self.state = LiveState()
        self.ready = asyncio.Event()
        self.listeners: set[LiveListener] = set()
        self._database = database
        self._clock = clock
        self._looked_s = float("-inf")
        self._directory_s = float("-inf")
        self._definitions: Any = None
        self._ticks = metrics.counter(
            "gasmon_api_live_ticks_total", "looks at the latest values"
        )
        metrics.gauge("gasmon_api_live_clients", "pages that show live values").follow(
            lambda: len(self.listeners)
        )

    async def run(self) -> None:
        """Follow for ever; returns only by cancellation."""
        failures = 0
        while True:
            try:
                conn = await connect_async(self._database)
                try:
                    while True:
                        await self._tick(conn)
                        failures = 0
                        await asyncio.sleep(TICK_S)
                finally:
                    await conn.close()
            except (psycopg.Error, DependencyError, OSError) as error:
                if failures % TOLD_EVERY == 0:
                    log.warning(
                        "latest values: %s; tried each second", reason_of(error)
                    )
                failures += 1
                await asyncio.sleep(1.0)

    async def _tick(self, conn: psycopg.AsyncConnection[Any]) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._directory_s >= DIRECTORY_S:
            await self._load_directory(conn)
            self._directory_s = now_s
        known = self.state.mines
        cursor = await conn.execute(
            _CHANGED,
            (
                list(known),
                [mine.seq for mine in known.values()],
                [mine.online for mine in known.values()],
            ),
            binary=True,
        )
        rows = await cursor.fetchall()
        self._ticks.inc()
        self._looked_s = self._clock.monotonic_s()
        if rows:
            self.state.take(rows)
            for listener in self.listeners:
                listener.offer(self.state.changed)
        self.ready.set()

    async def _load_directory(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Learn which points measure the top quantity, when definitions changed."""
        cursor = await conn.execute(
            "SELECT count(*), max(recorded_at) FROM point_version"
        )
        definitions = await cursor.fetchone()
        if definitions == self._definitions:
            return
        cursor = await conn.execute(_TOP_POINTS, (self._clock.now_us(), TOP_QUANTITY))
        ids = [row[0] for row in await cursor.fetchall()]
        self.state.top_points = np.array(ids, dtype=np.int32)
        self._definitions = definitions

    def problem(self) -> str | None:
        """Why live values may be behind; None when all is well."""
        age_s = self._clock.monotonic_s() - self._looked_s
        return f"latest values were read {age_s:.1f} s ago" if age_s > 5.0 else None

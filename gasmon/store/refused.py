"""What the store refuses, in words: which reading of which point, and why."""

from dataclasses import dataclass
from typing import cast

from gasmon.batch import Float64, Frame, Int32, Int64, Reject
from gasmon.store.db import Connection
from gasmon.units import iso_us


@dataclass(frozen=True, slots=True)
class Source:
    """The arrays of one batch, by the names of the table's columns."""

    run: int
    point_id: Int32
    value: Float64
    at_us: Int64
    arrived_us: Int64
    state: Int32


@dataclass(frozen=True, slots=True)
class Second:
    """A reading that came although its key was taken."""

    point_id: int
    at_us: int
    arrived_us: int
    kept: tuple[float | None, int]
    came: tuple[float | None, int]


def _when(time_us: int) -> str:
    try:
        return iso_us(time_us)
    except OverflowError:
        return f"{time_us} µs"


def name_points(conn: Connection, point_ids: set[int]) -> dict[int, tuple[str, str]]:
    """Mine code and full name of points, for messages."""
    if not point_ids:
        return {}
    rows = conn.execute(
        "SELECT p.point_id, m.code, m.code || '-' || p.system || '-' || p.no"
        " FROM point p JOIN mine m USING (mine_id) WHERE p.point_id = ANY(%s)",
        (sorted(point_ids),),
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in cast(list[tuple[int, str, str]], rows)}


def contradiction(
    run: int, second: Second, named: dict[int, tuple[str, str]]
) -> Reject:
    """A second value of a stored reading; the first one is kept."""
    mine, name = named.get(second.point_id, (None, f"point {second.point_id}"))
    (value_0, state_0), (value_1, state_1) = second.kept, second.came
    detail = (
        f"{name} at {_when(second.at_us)}: stored {value_0} (state {state_0}), "
        f"came again as {value_1} (state {state_1}); the first is kept"
    )
    return _reject("contradiction", detail, mine, run, second.arrived_us)


def poisoned(
    source: Source, i: int, why: str, named: dict[int, tuple[str, str]]
) -> Reject:
    """A reading that the database does not take."""
    mine, name = named.get(int(source.point_id[i]), (None, "no known point"))
    detail = (
        f"{name} (point_id {source.point_id[i]}, value {source.value[i]}, "
        f"at_us {source.at_us[i]}, state {source.state[i]}): {why}"
    )
    arrived_us = int(source.arrived_us[i])
    return _reject("not_storable", detail, mine, source.run, arrived_us)


def frame_reject(frame: Frame, error: Exception) -> Reject:
    """A frame that the database does not take."""
    key = frame.key
    detail = f"frame {key.boot}/{key.seq} of {key.mine}: {error}".splitlines()[0]
    return _reject("not_storable", detail, key.mine, key.run, frame.arrived_us)


def _reject(
    reason: str, detail: str, mine: str | None, run: int, arrived_us: int
) -> Reject:
    return Reject.without_packet(
        reason, detail, mine=mine, run=run, arrived_us=arrived_us, where="store"
    )

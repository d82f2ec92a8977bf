"""Steps: the engine's log as bytes, so that the same log can be given to it again.

The tables of readings cannot be that log: they hold neither the order of judging, nor
births and last wills, nor the second of two contradicting readings, which was judged
all the same. So what ``AlarmEngine.tick`` was given is kept as it was, for as long as
a snapshot needs it. Times and states are the same for whole frames and are written
as runs, so a reading takes about 13 bytes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.again import Redefined, judge_again
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.owing import Debt, debts_of
from gasmon.alarms.packing import Array, pack, unpack
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.silence import Sign
from gasmon.batch import Int32, ReadingBatch

MAGIC = b"gasmonL2"
"""Kind and version of the bytes."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the engine was given at once.

    Attributes:
        number: rises by one with each step of an engine, over restarts too.
        signs: by position in the batch; ``marks`` follow the batch [µs UTC].
        redefined: points whose newest reading is judged again before the batch.
        rules: other rules, given before the batch; None nearly always.
        owed: what the engine waits for from here on, given before all else; only in
            the first step after a restart, where alarms were ahead of their readings.
    """

    number: int
    batch: ReadingBatch
    signs: tuple[Sign, ...] = ()
    marks: tuple[int, ...] = ()
    redefined: tuple[Redefined, ...] = ()
    rules: RuleChange | None = None
    owed: tuple[Debt, ...] = ()


def give(engine: AlarmEngine, step: Step) -> None:
    """Give a step to an engine again; what it says was told before.

    Raises:
        ConfigError: the rules in it are refused by this version.
    """
    if step.owed:
        engine.owe(step.owed)
    if step.rules is not None:
        engine.change_rules(step.rules.rules(), step.rules.from_us)
    judge_again(engine, step.redefined, now_us=0)
    engine.tick(step.batch, now_us=0, marks=step.marks, signs=step.signs)


def rare_as_list(step: Step, point_of: Callable[[int], Any]) -> list[Any]:
    """What a listed step ends with: nothing nearly always.

    Args:
        point_of: what stands for a row.
    """
    change, rules = step.rules, []
    if change is not None:
        rules = [change.from_us, change.name, change.text]
    if step.owed:
        return [rules, [debt.as_list(point_of) for debt in step.owed]]
    return [rules] if rules else []


def rare_of(
    listed: Sequence[Any], row_of: Callable[[Any], int]
) -> tuple[RuleChange | None, tuple[Debt, ...]]:
    """The rules and debts at the end of a listed step.

    Args:
        row_of: the row that something stands for; -1 for a point that is not known.
    """
    told, owed = [*listed, (), ()][:2]
    rules = RuleChange(*told) if told else None
    return rules, tuple(debts_of(owed, row_of))


def encode_steps(
    steps: Sequence[Step], point_ids: Callable[[Int32], Int32], mines: Sequence[str]
) -> bytes:
    """Steps that follow one another, with persistent identities instead of rows.

    Args:
        point_ids: the database's numbers of these rows, int32[n].
        mines: codes by mine index, for signs.
    """
    batches = [step.batch for step in steps]
    row = np.concatenate([batch.row for batch in batches])
    again = [point for step in steps for point in step.redefined]
    again_row = np.asarray([point.row for point in again], np.int32)
    arrays: dict[str, Array] = {
        "point_id": point_ids(row).astype(np.int32, copy=False),
        "again_id": point_ids(again_row).astype(np.int32, copy=False),
        "again_us": np.asarray([point.from_us for point in again], np.int64),
        "value": np.concatenate([batch.value for batch in batches]),
    }
    for name in ("at_us", "arrived_us", "state"):
        column = np.concatenate([getattr(batch, name) for batch in batches])
        arrays[name], arrays[f"{name}_runs"] = _runs(column)

    def id_of(row: int) -> int:
        return int(point_ids(np.asarray([row], np.int32))[0])

    listed = [
        [
            step.number,
            step.batch.n,
            [[s.position, mines[s.mine], s.online, s.arrived_us] for s in step.signs],
            [int(mark_us) for mark_us in step.marks],
            len(step.redefined),
            *rare_as_list(step, id_of),
        ]
        for step in steps
    ]
    return pack(MAGIC, {"steps": listed}, arrays)


def decode_steps(
    body: bytes, row_of: Int32, mine_index: Mapping[str, int]
) -> Iterator[Step]:
    """The steps again, for an engine whose rows may be in another order.

    Args:
        row_of: row by point id, int32; -1, or an id beyond its end, is a point that
            is not known any more: its readings are left out.
        mine_index: mine index by code; signs of unknown mines are left out.

    Raises:
        BadPacking: damaged, or written by another version.
    """
    header, arrays = unpack(MAGIC, body)
    at_us = np.repeat(arrays["at_us"], arrays["at_us_runs"])
    arrived_us = np.repeat(arrays["arrived_us"], arrays["arrived_us_runs"])
    state = np.repeat(arrays["state"], arrays["state_runs"])
    # One more entry than points: where unknown numbers are sent to.
    rows_by_id = np.append(row_of, np.int32(-1)).astype(np.int32)
    row = rows_by_id[np.minimum(arrays["point_id"], len(row_of))]
    again_row = rows_by_id[np.minimum(arrays["again_id"], len(row_of))].tolist()
    again = iter(zip(again_row, arrays["again_us"].tolist(), strict=True))

    def known_row(point_id: int) -> int:
        return int(rows_by_id[min(point_id, len(row_of))])

    begin = 0
    for number, n, signs, marks, n_again, *rare in header["steps"]:
        end = begin + n
        batch_row = row[begin:end]
        known = np.flatnonzero(batch_row >= 0)
        batch = ReadingBatch(
            row=batch_row[known],
            value=arrays["value"][begin:end][known],
            at_us=at_us[begin:end][known],
            arrived_us=arrived_us[begin:end][known],
            state=state[begin:end][known],
        )
        begin = end
        told = tuple(_signs(signs, known, mine_index))
        points = tuple(Redefined(*p) for p in islice(again, n_again) if p[0] >= 0)
        rules, owed = rare_of(rare, known_row)
        yield Step(number, batch, told, tuple(marks), points, rules, owed)


def _signs(
    listed: Sequence[Any], known: NDArray[np.intp], mine_index: Mapping[str, int]
) -> Iterator[Sign]:
    for position, code, online, arrived_us in listed:
        if code in mine_index:
            before = int(np.searchsorted(known, position))
            yield Sign(before, mine_index[code], online, arrived_us)


def _runs(column: Array) -> tuple[Array, NDArray[np.int32]]:
    """Values and how often each follows itself."""
    n = len(column)
    begins = np.empty(n + 1, np.bool_)
    begins[0], begins[n] = n > 0, True
    np.not_equal(column[1:], column[:-1], out=begins[1:n])
    # The last one is where the next run would begin.
    at = begins.nonzero()[0]
    return column[at[:-1]], (at[1:] - at[:-1]).astype(np.int32)

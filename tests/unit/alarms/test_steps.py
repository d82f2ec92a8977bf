"""The log of an engine as bytes gives the same log again."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.again import Redefined
from gasmon.alarms.owing import Debt
from gasmon.alarms.packing import BadPacking
from gasmon.alarms.resuming import LivingAlarm
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.silence import Sign
from gasmon.alarms.steps import Step, decode_steps, encode_steps
from gasmon.batch import Int32, ReadingBatch
from tests.engine_world import Reading, batch_of

MINES = ("530627000001", "530627000002")
INDEX = {code: i for i, code in enumerate(MINES)}


def ids(rows: Int32) -> Int32:
    """Point ids of rows: 10, 20, 30, …"""
    return ((rows + 1) * 10).astype(np.int32)


ROW_OF = np.full(101, -1, np.int32)
ROW_OF[ids(np.arange(10, dtype=np.int32))] = np.arange(10)


def same(one: Step, other: Step) -> bool:
    """Equality of steps in which NaN equals NaN."""
    arrays = ("row", "value", "at_us", "arrived_us", "state")
    rare = ("number", "signs", "marks", "redefined", "rules", "owed")
    return all(getattr(one, name) == getattr(other, name) for name in rare) and all(
        np.array_equal(getattr(one.batch, a), getattr(other.batch, a), equal_nan=True)
        for a in arrays
    )


READINGS = st.builds(
    Reading,
    row=st.integers(0, 9),
    value=st.one_of(st.floats(allow_nan=False), st.just(nan)),
    at_us=st.integers(-(2**60), 2**60),
    arrived_us=st.sampled_from([1, 2, 3]),
    state=st.sampled_from([0, 0, 0, 1, 2**30]),
)


DEBTS = st.builds(
    lambda about, cleared_us: Debt(
        LivingAlarm("cut_off", about[0], -1, 5, 2, 1.6, 6, True, about[1]), cleared_us
    ),
    st.tuples(st.integers(0, 9), st.just("")) | st.just((-1, "unit:530627/u/1")),
    st.none() | st.integers(0, 2**60),
)


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """A few steps, empty ones among them."""
    out = []
    for number in range(draw(st.integers(1, 5))):
        batch = batch_of(draw(st.lists(READINGS, max_size=8)))
        signs = draw(
            st.lists(
                st.builds(
                    Sign,
                    st.integers(0, batch.n),
                    st.integers(0, 1),
                    st.booleans(),
                    st.integers(0, 2**60),
                ),
                max_size=3,
            )
        )
        marks = draw(st.lists(st.integers(0, 2**60), max_size=2))
        signs.sort(key=lambda sign: sign.position)
        points = st.builds(Redefined, st.integers(0, 9), st.integers(0, 2**60))
        again = tuple(draw(st.lists(points, max_size=2)))
        rules = draw(st.sampled_from([None, RuleChange(5, "site.toml", "[delays]")]))
        owed = tuple(draw(st.lists(DEBTS, max_size=2)))
        step = Step(number + 5, batch, tuple(signs), tuple(marks), again, rules, owed)
        out.append(step)
    return out


@given(steps())
def test_a_log_comes_back_as_it_was(log: list[Step]) -> None:
    """Every reading, sign and mark, in order, to the last bit."""
    back = list(decode_steps(encode_steps(log, ids, MINES), ROW_OF, INDEX))
    assert len(back) == len(log)
    assert all(same(*pair) for pair in zip(log, back, strict=True))


def test_what_is_not_known_any_more_is_left_out() -> None:
    """Readings of removed points, signs of removed mines; others keep their place."""
    again = (Redefined(1, 5), Redefined(2, 6))
    readings = [Reading(r, float(r), 5, 6) for r in (0, 1, 2, 1, 9)]
    signs = (Sign(0, 0, True, 1), Sign(2, 1, False, 2), Sign(4, 0, True, 3))
    log = [Step(1, batch_of(readings), signs, redefined=again)]
    body = encode_steps(log, ids, MINES)
    without = ROW_OF[:50].copy()
    without[20] = -1
    (step,) = decode_steps(body, without, {MINES[0]: 7})
    assert step.batch.row.tolist() == [0, 2]
    assert step.batch.value.tolist() == [0.0, 2.0]
    assert step.signs == (Sign(0, 7, True, 1), Sign(2, 7, True, 3))
    assert step.redefined == (Redefined(2, 6),)


def test_a_city_is_small() -> None:
    """A reading of a frame takes about 13 bytes."""
    n = 15_000
    frame = np.repeat(np.arange(259), 58)[:n]
    batch = ReadingBatch(
        row=np.arange(n, dtype=np.int32) % 10,
        value=np.random.default_rng(1).random(n),
        at_us=(frame * 1_000_000).astype(np.int64),
        arrived_us=(frame * 1_000_000 + 77).astype(np.int64),
        state=np.zeros(n, np.int32),
    )
    assert len(encode_steps([Step(1, batch)], ids, MINES)) < 13 * n


def test_damage_is_found() -> None:
    """A flipped bit is no other reading."""
    body = bytearray(encode_steps([Step(1, ReadingBatch.empty())], ids, MINES))
    body[-1] ^= 1
    with pytest.raises(BadPacking):
        list(decode_steps(bytes(body), ROW_OF, INDEX))

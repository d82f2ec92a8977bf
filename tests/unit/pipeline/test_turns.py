"""Turns as bytes: what comes back is what went in, or a named refusal."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.again import Redefined
from gasmon.alarms.crossings import DEADBAND, OFF_DELAY, ON_DELAY, Crossing
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_model import MODELS
from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.owing import OWED_KINDS, Debt
from gasmon.alarms.resuming import LivingAlarm
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.silence import Sign
from gasmon.alarms.steps import Step
from gasmon.batch import Frame, FrameKey, GatewayClock, Int32, ReadingBatch, Reject
from gasmon.ingest.decode import Definition, MineEvent, MineStatistic
from gasmon.ingest.payloads import EventPayload
from gasmon.ingest.records import StatisticPayload
from gasmon.pipeline import book as books
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.latest import LatestPoints
from gasmon.pipeline.record import RecordCorrupt
from gasmon.pipeline.turns import EncodedTurn, decode_turn, encode_turn
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from tests.fix_examples import examples
from tests.fix_pipeline import MINE, Live, at, defined, frame, told_state

OTHER = "530602000001"
KEYS = [PointKey(m, s, f"{i:03d}A01") for m in (MINE, OTHER) for s in ("01", "02")
        for i in range(4)]  # fmt: skip
COLUMNS = ("row", "value", "at_us", "arrived_us", "state")


def book_of(keys: list[PointKey]) -> PointBook:
    """A book in which these points have rows in this order."""
    book = PointBook()
    book.provision(keys, ["0001"] * len(keys))
    return book


def bits(array: np.ndarray[Any, Any]) -> tuple[str, bytes]:
    """An array as something that is equal only when every bit is."""
    return array.dtype.str, array.tobytes()


def plain(judged: Judged, keys: tuple[PointKey, ...]) -> Any:
    """A turn as values that compare, with keys for rows and NaN equal to itself."""

    def columns(part: ReadingBatch | LatestPoints) -> list[Any]:
        named = [keys[row] for row in part.row]
        return [named, *(bits(getattr(part, name)) for name in COLUMNS[1:])]

    return repr(
        [
            [(columns(batch), batch.frames) for batch in judged.batches],
            [replace(event, row=-1) for event in judged.events],
            judged.rejects,
            judged.definitions,
            judged.unknown,
            judged.mine_events,
            judged.statistics,
            judged.repeated,
            list(judged.marks),
            judged.newest,
            judged.online,
            judged.clocks,
            [(keys[c.row], replace(c, row=-1)) for c in judged.crossed],
            [(keys[w.row], replace(w, row=-1)) for w in judged.warned],
            [(points.mine, columns(points)) for points in judged.latest],
            [
                (
                    step.number,
                    columns(step.batch),
                    step.signs,
                    step.marks,
                    [(keys[p.row], p.from_us) for p in step.redefined],
                    step.rules,
                    [debt.as_list(keys.__getitem__) for debt in step.owed],
                )
                for step in judged.steps
            ],
        ]
    )


TABLE = book_of(KEYS).table
NOTHING = ReadingBatch.empty()
MINE_INDEX = st.integers(0, len(TABLE.mines) - 1)
TIMES = st.integers(at(0), at(100))
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)
POINT_KEYS = st.sampled_from(KEYS)
SHARES = st.floats(0, 1)
DEBTS = st.builds(
    Debt,
    st.builds(
        LivingAlarm,
        st.sampled_from(sorted(OWED_KINDS)),
        st.integers(0, len(KEYS) - 1),
        st.just(-1),
        TIMES,
        st.integers(0, 4),
        FLOATS,
        TIMES,
        st.booleans(),
    )
    | st.builds(
        LivingAlarm,
        *(st.just(each) for each in ("pipe_co", -1, -1, 5, 2, 1.5, 6, True)),
        subject=TEXT.filter(bool),
    ),
    st.none() | TIMES,
)
WARNED = st.builds(
    Warned,
    row=st.integers(0, len(KEYS) - 1),
    model=st.sampled_from(MODELS),
    raised_us=INT64,
    limit=SHARES,
    horizon_s=st.just(600),
    probability=SHARES,
    threshold=SHARES,
    last_value=SHARES,
    ewma_1min=SHARES,
    advisory=st.booleans(),
)
CROSSED = st.builds(
    Crossing,
    row=st.integers(0, len(KEYS) - 1),
    kind=TEXT,
    rule=TEXT,
    at_us=TIMES,
    arrived_us=TIMES,
    value=st.none() | FLOATS,
    limit=st.none() | FLOATS,
    held_by=st.sampled_from([ON_DELAY, OFF_DELAY, DEADBAND]),
    late=st.booleans(),
)
FRAME_KEYS = st.builds(
    FrameKey, st.integers(0, 9), st.sampled_from([MINE, OTHER]), TEXT, INT64
)
POINTS = st.builds(
    PointDef,
    key=POINT_KEYS,
    effective_from_us=TIMES,
    rev=st.none() | INT64,
    place=TEXT,
    unit_slug=st.none() | TEXT,
    alarm_high=FLOATS,
    restore_low=FLOATS,
    relations=st.lists(TEXT, max_size=2).map(tuple),
    point_id=st.integers(0, 9),
)
MINES = st.builds(
    MineDef,
    st.just(MINE),
    st.just(MINE[:6]),
    name=TEXT,
    atmosphere_kpa=st.none() | st.floats(60, 110),
    units=st.lists(st.builds(UnitDef, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    rev=st.none() | INT64,
)
DEFINITIONS = st.builds(
    Definition,
    run=st.integers(0, 3),
    mine=MINES,
    rev=INT64,
    ts_ms=INT64,
    arrived_us=TIMES,
    points=st.lists(POINTS, max_size=2).map(tuple),
    refused=st.dictionaries(
        POINT_KEYS, st.lists(TEXT, max_size=2).map(tuple), max_size=2
    ),
)
EVENTS = st.builds(
    AlarmEvent,
    event=TEXT,
    kind=TEXT,
    rule=TEXT,
    subject_type=TEXT,
    subject_id=TEXT,
    area=TEXT,
    mine=st.just(MINE),
    raised_at_us=TIMES,
    happened_at_us=TIMES,
    arrived_at_us=TIMES,
    decided_at_us=TIMES,
    rank=st.integers(0, 4),
    value=st.none() | FLOATS,
    peak_at_us=st.none() | TIMES,
    late=st.booleans(),
    explain=st.dictionaries(TEXT, JSON, max_size=3),
)
REJECTS = st.builds(
    Reject,
    reason=TEXT,
    detail=TEXT,
    topic=TEXT,
    mine=st.none() | TEXT,
    run=st.integers(0, 3),
    arrived_us=TIMES,
    first_bytes=st.binary(max_size=40),
    size=st.integers(0, 10**6),
    where=TEXT,
    n=st.integers(1, 9),
)
MINE_EVENTS = st.builds(
    MineEvent,
    run=st.integers(0, 3),
    area=TEXT,
    mine=TEXT,
    event=st.builds(EventPayload, TEXT, TEXT, TEXT, INT64, max=st.none() | FLOATS),
    arrived_us=TIMES,
)

STATISTICS = st.builds(
    MineStatistic,
    run=st.integers(0, 3),
    mine=TEXT,
    statistic=st.builds(
        StatisticPayload, TEXT, TEXT, INT64, INT64, max=st.none() | FLOATS
    ),
    arrived_us=TIMES,
)


@st.composite
def columns(draw: st.DrawFn, n: int) -> dict[str, Any]:
    """Columns of n readings, drawn from few values so that many repeat."""

    def column(dtype: Any, values: st.SearchStrategy[Any]) -> Any:
        few = st.sampled_from(draw(st.lists(values, min_size=1, max_size=3)))
        return np.asarray(draw(st.lists(few, min_size=n, max_size=n)), dtype)

    return {
        "row": column(np.int32, st.integers(0, len(KEYS) - 1)),
        "value": column(np.float64, FLOATS),
        "at_us": column(np.int64, INT64),
        "arrived_us": column(np.int64, INT64),
        "state": column(np.int32, st.integers(-(2**31), 2**31 - 1)),
    }


@st.composite
def frames_over(draw: st.DrawFn, n: int) -> tuple[Frame, ...]:
    """Frames that cut n readings without a gap."""
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=3)))
    return tuple(
        Frame(draw(FRAME_KEYS), draw(st.sampled_from(["data", "backfill"])),
              draw(INT64), draw(TIMES), draw(TIMES), end - begin, begin)
        for begin, end in zip([0, *cuts], [*cuts, n], strict=True)
    )  # fmt: skip


@st.composite
def turns(draw: st.DrawFn) -> Judged:
    """Any turn over the points of KEYS."""
    judged = Judged(marks=draw(st.lists(TIMES, max_size=2)))
    for n in draw(st.lists(st.integers(0, 9), max_size=3)):
        judged.batches.append(
            ReadingBatch(**draw(columns(n)), frames=draw(frames_over(n)))
        )
    for batch in judged.batches:
        # Newest values mostly stand in the readings, as they do in life.
        taken: Int32 = np.unique(batch.row)
        last = [np.flatnonzero(batch.row == row)[-1] for row in taken]
        copied = {name: getattr(batch, name)[last] for name in COLUMNS}
        judged.latest.append(LatestPoints(mine=MINE, **copied))
    if draw(st.booleans()):
        n = draw(st.integers(0, 5))
        judged.latest.append(LatestPoints(mine=OTHER, **draw(columns(n))))
    judged.events = draw(st.lists(EVENTS, max_size=2))
    judged.rejects = draw(st.lists(REJECTS, max_size=2))
    judged.definitions = draw(
        st.lists(st.tuples(DEFINITIONS, st.lists(POINTS, max_size=2)), max_size=1)
    )
    judged.unknown = draw(st.lists(POINT_KEYS, max_size=2))
    judged.mine_events = draw(st.lists(MINE_EVENTS, max_size=2))
    judged.statistics = draw(st.lists(STATISTICS, max_size=2))
    judged.repeated = draw(st.lists(FRAME_KEYS, max_size=2))
    judged.clocks = draw(
        st.lists(
            st.builds(
                GatewayClock,
                st.just(0),
                st.sampled_from([MINE, OTHER]),
                st.text(max_size=5),
                *[st.integers(-(2**62), 2**62)] * 2,
                st.booleans(),
                *[st.integers(0, 2**60)] * 2,
                st.lists(st.tuples(TIMES, TIMES, TIMES), max_size=2).map(tuple),
            ),
            max_size=2,
        )
    )
    judged.crossed = draw(st.lists(CROSSED, max_size=2))
    judged.warned = draw(st.lists(WARNED, max_size=2))
    judged.online = draw(st.dictionaries(st.sampled_from([MINE, OTHER]), st.booleans()))
    # A step is given a batch of its turn, or none when only the clock moved.
    for batch in [*judged.batches, *draw(st.lists(st.just(NOTHING), max_size=2))]:
        signs = draw(st.lists(st.builds(Sign, st.integers(0, batch.n), MINE_INDEX,
                                        st.booleans(), TIMES), max_size=2))  # fmt: skip
        marks = draw(st.lists(TIMES, max_size=2))
        number = len(judged.steps) + 7
        rows = draw(st.lists(st.integers(0, len(KEYS) - 1), max_size=2))
        again = tuple(Redefined(row, draw(TIMES)) for row in rows)
        rules = draw(st.none() | st.builds(RuleChange, INT64, TEXT, TEXT))
        owed = draw(st.lists(DEBTS, max_size=2).map(tuple))
        step = Step(number, batch, tuple(signs), tuple(marks), again, rules, owed)
        judged.steps.append(step)
    if judged.batches and judged.batches[0].frames:
        judged.newest = {MINE: judged.batches[0].frames[-1]}
    return judged


@given(turns(), st.permutations(KEYS))
@examples(60)
def test_a_turn_comes_back_as_it_went(judged: Judged, other: list[PointKey]) -> None:
    """Every field and bit, in a process whose rows are different ones."""
    encoded = encode_turn(judged, TABLE)
    # Mines are numbered alike, points are not: signs compare as they are.
    there = book_of(sorted(other, key=lambda key: key.mine != TABLE.mines[0].code))
    back = decode_turn(encoded, there)
    assert plain(back, there.table.keys) == plain(judged, tuple(KEYS))
    assert back.packets == ()


def test_every_field_of_a_turn_is_spooled_or_needless() -> None:
    """Who adds a field to a turn must decide what becomes of it here."""
    spooled = {"batches", "events", "rejects", "definitions", "unknown", "mine_events",
               "statistics",
               "repeated", "marks", "newest", "online", "latest", "steps",
               "clocks", "crossed", "warned"}  # fmt: skip
    # Packets are judged, answers of gateways are dealt with when they come, and a
    # snapshot has a file of its own. What was given up is known from the absence of
    # the readings. What is recorded of the events, the database knows.
    needless = {"packets", "responses", "snapshot", "given_up", "recorded"}
    assert {field.name for field in fields(Judged)} == spooled | needless


def test_real_turns_come_back_with_their_rows() -> None:
    """What the evaluator makes of definitions, data, states and nonsense."""
    live = Live()
    judged = live.take(
        defined(),
        told_state("online", 0),
        frame(1, [("001A01", 1.6, 0), ("009T01", None, 128), ("001A01", -5, 0)]),
        replace(frame(2, []), payload=b"\xff\x00{"),
        frame(1, []),
        told_state("offline", 3),
        marks=[4],
    )
    assert judged.events, "the methane alarm"
    assert judged.rejects
    assert judged.definitions
    assert judged.latest
    keys = live.book.table.keys
    back = decode_turn(encode_turn(judged, live.book.table), live.book)
    assert plain(back, keys) == plain(judged, keys)
    assert len(back.steps) == 3, "frames, the will, the mark"
    assert back.events == judged.events
    assert [b.row.tolist() for b in back.batches] == [
        b.row.tolist() for b in judged.batches
    ]


def test_unheard_of_points_are_provisioned() -> None:
    """A new process knows none of the points; it gets rows for all of them."""
    live, other = Live(), PointBook()
    judged = live.take(defined(), frame(1, [("001A01", 1.6, 0)]))
    back = decode_turn(encode_turn(judged, live.book.table), other)
    (row,) = back.batches[0].row
    assert other.table.keys[row] == PointKey(MINE, "01", "001A01")
    assert [event.row for event in back.events] == [0] * len(judged.events)


def test_points_beyond_what_a_mine_may_make_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their readings become one reject; frames fit what is left."""
    live = Live()
    items = [(f"00{i}A01", i / 10, 0) for i in range(4)]
    judged = live.take(frame(1, items), frame(2, items))
    encoded = encode_turn(judged, live.book.table)
    monkeypatch.setattr(books, "PROVISIONAL_PER_MINE", 3)
    back = decode_turn(encoded, PointBook())
    (batch,) = back.batches
    assert [(f.first, f.n_readings) for f in batch.frames] == [(0, 3), (3, 3)]
    assert batch.value.tolist() == [0.0, 0.1, 0.2, 0.0, 0.1, 0.2]
    assert [(r.reason, r.n) for r in back.rejects] == [("too_many_points", 2)]
    assert [len(points.row) for points in back.latest] == [3]


def test_facts_alone_tell_what_is_missing() -> None:
    """Alarms and marks are there, no frame is, and a reject names the gap."""
    live = Live()
    judged = live.take(
        defined(), frame(7, [("001A01", 1.6, 0)]), frame(8, [("001A01", 1.7, 0)])
    )
    encoded = encode_turn(judged, live.book.table)
    back = decode_turn(EncodedTurn(encoded.facts, b""), live.book, lost="disk full")
    assert back.events == judged.events
    assert (back.batches, back.newest, back.latest) == ([], {}, [])
    assert [step.number for step in back.steps] == [
        step.number for step in judged.steps
    ]
    assert sum(step.batch.n for step in back.steps) == 0
    (reject,) = back.rejects
    assert (reject.reason, reject.mine, reject.n) == ("readings_lost", MINE, 2)
    assert "frames 7 to 8" in reject.detail
    assert "disk full" in reject.detail


def test_a_damaged_record_is_refused_by_name() -> None:
    """Torn anywhere or with any byte altered, it is never half believed."""
    live = Live()
    judged = live.take(defined(), frame(1, [("001A01", 1.6, 0)]))
    encoded = encode_turn(judged, live.book.table)
    for name in ("facts", "readings"):
        record = getattr(encoded, name)
        for n in range(1, len(record)):
            with pytest.raises(RecordCorrupt):
                decode_turn(replace(encoded, **{name: record[:n]}), live.book)
        for i in range(len(record)):
            altered = bytearray(record)
            altered[i] ^= 0x40
            with pytest.raises(RecordCorrupt):
                decode_turn(replace(encoded, **{name: bytes(altered)}), live.book)
    with pytest.raises(RecordCorrupt, match="version 9"):
        decode_turn(replace(encoded, facts=b"\x09" + encoded.facts[1:]), live.book)
    with pytest.raises(RecordCorrupt, match="checksum"):
        decode_turn(replace(encoded, facts=encoded.facts[:-1]), live.book)


def test_records_of_two_turns_are_not_mixed_up() -> None:
    """Readings that do not fit the facts are refused."""
    live = Live()
    one = live.take(frame(1, [("001A01", 0.1, 0)]))
    two = live.take(frame(2, [("001A01", 0.1, 0), ("002A01", 0.1, 0)]))
    table = live.book.table
    mixed = EncodedTurn(encode_turn(one, table).facts, encode_turn(two, table).readings)
    with pytest.raises(RecordCorrupt, match="2 readings, the facts tell of 1"):
        decode_turn(mixed, live.book)
    swapped = EncodedTurn(mixed.readings, mixed.facts)
    with pytest.raises(RecordCorrupt, match="kind"):
        decode_turn(swapped, live.book)

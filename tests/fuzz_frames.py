"""Mutated frames and topics between healthy ones, and what must hold all the same.

Two worlds get the same healthy frames; one of them gets the mutants too. Whatever the
mutants are, both must say the same of the neighbours, and nothing may raise.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gasmon.alarms.kinds import N_SLOTS
from gasmon.alarms.state import STATE_COLUMNS
from gasmon.batch import Packet
from gasmon.ingest.dedupe import BOOTS_PER_MINE
from gasmon.ingest.payloads import (
    CmdRes,
    EventPayload,
    encode_cmd_res,
    encode_data,
    encode_event,
)
from gasmon.ingest.topics import parse_topic
from gasmon.pipeline.book import NEW_MINES_PER_AREA, ROWS_PER_MINE
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.turns import decode_turn, encode_turn
from gasmon.points import PointKey
from tests.fix_pipeline import AREA, CH4, Live, at, defined, frame, told_state

VICTIM = f"{AREA}000001"
"""The mine whose gateway sends the mutants."""

NEIGHBOURS = (f"{AREA}000002", f"{AREA}000003", "530602000004")
MIXED = f"{AREA}000005"
"""A mine whose frames hold healthy readings beside mutated ones."""

POINTS = (CH4, replace(CH4, no="002A01", type="0004"), replace(CH4, no="003D01"))
SEQ = 424242
"""Number of every healthy frame of the victim; each mutant gets its own."""

CYCLE_S = 5
PER_TURN = 250
TURNS = 40
"""Turns of one world; then both begin anew, so that memory is looked at while small."""

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"payloads.md": "## What is refused", "upload-files.md": "What is refused, and"}
REASONS = frozenset(
    name
    for page, heading in PAGES.items()
    for row in re.findall(
        r"^\| (`[a-z_0-9`, ]+`) \|",
        (DOCS / page).read_text("utf-8").split(heading)[1],
        re.M,
    )
    for name in re.findall(r"`([a-z_0-9]+)`", row)
)
WHERE = {"packet", "frame", "reading", "definition"}

ODD_TEXTS = (
    "", " ", "\0", "\ud800", "e\u0301\u0301", "\u202e001A01", "\uff10\uff10\uff11A01",
    "001A01\n", "null", "a" * 300, "001A01/", "NaN", "1e999", "530627000002",
    "\U0001f4a5", "\ufeff001A01",
)  # fmt: skip
ODD = (
    None, True, False, [], {}, [[]], 0, -1, 1.5, 2**31, 2**31 - 1, 2**63, -(2**63),
    1e308, -1e308, 5e-324, 10**17, 253402300800000, -62135596800000, *ODD_TEXTS,
)  # fmt: skip
TOKENS = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"9" * 400, b"1" + b"0" * 30,
    b'"\\ud800"', b'"\\u0000"', b"[" * 2000, b"]" * 5, b'{"v":1,', b'"v":2,', b"\xff",
    b"\xed\xa0\x80", b"\x00", b",,", b'"seq":-1,', b'"ts":1e300,', b"\xef\xbb\xbf",
)  # fmt: skip


def corpus(rng: random.Random, second: float) -> list[tuple[str, bytes]]:
    """Healthy messages of every channel of the victim: (channel, payload)."""
    return [one for _ in range(6) for one in _one_of_each(rng, second)]


def _one_of_each(rng: random.Random, second: float) -> list[tuple[str, bytes]]:
    ms = at(second) // 1000
    boot = rng.choice(["k3f9", "old", f"b{rng.randrange(30)}"])
    d: list[Any] = [
        (p.no, round(rng.choice([0.1, 0.9, 1.2, 1.7, 30.0]), 2), rng.choice([0, 0, 4]))
        for p in POINTS
    ]
    if rng.random() < 0.3:
        d = [(*item, ms - rng.randrange(10_000)) for item in d]
    event = EventPayload("e1", "001A01", "001", ms - 1000, None, 1.2, ms)
    data = encode_data(boot, SEQ, ms, d)
    return [
        ("data", data),
        ("data", data),
        ("data", data),
        ("backfill", encode_data("old", SEQ, ms - rng.randrange(7_200_000), d)),
        ("points", defined(*POINTS, rev=rng.randrange(99)).payload),
        ("state", told_state(rng.choice(["online", "offline"]), second).payload),
        ("event", encode_event(event)),
        ("cmd/res", encode_cmd_res(CmdRes("7", rng.random() < 0.5, "e"))),
        ("file/CDSS", b"530627000001;2026-10-01 08:00:00~001A01;1.2;0~||"),
    ]


def _bytes(rng: random.Random, payload: bytes, other: bytes) -> bytes:
    """Flip, cut, repeat, splice, insert tokens."""
    data = bytearray(payload)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        where = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 if data:
                data[where % len(data)] ^= 1 << rng.randrange(8)
            case 1:
                del data[where : where + rng.choice((1, 2, 5, 40))]
            case 2:
                data[where:] = other[rng.randrange(len(other)) :]
            case 3:
                data[where:where] = rng.choice(TOKENS)
            case 4:
                numbers = list(re.finditer(rb"-?\d+(\.\d+)?", data))
                if numbers:
                    found = rng.choice(numbers)
                    data[found.start() : found.end()] = rng.choice(TOKENS)
            case 5:
                del data[where:]
            case 6:
                data[where:where] = data[where : where + rng.choice((1, 8, 60))]
            case _:
                data[where:where] = bytes([rng.randrange(256)])
    return bytes(data)


def _odd(rng: random.Random) -> Any:
    """Anything that JSON can say, and some that it cannot."""
    return rng.choice(ODD) if rng.random() < 0.9 else [rng.choice(ODD)] * 3


def _shape(rng: random.Random, payload: bytes) -> bytes:
    """Another value, type or key somewhere in a parsed message."""
    try:
        obj = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload
    place: Any = obj
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = rng.choice(keys)
        inner = place[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.75:
            place = inner
            continue
        match rng.randrange(5):
            case 0:
                del place[key]
            case 1 if isinstance(place, list):
                place.append(inner)
            case 2 if isinstance(place, dict):
                place[rng.choice(ODD_TEXTS)] = inner
            case _:
                place[key] = _odd(rng)
        break
    return dumps(obj)


def dumps(obj: Any) -> bytes:
    """JSON that may hold what orjson refuses: lone surrogates, endless integers."""
    try:
        return orjson.dumps(obj)
    except TypeError:
        return json.dumps(obj).encode()


def _topic(rng: random.Random, topic: str) -> str:
    """Levels missing, doubled, foreign, wild; NUL; very long."""
    levels = topic.split("/")
    where = rng.randrange(len(levels))
    match rng.randrange(8):
        case 0:
            del levels[where]
        case 1:
            levels.insert(where, rng.choice(levels))
        case 2:
            levels[where] = rng.choice(("+", "#", "", "\0", "$SYS", *ODD_TEXTS))
        case 3:
            levels[3] = f"{AREA}{rng.randrange(1000):06d}"
        case 4:
            levels[where] *= rng.choice((2, 50, 5000))
        case 5:
            levels[0:2] = ["gasmon-drill", "v1", str(rng.randrange(-1, 3))]
        case 6:
            levels[-1:] = [rng.choice(("alarms", "cmd/req", "file/../x", "DATA"))]
        case _:
            at_ = rng.randrange(len(topic))
            return topic[:at_] + chr(rng.randrange(0x2FF)) + topic[at_ + 1 :]
    return "/".join(levels)


def _is_of_others(topic: str) -> bool:
    """A topic that the broker's access list keeps the victim from."""
    try:
        return parse_topic(topic).mine in (*NEIGHBOURS, MIXED)
    except ValueError:
        return False


def mutant(
    rng: random.Random, sources: Sequence[tuple[str, bytes]], seq: int, second: float
) -> Packet:
    """One message that somebody's broken or hostile gateway sends."""
    channel, payload = rng.choice(sources)
    payload = payload.replace(b"%d" % SEQ, b"%d" % seq)
    topic = f"gasmon/v1/{AREA}/{VICTIM}/{channel}"
    kind = rng.random()
    if kind < 0.45:
        payload = _bytes(rng, payload, rng.choice(sources)[1])
    elif kind < 0.9:
        for _ in range(rng.choice((1, 1, 2, 4))):
            payload = _shape(rng, payload)
    if kind > 0.85:
        mutated = _topic(rng, topic)
        topic = topic if _is_of_others(mutated) else mutated
    return Packet(topic, payload, at(second), rng.random() < 0.1)


def healthy(rng: random.Random, turn: int) -> list[Packet]:
    """What the neighbours send in one cycle: alarms come and go, some frames late."""
    second = turn * CYCLE_S
    out = []
    for mine in NEIGHBOURS:
        d: list[Any] = [
            (p.no, rng.choice([0.1, 0.1, 1.1, 1.6]), rng.choice([0, 0, 0, 128]))
            for p in POINTS
        ]
        if turn == 0:
            out.append(defined(*POINTS, mine=mine))
            out.append(told_state("online", 0, mine=mine))
        if rng.random() < 0.9:
            out.append(frame(turn + 1, d, second=second, mine=mine))
        if rng.random() < 0.1:
            old = frame(900 + turn, d, second=second - 17, mine=mine, backfill=True)
            out.append(replace(old, arrived_us=at(second)))
    return out


class Mixed:
    """Frames of one mine with healthy readings between mutated ones."""

    def __init__(self, rng: random.Random, turn: int) -> None:
        self.good = [(f"{i:03d}A01", float(i), 0) for i in range(5)]
        bad = [
            rng.choice(
                (_odd(rng), [_odd(rng)] * 3, ["x", _odd(rng), _odd(rng), _odd(rng)])
            )
            for _ in range(3)
        ]
        d: list[Any] = [*self.good, *bad]
        rng.shuffle(d)
        obj = {"v": 1, "boot": "m", "seq": turn, "ts": at(turn * 5) // 1000, "d": d}
        topic = f"gasmon/v1/{AREA}/{MIXED}/data"
        self.packet = Packet(topic, dumps(obj), at(turn * 5))

    def check(self, live: Live, judged: Judged) -> None:
        """Every healthy reading is there with its value, once."""
        names = {no for no, _, _ in self.good}
        read = sorted(
            (live.book.table.keys[row].no, value, state)
            for batch in judged.batches
            for f in batch.frames
            if f.key.mine == MIXED
            for row, value, state in zip(
                batch.row[f.first : f.first + f.n_readings].tolist(),
                batch.value[f.first : f.first + f.n_readings].tolist(),
                batch.state[f.first : f.first + f.n_readings].tolist(),
                strict=True,
            )
            if live.book.table.keys[row].no in names
        )
        assert read == self.good, self.packet.payload


def check_rejects(judged: Judged) -> None:
    """Each has a reason of the page, words, and the head of what came."""
    sent = {(len(p.payload), p.payload[:256]) for p in judged.packets}
    for reject in judged.rejects:
        assert reject.reason in REASONS, reject
        assert reject.where in WHERE, reject
        assert reject.detail.strip(), reject
        assert len(reject.detail) < 1000, reject
        assert "\n" not in reject.detail, reject
        assert reject.n >= 1, reject
        if reject.size:
            assert (reject.size, reject.first_bytes) in sent, reject


def check_spool(live: Live, judged: Judged) -> None:
    """The turn is the same after it was written and read."""
    again = decode_turn(encode_turn(judged, live.book.table), live.book)
    assert [e.event_id for e in again.events] == [e.event_id for e in judged.events]
    assert again.rejects == judged.rejects
    assert again.n_readings == judged.n_readings
    assert again.online == judged.online
    assert again.mine_events == judged.mine_events
    assert repr(again.definitions) == repr(judged.definitions)


def check_bounds(live: Live) -> None:
    """What one area can fill is bounded."""
    table = live.book.table
    assert len(table.mines) <= NEW_MINES_PER_AREA + 1 + len(NEIGHBOURS)
    assert table.n <= ROWS_PER_MINE * 2 + 100 * len(table.mines)
    assert max(map(len, live.seen._boots.values()), default=0) <= BOOTS_PER_MINE


def of_neighbours(live: Live, judged: Judged) -> dict[str, list[Any]]:
    """Events and readings of the neighbours, without what only numbers them."""
    keys = live.book.table.keys
    return {
        "events": sorted(
            repr(replace(event, row=-1))
            for event in judged.events
            if event.mine in NEIGHBOURS
        ),
        "readings": [
            (keys[row], None if isnan(value) else value, at_us, arrived_us, state)
            for batch in judged.batches
            for row, value, at_us, arrived_us, state in zip(
                batch.row.tolist(), batch.value.tolist(), batch.at_us.tolist(),
                batch.arrived_us.tolist(), batch.state.tolist(), strict=True,
            )
            if keys[row].mine in NEIGHBOURS
        ],
        "online": sorted(
            (m, o) for m, o in judged.online.items() if m in NEIGHBOURS
        ),
        "rejects": [r for r in judged.rejects if r.mine in NEIGHBOURS],
    }  # fmt: skip


def state_of_neighbours(live: Live) -> dict[str, list[Any]]:
    """All that the engine remembers of them."""
    table, state = live.book.table, live.engine.state
    rows = np.asarray(
        [table.index[PointKey(m, "01", p.no)] for m in NEIGHBOURS for p in POINTS]
    )
    out = {
        name: np.nan_to_num(getattr(state, name)[rows].astype(float)).tolist()
        for name in STATE_COLUMNS
        if name != "line"
    }
    told = [
        (rows.tolist().index(row), slot, begin, end)
        for row, slot, begin, end in live.engine.alarms.told.stretches()
        if row in rows
    ]
    mines = [table.mine_index[m] for m in NEIGHBOURS]
    links = live.engine.links
    assert all(0 <= slot < N_SLOTS for _, slot, _, _ in told)
    return {
        **out,
        "told": sorted(told),
        "heard": links.heard_us[mines].tolist(),
        "raised": links.raised_us[mines].tolist(),
    }


def campaign(seed: int, n: int) -> int:
    """Send at least n mutants; returns how many refusals that made."""
    n_sent = n_refused = number = 0
    while n_sent < n:
        turns = min(TURNS, -(-(n - n_sent) // PER_TURN))
        sent, refused = world(f"{seed}/{number}", turns)
        n_sent += sent
        n_refused += refused
        number += 1
    return n_refused


def world(name: str, turns: int) -> tuple[int, int]:
    rng, calm = random.Random(name), random.Random(f"{name}/healthy")
    with_, without = Live(), Live()
    n_sent = n_refused = 0
    for turn in range(turns):
        good = healthy(calm, turn)
        sources = corpus(rng, turn * CYCLE_S)
        bad = [
            mutant(rng, sources, turn * PER_TURN + k, turn * CYCLE_S)
            for k in range(PER_TURN)
        ]
        n_sent += len(bad)
        mixed = Mixed(rng, turn)
        packets = shuffled_in(rng, good, [*bad, mixed.packet])
        marks = [turn * CYCLE_S + 1.0]
        try:
            judged = with_.evaluator.evaluate(
                packets, now_us=at(marks[0]), marks=[at(marks[0])]
            )
        except Exception as error:
            raise AssertionError(f"world {name}, turn {turn}: {packets!r}") from error
        expected = without.evaluator.evaluate(
            good, now_us=at(marks[0]), marks=[at(marks[0])]
        )
        n_refused += len(judged.rejects)
        check_rejects(judged)
        if turn % 5 == 0:
            check_spool(with_, judged)
        mixed.check(with_, judged)
        assert of_neighbours(with_, judged) == of_neighbours(without, expected), name
    check_bounds(with_)
    assert state_of_neighbours(with_) == state_of_neighbours(without), name
    return n_sent, n_refused


def shuffled_in(
    rng: random.Random, good: Sequence[Packet], bad: Sequence[Packet]
) -> list[Packet]:
    """The good ones in their order, the bad ones anywhere between them."""
    places = sorted(rng.randrange(len(bad) + 1) for _ in good)
    out = list(bad)
    for packet, place in zip(reversed(good), reversed(places), strict=True):
        out.insert(place, packet)
    return out

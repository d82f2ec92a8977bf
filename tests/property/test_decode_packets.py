"""Laws of decoding: cuts, mutations, and the way there and back."""

from __future__ import annotations

import string
from math import isnan, nan

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gasmon.batch import Packet
from gasmon.ingest.decode import Decoded, Layouts, decode_packets
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.payloads import encode_data, schema
from gasmon.ingest.topics import data_topic
from tests.fix_directory import AREA, ARRIVED_US, MINE, TS_MS, MemoryDirectory
from tests.fix_examples import examples

NOS = st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=8)
VALUES = st.none() | st.floats(0, 1e6) | st.integers(0, 2**63)
STATES = st.integers(0, 2**31 - 1)
TIMES = st.none() | st.integers(TS_MS - 10**7, TS_MS)
ITEMS = st.tuples(NOS, VALUES, STATES) | st.tuples(NOS, VALUES, STATES, TIMES)
FRAMES = st.lists(ITEMS, max_size=8, unique_by=lambda item: item[0])
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
VALIDATOR = Draft202012Validator(schema("data"))


def packets_of(frames: list[list[tuple[object, ...]]]) -> list[Packet]:
    """Return the frames as packets of two mines."""
    return [
        Packet(
            data_topic(AREA, f"{AREA}00000{seq % 2}"),
            encode_data("b", seq, TS_MS + seq, d),
            ARRIVED_US + seq,
        )
        for seq, d in enumerate(frames)
    ]


def readings(*parts: Decoded) -> list[tuple[object, ...]]:
    """Return all readings as rows, NaN as None so that they compare."""
    return [
        (row, None if isnan(value) else value, at, arrived, state)
        for part in parts
        for row, value, at, arrived, state in zip(
            part.batch.row.tolist(),
            part.batch.value.tolist(),
            part.batch.at_us.tolist(),
            part.batch.arrived_us.tolist(),
            part.batch.state.tolist(),
            strict=True,
        )
    ]


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 8), max_size=4))
@examples(100)
def test_any_cut_into_calls_gives_the_same_readings(
    frames: list[list[tuple[object, ...]]], cuts: list[int]
) -> None:
    """Batches are invisible: with kept layouts, without, in one call or in many."""
    packets = packets_of(frames)
    whole = decode_packets(packets, MemoryDirectory())
    directory, layouts, seen = MemoryDirectory(), Layouts(), SeenFrames()
    ends = [*sorted(cuts), len(packets)]
    parts, begin = [], 0
    for end in ends:
        part = decode_packets(
            packets[begin:end], directory, layouts=layouts, is_new=seen.is_new
        )
        for frame in part.frames:
            seen.add(frame.key, frame.device_ms)
        parts.append(part)
        begin = max(begin, end)
    assert readings(*parts) == readings(whole)
    assert [f.key for p in parts for f in p.frames] == [f.key for f in whole.frames]
    assert [r for part in parts for r in part.rejects] == whole.rejects


@given(FRAMES)
@examples(100)
def test_what_is_encoded_is_decoded_and_valid(
    d: list[tuple[object, ...]],
) -> None:
    """Values, bits and times come back exactly; the schema agrees."""
    payload = encode_data("b", 5, TS_MS, d)
    VALIDATOR.validate(orjson.loads(payload))
    decoded = decode_packets(
        [Packet(data_topic(AREA, MINE), payload, ARRIVED_US)], MemoryDirectory()
    )
    expected = [
        (
            None if item[1] is None else float(item[1]),
            (TS_MS if len(item) < 4 or item[3] is None else int(item[3])) * 1000,
            item[2],
        )
        for item in d
    ]
    got = [(value, at, state) for _, value, at, _, state in readings(decoded)]
    assert (got, decoded.rejects) == (expected, [])


@given(
    st.lists(ITEMS.map(list) | ANY, max_size=6),
    ANY,
    st.sampled_from(["v", "boot", "seq", "ts", "d", "x", "mine"]),
)
@examples(100)
def test_a_malformed_frame_never_raises_nor_costs_its_neighbours(
    d: list[object], odd: object, key: str
) -> None:
    """Anything JSON can say, at any key: neighbours decode as if it were not there.

    And a frame that the schema accepts is never refused as a frame.
    """
    obj = {"v": 1, "boot": "b", "seq": 1, "ts": TS_MS, "d": d}
    _check_between_neighbours(orjson.dumps(obj))
    if VALIDATOR.is_valid(orjson.loads(orjson.dumps(obj))):
        bad = Packet(data_topic(AREA, MINE), orjson.dumps(obj), ARRIVED_US)
        decoded = decode_packets([bad], MemoryDirectory())
        assert len(decoded.frames) == 1
    obj[key] = odd
    _check_between_neighbours(orjson.dumps(obj))


@given(FRAMES, st.data())
@examples(100)
def test_a_mutated_frame_never_raises_nor_costs_its_neighbours(
    d: list[tuple[object, ...]], data: st.DataObject
) -> None:
    """Bytes changed, cut out or put in, NaN tokens included."""
    payload = bytearray(encode_data("b", 1, TS_MS, d))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload)))
        end = data.draw(st.integers(at, min(at + 4, len(payload))))
        token = st.sampled_from(
            [b"NaN", b"-Infinity", b"null", b"true", b"1e999", b"9" * 350]
        )
        payload[at:end] = data.draw(st.binary(max_size=4) | token)
    _check_between_neighbours(bytes(payload))


def _check_between_neighbours(payload: bytes) -> None:
    """Decode a payload of one mine between two frames of another."""
    other = f"{AREA}000777"
    before = Packet(
        data_topic(AREA, other), encode_data("n", 1, TS_MS, [("N1", 0.5, 0)]), 1
    )
    after = Packet(
        data_topic(AREA, other), encode_data("n", 2, TS_MS, [("N1", nan, 9)]), 2
    )
    bad = Packet(data_topic(AREA, MINE), payload, ARRIVED_US)
    directory = MemoryDirectory()
    alone = readings(decode_packets([before, after], directory))
    decoded = decode_packets([before, bad, after], directory)
    rows = readings(decoded)
    assert [rows[0], rows[-1]] == alone
    n_accepted = sum(frame.key.mine == MINE for frame in decoded.frames)
    assert n_accepted or decoded.rejects
    assert np.isfinite(decoded.batch.value[~np.isnan(decoded.batch.value)]).all()

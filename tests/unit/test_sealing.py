"""What a seal is of, without a database."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from gasmon.batch import Frame, FrameKey
from gasmon.sealing import (
    NOTHING,
    Chain,
    Seal,
    batch_hash,
    claim,
    expand,
    frames_text,
    hour_of,
    pack,
    read_claims,
    read_frames,
    read_seal,
    seal_text,
    text_hash,
    unpack,
)
from gasmon.units import US_PER_H

AT = 1_790_000_000_000_000


@pytest.mark.parametrize("n_points", [0, 1, 3, 58])
@pytest.mark.parametrize("shuffled", [False, True])
def test_claims_name_every_reading_once(n_points: int, shuffled: bool) -> None:
    """Whatever their order, what is expanded is what was given."""
    rng = np.random.default_rng(n_points)
    point = np.tile(np.arange(100, 100 + n_points, dtype=np.int32), 4)
    at = np.repeat(AT + np.arange(4), n_points).astype(np.int64)
    if shuffled:
        order = rng.permutation(len(point))
        point, at = point[order], at[order]
    arrived = at + 7
    claims, by = claim(point, at, arrived)
    again = expand(read_claims(claims.tobytes()))
    order = np.arange(len(point)) if by is None else by
    assert again.point.tolist() == point[order].tolist()
    assert again.at_us.tolist() == at[order].tolist()
    assert again.arrived_us.tolist() == arrived[order].tolist()
    if n_points == 58:
        assert len(claims) == 4
        assert (by is None) == (not shuffled)


def test_a_hash_takes_in_everything() -> None:
    """A change of any part gives another; every NaN is the same."""
    value, state = np.array([0.5, np.nan]), np.array([0, 4], np.int32)
    whole = (NOTHING, "*", 1, AT, "[]", b"c" * 24, value, state)
    plain = batch_hash(*whole)
    others = [
        batch_hash(b"\1" * 32, *whole[1:]),
        batch_hash(NOTHING, "530627", *whole[2:]),
        batch_hash(NOTHING, "*", 2, *whole[3:]),
        batch_hash(NOTHING, "*", 1, AT + 1, *whole[4:]),
        batch_hash(NOTHING, "*", 1, AT, "[1]", *whole[5:]),
        batch_hash(NOTHING, "*", 1, AT, "[]", b"d" * 24, value, state),
        batch_hash(*whole[:6], np.array([0.5, 0.0]), state),
        batch_hash(*whole[:7], np.array([0, 5], np.int32)),
    ]
    assert len({plain, *others}) == len(others) + 1
    odd = np.array([0.5, -np.nan])
    assert batch_hash(*whole[:6], odd, state) == plain


def test_frames_are_read_back() -> None:
    """As rows; an absurd device time as it is stored."""
    key = FrameKey(0, "530627004499", "启动1", 5)
    frame = Frame(key, "data", 2**70, AT + 1, AT, 58, 0)
    (row,) = read_frames(frames_text([frame]))
    assert row == (AT, AT + 1, 2**63 - 1, 5, "530627004499", 58, "data", "启动1")


def test_a_record_is_read_back() -> None:
    """Packed and back; what is none is refused."""
    assert unpack(pack("[1,2]煤", b"claims")) == ("[1,2]煤", b"claims")
    for rows in (b"", b"x", zlib.compress(b"x"), zlib.compress(b"\0\0\0\1\xff")):
        with pytest.raises(ValueError, match=r"no record|utf-8"):
            unpack(rows)


def test_a_seal_is_read_back() -> None:
    """Text and back; what is none is refused."""
    chains = (Chain("*", 4, 6, 3, 40, "ab" * 32),)
    seal = Seal("e", hour_of(AT), NOTHING.hex(), chains, (("frame", 1, 2, 3),), 9)
    assert read_seal(seal_text(seal)) == seal
    assert seal.n_readings == 40
    assert seal.chain("*") == chains[0]
    assert seal.chain("other").last == 0
    assert hour_of(AT) % US_PER_H == 0
    assert text_hash("").startswith("e3b0c44298fc1c14")
    for text in ("{}", "[]", "1", '{"epoch":1,"hour_us":"x"}'):
        with pytest.raises(ValueError, match=r"no seal|invalid"):
            read_seal(text)

"""What a seal is of: the bytes that are hashed, for the writer and for whoever checks.

A *batch* is what one commit stored: frames, and readings named by *claims*. A claim is
a run of readings with the same times whose points have consecutive numbers, so a frame
is mostly one claim of 24 bytes. The hash of a batch takes in the one before it; the
*seal* of an hour is the hash of a text that names each chain's end and the seal before
it. Nothing here knows a database; docs/seals.md shows the same in words.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Float64, Frame, Int32, Int64
from gasmon.units import US_PER_H, iso_us

NOTHING = bytes(32)
"""What the first batch of a scope and the first seal of all follow."""

CLAIM = np.dtype([("point", ">i4"), ("n", ">i4"), ("at", ">i8"), ("arrived", ">i8")])
"""First point, how many, judged time and arrival [µs UTC]."""

_MANY_CLAIMS = 4
"""Readings a claim; where there are fewer, sorting them first is worth its time."""

# Made once: json.dumps would make one for each call.
_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_BATCH = struct.Struct(">qqq")
_LENGTH = struct.Struct(">I")

FrameRow = tuple[int, int, int, int, str, int, str, str]
"""judged [µs], arrived [µs], device [ms], seq, mine, readings, channel, boot."""

_INT64_MAX = 2**63 - 1


def frame_row(frame: Frame) -> FrameRow:
    """A frame as it is stored and hashed."""
    return (
        frame.judged_us,
        frame.arrived_us,
        max(-_INT64_MAX, min(_INT64_MAX, frame.device_ms)),
        frame.key.seq,
        frame.key.mine,
        frame.n_readings,
        frame.channel,
        frame.key.boot,
    )


def frames_text(frames: Sequence[Frame]) -> str:
    """Frames in the order in which they arrived, as JSON."""
    return _text([frame_row(frame) for frame in frames])


def read_frames(text: str) -> list[FrameRow]:
    """What :func:`frames_text` wrote."""
    return [tuple(row) for row in json.loads(text)]


def claim(
    point_id: Int32, at_us: Int64, arrived_us: Int64
) -> tuple[NDArray[np.void], NDArray[np.intp] | None]:
    """Name readings by claims.

    Args:
        point_id: int32[n], with its times int64[n]; a point's time occurs once.

    Returns:
        The claims, and the order intp[n] in which they name the readings; None where
        that is the order given.
    """
    n = len(point_id)
    starts = _starts(point_id, at_us, arrived_us)
    order = None
    if len(starts) * _MANY_CLAIMS > n > _MANY_CLAIMS:
        order = np.lexsort((point_id, at_us, arrived_us))
        point_id, at_us = point_id[order], at_us[order]
        arrived_us = arrived_us[order]
        starts = _starts(point_id, at_us, arrived_us)
    claims = np.empty(len(starts), CLAIM)
    claims["point"] = point_id[starts]
    claims["n"][:-1] = starts[1:] - starts[:-1]
    claims["n"][-1:] = n - starts[-1:]
    claims["at"] = at_us[starts]
    claims["arrived"] = arrived_us[starts]
    return claims, order


def _starts(point_id: Int32, at_us: Int64, arrived_us: Int64) -> NDArray[np.intp]:
    """Where a claim begins."""
    if len(point_id) == 0:
        return np.empty(0, np.intp)
    begins = np.ones(len(point_id), np.bool_)
    np.not_equal(point_id[1:], point_id[:-1] + 1, begins[1:])
    begins[1:] |= at_us[1:] != at_us[:-1]
    begins[1:] |= arrived_us[1:] != arrived_us[:-1]
    return begins.nonzero()[0]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The readings that claims name, as arrays of one length.

    Attributes:
        point: int64[n]; at_us, arrived_us: int64[n] [µs UTC].
    """

    point: Int64
    at_us: Int64
    arrived_us: Int64


def expand(claims: NDArray[np.void]) -> Claimed:
    """The readings that claims name, in their order."""
    counts = claims["n"].astype(np.int64)
    ends = np.cumsum(counts)
    within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(
        ends - counts, counts
    )
    return Claimed(
        np.repeat(claims["point"].astype(np.int64), counts) + within,
        np.repeat(claims["at"].astype(np.int64), counts),
        np.repeat(claims["arrived"].astype(np.int64), counts),
    )


def read_claims(stored: bytes) -> NDArray[np.void]:
    """Claims from their bytes.

    Raises:
        ValueError: these are no claims.
    """
    return np.frombuffer(stored, CLAIM)


def pack(frames: str, claims: bytes) -> bytes:
    """Frames and claims as a batch's record holds them: a seventh of their size.

    The fastest level of zlib: the server would compress them too, ten times as slowly.
    """
    told = frames.encode()
    return zlib.compress(_LENGTH.pack(len(told)) + told + claims, 1)


def unpack(rows: bytes) -> tuple[str, bytes]:
    """Frames and claims of a record.

    Raises:
        ValueError: it is none.
    """
    try:
        whole = zlib.decompress(rows)
        (n,) = _LENGTH.unpack_from(whole)
        end = _LENGTH.size + n
        return whole[_LENGTH.size : end].decode(), whole[end:]
    except (zlib.error, struct.error) as error:
        raise ValueError(f"no record of a batch: {error}") from None


def batch_hash(
    previous: bytes,
    scope: str,
    number: int,
    recorded_us: int,
    frames: str,
    claims: bytes,
    value: Float64,
    state: Int32,
) -> bytes:
    """The hash of one batch, which takes in all batches of its scope before it.

    Args:
        frames: made by :func:`frames_text`.
        claims: bytes of the claims.
        value: float64[n] in their order; NaN: no value.
        state: state bits, int32[n].
    """
    told = frames.encode()
    sealed = hashlib.sha256(b"gasmon batch 1\0" + previous)
    sealed.update(scope.encode() + b"\0")
    sealed.update(_BATCH.pack(number, recorded_us, len(told)))
    sealed.update(told)
    sealed.update(claims)
    # Every NaN is the same: the table holds a null for it.
    plain = np.where(np.isnan(value), np.nan, value)
    sealed.update(plain.astype(">f8").tobytes())
    sealed.update(state.astype(">i4").tobytes())
    return sealed.digest()


# Seals of hours.


@dataclass(frozen=True, slots=True)
class Chain:
    """One scope at the end of an hour.

    Attributes:
        first: number of its first batch of the hour; ``last + 1`` where there is none.
        last: number of the newest batch that is sealed; its hash is ``hash``.
        n_frames, n_readings: what the batches of the hour stored.
    """

    scope: str
    first: int
    last: int
    n_frames: int
    n_readings: int
    hash: str


@dataclass(frozen=True, slots=True)
class Seal:
    """What the seal of an hour says.

    Attributes:
        epoch: life of the database; another one after a restore.
        hour_us: begin of the hour [µs UTC].
        previous: hash of the seal before it, hex.
        chains: every scope that ever stored anything, by name.
        dropped: what retention took since the seal before: (what, from, to, when)
            [µs UTC].
        dropped_id: number of the newest such row that was told so far.
    """

    epoch: str
    hour_us: int
    previous: str
    chains: tuple[Chain, ...]
    dropped: tuple[tuple[str, int, int, int], ...] = ()
    dropped_id: int = 0

    @property
    def n_readings(self) -> int:
        """Readings that were stored in the hour."""
        return sum(chain.n_readings for chain in self.chains)

    def chain(self, scope: str) -> Chain:
        """A scope's; one that stored nothing yet stands at 0."""
        for chain in self.chains:
            if chain.scope == scope:
                return chain
        return Chain(scope, 1, 0, 0, 0, NOTHING.hex())


def hour_of(time_us: int) -> int:
    """Begin of the hour that a time lies in [µs UTC]."""
    return time_us - time_us % US_PER_H


def seal_text(seal: Seal) -> str:
    """The text that a seal is the hash of."""
    told = {
        "seal": 1,
        "epoch": seal.epoch,
        "hour_us": seal.hour_us,
        "hour": iso_us(seal.hour_us),
        "previous": seal.previous,
        "chains": [
            [c.scope, c.first, c.last, c.n_frames, c.n_readings, c.hash]
            for c in seal.chains
        ],
        "dropped": [list(one) for one in seal.dropped],
        "dropped_id": seal.dropped_id,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def read_seal(text: str) -> Seal:
    """A seal from its text.

    Raises:
        ValueError: it is none.
    """
    try:
        told: dict[str, Any] = json.loads(text)
        return Seal(
            str(told["epoch"]),
            int(told["hour_us"]),
            str(told["previous"]),
            tuple(
                Chain(str(s), int(a), int(b), int(f), int(n), str(h))
                for s, a, b, f, n, h in told["chains"]
            ),
            tuple((str(w), int(a), int(b), int(t)) for w, a, b, t in told["dropped"]),
            int(told["dropped_id"]),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no seal: {error!r}") from None


def text_hash(text: str) -> str:
    """The seal of a text, hex."""
    return hashlib.sha256(text.encode()).hexdigest()

"""A directory of points in memory, and packets, for the tests of decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from gasmon.batch import Int32, Packet
from gasmon.ingest.decode import Decoded, decode_packets
from gasmon.ingest.layouts import rows_by_key
from gasmon.ingest.topics import data_topic
from gasmon.points import PointKey

AREA = "530627"
MINE = "530627004499"
TS_MS = 1_790_000_000_000
TS_US = TS_MS * 1000
ARRIVED_US = TS_US + 250_000


class MemoryDirectory:
    """Admits the mines of one area; every new point gets the next row."""

    def __init__(self, *known: PointKey, area: str = AREA) -> None:
        self.index = {key: row for row, key in enumerate(known)}
        self.types: dict[PointKey, str | None] = {}
        self.area = area
        self.full = False
        self.quantities: dict[str, str] = {}
        self.n_rows_calls = 0

    def admits(self, mine: str) -> bool:
        return mine.startswith(self.area)

    def rows(self, mine: str, nos: tuple[str, ...]) -> Int32:
        self.n_rows_calls += 1
        return rows_by_key(self.index.get, mine, nos)

    def provision(
        self, keys: Sequence[PointKey], sensor_types: Sequence[str | None]
    ) -> Int32:
        if self.full:
            return np.full(len(keys), -1, np.int32)
        self.types.update(zip(keys, sensor_types, strict=True))
        made = [self.index.setdefault(key, len(self.index)) for key in keys]
        return np.array(made, np.int32)

    def quantity(self, row: int) -> str:
        return self.quantities.get(list(self.index)[row].no, "CH4")


def data_packet(d: Any, *, mine: str = MINE, seq: int = 1, **other: Any) -> Packet:
    """Return a frame whose `d` and keys may be anything JSON can say."""
    obj = {"v": 1, "boot": "k3f9", "seq": seq, "ts": TS_MS, "d": d, **other}
    return packet(orjson.dumps({k: v for k, v in obj.items() if v is not ...}), mine)


def packet(payload: bytes, mine: str = MINE, topic: str | None = None) -> Packet:
    """Return a packet on the mine's data topic, or on another."""
    if topic is None:
        topic = data_topic(mine[:6], mine)
    return Packet(topic, payload, ARRIVED_US)


def decode(*packets: Packet, directory: MemoryDirectory | None = None) -> Decoded:
    """Decode with a directory of its own."""
    return decode_packets(packets, directory or MemoryDirectory())


def reasons(decoded: Decoded) -> list[str]:
    """Return the reason codes, in order."""
    return [reject.reason for reject in decoded.rejects]

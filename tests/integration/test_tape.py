"""A recording through a real broker, and the same once more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gasmon.ingest.payloads import encode_data, encode_state
from gasmon.ingest.topics import data_topic, state_topic
from simulators.cli import main
from simulators.link import Broker as Address
from simulators.tape import connected, leave, read_tape, record
from tests.fix_broker import MosquittoBroker
from tests.fix_wait import wait_until

AREA, MINE = "530627", "530627004499"
TS_MS = 1_790_000_000_000


@contextmanager
def recording(address: Address, tape: Path) -> Iterator[None]:
    """A recording that has begun: what the broker keeps is on it."""
    done = threading.Event()
    arguments = (address, tape, 300.0, 20.0, done.is_set)
    thread = threading.Thread(target=record, args=arguments)
    thread.start()
    try:
        wait_until(lambda: count(tape, "online"), 20, "the kept state is on the tape")
        yield
    finally:
        done.set()
        thread.join(20)


def count(tape: Path, word: str) -> int:
    """How often a word stands on a tape."""
    return tape.read_text("utf-8").count(f'"{word}"') if tape.exists() else 0


def frames_of(tape: Path) -> list[dict[str, Any]]:
    """The frames on a tape."""
    return [h.payload for h in read_tape(tape) if h.topic.endswith("/data")]


def test_a_recording_is_published_again_as_new(
    mosquitto_broker: MosquittoBroker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Frames of a mine come once more in order, of today, by a gateway begun anew."""
    address = Address(mosquitto_broker.host, mosquitto_broker.port)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    mine = connected(address, "mine", 20)
    state = encode_state("online", "b", TS_MS)
    mine.publish(state_topic(AREA, MINE), state, 1, True)
    with recording(address, first):
        for seq in (1, 2, 3):
            frame = encode_data("b", seq, TS_MS + seq, [("001A01", 0.4, 0)])
            mine.publish(data_topic(AREA, MINE), frame, 1)
        wait_until(lambda: count(first, "seq") == 3, 20, "three frames")
    leave(mine)
    began_ms = time.time_ns() // 1_000_000

    with recording(address, second):
        words = ["replay", str(first), "--port", str(mosquitto_broker.port), "--json"]
        assert main([*words, "--quiet"]) == 0
        wait_until(lambda: count(second, "seq") == 3, 20, "three frames again")

    told = json.loads(capsys.readouterr().out)
    assert told == {"messages": 4, "acknowledged": 4}
    before, after = frames_of(first), frames_of(second)
    assert [f["seq"] for f in after] == [1, 2, 3]
    assert [f["d"] for f in after] == [f["d"] for f in before]
    moves = {b["ts"] - a["ts"] for a, b in zip(before, after, strict=True)}
    assert len(moves) == 1
    assert after[0]["ts"] >= began_ms - 60_000
    assert {f["boot"] for f in after}.isdisjoint({"b"})

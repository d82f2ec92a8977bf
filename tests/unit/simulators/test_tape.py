"""Tapes: what is moved in time, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.errors import ConfigError
from simulators.tape import moved, read_tape


def test_times_move_together_and_gateways_start_anew() -> None:
    """Frame and sample alike; values and what has no time stay."""
    payload = {
        "v": 1,
        "boot": "b1",
        "seq": 7,
        "ts": 1000,
        "d": [["a", 1, 0], ["b", 2, 0, 900]],
    }
    assert moved(payload, 500, "x") == {
        "v": 1,
        "boot": "x-b1",
        "seq": 7,
        "ts": 1500,
        "d": [["a", 1, 0], ["b", 2, 0, 1400]],
    }
    assert payload["ts"] == 1000


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"after_s": 1}',
        '{"after_s":0,"topic":"x","retain":false,"payload":{}}',
    ],
)
def test_what_is_no_tape_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    """And so is a file that is not there."""
    path = tmp_path / "tape"
    path.write_text(line + "\n", "utf-8")
    with pytest.raises(ConfigError, match=r"tape:1: "):
        read_tape(path)
    with pytest.raises(ConfigError, match="nothing"):
        read_tape(tmp_path / "nothing")

"""What a page may say by its live stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gasmon.api.page_frames import (
    MOST_ALARMS,
    ConsoleSaid,
    Credit,
    Leave,
    Shown,
    parse_page,
)
from gasmon.remote.parsing import Malformed

AT_MS = 1_795_401_981_123
CONSOLE = {
    "type": "console",
    "page": "0123456789abcdef",
    "console": "fedcba98",
    "visible": True,
    "sound": "on",
    "tested_at_ms": None,
    "clock_off_ms": -12,
}
SHOWN = {"type": "shown", "step": "drawn", "alarms": [[7, 4]], "at_ms": AT_MS}


def test_what_a_page_says_is_understood() -> None:
    """Each frame with its members."""
    assert parse_page(json.dumps(CONSOLE)) == ConsoleSaid(
        "0123456789abcdef", "fedcba98", True, "on", None, -12
    )
    tested = parse_page(json.dumps({**CONSOLE, "tested_at_ms": AT_MS}))
    assert isinstance(tested, ConsoleSaid)
    assert tested.tested_us == AT_MS * 1000
    assert parse_page(json.dumps(SHOWN)) == Shown("drawn", ((7, 4),), AT_MS * 1000)
    assert parse_page('{"type":"leave"}') == Leave()


@pytest.mark.parametrize(
    "frame",
    [
        {},
        [],
        {"type": "ack"},
        {**CONSOLE, "page": "x" * 16},
        {**CONSOLE, "console": None},
        {**CONSOLE, "sound": "loud"},
        {**CONSOLE, "visible": 1},
        {**CONSOLE, "clock_off_ms": 1.5},
        {**CONSOLE, "clock_off_ms": 2**40},
        {**CONSOLE, "tested_at_ms": 0},
        {**SHOWN, "step": "stored"},
        {**SHOWN, "alarms": []},
        {**SHOWN, "alarms": [[1, 1]] * (MOST_ALARMS + 1)},
        {**SHOWN, "alarms": [7]},
        {**SHOWN, "alarms": [[7]]},
        {**SHOWN, "alarms": [[0, 1]]},
        {**SHOWN, "alarms": [[7, 5]]},
        {**SHOWN, "alarms": [[True, 1]]},
        {**SHOWN, "at_ms": None},
    ],
)
def test_anything_else_is_malformed(frame: Any) -> None:
    """Wrong types, and numbers out of their bounds."""
    with pytest.raises(Malformed):
        parse_page(json.dumps(frame))


def test_what_is_no_json_is_malformed() -> None:
    """A binary frame comes as an empty text."""
    for text in ("", "{"):
        with pytest.raises(Malformed):
            parse_page(text)


def test_a_page_has_a_burst_and_then_a_rate() -> None:
    """A hundred at once, twenty a second."""
    credit = Credit(0.0)
    assert [credit.take(0.0) for _ in range(101)] == [True] * 100 + [False]
    assert credit.take(0.1)
    assert not credit.take(0.1)

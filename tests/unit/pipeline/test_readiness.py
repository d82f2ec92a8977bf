"""What a process says is wrong with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gasmon.batch import Packet
from gasmon.clock import ManualClock, SystemClock
from gasmon.errors import StateConflict
from gasmon.ingest.inbox import Inbox
from gasmon.pipeline.gauges import Shown, readiness

NOW_US = 1_790_000_000_000_000


def persist(fencing: dict[str, int], lost: StateConflict | None) -> str | None:
    """What the check of that name says while nothing was ever written."""
    line: Any = SimpleNamespace(fencing=fencing, lost=lost)
    storing: Any = SimpleNamespace(line=line, problem=lambda: "the database is away")
    shown = cast(Shown, SimpleNamespace(storing=storing))
    return readiness(lambda: shown, SystemClock())["persist"]()


def test_who_stands_by_does_not_say_that_the_database_is_away() -> None:
    """It writes nothing, and the database may be well; ``ingest`` says why."""
    assert persist({}, None) is None
    assert persist({"*": 3}, None) == "the database is away"
    assert persist({}, StateConflict("taken over")) == "the database is away"


def test_what_has_just_come_behind_a_quiet_time_does_not_wait_for_long() -> None:
    """The broker was away for minutes, so nothing was stored: that is no standstill."""
    clock, inbox = ManualClock(NOW_US), Inbox(10)
    storing: Any = SimpleNamespace(
        line=SimpleNamespace(fencing={"*": 3}), stored_at_s=clock.monotonic_s()
    )
    shown = cast(
        Shown,
        SimpleNamespace(
            storing=storing,
            inbox=inbox,
            failure=None,
            suspects=SimpleNamespace(problem=None),
        ),
    )
    ingest = readiness(lambda: shown, clock)["ingest"]
    clock.advance(300.0)
    inbox.put(Packet("t", b"{}", clock.now_us()))
    clock.advance(1.0)
    assert ingest() is None
    clock.advance(30.0)
    assert ingest() == "1 packets wait and nothing was stored for over 30 s"
    storing.stored_at_s = clock.monotonic_s()
    assert ingest() is None
    inbox.take(1, 0.0)
    clock.advance(300.0)
    assert ingest() is None

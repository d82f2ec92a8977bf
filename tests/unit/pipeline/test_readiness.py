"""What a process says is wrong with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gasmon.clock import SystemClock
from gasmon.errors import StateConflict
from gasmon.pipeline.gauges import Shown, readiness


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

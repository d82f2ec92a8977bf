"""Threads of a loop may be ended by the first of them, before the last has begun."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from gasmon.clock import SystemClock
from gasmon.pipeline.threads import Threads


def test_the_first_may_end_all_before_the_last_has_begun() -> None:
    """Whoever waits for all waits for those, too, that are only being started."""
    stop = threading.Event()
    started: list[str] = []
    joined: list[int] = []
    ended = threading.Event()

    def guarded(target: Callable[[], None]) -> None:
        target()

    def end() -> None:
        stop.set()
        threads.join(60.0)
        joined.append(len(started))
        ended.set()

    def first() -> None:
        threading.Thread(target=end).start()

    def part(name: str) -> Callable[[], None]:
        def live() -> None:
            started.append(name)
            stop.wait(60.0)

        return live

    threads = Threads(guarded, SystemClock())
    parts = {f"part {number}": part(f"part {number}") for number in range(20)}
    threads.start({"first": first, **parts})
    assert ended.wait(60.0)

    assert joined == [len(parts)]
    assert sorted(started) == sorted(parts)


def wait(stop: threading.Event) -> None:
    """Live until it is said."""
    stop.wait(60.0)


def test_waiting_has_an_end() -> None:
    """What does not end in time is left behind."""
    stop = threading.Event()
    threads = Threads(lambda target: target(), SystemClock())
    threads.start({"deaf": partial(wait, stop)})
    threads.join(0.01)
    assert not stop.is_set()
    stop.set()
    threads.join(60.0)

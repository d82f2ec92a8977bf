"""Waiting on a condition: the only place of the tests where time passes by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

POLL_S = 0.02


def wait_until(
    predicate: Callable[[], object], timeout_s: float = 20.0, what: str = ""
) -> None:
    """Look at `predicate` until it is true.

    Args:
        predicate: asked every 20 ms; an AssertionError in it counts as "not yet".
        timeout_s: patience [s].
        what: what is waited for, named when it does not come.

    Raises:
        AssertionError: it did not become true in time.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        reason = ""
        try:
            if predicate():
                return
        except AssertionError as error:
            reason = f": {error}"
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what}{reason}")
        time.sleep(POLL_S)


async def wait_until_async(
    predicate: Callable[[], object | Awaitable[object]],
    timeout_s: float = 20.0,
    what: str = "",
) -> None:
    """Do the same without blocking the loop; `predicate` may be a coroutine."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        reason = ""
        try:
            answer = predicate()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return
        except AssertionError as error:
            reason = f": {error}"
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what}{reason}")
        await asyncio.sleep(POLL_S)

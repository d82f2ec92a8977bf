"""Passwords are checked one at a time, and few may wait."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gasmon.api.gate import CROWDED_S, PasswordGate
from gasmon.errors import TooMany
from tests.fix_wait import wait_until_async


async def test_one_is_checked_few_wait_and_a_crowd_is_sent_away() -> None:
    """The third of a gate for two gets an answer at once; the others get in."""
    gate, go_on, inside = PasswordGate(max_waiting=1), threading.Event(), []

    def check(number: int) -> int:
        inside.append(number)
        assert go_on.wait(20)
        return number

    tasks = [asyncio.create_task(gate.run(check, number)) for number in (1, 2)]
    await wait_until_async(lambda: inside == [1], 20, "the first is checked")
    with pytest.raises(TooMany) as crowded:
        await gate.run(check, 3)
    assert crowded.value.retry_after_s == CROWDED_S
    assert inside == [1], "the second one waits"
    go_on.set()
    assert await asyncio.gather(*tasks) == [1, 2]
    assert await gate.run(check, 4) == 4


async def test_a_check_that_fails_makes_room() -> None:
    """An error of one check is its own and blocks nobody."""
    gate = PasswordGate(max_waiting=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await gate.run(lambda: 1 // 0)
    assert await gate.run(lambda: 5) == 5

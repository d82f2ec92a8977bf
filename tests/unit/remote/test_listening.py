"""Whether a server is heard and moves on, without a clock."""

from __future__ import annotations

import pytest

from gasmon.remote.listening import Listening


@pytest.mark.parametrize(
    ("beats", "at_s", "problem"),
    [
        ([], 14.9, None),
        ([], 15.0, "silence"),
        ([(10.0, "a")], 24.9, None),
        ([(10.0, "a")], 25.0, "silence"),
        # Heard to the end, and always of the same moment.
        ([(s, "a") for s in range(5, 46, 5)], 34.9, None),
        ([(s, "a") for s in range(5, 46, 5)], 46.0, "stands_still"),
        ([(s, str(s)) for s in range(5, 46, 5)], 46.0, None),
        # One that never says up to when it is complete can only be silent.
        ([(s, "") for s in range(5, 46, 5)], 46.0, None),
        ([(s, "a") for s in range(5, 46, 5)], 60.0, "silence"),
    ],
)
def test_silence_and_standing_still_are_told_apart(
    beats: list[tuple[float, str]], at_s: float, problem: str | None
) -> None:
    """By three heartbeats without a word, and six without anything new."""
    listening = Listening(0.0)
    for beat_s, complete_to in beats:
        if beat_s <= at_s:
            listening.heard(complete_to, beat_s)
    assert listening.problem(at_s) == problem


def test_a_line_that_moves_again_is_no_silence() -> None:
    """The first new moment ends it."""
    listening = Listening(0.0)
    for beat_s in range(0, 36, 5):
        listening.heard("a", beat_s)
    assert listening.problem(35.0) == "stands_still"
    assert listening.silent_s(35.0) == 35.0
    listening.heard("b", 36.0)
    assert listening.problem(36.0) is None


def test_time_in_which_nobody_listened_is_no_silence() -> None:
    """After a minute of standing still, both begin where they were."""
    listening = Listening(0.0)
    listening.heard("a", 10.0)
    listening.stood(60.0)
    assert listening.due_s() == 85.0
    assert listening.silent_s(84.0) == 14.0
    assert listening.problem(84.9) is None
    assert listening.problem(85.0) == "silence"

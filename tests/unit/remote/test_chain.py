"""The client's half of the claims."""

from __future__ import annotations

import pytest

from gasmon.remote.chain import Chain, Hole
from gasmon.remote.parsing import (
    Event,
    Heartbeat,
    Malformed,
    Resumed,
    ServerFrame,
    Snapshot,
    Unknown,
)


def test_a_chain_follows_answers_and_claims() -> None:
    """Snapshot, event, heartbeat, and a frame that means nothing to it."""
    chain = Chain()
    for frame in (
        Snapshot("e", 5, ()),
        Event("e", 7, 5, 7, {"id": "a"}),
        Unknown("later"),
        Heartbeat("e", 7, 9, ""),
    ):
        chain.take(frame)

    assert (chain.epoch, chain.position, chain.n_claims) == ("e", 9, 2)


def test_a_resumed_chain_goes_on() -> None:
    """The server confirms the position that was asked for."""
    chain = Chain("e", 5)
    chain.take(Resumed("e", 5))
    chain.take(Heartbeat("e", 5, 5, ""))

    assert chain.position == 5


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (Heartbeat("e", 6, 9, ""), Hole),
        (Heartbeat("e", 4, 9, ""), Hole),
        (Heartbeat("x", 5, 9, ""), Hole),
        (Event("e", 9, 6, 9, {}), Hole),
        (Heartbeat("e", 5, 4, ""), Malformed),
        (Event("e", 8, 5, 9, {}), Malformed),
        (Resumed("e", 6), Malformed),
        (Resumed("x", 5), Malformed),
    ],
)
def test_what_does_not_follow_is_refused(
    frame: ServerFrame, error: type[Exception]
) -> None:
    """A hole, an overlap, another epoch, a step back: the position stays."""
    chain = Chain("e", 5)
    with pytest.raises(error):
        chain.take(frame)

    assert chain.position == 5

"""A mine that sends far too much is named, and nobody else is."""

from __future__ import annotations

import pytest

from gasmon.ingest.floods import Floods
from gasmon.ingest.topics import data_topic, points_topic
from gasmon.units import US_PER_MIN, US_PER_S

MINE, OTHER = "530627004499", "530627000001"
BEGIN_US = 29_000_000 * US_PER_MIN


def send(
    floods: Floods, n: int, minute: float, topic: str = data_topic("530627", MINE)
) -> list[str]:
    """Count so many messages at a time; returns what was said."""
    at_us = BEGIN_US + round(minute * US_PER_MIN)
    told = [floods.count(topic, at_us) for _ in range(n)]
    return [text for text in told if text is not None]


def test_a_flood_is_said_once_and_its_end_too() -> None:
    """With the mine; a neighbour is not named."""
    floods = Floods(60)
    assert send(floods, 60, 0) == []
    assert send(floods, 10, 0, data_topic("530627", OTHER)) == []
    (said,) = send(floods, 40, 0.5)
    assert f"mine {MINE} floods: more than 60" in said
    assert floods.flooding == {MINE: 100}
    assert send(floods, 90, 1) == []
    assert (floods.flooding, floods.busiest, floods.total) == ({MINE: 100}, 100, 70)
    assert send(floods, 1, 2, data_topic("530627", OTHER)) == []
    assert send(floods, 1, 3) == [f"no flood any more of {MINE}"]
    assert (floods.flooding, floods.busiest, floods.total) == ({}, 1, 70)


def test_asked_later_a_flood_is_over_though_nothing_came_since() -> None:
    """It counts until the end of the minute after it, as it does while others send."""
    floods = Floods(3)
    send(floods, 5, 0)
    minutes = (-0.5, 0.9, 1.9, 2, 60, -2)
    asked = [floods.now(BEGIN_US + round(m * US_PER_MIN)) for m in minutes]
    assert asked == [{MINE: 5}, {MINE: 5}, {MINE: 5}, {}, {}, {}]
    send(floods, 1, 1)
    assert floods.now(BEGIN_US + US_PER_MIN) == {MINE: 5}
    # Of the minute that counts now it sent one: nothing is left after it.
    assert floods.now(BEGIN_US + 2 * US_PER_MIN) == {}


def test_what_is_asked_is_a_copy() -> None:
    """The evaluating thread walks through it while the pump goes on to count."""
    floods = Floods(3)
    send(floods, 5, 0)
    asked = floods.now(BEGIN_US)
    send(floods, 9, 0, data_topic("530627", OTHER))
    assert asked == {MINE: 5}
    assert set(floods.now(BEGIN_US)) == {MINE, OTHER}


def test_all_channels_of_a_mine_count_together() -> None:
    """Also what will be refused."""
    floods = Floods(3)
    assert send(floods, 2, 0, points_topic("530627", MINE)) == []
    assert len(send(floods, 2, 0)) == 1


@pytest.mark.parametrize("topic", ["gasmon/v1/state", "gasmon/v1/x/y", "other"])
def test_what_is_of_no_mine_is_not_counted(topic: str) -> None:
    """The platform's own state, and topics that no mine may use."""
    floods = Floods(1)
    assert send(floods, 5, 0, topic) == []
    assert (floods.flooding, floods.total) == ({}, 0)


@pytest.mark.parametrize("minute", [-30, 30])
def test_a_clock_that_is_set_ends_what_was_counted(minute: float) -> None:
    """And begins anew."""
    floods = Floods(3)
    assert len(send(floods, 4, 0)) == 1
    assert send(floods, 1, minute) == [f"no flood any more of {MINE}"]
    assert floods.busiest == 0


def test_topics_without_end_cost_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile gateway may invent them."""
    monkeypatch.setattr("gasmon.ingest.floods._TOPICS", 10)
    floods = Floods(100)
    for number in range(55):
        floods.count(f"gasmon/v1/{number}", BEGIN_US + number * US_PER_S)
    assert len(floods._mine_of) <= 10

"""The hub: order, filters, and what happens to a client that does not take."""

from __future__ import annotations

import pytest

from gasmon.api.hub import Hub, Subscriber
from gasmon.store.outbox import Told
from gasmon.store.scope import Scope
from gasmon.telemetry import Metrics

EVERYTHING = Scope(None, None)


def told(seq: int, area: str = "530627", run: int = 0) -> Told:
    """One row of the outbox."""
    return Told(seq, run, area, area + "000001", seq, "raised", 2, "{}")


def join(
    hub: Hub, scope: Scope = EVERYTHING, limit: int = 3, after: int = 0
) -> Subscriber:
    """A client that wants everything of its scope."""
    return hub.join(scope, lambda entry: True, limit, after)


@pytest.fixture
def hub() -> Hub:
    """A hub at position 10 of epoch e."""
    hub = Hub(Metrics())
    hub.start_at("e", 10, 0)
    return hub


def test_each_client_gets_its_own_in_order(hub: Hub) -> None:
    """A scope leaves out the rest, and everybody has seen everything."""
    all_of_it = join(hub)
    county = join(hub, Scope(("530626",), None))
    hub.publish([told(11), told(13, "530626"), told(14, run=7)])

    assert [entry.seq for entry in all_of_it.queue] == [11, 13]
    assert [entry.seq for entry in county.queue] == [13]
    assert all_of_it.seen == county.seen == hub.position == 14


def test_what_was_read_before_joining_takes_no_room(hub: Hub) -> None:
    """A client ahead of the follower is not cut off for what it has."""
    ahead = join(hub, limit=2, after=15)
    hub.publish([told(seq) for seq in range(11, 18)])

    assert [entry.seq for entry in ahead.queue] == [16, 17]
    assert ahead.cut is None


def test_a_full_queue_cuts_off_that_client_alone(hub: Hub) -> None:
    """The slow one is told to resume; the others go on."""
    slow, quick = join(hub, limit=2), join(hub, limit=9)
    hub.publish([told(seq) for seq in range(11, 15)])

    assert slow.cut is not None
    assert slow.cut[0] == 1013
    assert slow.gone.is_set()
    assert not slow.queue
    assert len(quick.queue) == 4


def test_who_left_gets_nothing_more(hub: Hub) -> None:
    """A client that left is forgotten."""
    client = join(hub)
    hub.leave(client)
    hub.publish([told(11)])

    assert not client.queue


def test_the_same_life_changes_nothing(hub: Hub) -> None:
    """Asked again, ahead, or emptied by retention: clients stay."""
    client = join(hub)
    hub.start_at("e", 10, 1)
    hub.start_at("e", 12, 1)
    hub.start_at("e", 0, 1)

    assert client.cut is None
    assert hub.position == 10


@pytest.mark.parametrize(("epoch", "position"), [("f", 10), ("e", 9)])
def test_another_life_sends_everybody_away(hub: Hub, epoch: str, position: int) -> None:
    """A new epoch, or a position that went back: 1012 and a new beginning."""
    client = join(hub)
    hub.start_at(epoch, position, 1)

    assert client.cut is not None
    assert client.cut[0] == 1012
    assert (hub.epoch, hub.position) == (epoch, position)


def test_a_number_twice_is_our_mistake(hub: Hub) -> None:
    """The follower must not publish backwards."""
    with pytest.raises(AssertionError):
        hub.publish([told(10)])

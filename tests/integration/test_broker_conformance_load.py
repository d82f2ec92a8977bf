"""The same promises on both brokers: outages, storms of repeats, full windows.

What is promised where stands in `tests/broker_promises.py`; crashes, wills and large
frames are in `test_broker_conformance.py`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.embedded.broker import EmbeddedBroker
from gasmon.ingest.decode import decode_packets
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.topics import data_topic
from tests.broker_promises import PROMISES, promised
from tests.fix_broker import Broker, MosquittoBroker
from tests.fix_gateway import AREA, MINE, AnyPoint, Consumer, Gateway, frame, seqs
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

PAGE = Path(__file__).parents[2] / "docs/brokers.md"
DEFAULT_QUEUE = 1000
"""Messages that Mosquitto keeps for an absent client as installed."""


@pytest.fixture
def mosquitto_broker(make_mosquitto: Callable[..., MosquittoBroker]) -> MosquittoBroker:
    """None is killed here, so it need not write everything at each message."""
    return make_mosquitto("autosave_on_changes false", "autosave_interval 1800")


def test_the_page_tells_what_was_measured() -> None:
    """The table of docs/brokers.md is the one that these tests ask."""
    rows = re.findall(
        r"^\| ([^|`]+?) \| ([^|]+?) \| ([^|]+?) \|$", PAGE.read_text("utf-8"), re.M
    )
    told = {what: {"mosquitto": a, "nats": b} for what, a, b in rows}
    assert {what: told.get(what) for what in PROMISES} == PROMISES


def offline_for(
    outage_s: float,
    n: int,
    gateway: Gateway,
    consumer: Consumer,
    proxy: Proxy,
) -> None:
    """Cut the consumer off, publish `n` frames over that time, and let it back."""
    gateway.frames(0, 50)
    consumer.pump.ack(consumer.take_frames(50))
    consumer.settle()
    generation = consumer.pump.generation
    proxy.refuse()
    wait_until(lambda: not consumer.pump.connected)
    began_s, sent = time.monotonic(), 50

    def outage_is_over() -> bool:
        nonlocal sent
        share = min(1.0, (time.monotonic() - began_s) / outage_s)
        due = 50 + round(n * share)
        gateway.post(sent, due - sent)
        sent = due
        return share == 1.0 and len(gateway.acked) == 50 + n

    wait_until(outage_is_over, outage_s + 60, "the end of the outage")
    proxy.heal()
    consumer.reconnected(generation + 1)
    came = seqs(consumer.take_frames({*range(50, 50 + n)}, ack=True))
    # The last acknowledgements of before may have been lost on the way.
    new = [seq for seq in came if seq >= 50]
    assert new == [*range(50, 50 + n)]
    consumer.settle()


@pytest.mark.slow
def test_offline_for_seconds_with_more_than_default_queues_hold(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
    make_proxy: Callable[[int], Proxy],
) -> None:
    """1,500 frames in two seconds without us: each comes once, in order."""
    proxy = make_proxy(broker.port)
    n = 1500
    assert n > DEFAULT_QUEUE
    offline_for(2.0, n, make_gateway(broker.port), make_consumer(proxy.port), proxy)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_offline_for_a_minute(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
    make_proxy: Callable[[int], Proxy],
) -> None:
    """A minute of a whole city, 52 frames a second: each comes once, in order."""
    proxy = make_proxy(broker.port)
    n = 60 * 52
    offline_for(60.0, n, make_gateway(broker.port), make_consumer(proxy.port), proxy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "window"), [(600, 400), pytest.param(3000, 2000, marks=pytest.mark.long)]
)
def test_a_storm_of_repeats_is_bounded_and_loses_nothing(
    broker: Broker,
    make_embedded: Callable[..., EmbeddedBroker],
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
    make_proxy: Callable[[int], Proxy],
    n: int,
    window: int,
) -> None:
    """More than a window, none acknowledged over five reconnects: each counts once."""
    port: int | None = broker.port
    if broker.kind == "nats":
        port = make_embedded(max_ack_pending=window, ack_wait_s=2.0).port
    assert port is not None
    proxy = make_proxy(port)
    gateway = make_gateway(port)
    consumer = make_consumer(proxy.port, limit=window)
    gateway.frames(0, n)
    inbox, pump = consumer.inbox, consumer.pump
    depths: list[int] = []
    for generation in range(2, 7):
        wait_until(lambda: inbox.depth > window // 2, 30, "the window")
        depths.append(inbox.depth)
        proxy.cut()
        consumer.reconnected(generation)
    wait_until(lambda: inbox.depth == inbox.limit, 30, "the window once more")
    assert max(depths) <= inbox.limit
    n_before = pump.counts["connections"]
    seen, counted = SeenFrames(), []

    def drained() -> bool:
        decoded = decode_packets(consumer.take(ack=True, max_n=400), AnyPoint())
        for each in decoded.batch.frames:
            if seen.is_new(each.key):
                counted.append(each.key.seq)
                seen.add(each.key)
        return len(counted) >= n

    wait_until(drained, 60, "every frame")
    assert sorted(counted) == [*range(n)]

    def settled() -> bool:
        # Repeats that were under way come after the last new frame.
        consumer.take(ack=True, max_n=400)
        return pump.unacknowledged == 0

    wait_until(settled, 60, "every PUBACK")
    # It does not go round in circles: what is acknowledged does not come again.
    assert pump.counts["connections"] - n_before <= 3
    gateway.frames(n, 10)
    assert set(seqs(consumer.take_frames({*range(n, n + 10)}, ack=True))) >= {
        *range(n, n + 10)
    }
    # First sight in order, except where new ones overtake the repeated.
    if promised(broker, "order after a reconnect") == "as published":
        assert counted == sorted(counted)


def test_repeats_under_one_number_block_no_acknowledgement(
    nats_broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """A held frame, and the others twice before it is released, as after a reconnect.

    The embedded broker repeats on the same connection. Both copies given while the
    first frame was held left every later acknowledgement waiting for ever.
    """
    gateway = make_gateway(nats_broker.port)
    consumer = make_consumer(nats_broker.port)
    gateway.frames(0, 20)
    held, *others = consumer.take_frames(20)
    consumer.pump.ack(others)
    copies: list[int] = []

    def came_twice() -> bool:
        packets = consumer.take(ack=False)
        consumer.pump.ack([p for p in packets if p.mid != held.mid])
        consumer_held.extend(p for p in packets if p.mid == held.mid)
        copies.extend(seqs(packets))
        return {*copies} >= {*range(20)}

    consumer_held = [held]
    wait_until(came_twice, 20, "the copies")
    assert consumer.pump.counts["acknowledged"] == 0
    consumer.pump.ack(consumer_held)
    consumer.settle()
    gateway.frames(20, 5)
    consumer.take_frames({*range(20, 25)}, ack=True)
    consumer.settle()
    assert consumer.pump.generation == 1


def test_a_full_window_stops_the_broker_and_an_acknowledgement_resumes_it(
    mosquitto_broker: Broker,
    make_embedded: Callable[..., EmbeddedBroker],
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """With a window of 50 no 51st frame comes before an acknowledgement.

    MQTT 5 has the receive maximum for it, the embedded broker `max_ack_pending`.
    """
    embedded = make_embedded(max_ack_pending=50)
    for port in (mosquitto_broker.port, embedded.port):
        assert port is not None
        gateway = make_gateway(port)
        consumer = make_consumer(port, limit=50)
        gateway.frames(0, 120)
        wait_until(lambda c=consumer: c.inbox.depth == 50)
        counts = consumer.pump.counts
        assert (counts["received"], counts["refused_full"]) == (50, 0)

        def drained(c: Consumer = consumer) -> bool:
            c.take(ack=True, max_n=10)
            return len(c.got) >= 120

        wait_until(drained, 20, "all frames")
        assert seqs(consumer.got) == [*range(120)]
        assert counts["refused_full"] == 0


def test_a_flood_without_quality_of_service_breaks_no_connection(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """What no broker would repeat is no reason to connect anew, for all mines."""
    gateway, flooding = make_gateway(broker.port), make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    consumer.inbox.limit = 20
    for seq in range(60):
        flooding.client.publish(data_topic(AREA, MINE), frame(seq), 0)
    counts = consumer.pump.counts
    wait_until(lambda: counts["lost_qos0"] >= 1, 60, "a full inbox")
    consumer.inbox.limit = 2000
    gateway.frames(100, 10)

    def arrived() -> bool:
        consumer.take(ack=True)
        return {*seqs(consumer.got)} >= {*range(100, 110)}

    wait_until(arrived, 60, "what was sent in order")
    assert (counts["forced_redeliveries"], counts["connections"]) == (0, 1)
    consumer.settle()


def test_a_full_inbox_leaves_messages_with_the_broker_until_there_is_room(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """A broker that ignores the window loses nothing: it is made to send again."""
    gateway = make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    consumer.inbox.limit = 20  # as if the broker's window were far over the inbox
    gateway.frames(0, 60)
    counts = consumer.pump.counts
    wait_until(lambda: counts["refused_full"] > 0)
    assert consumer.inbox.depth == 20

    def drained() -> bool:
        consumer.take(ack=True, max_n=20)
        return {*seqs(consumer.got)} == {*range(60)}

    wait_until(drained, 60, "all frames")
    assert counts["forced_redeliveries"] >= 1
    consumer.settle()

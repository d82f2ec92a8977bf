"""A mine that floods the broker: counted as it comes from there, told as an alarm."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from gasmon.alarms.rules import default_rules
from gasmon.clock import ManualClock, SteadyClock
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.ourclock import OurClock
from gasmon.pipeline.standing import Standing
from gasmon.settings import MqttSettings
from gasmon.units import US_PER_S
from tests.fix_broker import Broker
from tests.fix_clock import MachineClock
from tests.fix_pipeline import AREA, MINE, Live, at
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import Gateway, Plant, paired  # noqa: F401
from tests.integration.test_standing import PATIENT, RATE, journal

LIMIT = 60
"""Messages of a mine in a minute; the least that the setting takes."""

FULL = 65
"""Messages that are above it."""


class Place:
    """A pump at a real broker, by a clock that is moved by hand."""

    def __init__(self, broker: Broker) -> None:
        self.clock = ManualClock(at(0))
        settings = MqttSettings(
            host=broker.host, port=broker.port, flood_per_minute=LIMIT
        )
        clock = SteadyClock(self.clock)
        self.inbox, self.live = Inbox(2000), Live()
        self.pump = Pump(settings, self.inbox, clock=clock, boot="b1")
        self.pump.start(wait_s=20)
        our_clock = OurClock(clock, self.live.evaluator.clocks)
        evaluator, floods = self.live.evaluator, self.pump.floods
        self.standing = Standing(default_rules(), evaluator, our_clock, floods)

    def minute(self, gateway: Gateway | None = None) -> list[tuple[str, str]]:
        """Look each five seconds; with a gateway, more than the limit comes first."""
        if gateway is not None:
            due = self.pump.counts["received"] + FULL
            for _ in range(FULL):
                gateway.client.publish(data_topic(AREA, MINE), b"{}", 1)
            wait_until(lambda: self.pump.counts["received"] >= due, 30, "all of them")
            self.pump.ack(self.inbox.take(2000, 0.0))
        said: list[tuple[str, str]] = []
        for _ in range(12):
            self.clock.advance(5)
            now_us = self.clock.now_us()
            judged = self.live.take(marks=[(now_us - at(0)) / US_PER_S])
            self.standing.judge(judged, None, now_us)
            said += [(event.kind, event.event) for event in judged.events]
        return said


@pytest.fixture
def place(broker: Broker) -> Iterator[Place]:
    """Connected and subscribed; its clock stands still until it is moved."""
    place = Place(broker)
    yield place
    place.pump.stop()


@pytest.fixture
def gateway(broker: Broker) -> Iterator[Gateway]:
    """The mine's client."""
    gateway = Gateway(broker)
    yield gateway
    gateway.close()


def test_what_comes_from_the_broker_is_a_flood_after_five_minutes(
    place: Place, gateway: Gateway
) -> None:
    """And over when nothing came for a while, though no message tells so."""
    said = [told for _ in range(4) for told in place.minute(gateway)]
    assert said == []
    said = [told for _ in range(2) for told in place.minute(gateway)]
    assert said == [("message_flood", "raised")]
    said = [told for _ in range(8) for told in place.minute()]
    assert said == [("message_flood", "cleared")]


@pytest.mark.long
def test_a_mine_that_floods_the_broker_is_told_until_it_stops(
    paired: Plant,  # noqa: F811
) -> None:
    """Heard by the mine's relay, recorded, streamed; by a clock that runs fast."""
    clock = MachineClock(RATE)
    # An idle turn waits in our time: a look each three seconds of the plant.
    loop = paired.start(
        clock, mqtt__flood_per_minute=LIMIT, engine__mark_interval_s=0.1, **PATIENT
    )
    gateway = paired.gateway
    gateway.define()
    sent_at: list[int] = []

    def floods() -> int:
        # Over the limit at once in each half minute of the plant, a second of ours.
        half_minute = clock.now_us() // (30 * US_PER_S)
        if half_minute not in sent_at:
            sent_at.append(half_minute)
            for _ in range(FULL):
                gateway.client.publish(data_topic(AREA, MINE), b"{}", 1)
        return len(journal(paired, "message_flood"))

    wait_until(floods, 180, "the alarm")
    assert journal(paired, "message_flood")[0][:4] == ("raised", 1, MINE, AREA)
    kinds = {alarm.kind for told in gateway.told for alarm in told.open}
    assert kinds == {"message_flood"}
    ((body,),) = paired.ask("SELECT body FROM outbox ORDER BY seq LIMIT 1")
    told = orjson.loads(body)
    assert told["explain"]["messages_limit"] == LIMIT
    assert told["explain"]["messages"] > LIMIT
    assert "消息" in told["text"]["zh"]
    open_now = "kind = 'message_flood' AND cleared_at IS NULL"
    wait_until(lambda: paired.count("alarm", open_now) == 0, 180, "the end")
    assert journal(paired, "message_flood")[-1][0] == "cleared"
    gauge = "gasmon_mines_flooding 0"
    # No message comes any more that would say so.
    wait_until(lambda: gauge in paired.metrics.render().splitlines(), 20, "no flood")
    assert loop.failure is None

"""Alarms about what holds: from the condition to relay, tables and platforms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.ingest.connect import hang_up
from gasmon.ingest.payloads import AlarmsPayload, parse_alarms
from gasmon.ingest.topics import platform_alarms_topic
from gasmon.store import db
from gasmon.store.alarms import open_alarms
from tests.fix_clock import MachineClock
from tests.fix_pipeline import CH4, MINE
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Plant,
    paired,
    port_of,
    through,
)

RATE = 30.0
"""Seconds of the plant's day in a second of ours."""

PATIENT = {"engine__mine_stale_after_s": 36_000, "engine__stale_after_s": 36_000}
"""Gateways of these tests send by a slower clock than the plant's."""


class Relay:
    """Hears what gasmon says of itself."""

    def __init__(self, plant: Plant) -> None:
        self.told: list[AlarmsPayload] = []
        self._ready: list[bool] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self._ready.append(True)
        self.client.connect(plant.broker.host, plant.broker.port)
        self.client.subscribe(platform_alarms_topic(), 1)
        self.client.loop_start()
        wait_until(lambda: self._ready, what="the relay's subscription")

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        self.told.append(parse_alarms(message.payload))

    def close(self) -> None:
        hang_up(self.client)


def journal(plant: Plant, kind: str) -> list[tuple[Any, ...]]:
    """(event, rank, subject, area, mine) of a kind, in order."""
    return plant.ask(
        "SELECT j.event, j.rank, a.subject_id, a.area_code::text, a.mine_id"
        " FROM alarm_journal j JOIN alarm a USING (alarm_id)"
        f" WHERE a.kind = '{kind}' ORDER BY j.journal_id"
    )


@pytest.mark.slow
def test_a_filling_spool_is_heard_and_told_once_the_database_is_back(
    paired: Plant,  # noqa: F811
    make_proxy: Callable[[int], Proxy],
    tmp_path: Path,
) -> None:
    """On gasmon's own topic at once; later an alarm of the city without a mine."""
    proxy = make_proxy(port_of(paired.dsn))
    loop = paired.start(
        MachineClock(RATE),
        database__url=through(paired.dsn, proxy),
        ingest__spool_dir=str(tmp_path / "spool"),
        engine__mark_interval_s=1.0,
        **PATIENT,
    )
    relay = Relay(paired)
    wait_until(lambda: relay.told, what="that nothing is raised is told too")
    assert relay.told[-1].open == ()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)

    proxy.refuse()
    paired.gateway.gas(LOW)
    wait_until(lambda: relay.told[-1].open, 30, "the platform's relay sounds")
    (heard,) = relay.told[-1].open
    assert (heard.kind, heard.no) == ("spool_filling", "")
    assert relay.told[-1].valid_until_ms > relay.told[-1].ts_ms
    assert paired.count("alarm") == 0

    proxy.heal()
    wait_until(lambda: not relay.told[-1].open, 30, "it falls silent")
    wait_until(lambda: len(journal(paired, "spool_filling")) >= 2, 20, "both events")
    first, *_, last = journal(paired, "spool_filling")
    assert first == ("raised", 1, "platform-database", "530600", None)
    assert last[0] == "cleared"
    bodies = [orjson.loads(b) for (b,) in paired.ask("SELECT body FROM outbox")]
    assert {(b["kind"], b["area"], b["mine"]) for b in bodies} == {
        ("spool_filling", "530600", None)
    }
    assert "缓存" in bodies[0]["text"]["zh"]
    assert bodies[0]["explain"]["turns"] >= 1
    assert paired.count("mine", "code = ''") == 0
    relay.close()
    assert loop.failure is None


@pytest.mark.slow
def test_points_without_definition_are_told_until_they_are_defined(
    paired: Plant,  # noqa: F811
) -> None:
    """The mine is asked, and asked again; a restart goes on with the same alarm."""
    paired.start(MachineClock(RATE), engine__mark_interval_s=1.0, **PATIENT)
    gateway = paired.gateway

    def sends() -> int:
        gateway.gas(LOW)
        return len(journal(paired, "definitions_missing"))

    wait_until(sends, 40, "the alarm")
    assert journal(paired, "definitions_missing")[0][:3] == ("raised", 2, MINE)
    assert {ask.cmd for ask in gateway.asked} == {"rebirth"}
    with db.connect(paired.settings().database) as conn:
        (before,) = open_alarms(conn, 0)
    assert before.explain["first"] == ["001A01"]

    paired.stop()
    paired.start(MachineClock(RATE), engine__mark_interval_s=1.0, **PATIENT)
    gateway.gas(LOW)
    wait_until(lambda: len(gateway.asked) >= 2, 30, "asked again after the restart")
    gateway.define(CH4)
    gateway.gas(LOW)
    open_now = "kind = 'definitions_missing' AND cleared_at IS NULL"
    wait_until(lambda: paired.count("alarm", open_now) == 0, 30, "the end")
    words = [row[0] for row in journal(paired, "definitions_missing")]
    assert words == ["raised", "cleared"]


@pytest.mark.parametrize("areas", [["530627"], ["530602", "530627"]])
def test_processes_with_areas_of_their_own_speak_for_themselves(
    areas: list[str],
) -> None:
    """Each has its own subject and topic, so none ends another's alarm."""
    topic = platform_alarms_topic(areas)
    assert topic == "gasmon/v1/alarms/" + "-".join(areas)
    assert topic != platform_alarms_topic()

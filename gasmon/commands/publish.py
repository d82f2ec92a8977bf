"""``gasmon replay --publish``: a recorded series over MQTT to a running system.

The series appears as a mine of its own, with definitions, birth and goodbye, at
``--speed`` times its own pace.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.commands.series import Column, Series, definitions
from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.connect import hang_up
from gasmon.ingest.payloads import (
    MineInfo,
    PointInfo,
    UnitInfo,
    encode_data,
    encode_points,
    encode_state,
)
from gasmon.ingest.topics import backfill_topic, data_topic, points_topic, state_topic
from gasmon.settings import Settings, read_secret
from gasmon.units import US_PER_MS, US_PER_S

CONNECT_TIMEOUT_S = 15.0
IN_FLIGHT = 100
"""Unacknowledged frames before the replay waits for the broker."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that ``--publish`` needs."""
    group = parser.add_argument_group("publishing")
    group.add_argument(
        "--publish", action="store_true", help="send over MQTT instead of judging"
    )
    group.add_argument(
        "--speed", type=float, default=1.0, help="times its own pace (default 1)"
    )
    group.add_argument(
        "--times",
        choices=("now", "original"),
        default="now",
        help="stamp frames with the moment of sending (default), or send them as "
        "recorded, as backfill",
    )
    group.add_argument("--username", help="broker's user; default mqtt.username")
    group.add_argument("--password-file", type=Path, metavar="FILE")


def publish(
    args: argparse.Namespace,
    settings: Settings,
    series: Series,
    columns: Sequence[Column],
    until_us: int | None,
) -> int:
    """Send the series; returns the exit code.

    Raises:
        DependencyError: the broker cannot be reached or refuses us.
        ConfigError: a speed that is not above zero.
    """
    if not args.speed > 0:
        raise ConfigError(f"--speed {args.speed:g}: more than 0 is wanted")
    sender = _Sender(args, settings)
    sender.connect()
    try:
        n = sender.send(series, columns, until_us)
    finally:
        sender.close()
    print(json.dumps({"published": n, "mine": args.mine}), file=sys.stderr)
    return 0


class _Sender:
    """One mine's gateway, for as long as the series lasts."""

    def __init__(self, args: argparse.Namespace, settings: Settings) -> None:
        self._mine: str = args.mine
        self._area = self._mine[:6]
        self._speed: float = args.speed
        self._restamp = args.times == "now"
        self._mqtt = settings.mqtt
        self._boot = f"replay{time.time_ns() // 1_000_000:x}"
        self._answered = threading.Event()
        self._refused = ""
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"replay-{self._mine}",
            protocol=paho.MQTTv311,
        )
        username = args.username or self._mqtt.username
        password = read_secret(args.password_file or self._mqtt.password_file)
        if username:
            self._client.username_pw_set(username, password)
        if self._mqtt.tls_ca:
            self._client.tls_set(str(self._mqtt.tls_ca))
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_connect = self._on_connect
        goodbye = encode_state("offline", self._boot, self._now_ms())
        self._client.will_set(
            state_topic(self._area, self._mine), goodbye, qos=1, retain=True
        )

    def _on_connect(self, *args: Any) -> None:
        reason = args[3]
        self._refused = str(reason) if reason.is_failure else ""
        self._answered.set()

    @staticmethod
    def _now_ms() -> int:
        return time.time_ns() // 1_000_000

    def connect(self) -> None:
        where = f"{self._mqtt.host}:{self._mqtt.port}"
        try:
            self._client.connect(self._mqtt.host, self._mqtt.port)
        except OSError as error:
            raise DependencyError(f"MQTT broker {where}: {error}") from None
        self._client.loop_start()
        if not self._answered.wait(CONNECT_TIMEOUT_S):
            hang_up(self._client)
            raise DependencyError(f"MQTT broker {where}: no answer")
        if self._refused:
            hang_up(self._client)
            raise DependencyError(f"MQTT broker {where}: {self._refused}")

    def send(
        self, series: Series, columns: Sequence[Column], until_us: int | None
    ) -> int:
        mine, points = definitions(self._mine, columns)
        self._retain(
            points_topic(self._area, self._mine),
            encode_points(
                self._now_ms(),
                self._now_ms(),
                MineInfo(name=f"回放 {series.path.stem}"),
                [UnitInfo(unit.slug, unit.kind, unit.name) for unit in mine.units],
                [
                    PointInfo(
                        no=p.key.no,
                        system=p.key.system,
                        type=p.sensor_type,
                        kind=p.value_kind,
                        unit_id=p.unit_slug or "",
                        place=p.place,
                        place_class=p.place_class or "",
                        uom=p.uom,
                    )
                    for p in points
                ],
            ),
        )
        birth = encode_state("online", self._boot, self._now_ms())
        self._retain(state_topic(self._area, self._mine), birth)
        # Live frames of long ago would be taken for a wrong clock and judged at their
        # arrival; what is sent again keeps its time.
        channel = data_topic if self._restamp else backfill_topic
        topic = channel(self._area, self._mine)
        started_s, first_us, seq, sent_ms = time.monotonic(), None, 0, 0
        for row in series.rows():
            if until_us is not None and row.at_us >= until_us:
                break
            first_us = row.at_us if first_us is None else first_us
            due_s = (row.at_us - first_us) / US_PER_S / self._speed
            time.sleep(max(0.0, started_s + due_s - time.monotonic()))
            # Frames that were held up leave together, but must not share a moment.
            sent_ms = max(self._now_ms(), sent_ms + 1)
            ts_ms = sent_ms if self._restamp else row.at_us // US_PER_MS
            info = self._client.publish(
                topic, encode_data(self._boot, seq, ts_ms, row.items), qos=1
            )
            seq += 1
            if seq % IN_FLIGHT == 0:
                info.wait_for_publish(CONNECT_TIMEOUT_S)
        if seq:
            info.wait_for_publish(CONNECT_TIMEOUT_S)
        return seq

    def _retain(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(
            CONNECT_TIMEOUT_S
        )

    def close(self) -> None:
        goodbye = encode_state("offline", self._boot, self._now_ms())
        self._retain(state_topic(self._area, self._mine), goodbye)
        hang_up(self._client)

"""Record what mines publish, and publish it again later as if it happened now.

A tape is a text file with a JSON object on each line: seconds since its begin, topic,
whether the message is retained, and the payload as the mine wrote it. On replay every
time in it moves by the same amount, so that the first message is new and the distances
are the same; gateways get a new ``boot``, as after a restart of theirs.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.topics import LIVE_ROOT, parse_topic
from simulators.gateway import boot_name
from simulators.link import Broker

CHANNELS = ("state", "points", "data", "backfill", "event")
_TIMES = ("ts", "start", "end", "max_ts")
_TURN_S = 0.05
_WINDOW = 500
_FLUSH_S = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One message on a tape.

    Attributes:
        after_s: since the begin of the tape [s].
    """

    after_s: float
    topic: str
    retain: bool
    payload: dict[str, Any]


def connected(broker: Broker, client_id: str, patience_s: float) -> mqtt.Client:
    """A connection of its own, with a thread that serves it; ``leave`` ends both.

    Raises:
        DependencyError: nobody answers, or the broker refuses the login.
    """
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311
    )
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls_ca is not None:
        client.tls_set(str(broker.tls_ca))
    said: list[str] = []
    client.on_connect = lambda _c, _u, _f, reason, _p: said.append(
        str(reason) if reason.is_failure else ""
    )
    where = f"MQTT broker {broker.host}:{broker.port}"
    try:
        client.connect(broker.host, broker.port, keepalive=20)
    except OSError as error:
        raise DependencyError(f"{where}: {error}") from None
    client.loop_start()
    deadline_s = time.monotonic() + patience_s
    while not said and time.monotonic() < deadline_s:
        time.sleep(_TURN_S)
    if not said or said[0]:
        leave(client)
        raise DependencyError(f"{where}: {said[0] if said else 'no answer'}")
    return client


def leave(client: mqtt.Client) -> None:
    """End a connection politely, and one that is just coming to be as well."""
    client.disconnect()
    client.loop_stop()
    connection = client.socket()
    if connection is not None:
        connection.close()


def record(
    broker: Broker,
    path: Path,
    duration_s: float,
    patience_s: float,
    stopping: Callable[[], bool],
) -> int:
    """Write down what all mines publish; gives the number of messages.

    Args:
        duration_s: how long [s].
        stopping: true ends it before.

    Raises:
        ConfigError: the file cannot be written.
        DependencyError: the broker cannot be reached.
    """
    client = connected(broker, f"tape-{time.time_ns():x}", patience_s)
    n = 0
    try:
        # Line by line, so that a recording that is killed is whole up to then.
        with path.open("x", encoding="utf-8", buffering=1) as file:
            begin_s = time.monotonic()

            def on_message(_c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
                nonlocal n
                line = _line(message, time.monotonic() - begin_s)
                if line is not None:
                    file.write(line)
                    n += 1

            client.on_message = on_message
            client.subscribe([(f"{LIVE_ROOT}/+/+/{c}", 1) for c in CHANNELS])
            while time.monotonic() < begin_s + duration_s and not stopping():
                time.sleep(_TURN_S)
            # Nothing may come any more when the file is closed.
            leave(client)
    except OSError as error:
        leave(client)
        raise ConfigError(f"{path}: {error}") from None
    return n


def _line(message: mqtt.MQTTMessage, after_s: float) -> str | None:
    """A message as a line; None for what no gateway of the contract writes."""
    try:
        payload = json.loads(message.payload)
    except ValueError:
        return None
    if not isinstance(payload, dict):
        return None
    told = {
        "after_s": round(after_s, 3),
        "topic": message.topic,
        "retain": parse_topic(message.topic).channel in ("state", "points"),
        "payload": payload,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"


def read_tape(path: Path) -> list[Heard]:
    """What is on a tape, in order.

    Raises:
        ConfigError: it is none; names the line.
    """
    try:
        return list(_heard(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _heard(path: Path) -> Iterator[Heard]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                told = json.loads(line)
                heard = Heard(
                    float(told["after_s"]),
                    str(told["topic"]),
                    bool(told["retain"]),
                    dict(told["payload"]),
                )
                parse_topic(heard.topic)
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{path}:{number}: {error!r}") from None
            yield heard


def moved(payload: dict[str, Any], by_ms: int, boot: str) -> dict[str, Any]:
    """A payload as it would be if it were written so much later.

    Args:
        by_ms: how much later [ms].
        boot: what the gateway calls its present start.
    """
    out = dict(payload)
    for name in _TIMES:
        if isinstance(out.get(name), int):
            out[name] += by_ms
    if "boot" in out:
        out["boot"] = f"{boot}-{out['boot']}"[:64]
    if isinstance(out.get("d"), list):
        out["d"] = [
            [*item[:3], item[3] + by_ms] if len(item) > 3 else item for item in out["d"]
        ]
    return out


def replay(
    broker: Broker,
    tape: list[Heard],
    speed: float,
    patience_s: float,
    stopping: Callable[[], bool],
) -> tuple[int, int]:
    """Publish a tape with its times moved; at its own pace, or faster.

    Faster than real time it begins in the past and has caught up at its end.

    Args:
        speed: seconds of the tape per real second.
        stopping: true ends it before.

    Returns:
        Messages published, and of them those that the broker acknowledged.

    Raises:
        ConfigError: no frame of readings is on it.
        DependencyError: the broker cannot be reached.
    """
    frames = [h for h in tape if parse_topic(h.topic).channel == "data"]
    first_ms = next((h.payload["ts"] for h in frames if "ts" in h.payload), None)
    if first_ms is None:
        raise ConfigError("no frame of readings is on the tape")
    start_us = time.time_ns() // 1000
    lasts_s = tape[-1].after_s
    begin_ms = start_us // 1000 - int(lasts_s * 1000 * (1 - 1 / speed))
    client = connected(broker, f"tape-{boot_name(start_us)}", patience_s)
    waiting: deque[mqtt.MQTTMessageInfo] = deque()
    begin_s = time.monotonic()
    n = 0
    for heard in tape:
        due_s = begin_s + heard.after_s / speed
        while not stopping() and (
            time.monotonic() < due_s or n_open(waiting) >= _WINDOW
        ):
            time.sleep(min(_TURN_S, max(0.001, due_s - time.monotonic())))
        if stopping():
            break
        payload = moved(heard.payload, begin_ms - first_ms, boot_name(start_us))
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        waiting.append(client.publish(heard.topic, text, 1, heard.retain))
        n += 1
    deadline_s = time.monotonic() + _FLUSH_S
    while n_open(waiting) and time.monotonic() < deadline_s:
        time.sleep(_TURN_S)
    leave(client)
    return n, n - n_open(waiting)


def n_open(waiting: deque[mqtt.MQTTMessageInfo]) -> int:
    """How many messages are not acknowledged, but for some behind the first of them."""
    while waiting and waiting[0].is_published():
        waiting.popleft()
    return len(waiting)

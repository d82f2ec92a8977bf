"""What a broker tells by itself while the doctor is there: its counters, our state.

Mosquitto publishes its version and what it threw away under ``$SYS``; the NATS server
tells nothing. Ingest announces itself on ``gasmon/v1/state`` at each connection, so
two that throw each other out are heard, without taking anybody's place to find out.
"""

import time

from gasmon.commands.doctor_findings import OK, WARNING, WRONG, Finding
from gasmon.commands.doctor_probe import Probe
from gasmon.ingest.connect import RECONNECT_MAX_S
from gasmon.ingest.payloads import parse_state
from gasmon.ingest.topics import platform_state_topic
from gasmon.settings import MqttSettings

VERSION = "$SYS/broker/version"
UPTIME = "$SYS/broker/uptime"
DROPPED = "$SYS/broker/publish/messages/dropped"

TURN_S = 3 * RECONNECT_MAX_S
LOOK_AGAIN_S = 0.1
"""Two starts heard may be a restart: the first one gets so long to come back, which
it does after at most one wait to reconnect where it only was thrown out."""


class Listener:
    """Listens from its making to ``findings``, beside everything else."""

    def __init__(self, settings: MqttSettings, protocol: str, client_id: str) -> None:
        self._client_id = settings.client_id
        self._probe = Probe(settings, protocol, client_id)
        self._probe.open()
        # Refused where the access list has no such line: then nothing is heard.
        for topic in (platform_state_topic(), VERSION, UPTIME, DROPPED):
            self._probe.subscribe(topic)

    def findings(self) -> list[Finding]:
        """What was heard; the connection is closed.

        Takes up to ``TURN_S`` longer when more than one start of gasmon was heard.
        """
        until = time.monotonic() + TURN_S
        while (
            len({*(boots := self._boots())}) > 1
            and returns(boots) == 0
            and not self._probe.lost
            and time.monotonic() < until
        ):
            time.sleep(LOOK_AGAIN_S)
        got = [*self._probe.got]
        told = {topic: _text(payload) for topic, payload, _, _ in got}
        drops = (_text(payload) for topic, payload, _, _ in got if topic == DROPPED)
        first = next(drops, None)
        self._probe.close()
        return [
            version_finding(told.get(VERSION), told.get(UPTIME)),
            dropped_finding(told.get(DROPPED), first),
            client_id_finding(self._client_id, boots),
            _clock(),
        ]

    def _boots(self) -> list[str]:
        """The starts that said that they are there, in order."""
        return [
            boot
            for topic, payload, _, _ in [*self._probe.got]
            if topic == platform_state_topic() and (boot := _online(payload))
        ]


def returns(boots: list[str]) -> int:
    """How often a start came back after another one had taken its place."""
    turns = [b for i, b in enumerate(boots) if i == 0 or b != boots[i - 1]]
    return len(turns) - len({*turns})


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "replace")[:200]


def _online(payload: bytes) -> str | None:
    """The boot that says that it is there; None when nobody does."""
    try:
        state = parse_state(payload)
    except ValueError:
        return None
    return state.boot if state.s == "online" else None


def version_finding(version: str | None, uptime: str | None) -> Finding:
    """Which broker is it?"""
    if version is None:
        return Finding(
            "broker.version",
            OK,
            "消息服务器未告知版本",
            "the broker does not tell its version",
        )
    since = f", up {uptime}" if uptime else ""
    return Finding(
        "broker.version", OK, f"{version}{since}", f"{version}{since}", version
    )


def dropped_finding(text: str | None, first: str | None = None) -> Finding:
    """Has it thrown messages away for want of room?

    Args:
        first: the same number when the doctor came; what came since is of its own try
            of the queue, as a rule.
    """
    if text is None or not text.isdigit():
        return Finding(
            "broker.dropped",
            OK,
            "消息服务器未告知丢弃数量",
            "the broker does not tell how many messages it has thrown away",
        )
    n = int(text)
    n_since = n - int(first) if first is not None and first.isdigit() else 0
    own_zh = f",其中本次检查期间 {n_since} 条" if n_since > 0 else ""
    own_en = f", {n_since} of them while the doctor tried it" if n_since > 0 else ""
    return Finding(
        "broker.dropped",
        WARNING if n else OK,
        f"启动以来丢弃 {n} 条消息{own_zh}",
        f"{n} messages were thrown away since it started{own_en}"
        + (": some client's queue was full, perhaps ours" if n else ""),
        n,
        "提高 max_queued_messages 和 max_queued_bytes(0 条才正常)" if n else "",
        "raise max_queued_messages and max_queued_bytes; 0 are wanted" if n else "",
    )


def client_id_finding(client_id: str, boots: list[str]) -> Finding:
    """Do two processes come back in turns, each throwing the other out?

    Args:
        boots: starts of gasmon in the order in which they said "online".
    """
    starts = len({*boots})
    back = returns(boots)
    if back == 0:
        return Finding(
            "broker.client_id",
            OK,
            f"{client_id} 没有被两个进程同时使用的迹象",
            f"nothing shows that two processes use client id {client_id}",
            starts,
        )
    return Finding(
        "broker.client_id",
        WRONG,
        f"{starts} 个 gasmon 进程轮流上线:可能共用 {client_id}",
        f"{starts} processes of gasmon come back in turns ({back} times while "
        f"we looked): they use one client id, as {client_id}, and throw each other out",
        starts,
        "为每个采集进程设置不同的 mqtt.client_id,或停掉其中一个",
        "give each ingest process its own mqtt.client_id, or stop one of them",
    )


def _clock() -> Finding:
    return Finding(
        "broker.clock",
        OK,
        "MQTT 不传送时钟:消息服务器的时间无法测量",
        "MQTT carries no clock: the broker's time cannot be measured; nothing of ours "
        "depends on it, arrivals are dated here",
    )

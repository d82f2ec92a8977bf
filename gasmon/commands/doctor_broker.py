"""The doctor's look at the broker: it tries what ingest needs, on topics of its own.

Everything happens under ``gasmon/v1/doctor/…``, which nobody subscribes to, with a
session of its own that is given up at the end. Only the right to publish annunciators
is tried where it counts: for a mine that does not exist.
"""

import contextlib
import secrets
import time
from collections.abc import Iterator

from gasmon.clock import Clock
from gasmon.commands import doctor_queue as queues
from gasmon.commands.doctor_crowd import Crowd
from gasmon.commands.doctor_findings import OK, UNREACHABLE, WARNING, WRONG, Finding
from gasmon.commands.doctor_probe import Probe, greet
from gasmon.commands.doctor_told import Listener
from gasmon.errors import GasmonError
from gasmon.ingest.payloads import encode_alarms
from gasmon.ingest.topics import LIVE_ROOT, alarms_topic, subscriptions
from gasmon.settings import MqttSettings, Settings
from gasmon.units import US_PER_MS

PACKET_BYTES = 1_048_576
"""A broker must carry more than the largest frame that we refuse by name, because one
that cuts the connection instead makes the gateway send the same frame for ever."""

QUEUE_SENT = 1500
"""Frames sent while nobody listens. Brokers as installed keep 1,000 at most; an hour of
a whole city is 62,000 frames, which would take too long to try."""

HELD = 10
"""Messages left unacknowledged over a reconnect."""

OVER = 20
"""Messages sent beyond the window, so that there is one to wait for."""

PHASE_S = 5.0
"""Longest wait in one step [s]."""

NO_MINE = "000000000000"


def check_broker(settings: Settings, clock: Clock) -> list[Finding]:
    """Everything about the broker; one finding when it cannot be reached."""
    mqtt = settings.mqtt
    where = f"{mqtt.host}:{mqtt.port}"
    findings: list[Finding] = []
    try:
        doctor = _Doctor(settings, clock)
        findings.append(doctor.greet())
    except GasmonError as error:
        todo = (
            "检查 mqtt.host、mqtt.port、用户、口令及 TLS",
            "check mqtt.host, mqtt.port, user, password and TLS",
        )
        return [
            Finding(
                "broker.reachable",
                UNREACHABLE,
                f"消息服务器 {where} 连接失败",
                str(error),
                None,
                *todo,
            )
        ]
    try:
        for check in doctor.checks():
            findings += check
    except GasmonError as error:
        findings.append(
            Finding(
                "broker.reachable",
                UNREACHABLE,
                f"检查中与 {where} 的连接断开",
                f"the connection was lost while it was looked at: {error}",
            )
        )
    finally:
        doctor.leave()
    return findings


class _Doctor:
    """The steps in order; each leaves what it made to ``leave``."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._mode = settings.mode
        self._mqtt: MqttSettings = settings.mqtt
        self._areas = settings.ingest.areas
        self._frame_bytes = settings.ingest.max_frame_bytes
        self._clock = clock
        token = secrets.token_hex(6)
        self._root = f"{LIVE_ROOT}/doctor/{token}"
        self._id = f"{self._mqtt.client_id}-doctor-{token}"
        self._protocol = ""
        self._talker: Probe
        self._sessions: set[str] = set()
        self._retained = False

    def greet(self) -> Finding:
        """Connect, with the newest version that both speak.

        Raises:
            GasmonError: it cannot be reached or refuses us.
        """
        self._talker, version = greet(self._mqtt, f"{self._id}-talks")
        self._protocol = version
        return Finding(
            "broker.reachable",
            OK,
            f"消息服务器 {self._mqtt.host}:{self._mqtt.port} 已连接,MQTT {version}",
            f"connected to {self._mqtt.host}:{self._mqtt.port}, MQTT {version}",
            version,
        )

    def _open(self, client_id: str, *, keep_session: bool = False) -> Probe:
        probe = Probe(self._mqtt, self._protocol, client_id, keep_session=keep_session)
        if keep_session:
            self._sessions.add(client_id)
        probe.open()
        return probe

    def checks(self) -> Iterator[list[Finding]]:
        """All findings, step by step."""
        listener = Listener(self._mqtt, self._protocol, f"{self._id}-listens")
        crowd = Crowd(self._mqtt, self._protocol, f"{self._id}-counts")
        yield [self._anonymous()]
        yield [self._subscriptions(), self._alarms()]
        yield self._window_and_session()
        yield [self._keeps_retained(), self._packet_size()]
        yield listener.findings()
        yield [crowd.finding(), _restart()]

    def _anonymous(self) -> Finding:
        """Nobody may come in without a name."""
        nobody = self._mqtt.model_copy(update={"username": None, "password_file": None})
        probe = Probe(nobody, self._protocol, f"{self._id}-nobody")
        try:
            probe.open()
        except GasmonError:
            return Finding(
                "broker.anonymous", OK, "拒绝匿名连接", "nobody gets in without a user"
            )
        probe.close()
        return Finding(
            "broker.anonymous",
            WRONG if self._mode == "production" else WARNING,
            "允许匿名连接",
            "anybody may connect without a user and send frames in a mine's name",
            todo_zh="关闭匿名访问,为每个煤矿建立用户和 ACL",
            todo_en="forbid anonymous access; give each mine a user and an access list",
        )

    def _subscriptions(self) -> Finding:
        """May we hear everything that we must hear?"""
        probe = self._open(f"{self._id}-hears")
        # Without subscribing at QoS 1 to a mine's topics the access list is not tried.
        wanted = subscriptions(self._areas, drills=False)
        refused = [f for f, _ in wanted if not probe.subscribe(f)]
        probe.close()
        level = WRONG if refused else OK
        return Finding(
            "broker.subscribe",
            level,
            f"{len(refused)} 个订阅被拒绝" if refused else "允许全部订阅",
            f"refused: {', '.join(refused[:4])}" if refused else "may subscribe to all",
            len(refused),
            "在 ACL 中允许 gasmon 用户读取这些主题" if refused else "",
            "let our user read these topics in the access list" if refused else "",
        )

    def _alarms(self) -> Finding:
        """May we publish annunciators? What a broker drops silently does not return."""
        topic = alarms_topic(NO_MINE[:6], NO_MINE)
        probe = self._open(f"{self._id}-relay")
        heard: set[bytes] = set()
        if probe.subscribe(topic):
            now_ms = self._clock.now_us() // US_PER_MS
            payload = encode_alarms(now_ms, now_ms, [])
            if self._talker.publish(topic, payload):
                heard = probe.collect(bool, PHASE_S, topic=topic)
        probe.close()
        level = OK if heard else WRONG
        return Finding(
            "broker.alarms",
            level,
            "可以发布报警主题" if heard else "不能发布报警主题 alarms",
            "may publish annunciators"
            if heard
            else "may not publish annunciators: relays at the mines would stay silent",
            bool(heard),
            "" if heard else f"在 ACL 中允许 gasmon 用户写 {LIVE_ROOT}/+/+/alarms",
            "" if heard else f"let our user write {LIVE_ROOT}/+/+/alarms",
        )

    def _window_and_session(self) -> list[Finding]:
        topic, name = f"{self._root}/window", f"{self._id}-session"
        window = self._mqtt.receive_window
        sent = [b"w%d" % i for i in range(window + OVER)]
        listener = self._open(name, keep_session=True)
        if not listener.subscribe(topic):
            listener.close()
            return [queues.cannot_test(topic)]
        n_taken = self._talker.publish_all(topic, sent, 2 * PHASE_S)
        if n_taken == 0:
            listener.close()
            return [queues.cannot_test(topic)]
        unacknowledged = listener.collect(
            lambda got: len(got) >= min(window, n_taken), PHASE_S
        )
        findings = [queues.window(len(unacknowledged), min(window, n_taken))]
        held = self._drain(listener, len(sent))
        # Answered in order: now the broker has read every acknowledgement. Closing
        # with unread messages would otherwise reset the line and lose some.
        listener.publish(f"{self._root}/read", b"")
        listener.close()
        offline = [b"q%d" % i for i in range(QUEUE_SENT)]
        n_sent = self._talker.publish_all(topic, offline, 2 * PHASE_S)
        again = self._open(name, keep_session=True)
        findings.append(queues.session(again.session_present))
        # Subscribed anew, as ingest does: it must not lose what was queued.
        again.subscribe(topic)
        back = again.collect(
            lambda got: held <= got and _n_queued(got) >= n_sent,
            queues.REPEAT_S,
            acknowledge=True,
            patient=True,
        )
        findings.append(queues.queue(_n_queued(back), n_sent))
        findings.append(queues.redelivery(len(held & back), len(held)))
        again.close()
        return findings

    def _drain(self, listener: Probe, n_sent: int) -> set[bytes]:
        """Acknowledge all but the last ones, which are given back."""
        deadline_s = time.monotonic() + PHASE_S
        done = 0
        while time.monotonic() < deadline_s and done < n_sent - HELD:
            done = listener.acknowledge_until(done, n_sent - HELD)
        acknowledged = {payload for _, payload, _, _ in listener.got[:done]}
        return {payload for _, payload, _, _ in listener.got} - acknowledged

    def _keeps_retained(self) -> Finding:
        topic = f"{self._root}/retained"
        self._retained = True
        self._talker.publish(topic, b"kept", retain=True)
        probe = self._open(f"{self._id}-late")
        heard: set[bytes] = set()
        if probe.subscribe(topic):
            heard = probe.collect(bool, PHASE_S, topic=topic)
        probe.close()
        level = OK if heard else WRONG
        return Finding(
            "broker.retained",
            level,
            "保留消息可用" if heard else "不保留消息",
            "keeps retained messages"
            if heard
            else "does not keep retained messages: definitions and annunciators need "
            "them",
            bool(heard),
            "" if heard else "打开 retain 功能",
            ""
            if heard
            else "allow retained messages (Mosquitto: retain_available true)",
        )

    def _packet_size(self) -> Finding:
        topic = f"{self._root}/large"
        talker, listener = self._open(f"{self._id}-big"), self._open(f"{self._id}-bin")
        heard: set[bytes] = set()
        told = talker.greeting.get("MaximumPacketSize")
        if listener.subscribe(topic) and (told is None or told > PACKET_BYTES):
            talker.publish(topic, bytes(PACKET_BYTES))
            if not talker.lost:
                heard = listener.collect(bool, PHASE_S, topic=topic)
        talker.close()
        listener.close()
        ok = bool(heard)
        frame = self._frame_bytes
        return Finding(
            "broker.packet_size",
            OK if ok else WRONG,
            "1 MB 的报文可以通过" if ok else "1 MB 的报文不能通过",
            "carries packets of 1 MB"
            if ok
            else "does not carry a packet of 1 MB: a frame that is too large must be "
            f"refused by us by name (over {frame:,} bytes), not by a cut connection",
            told,
            "" if ok else "提高报文上限(Mosquitto:message_size_limit、max_packet_size)",
            ""
            if ok
            else "raise its limit (Mosquitto: message_size_limit, max_packet_size)",
        )

    def leave(self) -> None:
        """Take back everything that was left at the broker."""
        with contextlib.suppress(GasmonError):
            if self._retained:
                if self._talker.lost:
                    self._talker.close()
                    self._talker = self._open(f"{self._id}-talks")
                self._talker.publish(f"{self._root}/retained", b"", retain=True)
        self._talker.close()
        for client_id in self._sessions:
            # A clean start throws away the session of that name.
            with contextlib.suppress(GasmonError):
                probe = Probe(self._mqtt, self._protocol, client_id)
                probe.open()
                probe.close()


def _n_queued(payloads: set[bytes]) -> int:
    return sum(payload.startswith(b"q") for payload in payloads)


def _restart() -> Finding:
    """What is not measured here must not be taken for measured."""
    return Finding(
        "broker.restart",
        OK,
        "未测:消息服务器重启或断电后是否保留队列;用 --restart before、重启、"
        "--restart after 测量",
        "not measured here: whether its queue survives a restart or a power cut; run"
        " --restart before, restart it, then --restart after",
    )

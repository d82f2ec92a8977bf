"""What a broker forgets over its restart: a mark is left before, and sought after.

Nothing in MQTT tells whether a broker writes its queue to the disk. So the operator
restarts it (or kills it, which is what a power cut does) between two visits.
"""

from gasmon.commands.doctor_findings import OK, UNREACHABLE, WRONG, Finding
from gasmon.commands.doctor_probe import SESSION_S, Probe, greet
from gasmon.errors import GasmonError
from gasmon.ingest.topics import LIVE_ROOT
from gasmon.settings import MqttSettings

QUEUED_TOPIC = f"{LIVE_ROOT}/doctor/restart/queued"
KEPT_TOPIC = f"{LIVE_ROOT}/doctor/restart/kept"
QUEUED = [b"r%d" % i for i in range(20)]
WAIT_S = 5.0

REDELIVERY_S = 15.0
"""What went into a dying connection the embedded broker sends again after 10 s."""


def check_restart(settings: MqttSettings, when: str) -> list[Finding]:
    """Leave the mark or seek it.

    Args:
        when: ``before`` or ``after`` the restart.
    """
    try:
        talker, protocol = greet(settings, f"{settings.client_id}-doctor-mark")
    except GasmonError as error:
        return [
            Finding(
                "broker.reachable",
                UNREACHABLE,
                f"消息服务器 {settings.host}:{settings.port} 连接失败",
                str(error),
                None,
                "检查 mqtt.host、mqtt.port、用户、口令及 TLS",
                "check mqtt.host, mqtt.port, user, password and TLS",
            )
        ]
    name = f"{settings.client_id}-doctor-restart"
    try:
        if when == "before":
            return [_leave(settings, protocol, name, talker)]
        return [_seek(settings, protocol, name, talker)]
    finally:
        talker.close()


def _leave(settings: MqttSettings, protocol: str, name: str, talker: Probe) -> Finding:
    session = Probe(settings, protocol, name, keep_session=True)
    session.open()
    granted = session.subscribe(QUEUED_TOPIC)
    session.close()
    n = talker.publish_all(QUEUED_TOPIC, QUEUED, WAIT_S) if granted else 0
    kept = talker.publish(KEPT_TOPIC, b"kept", retain=True)
    if n < len(QUEUED) or not kept:
        return Finding(
            "broker.persistence",
            WRONG,
            "无法留下标记",
            f"the mark was not left: our user may not use {LIVE_ROOT}/doctor/#",
            n,
            f"在 ACL 中允许 gasmon 用户读写 {LIVE_ROOT}/#",
            f"let our user read and write {LIVE_ROOT}/#",
        )
    return Finding(
        "broker.persistence",
        OK,
        f"已留下标记:{n} 条排队消息和一条保留消息",
        f"a mark is left: {n} queued messages and a retained one",
        n,
        f"{SESSION_S // 60} 分钟内重启消息服务器(kill -9 等同断电),"
        "然后运行 gasmon doctor --restart after",
        f"within {SESSION_S // 60} minutes restart the broker (kill -9 is what a power "
        "cut does), then run: gasmon doctor --restart after",
    )


def _seek(settings: MqttSettings, protocol: str, name: str, talker: Probe) -> Finding:
    session = Probe(settings, protocol, name, keep_session=True)
    session.open()
    remembered = session.session_present
    session.subscribe(QUEUED_TOPIC)
    back = session.collect(
        lambda got: len(got) >= len(QUEUED),
        REDELIVERY_S if remembered else WAIT_S,
        acknowledge=True,
        patient=remembered,
    )
    session.close()
    late = Probe(settings, protocol, f"{name}-late")
    late.open()
    kept = late.subscribe(KEPT_TOPIC) and late.collect(bool, WAIT_S, topic=KEPT_TOPIC)
    late.close()
    talker.publish(KEPT_TOPIC, b"", retain=True)
    # A clean start throws the session away.
    gone = Probe(settings, protocol, name)
    gone.open()
    gone.close()
    lost = [
        word
        for bad, word in (
            (not remembered, "our session"),
            (len(back) < len(QUEUED), f"{len(QUEUED) - len(back)} queued messages"),
            (not kept, "retained messages"),
        )
        if bad
    ]
    return Finding(
        "broker.persistence",
        WRONG if lost else OK,
        f"重启后找回 {len(back)}/{len(QUEUED)} 条排队消息"
        + (",有丢失" if lost else ",保留消息还在"),
        f"{len(back)} of {len(QUEUED)} queued messages are there after the restart"
        + (f"; it forgot {', '.join(lost)}" if lost else ", and the retained one"),
        len(back),
        "Mosquitto:persistence true,缩短 autosave_interval" if lost else "",
        "Mosquitto: persistence true, and a shorter autosave_interval" if lost else "",
    )

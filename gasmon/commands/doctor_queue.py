"""What the doctor says of a broker's window, session and queue, from counting."""

from gasmon.commands.doctor_findings import OK, WARNING, WRONG, Finding
from gasmon.ingest.topics import LIVE_ROOT

REPEAT_S = 11.0
"""Longest wait for what was not acknowledged; the embedded broker repeats after 10 s
[s]."""


def cannot_test(topic: str) -> Finding:
    """Nothing of window and session could be tried."""
    return Finding(
        "broker.window",
        WARNING,
        "无法测量窗口和会话",
        f"window and session were not measured: our user may not use {topic}",
        todo_zh=f"在 ACL 中允许 gasmon 用户读写 {LIVE_ROOT}/#",
        todo_en=f"let our user read and write {LIVE_ROOT}/#",
    )


def window(got: int, wanted: int) -> Finding:
    """Are enough frames sent before one is acknowledged?"""
    short = got < wanted
    return Finding(
        "broker.window",
        WRONG if short else OK,
        f"未确认时送达 {got} 条(需要 {wanted})",
        f"delivers {got} frames before one is acknowledged, {wanted} are needed"
        + (": a slow disk would stall all mines" if short else ""),
        got,
        f"Mosquitto:max_inflight_messages {wanted}" if short else "",
        f"Mosquitto: max_inflight_messages {wanted}; NATS: max_ack_pending {wanted}"
        if short
        else "",
    )


def session(present: bool) -> Finding:
    """Was our session kept?"""
    return Finding(
        "broker.session",
        OK if present else WRONG,
        "断线后会话仍在" if present else "断线后会话丢失",
        "keeps our session while we are away"
        if present
        else "forgot our session: frames sent while we are away are lost",
        present,
        "" if present else "打开持久会话(Mosquitto:persistence true)",
        ""
        if present
        else "allow persistent sessions (Mosquitto: persistence true, "
        "no short persistent_client_expiration)",
    )


def queue(got: int, sent: int) -> Finding:
    """Was everything kept that came while we were away?"""
    short = got < sent
    return Finding(
        "broker.queue",
        WRONG if short else OK,
        f"离线期间发送 {sent} 条,收到 {got} 条,需要全部",
        f"of {sent} frames sent while we were away {got} came, all are needed"
        + (
            ": the rest of the mines' data is lost"
            if short
            else "; an hour of a whole city is 62,000: look at its limit"
        ),
        got,
        "Mosquitto:max_queued_messages 100000" if short else "",
        "Mosquitto: max_queued_messages 100000" if short else "",
    )


def redelivery(back: int, held: int) -> Finding:
    """Did what was not acknowledged come again?"""
    missing = held - back
    return Finding(
        "broker.redelivery",
        WARNING if missing else OK,
        f"未确认的 {held} 条中 {back} 条重新送达",
        f"{back} of {held} unacknowledged frames came again after a reconnect"
        + (f" within {REPEAT_S:g} s" if missing else ""),
        back,
        "确认服务器最终会重发未确认的消息" if missing else "",
        "make sure that it repeats them in the end (NATS: after its ack_wait)"
        if missing
        else "",
    )

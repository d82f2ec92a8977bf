"""How much each mine sends while the doctor is there: one that floods delays all."""

import time
from collections import Counter
from typing import Any

from gasmon.commands.doctor_findings import OK, WARNING, Finding
from gasmon.commands.doctor_probe import Probe
from gasmon.ingest.topics import LIVE_ROOT, parse_topic
from gasmon.settings import MqttSettings


class Crowd(Probe):
    """Counts messages of mines, at QoS 0 and without keeping any."""

    def __init__(self, settings: MqttSettings, protocol: str, client_id: str) -> None:
        """Listen from now on."""
        super().__init__(settings, protocol, client_id)
        self._limit = settings.flood_per_minute
        self._topics: Counter[str] = Counter()
        self.open()
        self._began_s = time.monotonic()
        # Refused where the access list has no such line: then nothing is heard.
        self._client.subscribe(f"{LIVE_ROOT}/+/+/#", 0)

    def finding(self) -> Finding:
        """What was heard so far; the connection is closed."""
        self.close()
        by_mine: Counter[str] = Counter()
        for topic, n in self._topics.items():
            try:
                by_mine[parse_topic(topic).mine] += n
            except ValueError:
                continue
        return crowd_finding(by_mine, time.monotonic() - self._began_s, self._limit)

    def _on_message(self, *args: Any) -> None:
        message = args[2]
        if not message.retain:
            self._topics[message.topic] += 1


def crowd_finding(by_mine: Counter[str], seconds: float, limit: int) -> Finding:
    """Does one mine send far more than mines do?

    Args:
        by_mine: messages of each within ``seconds``.
        limit: messages of one mine in a minute that are not a flood yet.
    """
    if not by_mine:
        return Finding(
            "broker.busiest_mine",
            OK,
            f"{seconds:.0f} s 内没有煤矿发送报文",
            f"no mine sent anything within {seconds:.0f} s",
            0,
        )
    (mine, n), n_mines = by_mine.most_common(1)[0], len(by_mine)
    # Of a short look a few messages at once would make a flood.
    rate = round(n * 60 / max(seconds, 1.0))
    is_flood = rate > limit
    return Finding(
        "broker.busiest_mine",
        WARNING if is_flood else OK,
        f"{seconds:.0f} s 内听到 {n_mines} 座煤矿,最多的 {mine} 每分钟 {rate} 条"
        f"(上限 {limit})",
        f"of {n_mines} mines heard within {seconds:.0f} s, {mine} sends the most:"
        f" {rate} messages a minute, {limit} are allowed",
        rate,
        "联系该矿;其他煤矿的报警排在其后,必要时在消息服务器上停用其用户"
        if is_flood
        else "",
        "tell the mine: alarms of others wait behind it; if need be bar its user at the"
        " broker"
        if is_flood
        else "",
    )

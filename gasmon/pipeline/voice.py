"""What ingest says over the broker: to mines' relays, and to gateways.

Used by the evaluating thread alone, right after each turn and before any disk.
"""

import logging
from collections.abc import Collection

from gasmon.clock import Clock
from gasmon.ingest.gaps import GapKeeper
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.payloads import CmdReq, encode_cmd_req
from gasmon.ingest.topics import cmd_req_topic
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.evaluate import Judged

REBIRTH_EVERY_S = 300.0
"""A mine is asked for its definitions at most this often [s]."""

log = logging.getLogger(__name__)


class Voice:
    """Says what a turn found out, as far as the broker is there."""

    def __init__(
        self,
        pump: Pump,
        annunciator: Annunciator,
        gaps: GapKeeper,
        clock: Clock,
        run: int = 0,
    ) -> None:
        self._run = run
        self._pump = pump
        self._annunciator = annunciator
        self._gaps = gaps
        self._clock = clock
        self._generation = 0
        self._asked_s: dict[str, float] = {}

    def announce(
        self,
        judged: Judged,
        confirmed: dict[str, int] | None,
        undefined: Collection[str],
        now_us: int,
    ) -> None:
        """Tell the mines' relays what is raised, and ask for missing definitions.

        Args:
            confirmed: alarm key → rank, when it was read anew.
            undefined: mines whose points still send without a definition.
        """
        annunciator, pump = self._annunciator, self._pump
        annunciator.apply(judged.events)
        annunciator.know(judged.online)
        if confirmed is not None:
            annunciator.confirm(confirmed)
        if not pump.connected:
            return
        if pump.generation != self._generation:
            self._generation = pump.generation
            annunciator.reconnected()
        for mine, topic, payload in annunciator.due(now_us):
            if not pump.publish(topic, payload, retain=True):
                annunciator.again(mine)
        for mine in {key.mine for key in judged.unknown}.union(undefined):
            self._ask_for_definitions(mine)

    def _ask_for_definitions(self, mine: str) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._asked_s.get(mine, -REBIRTH_EVERY_S) < REBIRTH_EVERY_S:
            return
        self._asked_s[mine] = now_s
        request = CmdReq(id=f"rebirth-{self._clock.now_us():x}", cmd="rebirth")
        self._pump.publish(
            cmd_req_topic(mine[:6], mine, self._run), encode_cmd_req(request)
        )

    def ask_for_gaps(self, judged: Judged) -> None:
        """Ask gateways to send again what is missing between their frames.

        What is missing for good becomes a refusal of this turn, by name.
        """
        now_s = self._clock.monotonic_s()
        frames = [frame for batch in judged.batches for frame in batch.frames]
        self._gaps.heard(frames, now_s)
        for told in judged.responses:
            self._gaps.answered(told.run, told.mine, told.response, now_s)
        for lost in self._gaps.lost.tell(now_s, self._clock.now_us()):
            log.warning("%s", lost.detail)
            judged.rejects.append(lost)
        if not self._pump.connected:
            return
        for resend in self._gaps.due(now_s):
            topic = cmd_req_topic(resend.mine[:6], resend.mine, resend.run)
            self._pump.publish(topic, encode_cmd_req(resend.request))

"""The pump of drills: a session of its own, which says nothing of gasmon itself.

Whether gasmon lives is told by the live pump alone; the end of this one is no reason
for a relay to sound. Its session is not kept: what a drill sent while nobody judged it
is of no use to anybody.
"""

from collections.abc import Sequence

import paho.mqtt.client as paho

from gasmon.clock import Clock
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.topics import DRILL_ROOT, subscriptions
from gasmon.settings import MqttSettings

WINDOW = 256
"""Packets that the broker may send ahead, and that wait here at most: a second of a
county's drill. What comes faster waits at the broker, not in our memory."""


class DrillPump(Pump):
    """A client of the trees of drills only."""

    def __init__(
        self,
        settings: MqttSettings,
        inbox: Inbox,
        *,
        clock: Clock,
        boot: str,
        areas: Sequence[str] = (),
    ) -> None:
        """Describe it; nothing is connected before ``start``.

        Args:
            settings: of the live pump; the client id gets ``-drills`` behind it.
            inbox: takes ``WINDOW`` packets or more.
            areas: codes of the areas that this process owns; none means all.
        """
        own = {
            "client_id": f"{settings.client_id}-drills",
            "receive_window": WINDOW,
            "session_expiry_s": 0,
        }
        super().__init__(
            settings.model_copy(update=own),
            inbox,
            clock=clock,
            boot=boot,
            filters=[
                one for one in subscriptions(areas) if one[0].startswith(DRILL_ROOT)
            ],
        )

    def _make_client(self) -> paho.Client:
        client = super()._make_client()
        client.will_clear()
        return client

    def _announce(self, word: str) -> paho.MQTTMessageInfo | None:
        return None

"""The annunciator: what is raised now at each mine, on a retained MQTT topic each.

Alarms about gasmon itself have no mine; they are on a topic of their own.

It is fed by the engine's events before they are stored, so a relay in a dispatch room
sounds even while the database is away. What planned work keeps quiet is not in it: the
mine asked for that and an upper tier agreed, while a shelf, which an upper tier makes
by itself, silences no mine. Each message carries until when it may be
trusted; a relay takes silence for a reason to sound.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.alarms.planned import is_silent
from gasmon.ingest.payloads import RaisedAlarm, encode_alarms
from gasmon.ingest.topics import alarms_topic, platform_alarms_topic
from gasmon.units import US_PER_MS, US_PER_S

REFRESH_US = 20 * US_PER_S
"""How often an unchanged message is sent again [µs]."""

PLATFORM = ""
"""Stands for gasmon itself where a mine is meant: alarms without a mine."""

VALID_US = 3 * REFRESH_US
"""How long a message may be trusted [µs]: two refreshes may get lost."""


@dataclass(slots=True)
class _Mine:
    open: dict[str, RaisedAlarm]
    due_us: int = 0


class Annunciator:
    """What is raised, by mine, and when each mine's message is due."""

    def __init__(self, run: int = 0, areas: Sequence[str] = ()) -> None:
        """Know nothing yet.

        Args:
            areas: codes of the areas that this process owns; none means all. Each
                annunciator topic has one writer, also where several processes are.
        """
        self._run = run
        self._areas = areas
        self._mines: dict[str, _Mine] = {}

    def know(self, mines: Iterable[str]) -> None:
        """Keep these mines informed, also of having nothing raised."""
        for mine in mines:
            self._mines.setdefault(mine, _Mine({}))

    def restore(self, mine: str, key: str, alarm: RaisedAlarm) -> None:
        """Go on with an alarm that was open before."""
        self.know([mine])
        self._mines[mine].open[key] = alarm

    def apply(self, events: Iterable[AlarmEvent]) -> None:
        """Take what the engine said; the mines concerned are due at once."""
        for event in events:
            if event.late and event.event == "raised":
                continue
            if event.kind in MINE_ONLY_KINDS:
                continue  # help for the mine's page; a relay sounds for alarms
            self.know([event.mine])
            mine = self._mines[event.mine]
            if event.event == "cleared" or is_silent(event):
                mine.open.pop(event.key, None)
            else:
                old = mine.open.get(event.key)
                mine.open[event.key] = RaisedAlarm(
                    id=event.key,
                    no=event.no or "",
                    kind=event.kind,
                    rank=event.rank,
                    value=event.value,
                    since_ms=event.raised_at_us // US_PER_MS,
                    # A level above the confirmed one alarms again.
                    confirmed=bool(old and old.confirmed and event.rank <= old.rank),
                )
            mine.due_us = 0

    def confirm(self, ranks: Mapping[str, int]) -> None:
        """Take over confirmations: alarm key → the rank it was confirmed at."""
        for mine in self._mines.values():
            for key, alarm in mine.open.items():
                confirmed = ranks.get(key, -1) >= alarm.rank
                if confirmed != alarm.confirmed:
                    mine.open[key] = replace(alarm, confirmed=confirmed)
                    mine.due_us = 0

    def due(self, now_us: int) -> list[tuple[str, str, bytes]]:
        """Messages to publish now: (mine, topic, payload).

        A message counts as sent; ``again`` takes that back.
        """
        out = []
        for code, mine in self._mines.items():
            # Further ahead than a refresh: our clock went back since.
            if now_us < mine.due_us <= now_us + REFRESH_US:
                continue
            payload = encode_alarms(
                now_us // US_PER_MS,
                (now_us + VALID_US) // US_PER_MS,
                sorted(mine.open.values(), key=lambda a: (-a.rank, a.since_ms)),
            )
            out.append((code, self._topic(code), payload))
            mine.due_us = now_us + REFRESH_US
        return out

    def _topic(self, code: str) -> str:
        if code == PLATFORM:
            return platform_alarms_topic(self._areas, self._run)
        return alarms_topic(code[:6], code, self._run)

    def topics(self) -> list[str]:
        """Where something of ours may be retained."""
        return [self._topic(code) for code in self._mines]

    def again(self, mine: str) -> None:
        """The message of this mine did not leave; it stays due."""
        self._mines[mine].due_us = 0

    def reconnected(self) -> None:
        """Everything is due: the broker may have lost what it retained."""
        for mine in self._mines.values():
            mine.due_us = 0

    @property
    def n_open(self) -> int:
        """Alarms that are raised now."""
        return sum(len(mine.open) for mine in self._mines.values())

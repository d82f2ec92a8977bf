"""Gaps in the numbers of frames, and when a gateway is asked to fill them (pure).

A gateway keeps its last frames in a ring. What the broker does not deliver by itself
is asked for on `cmd/req` (`resend`), patiently and not for ever: first after any
redelivery had its time, then at doubling intervals, until the ring has surely been
overwritten. What comes back arrives on `backfill` and is judged in event time; what
does not is told (`lost.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from gasmon.batch import Frame
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.lost import TELL_AFTER, LostFrames
from gasmon.ingest.payloads import CmdReq, CmdRes

ASK_AFTER_S = 15.0
"""First request [s] after a gap was seen: the embedded broker's redelivery (10 s) and
the resequencer's hold (12 s) fill most gaps without anybody being asked."""

FORGET_AFTER_S = 3600.0
"""A gap is given up then [s]: a ring of 240 frames at the usual 15 s a cycle."""

FRAMES_AT_ONCE = 720
"""Longest range that is asked for [frames]: an hour at 5 s a cycle; of a longer gap
the newest part, which is what a ring still holds."""

GAPS_PER_MINE = 32
"""Gaps kept of one mine; the oldest is given up for a newer one."""

WIDER = f"a ring holds {FRAMES_AT_ONCE} frames at most"
"""Why the older part of a longer gap is not asked for."""

RANGES_PER_MINE = 4
"""Ranges asked of one mine in one go: it answers each with up to 720 frames."""

RANGES_PER_CALL = 32
"""Requests of one call: after an outage of the broker all mines have gaps, and their
answers must not crowd out live frames. A city of 259 mines is asked within 9 calls."""


@dataclass(frozen=True, slots=True)
class Resend:
    """A request to publish on the mine's `cmd/req`."""

    run: int
    mine: str
    request: CmdReq


@dataclass(slots=True, eq=False)
class _Gap:
    """A stretch that did not arrive; parts of it may have since.

    Attributes:
        due_s: when it is looked at next.
        wait_s: how long after that the next time.
        forget_s: when it is given up.
    """

    run: int
    mine: str
    boot: str
    first: int
    last: int
    due_s: float
    wait_s: float
    forget_s: float

    @property
    def place(self) -> tuple[int, str, str]:
        """Run, mine and boot."""
        return self.run, self.mine, self.boot


class GapKeeper:
    """Remembers gaps and makes requests of them; not thread-safe.

    Gaps open before our eyes, in front of a frame that arrives now. With the first
    frame of a gateway after our start that is the one which our own absence left, and
    those which our former process was still asking for: what was stored before is
    known. Of these only what a ring can still hold; the rest is history.

    Attributes:
        n_gaps: gaps found.
        n_given_up: gaps given up: refused, too old, or too many.
        lost: what was given up, until it is told.
    """

    def __init__(
        self,
        seen: SeenFrames,
        name: str,
        *,
        ask_after_s: float = ASK_AFTER_S,
        forget_after_s: float = FORGET_AFTER_S,
    ) -> None:
        """Begin with no gaps.

        Args:
            seen: which frames were accepted; the caller adds before it calls `heard`.
            name: part of each request's id, another one for each start of ours, so
                that an answer to an earlier process is not taken for ours.
            ask_after_s: patience before the first request, doubled each time [s].
            forget_after_s: after this a gap is given up [s].
        """
        self.n_gaps = 0
        self.n_given_up = 0
        self.lost = LostFrames(seen, TELL_AFTER * ask_after_s)
        self._seen = seen
        self._name = name
        self._ask_after_s = ask_after_s
        self._forget_after_s = forget_after_s
        self._newest: dict[tuple[int, str], tuple[str, int]] = {}
        self._gaps: dict[tuple[int, str], list[_Gap]] = {}
        self._asked: dict[str, tuple[_Gap, int]] = {}
        self._n_asked = 0
        self._due_s = inf

    @property
    def n_open(self) -> int:
        """Gaps that are waited for now, as far as looked at."""
        return sum(len(gaps) for gaps in self._gaps.values())

    def heard(self, frames: Sequence[Frame], now_s: float) -> None:
        """Look at accepted frames, after they were added to `SeenFrames`.

        Args:
            frames: in the order in which they were judged.
            now_s: monotonic time [s].
        """
        for frame in frames:
            if frame.channel != "data":
                continue
            key = frame.key
            place = key.run, key.mine
            boot, newest = self._newest.get(place, ("", -1))
            if boot != key.boot:
                for first, last in self._before(frame):
                    self._open(frame, first, last, now_s)
            elif key.seq <= newest:
                continue
            elif key.seq > newest + 1:
                self._open(frame, newest + 1, key.seq - 1, now_s)
            self._newest[place] = key.boot, key.seq

    def _before(self, frame: Frame) -> list[tuple[int, int]]:
        """What is missing before the first frame of a boot that we hear."""
        key = frame.key
        known = self._gaps.get((key.run, key.mine), ())
        return [
            (first, last)
            for first, last in self._seen.missing(key.run, key.mine, key.boot)
            if key.seq - FRAMES_AT_ONCE <= last < key.seq
            # A frame of another start may have come in between.
            and not any(g.boot == key.boot and g.last == last for g in known)
        ]

    def _open(self, frame: Frame, first: int, last: int, now_s: float) -> None:
        key = frame.key
        asked_from = max(first, last - FRAMES_AT_ONCE + 1)
        if first < asked_from:
            place = key.run, key.mine, key.boot
            self.lost.note(place, first, asked_from - 1, WIDER, now_s)
        gap = _Gap(
            key.run,
            key.mine,
            key.boot,
            asked_from,
            last,
            due_s=now_s + self._ask_after_s,
            wait_s=2 * self._ask_after_s,
            forget_s=now_s + self._forget_after_s,
        )
        gaps = self._gaps.setdefault((gap.run, gap.mine), [])
        if len(gaps) >= GAPS_PER_MINE:
            self._give_up(gaps[0], f"over {GAPS_PER_MINE} gaps at once", now_s)
        # Giving up the last one takes the mine's list away; never with 32 of them.
        gaps.append(gap)
        self.n_gaps += 1
        self._due_s = min(self._due_s, gap.due_s)

    def due(self, now_s: float) -> list[Resend]:
        """Requests to publish now; each is counted as asked.

        Args:
            now_s: monotonic time [s]. Call it while the broker is connected.
        """
        if now_s < self._due_s:
            return []
        requests: list[Resend] = []
        for gaps in list(self._gaps.values()):
            of_mine = 0
            for gap in list(gaps):
                if gap.due_s > now_s:
                    continue
                room = min(RANGES_PER_MINE - of_mine, RANGES_PER_CALL - len(requests))
                asked = self._ask(gap, now_s, room)
                of_mine += len(asked)
                requests += asked
        waiting = (gap.due_s for gaps in self._gaps.values() for gap in gaps)
        self._due_s = min(waiting, default=inf)
        return requests

    def _ask(self, gap: _Gap, now_s: float, room: int) -> list[Resend]:
        missing = list(self._missing(gap))
        if not missing:
            self._close(gap)
            return []
        if now_s >= gap.forget_s:
            self._give_up(gap, "asked for in vain until it was too old", now_s)
            return []
        if room <= 0:
            return []  # stays due: the next call asks
        gap.due_s = now_s + gap.wait_s
        gap.wait_s *= 2
        requests = []
        # The newest first: a ring overwrites the oldest, and the newest matter most.
        for first, last in reversed(missing[-room:]):
            self._n_asked += 1
            id_ = f"resend-{self._name}-{self._n_asked}"
            self._asked[id_] = gap, last
            request = CmdReq(id_, "resend", gap.boot, first, last)
            requests.append(Resend(gap.run, gap.mine, request))
        return requests

    def _missing(self, gap: _Gap) -> Iterator[tuple[int, int]]:
        for first, last in self._seen.missing(gap.run, gap.mine, gap.boot):
            if last >= gap.first and first <= gap.last:
                yield max(first, gap.first), min(last, gap.last)

    def answered(self, run: int, mine: str, response: CmdRes, now_s: float) -> bool:
        """Take a gateway's answer.

        A refusal ends the asking for that range and all before it: what the gateway
        still has is on its way, and a ring loses the oldest first.

        Args:
            now_s: monotonic time [s].

        Returns:
            Whether the answer belongs to a request of ours to that mine.
        """
        gap, last = self._asked.get(response.id, (None, 0))
        if gap is None or (gap.run, gap.mine) != (run, mine):
            return False
        del self._asked[response.id]
        if not response.ok:
            why = f"refused by the gateway: {response.error[:100] or 'no reason'}"
            if last >= gap.last:
                self._give_up(gap, why, now_s)
            elif last >= gap.first:
                self.lost.note(gap.place, gap.first, last, why, now_s)
                gap.first = last + 1
        return True

    def forget_run(self, run: int) -> None:
        """Forget a drill that is over."""
        self.lost.forget_run(run)
        for gaps in [g for place, g in self._gaps.items() if place[0] == run]:
            for gap in list(gaps):
                self._close(gap)
        for place in [place for place in self._newest if place[0] == run]:
            del self._newest[place]

    def _give_up(self, gap: _Gap, why: str, now_s: float) -> None:
        self.n_given_up += 1
        self.lost.note(gap.place, gap.first, gap.last, why, now_s)
        self._close(gap)

    def _close(self, gap: _Gap) -> None:
        place = gap.run, gap.mine
        gaps = self._gaps[place]
        gaps.remove(gap)
        if not gaps:
            del self._gaps[place]
        for id_ in [i for i, (of, _) in self._asked.items() if of is gap]:
            del self._asked[id_]

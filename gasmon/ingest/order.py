"""Putting frames back in order after a reconnect: pure, and free when not needed.

A broker may send new frames before the ones that were under way when the connection
broke: the embedded one repeats those only when its `ack_wait` (10 s) runs out. So for a
short while after each new connection a frame that leaves a gap behind the newest one
of its (mine, boot) is held until the gap closes, or the while is over. Upload files,
which nobody counts, wait for the end of the while (`order_files.py`). Why nothing is
let past, not even an alarm: `docs/decisions/0013-resequencing.md`.

Nothing waits here in ordinary times: no packet is looked into, none is delayed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import orjson

from gasmon.batch import Packet
from gasmon.ingest.dedupe import BOOTS_PER_MINE, SeenFrames
from gasmon.ingest.order_files import FileOrder
from gasmon.ingest.topics import parse_topic

HOLD_S: Mapping[str, float] = {"3.1.1": 12.0, "5": 2.0}
"""Longest hold by protocol version [s]. The embedded broker speaks 3.1.1 and repeats
within its ack_wait of 10 s, plus 2 s on the way. Mosquitto speaks 5 and repeats first
of all, so there the hold only covers frames that are lost for good."""

LIMIT = 1000
"""Packets held in all: half of the window (`mqtt.receive_window` 2,000), because a held
packet is not acknowledged and the frames of other mines must still get through. A city
(259 mines, a frame each 5 s) sends 624 in 12 s. When it is reached, a backlog pours in:
all are passed on, and what comes after them is judged as late."""

PER_MINE = 120
"""Packets held of one mine, whatever its boots: ten a second for 12 s, fifty times the
fastest cycle. A gateway that jumps about in its numbers, or between names of its start,
cannot take the room of others."""

LATE_S = 0.5
"""A hold whose end was seen so much too late was not watched: this process was stopped,
or could not hand on what it had judged [s]. Ours."""

WIDEST_GAP = 2000
"""Frames that can be under way at once: the window. A wider gap was not under way."""

_HEAD = re.compile(
    rb'\s*\{\s*"v"\s*:\s*1\s*,\s*"boot"\s*:\s*"([^"\\\x00-\x1f]{1,256})"\s*,'
    rb'\s*"seq"\s*:\s*(0|[1-9][0-9]{0,17})\s*,'
)
"""How our own encoder begins a frame. Reading it costs 1 µs, parsing it all 10–50 µs.
A later key of the same name would be the one that counts in decoding; to be fooled
about the order only disturbs the order."""


def peek(payload: bytes) -> tuple[str, int] | None:
    """Boot and number of a frame, or None when it has none that can be read."""
    head = _HEAD.match(payload)
    if head is not None:
        try:
            return head[1].decode(), int(head[2])
        except UnicodeDecodeError:
            return None
    try:
        obj = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if type(obj) is not dict:
        return None
    boot, seq = obj.get("boot"), obj.get("seq")
    return (boot, seq) if type(boot) is str and type(seq) is int else None


def _by_number(frames: Sequence[Packet]) -> list[Packet]:
    """Frames of several starts: each start's by their numbers, behind one another."""
    boots: dict[str, int] = {}
    placed = []
    for packet in frames:
        head = peek(packet.payload)
        assert head is not None, "it was looked into when it came"
        placed.append((boots.setdefault(head[0], len(boots)), head[1]))
    order = sorted(range(len(frames)), key=placed.__getitem__)
    return [frames[place] for place in order]


@dataclass(frozen=True, slots=True)
class Ordered:
    """What one call passes on.

    Attributes:
        packets: to be decoded now, in this order.
        held: put aside by this call (a later packet of it may have released some).
            Their mines were heard: a hold must not look like silence. Their readings
            and acknowledgements come later.
    """

    packets: Sequence[Packet]
    held: Sequence[Packet] = ()


@dataclass(slots=True)
class _Line:
    """The frames of one (mine, boot) while it is watched.

    Attributes:
        newest: everything up to here is passed on or given up.
        waiting: heap of (seq, order of arrival, packet); None was passed on already.
        after: frames of the mine's next boot, which come behind those that wait.
        until_s: when the waiting end.
    """

    newest: int
    waiting: list[tuple[int, int, Packet | None]] = field(default_factory=list)
    after: list[Packet] = field(default_factory=list)
    until_s: float = 0.0


class Resequencer:
    """Puts data frames back in order by (run, mine, boot, seq); not thread-safe.

    What was accepted before is asked of `SeenFrames`, which the caller keeps up to
    date anyway (also over a restart), so that nothing is to be told here.

    Attributes:
        hold_s: longest hold from the next connection on [s]; 0 holds nothing. May be
            set when it is known what the broker speaks (`HOLD_S`).
        n_held: packets that are held now.
        n_reordered: packets that were held and passed on in order.
        n_given_up: packets that were passed on with a gap before them.
    """

    def __init__(
        self, seen: SeenFrames, hold_s: float = HOLD_S["3.1.1"], limit: int = LIMIT
    ) -> None:
        """Begin without a connection; the first packets count as a new one.

        Args:
            seen: which frames were accepted; read only.
            hold_s: longest hold of a packet [s].
            limit: packets held in all.
        """
        self.hold_s = hold_s
        self.n_held = 0
        self.n_reordered = 0
        self.n_given_up = 0
        self._seen = seen
        self._limit = limit
        self._generation: int | None = None
        self._until_s = float("-inf")
        self._lines: dict[tuple[str, str], _Line] = {}
        self._of_mine: dict[str, list[_Line]] = {}
        self._files = FileOrder(seen, PER_MINE)
        self._count = 0

    def order(self, packets: Sequence[Packet], now_s: float) -> Ordered:
        """Take packets in order of arrival and pass on what may be judged now.

        Call it also without packets, at `next_wakeup_s` at the latest.

        Args:
            packets: any channels; only frames of `data`, and upload files with values
                that came from the broker, are ever held.
            now_s: monotonic time [s].

        Returns:
            What to decode now. All packets of a line of frames leave within `hold_s`.
        """
        if packets and packets[-1].generation != self._generation:
            # The newest connection: generations only rise within what was taken.
            self._generation = packets[-1].generation
            self._until_s = now_s + self.hold_s
        elif self.n_held == 0 and not self._lines and now_s >= self._until_s:
            return Ordered(packets)
        due_s = self.next_wakeup_s()
        if due_s is not None and now_s > due_s + LATE_S:
            # Nobody took packets for a while: what closes the gap may be among them.
            out: list[Packet] = []
            held = self._take_all(packets, out)
            return Ordered([*out, *self._end_holds(now_s)], held)
        out = self._end_holds(now_s)
        if now_s >= self._until_s:
            return Ordered([*out, *packets] if out else packets)
        held = self._take_all(packets, out)
        return Ordered(out, held)

    def _take_all(self, packets: Sequence[Packet], out: list[Packet]) -> list[Packet]:
        """Pass packets on, with what they release; returns what is held."""
        held: list[Packet] = []
        for packet in packets:
            if self._take(packet, out):
                held.append(packet)
                if self.n_held >= self._limit:
                    self._give_up_all(out)
        return held

    def _end_holds(self, now_s: float) -> list[Packet]:
        """What waited for long enough."""
        out = self._overdue(now_s)
        if now_s >= self._until_s:
            self._forget_lines()
        return out

    def next_wakeup_s(self) -> float | None:
        """When `order` must be called again [s, monotonic]; None when nothing waits."""
        if self.n_held == 0:
            return None
        waiting = (line.until_s for line in self._lines.values() if line.waiting)
        return min(self._until_s, self._files.next_s(), *waiting)

    def _take(self, packet: Packet, out: list[Packet]) -> bool:
        """Pass a packet on, with what it releases; returns whether it is held."""
        if self._until_s == float("-inf"):
            out.append(packet)
            return False
        stem, _, channel = packet.topic.rpartition("/")
        if stem.endswith("/file"):
            return self._take_file(packet, out)
        head = peek(packet.payload) if channel in ("data", "backfill") else None
        line = None if head is None else self._line(stem, head[0])
        if head is not None and line is None and channel == "data":
            before = self._waiting_of(stem)
            if before is not None:
                # A gateway that started anew does not overtake its former start.
                before.after.append(packet)
                self.n_held += 1
                return not self._bound(stem, out)
        if line is None or head is None:
            out.append(packet)
            if head is not None and channel == "data":
                # What follows it is put in order behind it.
                self._begin(stem, *head)
            return False
        seq = head[1]
        gap = seq - line.newest - 1
        if gap <= 0:
            out.append(packet)
            if gap == 0:
                line.newest = seq
                self._release(line, out)
            return False
        if channel == "backfill":
            # Sent again on purpose and never in order: it only helps to close gaps.
            out.append(packet)
            self._push(line, seq, None)
            self._bound(stem, out)
            return False
        if gap > WIDEST_GAP:
            self._give_up(line, out)
            line.newest = seq
            out.append(packet)
            return False
        self._push(line, seq, packet)
        self.n_held += 1
        return not self._bound(stem, out)

    def _take_file(self, packet: Packet, out: list[Packet]) -> bool:
        """Hold an upload file, or pass it on; returns whether it is held."""
        passed = self._files.take(packet, self._until_s)
        if passed is None:
            self.n_held += 1
            return True
        out += passed
        self.n_held -= len(passed) - 1
        self.n_reordered += len(passed) - 1
        return False

    def _let_files_go(self, now_s: float, out: list[Packet]) -> None:
        """Pass on the files whose hold is over, by their times."""
        files = self._files.due(now_s)
        self.n_held -= len(files)
        self.n_reordered += len(files)
        out += files

    def _line(self, stem: str, boot: str) -> _Line | None:
        """The line of a frame; None when nothing before it is known."""
        line = self._lines.get((stem, boot))
        if line is None:
            try:
                topic = parse_topic(stem + "/data")
            except ValueError:
                return None
            newest = self._seen.newest(topic.run, topic.mine, boot)
            if newest is None:
                return None
            line = self._begin(stem, boot, newest)
        return line

    def _begin(self, stem: str, boot: str, newest: int) -> _Line | None:
        """Watch a start of a gateway from here on; None beyond what a mine may have."""
        lines = self._of_mine.setdefault(stem, [])
        if len(lines) >= BOOTS_PER_MINE:
            return None
        line = self._lines[stem, boot] = _Line(newest)
        lines.append(line)
        return line

    def _waiting_of(self, stem: str) -> _Line | None:
        """The line of a mine in which frames wait; None when none does."""
        lines = self._of_mine.get(stem, ())
        return next((line for line in lines if line.waiting), None)

    def _forget_lines(self) -> None:
        self._lines.clear()
        self._of_mine.clear()

    def _push(self, line: _Line, seq: int, packet: Packet | None) -> None:
        if not line.waiting:
            line.until_s = self._until_s
        self._count += 1
        heappush(line.waiting, (seq, self._count, packet))

    def _release(self, line: _Line, out: list[Packet]) -> None:
        """Pass on what no gap stands before any more."""
        while line.waiting and line.waiting[0][0] <= line.newest + 1:
            seq, _, packet = heappop(line.waiting)
            line.newest = max(line.newest, seq)
            if packet is not None:
                out.append(packet)
                self.n_held -= 1
                self.n_reordered += 1
        if not line.waiting:
            after = self._taken_behind(line)
            self.n_reordered += len(after)
            for packet in after:
                # A gap among them is waited for like any other.
                self._take(packet, out)

    def _taken_behind(self, line: _Line) -> list[Packet]:
        """What came behind a line in which nothing waits any more; held no more."""
        after, line.after = line.after, []
        self.n_held -= len(after)
        return after

    def _bound(self, stem: str, out: list[Packet]) -> bool:
        """Give a mine up that waits for too much; returns whether it was."""
        lines = self._of_mine[stem]
        if sum(len(line.waiting) + len(line.after) for line in lines) <= PER_MINE:
            return False
        for line in lines:
            self._give_up(line, out)
        return True

    def _give_up(self, line: _Line, out: list[Packet]) -> None:
        """Pass on all that wait in a line; what comes from before them is late."""
        while line.waiting:
            seq, _, packet = heappop(line.waiting)
            line.newest = max(line.newest, seq)
            if packet is not None:
                out.append(packet)
                self.n_held -= 1
                self.n_given_up += 1
        # The while is over, or there is no room: in order as far as they came.
        out += _by_number(self._taken_behind(line))

    def _give_up_all(self, out: list[Packet]) -> None:
        for line in self._lines.values():
            self._give_up(line, out)
        self._forget_lines()
        self._let_files_go(float("inf"), out)
        self._until_s = float("-inf")

    def _overdue(self, now_s: float) -> list[Packet]:
        out: list[Packet] = []
        for line in self._lines.values():
            # The while itself may end before a line's, when `hold_s` was lowered.
            if line.waiting and now_s >= min(line.until_s, self._until_s):
                self._give_up(line, out)
        # The while may be over before a file's, as above.
        self._let_files_go(float("inf") if now_s >= self._until_s else now_s, out)
        return out

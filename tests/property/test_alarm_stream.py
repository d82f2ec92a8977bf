"""Both ends of the alarm stream over a line that does anything: once each, in order."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from gasmon.remote.client_session import (
    ClientSession,
    Fail,
    Held,
    Keep,
    Send,
    Wish,
)
from gasmon.remote.session import Begin, Close, ServerSession, State, judge_resume
from tests.fix_examples import examples

OURS, THEIRS = "530627", "530626"
KINDS = ("over_limit", "smoke")

Op = tuple[str, int, int]


@dataclass
class Entry:
    """One row of the outbox."""

    seq: int
    area: str
    rank: int
    kind: str

    @property
    def id(self) -> str:
        return f"event {self.seq}"

    @property
    def body(self) -> str:
        return json.dumps({"id": self.id, "kind": self.kind})


@dataclass
class File:
    """What the client's disk holds, and what it handed on."""

    held: Held | None = None
    handed: list[str] = field(default_factory=list)

    def keep(self, keep: Keep) -> None:
        known = set(self.handed)
        self.handed += [e.id for e in keep.events if e.id not in known]
        self.held = Held(keep.position, keep.subscription)


@dataclass
class World:
    """A server with its outbox, a client with its file, and one line between them."""

    wish: Wish
    outbox: list[Entry] = field(default_factory=list)
    epoch: str = "e0"
    file: File = field(default_factory=File)
    down: deque[str] = field(default_factory=deque)
    up: deque[str] = field(default_factory=deque)
    server: ServerSession | None = None
    client: ClientSession | None = None

    def connect(self) -> None:
        """A new connection; what was on the old line is gone."""
        self.down.clear()
        self.up.clear()
        self.server = ServerSession(
            epoch=self.epoch,
            allows_area=lambda area: True,
            heartbeat_s=5.0,
            max_frame_bytes=10_000,
            at_s=0.0,
        )
        self.client = ClientSession(self.wish, self.file.held)
        hello = {"type": "hello", "epoch": self.epoch, "head": self.head}
        more = {"heartbeat_s": 5, "principal": "p", "areas": None, "offers": ["kinds"]}
        self.down.append(json.dumps({**hello, **more}))

    def cut(self) -> None:
        """The line breaks."""
        self.server = self.client = None

    @property
    def head(self) -> int:
        return self.outbox[-1].seq if self.outbox else 0

    def wanted(self) -> list[Entry]:
        """What the client asks for, whatever the session thinks."""
        wish = self.wish
        return [
            entry
            for entry in self.outbox
            if entry.rank >= wish.min_rank
            and (wish.areas is None or entry.area in wish.areas)
            and (wish.kinds is None or entry.kind in wish.kinds)
        ]

    def write(self, step: int, what: int) -> None:
        """Commit an event, and tell it where somebody listens."""
        area = OURS if what & 1 else THEIRS
        entry = Entry(self.head + 1 + step % 3, area, what % 5, KINDS[what % 2])
        self.outbox.append(entry)
        self._tell([entry])

    def beat(self) -> None:
        """A heartbeat of each side."""
        if self.server is not None and self.server.state is State.STREAMING:
            self.down.append(self.server.heartbeat(self.head, 0, 0))
        if self.client is not None:
            self.up.append(self.client.heartbeat())

    def _tell(self, entries: list[Entry]) -> None:
        session = self.server
        if session is None or session.state is not State.STREAMING:
            return
        for entry in entries:
            if session.wants(entry.area, entry.rank, entry.kind):
                frame = session.event(entry.seq, entry.body)
                self.down.extend([frame] if frame else [])

    def hear(self) -> None:
        """The server takes one frame."""
        if not self.up:
            return
        text = self.up.popleft()
        for action in self.server.receive(text, 0.0) if self.server else ():
            if isinstance(action, Close):
                self.cut()
            else:
                self._answer(action)
        if self.server is not None and self.server.acked:
            assert self.file.held is not None
            assert self.server.acked <= self.file.held.position[1]

    def _answer(self, begin: Begin) -> None:
        assert self.server is not None
        if begin.resume is not None:
            refusal = judge_resume(
                begin.resume, epoch=self.epoch, first_seq=1, last_seq=self.head
            )
            if refusal is None:
                self.down.append(self.server.resumed(begin.resume[1]))
                self._tell([e for e in self.outbox if e.seq > begin.resume[1]])
                return
            self.down.append(
                json.dumps({"type": "refused", "reason": refusal[0], "detail": ""})
            )
        bodies = [entry.body for entry in self.wanted()]
        self.down.append(self.server.snapshot(self.head, bodies))

    def arrive(self, n: int, n_actions: int | None = None) -> None:
        """The client takes n frames at once; it may die after some of the actions."""
        if self.client is None:
            return
        batch = [self.down.popleft() for _ in range(min(n, len(self.down)))]
        for number, action in enumerate(self.client.take(batch)):
            if n_actions is not None and number >= n_actions:
                # What it had sent may arrive all the same.
                while self.up:
                    self.hear()
                self.cut()
                return
            if isinstance(action, Keep):
                self.file.keep(action)
            elif isinstance(action, Send):
                self.up.append(action.text)
            elif isinstance(action, Fail):
                self.cut()
                return

    def spoil(self, how: str, line: deque[str], at: int) -> None:
        """Do something to a frame that is on its way."""
        if not line:
            return
        at %= len(line)
        if how == "repeat":
            line.insert(at, line[at])
        elif how == "swap":
            line[at], line[at - 1] = line[at - 1], line[at]
        elif how == "lose":
            del line[at]
        else:
            line[at] = line[at][: len(line[at]) // 2]

    def do(self, op: Op) -> None:
        """One thing that happens."""
        name, a, b = op
        match name:
            case "write":
                self.write(a, b)
            case "connect" if self.client is None:
                self.connect()
            case "flow":
                self.flow()
            case "cut":
                self.cut()
            case "beat":
                self.beat()
            case "hear":
                self.hear()
            case "arrive":
                self.arrive(1 + a)
            case "die":
                self.arrive(1 + a, b)
            case "restore":
                self.epoch = f"{self.epoch}'"
                self.cut()
            case "repeat" | "swap" | "lose" | "half":
                self.spoil(name, self.down if b % 2 else self.up, a)

    def flow(self) -> None:
        """A good line for a moment: all that is on its way arrives."""
        while self.client is not None and (self.down or self.up):
            self.arrive(len(self.down))
            self.hear()

    def come_to_rest(self) -> None:
        """A good line at last: everything arrives."""
        self.cut()
        self.connect()
        self.flow()
        self.beat()
        self.flow()


NORMAL = [
    "connect",
    "flow",
    "flow",
    "write",
    "write",
    "write",
    "arrive",
    "hear",
    "beat",
]
FAULTS = ["cut", "die", "restore", "repeat", "swap", "lose", "half"]
names = st.sampled_from([*NORMAL, *FAULTS])
ops = st.lists(
    st.tuples(names, st.integers(0, 5), st.integers(0, 9)), min_size=30, max_size=60
)
wishes = st.builds(
    Wish,
    st.sampled_from([None, (OURS,)]),
    st.integers(0, 3),
    st.sampled_from([None, ("smoke",)]),
)


@examples(120)
@given(wishes, ops)
@example(Wish(), [("connect", 0, 0), ("arrive", 0, 0), ("hear", 0, 0), ("die", 0, 1)])
def test_every_event_is_handed_on_once_and_in_order(wish: Wish, ops: list[Op]) -> None:
    """Cuts, crashes, lost, doubled, swapped and torn frames: the file is the outbox."""
    world = World(wish)
    for op in ops:
        world.do(op)
    world.come_to_rest()

    assert world.file.handed == [entry.id for entry in world.wanted()]
    assert world.file.held is not None
    assert world.file.held.position == (world.epoch, world.head)

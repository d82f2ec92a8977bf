"""``fanout``: one alarm event to 4, 100 and 1,000 platforms, and catching up.

A real ``gasmon api`` serves its stream to many subscribers of one process; events are
committed one at a time as ingest commits them, and timed from before their commit
until the first and until the last subscriber has them. In turns with that, a bare
broadcast of the ``websockets`` library sends the same bytes to as many clients. Then
one subscriber that missed everything reads it from the outbox through the stream,
beside a bare SELECT of the same rows.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from benchmarks.latency import bench_token
from benchmarks.parts import Gasmon
from benchmarks.report import Report, significant, spread
from benchmarks.servers import servers
from gasmon.alarms.events import AlarmEvent
from gasmon.clock import SystemClock
from gasmon.embedded.process import LOOPBACK
from gasmon.errors import GasmonError
from gasmon.remote import frames
from gasmon.store import alarms, outbox
from gasmon.store.db import Connection
from gasmon.store.db import connect as connect_database

PAGE = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        subscribers: how many there are, one number after the other.
        n_events: events of each, and as many of the bare broadcast.
        n_missed: events that a subscriber must catch up with.
    """

    subscribers: tuple[int, ...] = (4, 100, 1000)
    n_events: int = 60
    n_missed: int = 20_000


QUICK = Size(subscribers=(4, 20), n_events=4, n_missed=200)


@dataclass(slots=True)
class Writer:
    """Who decides: raises and clears one alarm after the other."""

    conn: Connection
    n: int = 0

    def tell(self) -> int:
        """Commit one event; returns when that began, on the monotonic clock [ns]."""
        self.record(1)
        began_ns = time.monotonic_ns()
        self.conn.commit()
        return began_ns

    def record(self, n_events: int) -> None:
        """Record events in the present transaction."""
        now_us = SystemClock().now_us()
        events = [self._event(self.n + i, now_us) for i in range(n_events)]
        self.n += n_events
        alarms.record(self.conn, events, frames.encode_body, now_us)

    def _event(self, number: int, now_us: int) -> AlarmEvent:
        is_over, raised_us = number % 2 == 0, number // 2
        return AlarmEvent(
            event="raised" if is_over else "cleared",
            kind="over_limit",
            rule="law:FACE_T1",
            subject_type="point",
            subject_id="530627000001-01-001A01",
            area="530627",
            mine="530627000001",
            system="01",
            no="001A01",
            unit="11121",
            raised_at_us=now_us - now_us % 10**9 + raised_us * 1000,
            happened_at_us=now_us,
            arrived_at_us=now_us,
            decided_at_us=now_us,
            rank=2,
            value=1.2 if is_over else 0.5,
            limit=1.0,
            peak=1.2,
            peak_at_us=now_us,
            explain={"limit": 1.0, "since": "2026-11-27T08:00:00.000+08:00"},
        )


@dataclass(slots=True)
class Crowd:
    """Subscribers in a process of their own."""

    child: subprocess.Popen[str]

    def wait(self) -> list[str]:
        """Their next line.

        Raises:
            GasmonError: they are gone.
        """
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise GasmonError("the subscribers' process ended")
        return line.split()

    def arrival(self, began_ns: int) -> tuple[float, float]:
        """When the first and the last of them had the event that began then [ms]."""
        _, first_ns, last_ns = self.wait()
        return (int(first_ns) - began_ns) / 1e6, (int(last_ns) - began_ns) / 1e6


@dataclass(slots=True)
class Arrivals:
    """First and last arrivals of one way [ms]."""

    first_ms: list[float] = field(default_factory=list)
    last_ms: list[float] = field(default_factory=list)

    def note(self, arrival: tuple[float, float]) -> None:
        """One event came."""
        self.first_ms.append(arrival[0])
        self.last_ms.append(arrival[1])


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    details: dict[str, Any] = {}
    value = ceiling = 0.0
    with (
        servers() as where,
        Gasmon(
            "api",
            where,
            {"api.max_streams_per_principal": str(size.subscribers[-1] + 1)},
        ) as api,
    ):
        token = bench_token(where)
        with connect_database(where.database) as conn:
            writer = Writer(conn)
            writer.tell()
            for n in size.subscribers:
                own, bare = _arrivals(writer, api.port, token, n, size.n_events)
                lasts = spread(own.last_ms), spread(bare.last_ms)
                value, ceiling = lasts[0]["p50"], lasts[1]["p50"]
                details[f"{n} subscribers"] = {
                    "first_ms": spread(own.first_ms),
                    "last_ms": lasts[0],
                    "bare_first_ms": spread(bare.first_ms),
                    "bare_last_ms": lasts[1],
                    "ratio": significant(value / ceiling, 3),
                }
            details["catching up"] = _catching_up(writer, api.port, token, size)
        settings = {"events": size.n_events, "missed": size.n_missed}
        return Report(
            benchmark="fanout",
            unit=f"ms to the last of {size.subscribers[-1]}, median",
            value=value,
            ceiling=ceiling,
            settings={**settings, **where.settings()},
            details=details,
        )


def _arrivals(
    writer: Writer, port: int, token: str, n: int, n_events: int
) -> tuple[Arrivals, Arrivals]:
    own, bare = Arrivals(), Arrivals()
    with ExitStack() as stack:
        server = stack.enter_context(_child("fanout_bare"))
        assert server.stdout is not None
        assert server.stdin is not None
        bare_port = int(server.stdout.readline())
        ours = _crowd(stack, "gasmon", port, n, token)
        theirs = _crowd(stack, "bare", bare_port, n)
        for number in range(n_events + 3):
            began_ns = writer.tell()
            arrival = ours.arrival(began_ns)
            line = _frame(writer.conn)
            began_ns = time.monotonic_ns()
            server.stdin.write(line + "\n")
            server.stdin.flush()
            arrival_bare = theirs.arrival(began_ns)
            # The first ones find cold caches and plans.
            if number >= 3:
                own.note(arrival)
                bare.note(arrival_bare)
    return own, bare


def _frame(conn: Connection) -> str:
    """The newest event as gasmon sent it."""
    epoch = outbox.position(conn).epoch
    row = conn.execute("SELECT seq, body FROM outbox ORDER BY seq DESC LIMIT 1")
    told = row.fetchone()
    conn.commit()
    assert told is not None
    return frames.event(epoch, int(str(told[0])) - 1, int(str(told[0])), str(told[1]))


def _catching_up(writer: Writer, port: int, token: str, size: Size) -> dict[str, float]:
    """Events a second through the stream, and of a bare SELECT."""
    position = outbox.position(writer.conn)
    for _ in range(0, size.n_missed, PAGE):
        writer.record(min(PAGE, size.n_missed))
        writer.conn.commit()
    head = outbox.position(writer.conn).last_seq
    began_s = time.monotonic()
    n_bytes = 0
    after = position.last_seq
    while rows := outbox.read(writer.conn, after, PAGE):
        n_bytes += sum(len(row.body) for row in rows)
        after = rows[-1].seq
    bare_s = time.monotonic() - began_s
    writer.conn.commit()
    began_s = time.monotonic()
    n_read = _resume(port, token, position, head)
    own_s = time.monotonic() - began_s
    return {
        "events": n_read,
        "events_per_s": significant(n_read / own_s),
        "select_per_s": significant(n_read / bare_s),
        "ratio": significant(bare_s / own_s, 3),
    }


def _resume(port: int, token: str, position: outbox.Position, head: int) -> int:
    """Read everything after a position; returns how many events that were."""
    n = 0
    with connect(
        f"ws://{LOOPBACK}:{port}/api/v1/stream/alarms",
        subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
        max_size=2**24,
    ) as socket:
        for text in socket:
            frame = orjson.loads(text)
            if frame["type"] == "hello":
                wish = frames.subscribe(
                    epoch=position.epoch,
                    seq=position.last_seq,
                    areas=None,
                    min_rank=0,
                )
                socket.send(wish)
            elif frame["type"] == "event":
                n += 1
                if frame["seq"] >= head:
                    return n
            elif frame["type"] == "refused":
                raise GasmonError(f"the position was refused: {frame['detail']}")
    raise GasmonError(f"the stream ended after {n} events")


def _crowd(stack: ExitStack, kind: str, port: int, n: int, token: str = "") -> Crowd:
    arguments = [kind, str(port), str(n), *([token] if token else [])]
    crowd = Crowd(stack.enter_context(_child("fanout_clients", *arguments)))
    if crowd.wait() != ["ready"]:
        raise GasmonError(f"not all of {n} subscribers got in")
    return crowd


@contextmanager
def _child(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as child:
        try:
            yield child
        finally:
            child.terminate()

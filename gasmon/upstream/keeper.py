"""The database's side of following: one connection that holds the lock and writes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gasmon.remote.client_session import Held, Keep
from gasmon.remote.frames import encode_body
from gasmon.remote.held_seals import problem
from gasmon.remote.parsing import Hello, Result, Seal
from gasmon.store import following, upstream
from gasmon.store.db import Connection, retry_deadlock
from gasmon.store.following import Heard, Taken
from gasmon.store.jobs import take_lock
from gasmon.store.points import ensure_areas
from gasmon.store.seals import held_seals, hold_seal, newest_held
from gasmon.store.upstream import Followed, Queue, Waiting
from gasmon.units import US_PER_H, iso_us, parse_iso_us
from gasmon.upstream.heard import Unreadable, read_body


@dataclass(slots=True)
class Keeper:
    """Writes what is heard, and remembers what is to be said.

    Attributes:
        name: of the node above.
        now_us: wall time [µs UTC].
    """

    conn: Connection
    name: str
    now_us: Callable[[], int]

    def begin(self) -> bool:
        """Become the one who follows; False while another process does."""
        if not take_lock(self.conn, upstream.LOCK_KEY):
            return False
        ensure_areas(self.conn)
        self.conn.commit()
        return True

    def held(self) -> Held | None:
        """Where we are; None before the first snapshot."""
        here = upstream.followed(self.conn)
        self.conn.commit()
        if here is None:
            return None
        return Held((here.epoch, here.seq), here.subscription)

    def newest_seal(self) -> int:
        """Hour of the newest seal held of the node above [µs UTC]; 0 for none."""
        newest = newest_held(self.conn)
        self.conn.commit()
        return newest

    def keep_seal(self, seal: Seal) -> dict[str, Any] | None:
        """Keep the seal of an hour; what is wrong with it, None when nothing is."""
        with self.conn.transaction():
            wrong = problem(seal, held_seals(self.conn, seal.hour_us - US_PER_H))
            hold_seal(self.conn, seal.hour_us, seal.hash, seal.body, self.now_us())
        if wrong is None:
            return None
        return {"hour": iso_us(seal.hour_us), "hash": seal.hash, "reason": wrong}

    def keep(self, action: Keep, hello: Hello) -> Taken:
        """Events and the position that they reach, in one transaction.

        Raises:
            Unfinished: more must come before these can be kept; nothing was.
        """
        heard: list[Heard] = []
        unreadable: list[str] = []
        for one in action.events:
            try:
                heard.append(read_body(orjson.loads(one.body)))
            except Unreadable as error:
                unreadable.append(str(error))
        now_us = self.now_us()
        here = Followed(
            name=self.name,
            principal=hello.principal,
            epoch=action.position[0],
            seq=action.position[1],
            subscription=action.subscription,
            heartbeat_s=hello.heartbeat_s,
            heard_us=now_us,
            complete_to_us=None,
        )

        def once() -> Taken:
            with self.conn.transaction():
                # First, because what is heard of an alarm needs to know whose it is.
                upstream.keep_position(self.conn, here)
                over: list[Heard] = []
                # What cannot be read may be of any alarm: then none is taken for over.
                if action.snapshot_reason is not None and not unreadable:
                    over = self._over(heard, now_us, "history" in hello.offers)
                return following.take(self.conn, [*over, *heard], self.name, now_us)

        taken = retry_deadlock(once)
        taken.refused += unreadable
        return taken

    def _over(self, heard: list[Heard], now_us: int, has_cleared: bool) -> list[Heard]:
        """What a snapshot says by silence."""
        over = following.missing(
            *(self.conn, [one.event for one in heard], self.name, now_us),
            has_cleared=has_cleared,
        )
        return [
            replace(read_body(orjson.loads(encode_body(event))), number=number)
            for number, event in over
        ]

    def heard(self, complete_to: str) -> None:
        """A heartbeat: everything up to a time is here."""
        upstream.keep_heard(self.conn, parse_iso_us(complete_to), self.now_us())
        self.conn.commit()

    def next_command(self) -> Waiting | None:
        """The oldest command without an answer."""
        found = upstream.next_command(self.conn)
        self.conn.commit()
        return found

    def answered(self, result: Result) -> None:
        """The node above said what came of a command."""
        upstream.answered(
            self.conn, result.key, result.status, result.detail, self.now_us()
        )
        self.conn.commit()

    def queue(self) -> Queue:
        """How it stands with the commands."""
        found = upstream.queue(self.conn)
        self.conn.commit()
        return found

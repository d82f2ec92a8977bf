"""Nodes that follow another node, and what each of them knows of alarms."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from gasmon.alarms.closing import load_closing
from gasmon.clock import SystemClock
from gasmon.embedded.process import free_port
from gasmon.remote.frames import encode_body
from gasmon.settings import DatabaseSettings, Settings, UpstreamSettings
from gasmon.store import access, db
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from tests.fix_api import World
from tests.fix_command import Command
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until


def story(conn: db.Connection, area: str | None = None) -> dict[str, set[Any]]:
    """What a database knows of alarms that nodes must agree on.

    Steps of escalation are left out: each node calls its own people.
    """
    rows = conn.execute(
        "SELECT j.event_id, j.event, j.rank, j.actor, j.tier, j.note, j.cause_code,"
        " (SELECT r.event_id FROM alarm_journal r WHERE r.journal_id = j.refers_to)"
        " FROM alarm_journal j JOIN alarm a USING (alarm_id)"
        " WHERE (%s::text IS NULL OR a.area_code = %s::text) AND event <> 'escalated'"
        " AND NOT (event = 'status_requested' AND tier IS NULL)",
        (area, area),
    ).fetchall()
    marks = conn.execute(
        "SELECT a.subject_id, a.kind, a.raised_at, c.tier, c.rank, c.principal,"
        " c.confirmed_at FROM confirmation c JOIN alarm a USING (alarm_id)"
        " WHERE %s::text IS NULL OR a.area_code = %s::text",
        (area, area),
    ).fetchall()
    is_open = conn.execute(
        "SELECT subject_id, kind, raised_at, rank FROM alarm WHERE cleared_at IS NULL"
        " AND (%s::text IS NULL OR area_code = %s::text)",
        (area, area),
    ).fetchall()
    conn.commit()
    assert len(set(rows)) == len(rows)
    return {"journal": set(rows), "marks": set(marks), "open": set(is_open)}


@dataclass
class Node:
    """A node that follows another one: its database, and perhaps its process.

    Attributes:
        port: of the node above, or of a proxy before it.
        token: the node's, up there.
        officer: a token of its own duty officer, once it was started.
    """

    name: str
    dsn: str
    port: int
    token: str
    folder: Path
    role: str = "county_officer"
    own_port: int = 0
    officer: str = ""
    child: Command | None = None

    @property
    def settings(self) -> Settings:
        """As its operator would set it."""
        secret = self.folder / f"{self.name}.token"
        secret.write_text(self.token, "ascii")
        return Settings(
            mode="test",
            database=DatabaseSettings(url=self.dsn),
            upstream=UpstreamSettings(
                url=f"ws://127.0.0.1:{self.port}", name="hub", token_file=secret
            ),
        )

    @contextmanager
    def connect(self) -> Iterator[db.Connection]:
        """A connection to its database."""
        with db.connect(DatabaseSettings(url=self.dsn)) as conn:
            yield conn

    def story(self) -> dict[str, set[Any]]:
        """What it knows."""
        with self.connect() as conn:
            return story(conn)

    def do(self, action: str, role: str = "county_officer", **more: Any) -> int:
        """Somebody of this node does something with its newest alarm."""
        who = access.Principal(1, f"{role}@home", role, None, None)
        wish = Wish(action, **more)
        with self.connect() as conn:
            alarm_id = newest(conn)
            done = act(
                *(conn, alarm_id, who, wish),
                rules=LifeRules(load_closing(None), 60),
                encode=encode_body,
                now_us=SystemClock().now_us(),
            )
        return done.record_id

    # As a process

    def start(self) -> None:
        """``gasmon serve`` with its settings."""
        self.own_port = self.own_port or free_port()
        if not self.officer:
            with self.connect() as conn:
                self.officer = access.create_token(
                    conn,
                    name=f"officer of {self.name}",
                    role=self.role,
                    areas=None,
                    mines=None,
                    now_us=SystemClock().now_us(),
                )
        self.child = Command(self._arguments(), self.folder / f"{self.name}.log")

    def answers(self) -> None:
        """Wait until its API does."""

        def look() -> bool:
            assert self.child is not None
            if self.child.poll() is not None:
                log = (self.folder / f"{self.name}.log").read_text("utf-8")
                raise RuntimeError(f"{self.name} ended: {log[-2000:]}")
            return self.ask("GET", "/me") is not None

        wait_until(look, 90.0, f"{self.name} answers")

    def _arguments(self) -> list[str]:
        settings = self.settings
        told = {
            "mode": "test",
            "database.url": self.dsn,
            "api.port": str(self.own_port),
            "duty.interval_s": "0.5",
            "upstream.url": settings.upstream.url,
            "upstream.name": "hub",
            "upstream.token_file": str(settings.upstream.token_file),
        }
        flags = [f"--set={name}={value}" for name, value in told.items()]
        return ["serve", *flags]

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        assert self.child is not None
        self.child.kill()
        self.child.wait(30)

    def tell_to_stop(self) -> None:
        """Let it end in order."""
        if self.child is not None:
            self.child.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """The same, and wait until it has ended."""
        self.tell_to_stop()
        if self.child is not None:
            self.child.wait(60)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of its API; None while nobody answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.own_port}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {self.officer}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError:
            raise
        except OSError:
            return None


Site = dict[str, tuple[Node, Proxy]]
"""Running nodes by name, each behind a line that can be broken."""


@contextmanager
def running_nodes(
    world: World,
    areas: dict[str, str],
    make_proxy: Callable[[int], Proxy],
    new_dsn: Callable[[], str],
    folder: Path,
    speaks_for: Sequence[str] = (),
) -> Iterator[Site]:
    """Nodes of counties and of the city (named ``city``) below a served world.

    Args:
        areas: code of the area that each follows.
        new_dsn: makes a migrated database.
        speaks_for: tiers, where it is not their own alone.
    """
    made: Site = {}
    for name, area in areas.items():
        tier = "city" if name == "city" else "county"
        token = join(world.conn, f"node-{name}", area, speaks_for or [tier])
        line = make_proxy(world.api.port)
        node = Node(name, new_dsn(), line.port, token, folder, f"{tier}_officer")
        made[name] = (node, line)
        node.start()
    try:
        for node, _ in made.values():
            node.answers()
        yield made
    finally:
        for node, _ in made.values():
            node.tell_to_stop()
        for node, _ in made.values():
            node.stop()


def join(conn: db.Connection, name: str, area: str, speaks_for: Sequence[str]) -> str:
    """A token for a node below; its role is the highest tier that it speaks for."""
    with conn.transaction():
        return access.create_token(
            conn,
            name=name,
            role=f"{speaks_for[-1]}_officer",
            areas=[area],
            mines=None,
            now_us=SystemClock().now_us(),
            speaks_for=speaks_for,
        )


def begin_to_follow(conn: db.Connection, *names: str) -> None:
    """Platforms or nodes subscribed, long ago."""
    for name in names:
        conn.execute(
            "INSERT INTO stream_recipient VALUES (%s, NULL, NULL, 0, '{}',"
            " '2026-01-01+08', '2026-01-01+08')",
            (name,),
        )
    conn.commit()


def plain(told: dict[str, set[Any]]) -> dict[str, set[Any]]:
    """A story with people's names alone: in a row, each node adds the way to itself."""

    def name(actor: Any) -> Any:
        return actor and str(actor).split("@", 1)[0]

    return {
        "journal": {(*row[:3], name(row[3]), *row[4:]) for row in told["journal"]},
        "marks": {(*row[:5], name(row[5]), *row[6:]) for row in told["marks"]},
        "open": told["open"],
    }


def newest(conn: db.Connection) -> int:
    """The alarm that was raised last."""
    row = conn.execute(
        "SELECT alarm_id FROM alarm ORDER BY raised_at DESC, alarm_id DESC LIMIT 1"
    ).fetchone()
    assert row is not None, "there is no alarm"
    return int(str(row[0]))

"""The smallest honest client of gasmon.alarms.v1, written from its page alone.

``python scripts/minimal_client.py URL TOKEN_FILE STATE_FILE``: prints each event's JSON
once it is kept in the SQLite file, in order, for ever. docs/remote-protocol.md is the
page; this needs nothing but the ``websockets`` library.
"""

import json
import random
import sqlite3
import sys
import time
from pathlib import Path

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

PROTOCOL = "gasmon.alarms.v1"
WAITS_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Broken(Exception):
    """The line is dead or the server broke the protocol: connect again."""


class File:
    """Events and position, written together."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS event (id TEXT UNIQUE, body TEXT)")
        self.db.execute("CREATE TABLE IF NOT EXISTS place (at TEXT)")

    def place(self) -> dict | None:
        """The position, with the filter and rights that it belongs to."""
        row = self.db.execute("SELECT at FROM place").fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, bodies: list[dict], place: dict) -> None:
        """Keep, then tell."""
        fresh = []
        self.db.execute("BEGIN IMMEDIATE")
        for body in bodies:
            text = json.dumps(body, ensure_ascii=False)
            added = self.db.execute(
                "INSERT OR IGNORE INTO event VALUES (?, ?)", (body["id"], text)
            )
            if added.rowcount:
                fresh.append(text)
        self.db.execute("DELETE FROM place")
        self.db.execute("INSERT INTO place VALUES (?)", (json.dumps(place),))
        self.db.execute("COMMIT")
        for text in fresh:
            print(text, flush=True)


def talk(socket: ClientConnection, file: File) -> None:
    """One connection, until it ends."""
    hello = json.loads(socket.recv(timeout=15))
    if hello["type"] != "hello":
        raise Broken(f"{hello['type']} instead of hello")
    rights = [hello["principal"], hello["areas"]]
    place = file.place()
    if place is not None and place["rights"] != rights:
        print("other rights than before: beginning anew", file=sys.stderr)
        place = None
    resume = place and {"epoch": place["epoch"], "seq": place["seq"]}
    socket.send(json.dumps({"type": "subscribe", "resume": resume}))
    beat_s = hello["heartbeat_s"]
    heard = spoken = time.monotonic()
    while True:
        now = time.monotonic()
        if now - heard > 3 * beat_s:
            raise Broken("three heartbeats are missing")
        if now - spoken >= beat_s:
            spoken = now
            socket.send('{"type":"heartbeat"}')
        try:
            text = socket.recv(timeout=max(0.01, spoken + beat_s - now))
        except TimeoutError:
            continue
        heard = time.monotonic()
        frame = json.loads(text)
        kind = frame["type"]
        if kind == "refused":
            print(f"refused: {frame['reason']} {frame['detail']}", file=sys.stderr)
        elif kind == "snapshot":
            place = {"epoch": frame["epoch"], "seq": frame["seq"], "rights": rights}
            file.keep(frame["alarms"], place)
            socket.send(json.dumps({"type": "ack", "seq": frame["seq"]}))
        elif kind in ("event", "heartbeat"):
            here = place and (place["epoch"], place["seq"])
            if here != (frame["epoch"], frame["from"]):
                raise Broken(f"claim from {frame['from']}, we are at {here}")
            place = {**place, "seq": frame["to"]}
            file.keep([frame["data"]] if kind == "event" else [], place)
            socket.send(json.dumps({"type": "ack", "seq": frame["to"]}))


def main(url: str, token_file: str, state_file: str) -> None:
    """Receive for ever."""
    file = File(state_file)
    token = Path(token_file).read_text("utf-8").strip()
    attempt = 0
    while True:
        wait_s = WAITS_S[min(attempt, len(WAITS_S) - 1)]
        attempt += 1
        try:
            with connect(
                url,
                additional_headers={"Authorization": f"Bearer {token}"},
                subprotocols=[PROTOCOL],
                compression=None,
                max_size=64 * 1024 * 1024,
                close_timeout=2,
            ) as socket:
                before = time.monotonic()
                try:
                    talk(socket, file)
                finally:
                    if time.monotonic() - before > 1:
                        attempt = 0
        except ConnectionClosed as end:
            print(f"closed: {end}", file=sys.stderr)
            if end.rcvd is not None and end.rcvd.code in (4401, 4403):
                wait_s = 30.0
        except (Broken, OSError, WebSocketException, ValueError, KeyError) as error:
            print(f"lost: {error}", file=sys.stderr)
        time.sleep(wait_s * (0.5 + random.random() / 2))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A receiver that is killed at each of its steps, one after the other.

``python tests/child_replies.py FOLDER``: for k = 1, 2, … a process begins with what is
in its file, takes the same events, queues the same commands, says what it owes to a
server that is a file, and is killed with SIGKILL at its k-th step. Then another one
runs to its end. Prints what the server did and what the file holds as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from gasmon.remote.client_session import Arrived
from gasmon.remote.keeping import Keeping
from gasmon.remote.parsing import Result

OFFERS = ("receipts", "commands", "answers")
COMMANDS = {"key-confirm": "confirm", "key-handle": "handle"}


class Killing:
    """A connection that kills its process before or after its k-th statement."""

    def __init__(self, db: Any, at_step: int) -> None:
        self._db = db
        self._left = at_step

    def step(self) -> None:
        """One step is over; it may have been the last one."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def execute(self, *arguments: Any) -> Any:
        """As the connection does."""
        self.step()
        done = self._db.execute(*arguments)
        self.step()
        return done

    def executemany(self, *arguments: Any) -> Any:
        """As the connection does."""
        self.step()
        return self._db.executemany(*arguments)

    def close(self) -> None:
        """As the connection does."""
        self._db.close()


def serve(log: Path, text: str) -> Result:
    """The server: does a command once, whatever comes how often."""
    frame = json.loads(text)
    lines = log.read_text().splitlines() if log.exists() else []
    keys = [json.loads(line)["key"] for line in lines]
    repeated = frame["key"] in keys
    if not repeated:
        with log.open("a") as file:
            file.write(text + "\n")
    return Result(frame["key"], True, 200, 1, repeated, "")


def live(folder: Path, at_step: int) -> None:
    """One life of the receiver."""
    with Keeping(folder / "state.sqlite") as keeping:
        db = Killing(keeping._db, at_step)
        keeping._db = keeping.replies._db = db  # type: ignore[assignment]
        events = [Arrived(f"id{n}", "e", n, "{}") for n in (1, 2)]
        keeping.store(events, ("e", 2), subscription="", now_us=1, with_hook=True)
        while (event := keeping.next_hook()) is not None:
            keeping.mark_hook(event, "done", 2, ("sounded",))
        for key, action in COMMANDS.items():
            keeping.replies.command(7, action, 3, key)
        while (said := keeping.replies.next_said(OFFERS)) is not None:
            keeping.replies.sending(said)
            db.step()
            result = serve(folder / "server", said.text)
            db.step()
            keeping.replies.answered(said, result, 4)


def main(folder: Path) -> None:
    """Kill one life after the other, each of them a step later."""
    n_killed = 0
    for at_step in range(1, 1000):
        for name in ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "server"):
            (folder / name).unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            live(folder, at_step)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        was_killed = os.WIFSIGNALED(status)
        live(folder, 0)
        print(json.dumps(found(folder)))
        if not was_killed:
            break
        n_killed += 1
    print(json.dumps({"killed": n_killed}))


def found(folder: Path) -> dict[str, Any]:
    """What the server did, and what the file says of it."""
    frames = [json.loads(line) for line in (folder / "server").read_text().splitlines()]
    with Keeping(folder / "state.sqlite") as keeping:
        commands = keeping.replies.commands()
        owed = keeping.replies.n_owed()
    told = {(f["step"], i) for f in frames if f["type"] == "receipt" for i in f["ids"]}
    return {
        "done": [f["key"] for f in frames if f["type"] == "command"],
        "told": sorted(told),
        "statuses": [one.status for one in commands],
        "owed": owed,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Seals go over the alarm stream, are kept there, and prove what was made anew."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gasmon import cli
from gasmon.remote.parsing import Seal
from gasmon.sealing import pack
from gasmon.settings import ApiSettings
from gasmon.store import seals
from gasmon.store.seals import NewBatch
from gasmon.units import US_PER_H, US_PER_MIN
from gasmon.upstream.keeper import Keeper
from tests.fix_api import World
from tests.fix_receive import Process
from tests.fix_stream import dial
from tests.fix_wait import wait_until

HOUR = 1_790_002_800_000_000


@pytest.fixture
def api_settings() -> ApiSettings:
    """Short heartbeats: seals are looked for each second one."""
    return ApiSettings(heartbeat_s=0.3)


def seal(world: World, number: int, hash_: bytes = b"h" * 32) -> None:
    """One batch, and the seal of its hour."""
    at_us = HOUR + number * US_PER_H
    batch = NewBatch(
        scope="*",
        number=number + 1,
        recorded_us=at_us,
        at_from_us=at_us,
        at_to_us=at_us,
        arrived_from_us=at_us,
        n_frames=0,
        n_readings=0,
        rows=pack("[]", b""),
        hash=hash_,
    )
    seals.append_batch(world.conn, batch)
    world.conn.commit()
    due_us = at_us + US_PER_H + 2 * US_PER_MIN
    assert len(seals.seal_due(world.conn, due_us)) == 1


def kept(state: Path) -> list[str]:
    """Hashes in a receiver's file."""
    if not state.exists():
        return []
    with closing(sqlite3.connect(state)) as db:
        try:
            rows = db.execute("SELECT hash FROM seal ORDER BY hour_us").fetchall()
        except sqlite3.OperationalError:
            return []  # its table is not made yet
    return [hash_ for (hash_,) in rows]


def made(world: World) -> list[str]:
    """Hashes of the server's seals."""
    found = [one.hash for one in seals.seals(world.conn, 0, HOUR + 99 * US_PER_H)]
    world.conn.commit()
    return found


def test_a_receiver_keeps_seals_and_sees_what_was_made_anew(
    world: World,
    receive: Callable[..., Process],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Those before it came and each new one; a forged past is said aloud and found."""
    seal(world, 0)
    seal(world, 1)
    process = receive(world.api.base, world.tokens["zhenxiong"])
    wait_until(lambda: len(kept(process.state)) == 2, 20, "the seals so far")
    seal(world, 2)
    wait_until(lambda: kept(process.state) == made(world), 20, "the new seal")
    assert not process.says("seal_differs")
    # Somebody makes the last two hours anew, with other batches.
    world.conn.execute("SET session_replication_role = replica")
    first = "(SELECT min(hour) FROM seal_hour)"
    world.conn.execute(f"DELETE FROM seal_hour WHERE hour > {first}".encode())
    world.conn.execute("DELETE FROM seal_batch WHERE number > 1")
    world.conn.commit()
    for number in (1, 2, 3):
        seal(world, number, b"x" * 32)
    wait_until(lambda: process.says("seal_differs"), 20, "it is said aloud")
    process.popen.terminate()
    process.end()
    claims = tmp_path / "claims.json"
    database = ["--set", f"database.url={world.dsn}"]
    capsys.readouterr()
    assert cli.main(["seal", "ls", "--json", *database]) == 0
    claims.write_text(capsys.readouterr().out, "utf-8")
    compare = ["seal", "compare", str(claims), "--json", "--state", str(process.state)]
    assert cli.main(compare) == 4
    told = json.loads(capsys.readouterr().out)
    assert [hour["code"] for hour in told["hours"]] == ["differs"] * 2
    assert told["hours"][0]["hour_us"] == HOUR + US_PER_H


async def test_the_stream_tells_seals_to_those_who_ask(world: World) -> None:
    """In the documented form, after the hour that they hold; a mine gets none."""
    for number in range(3):
        seal(world, number)
    async with dial(world) as client:
        await client.frame()
        await client.say(type="subscribe", resume=None, seals=HOUR)
        found = []
        while len(found) < 2:
            frame = await client.frame()
            found += [frame] if frame["type"] == "seal" else []
        assert [one["hash"] for one in found] == made(world)[1:]
    async with dial(world) as client:
        await client.subscribe()
        for _ in range(2):
            assert (await client.frame())["type"] == "heartbeat"


def test_a_node_below_keeps_them_in_its_database(world: World) -> None:
    """As a receiver does in its file."""
    for number in range(2):
        seal(world, number)
    keeper = Keeper(world.conn, "city", lambda: HOUR)
    assert keeper.newest_seal() == 0
    for one in seals.seals(world.conn, 0, HOUR + 99 * US_PER_H):
        assert keeper.keep_seal(Seal(one.hour_us, one.hash, one.body)) is None
    assert keeper.newest_seal() == HOUR + US_PER_H
    wrong = keeper.keep_seal(Seal(HOUR + US_PER_H, "0" * 64, "{}"))
    assert wrong is not None
    held = seals.held_seals(world.conn, 0)
    assert [len(told) for told in held.values()] == [1, 2]

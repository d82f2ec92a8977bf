"""The receiver as a process of its own: kept before told, whatever happens."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.settings import ApiSettings
from tests.fix_api import (
    MINE_S,
    MINE_Z,
    ZHENXIONG,
    World,
)
from tests.fix_proxy import Proxy
from tests.fix_receive import Process, read_kept
from tests.fix_wait import wait_until


@pytest.fixture
def api_settings() -> ApiSettings:
    """Short heartbeats, so that silence shows soon."""
    return ApiSettings(heartbeat_s=0.3)


def bodies(world: World, area: str = ZHENXIONG, after: int = 0) -> list[str]:
    """What the outbox told of an area."""
    return [body for seq, body in world.outbox(area) if seq > after]


def test_events_are_kept_printed_and_counted(
    world: World, receive: Callable[..., Process]
) -> None:
    """The lines are the bodies of one's own county, in order; --count ends it."""
    process = receive(world.api.base, world.tokens["zhenxiong"], "--count", "4")
    wait_until(lambda: process.says("connected"), what="connected")
    for mine in (MINE_Z, MINE_S, MINE_Z):
        world.raise_alarm(mine)

    assert process.end() == 0
    assert process.out == bodies(world)
    assert [body for _, body, _ in process.kept()] == process.out
    assert {json.loads(line)["area"] for line in process.out} == {ZHENXIONG}


def test_once_takes_what_there_is_and_resumes_the_next_time(
    world: World, receive: Callable[..., Process]
) -> None:
    """Two runs with --once and events in between: nothing twice, nothing missing."""
    token = world.tokens["zhenxiong"]
    world.record(world.event(MINE_Z, no="001A02"))
    first = receive(world.api.ws + "/alarms", token, "--once")
    assert first.end() == 0
    after = world.outbox()[-1][0]
    for _ in range(30):
        world.raise_alarm()
    second = receive(world.api.ws + "/alarms", token, "--once")

    assert second.end() == 0
    assert len(first.out) == 1  # the snapshot
    assert json.loads(first.out[0])["id"] == json.loads(bodies(world)[0])["id"]
    assert second.out == bodies(world, after=after)


@pytest.mark.slow
def test_a_killed_receiver_loses_and_repeats_nothing_in_its_file(
    world: World, receive: Callable[..., Process]
) -> None:
    """kill -9 again and again while events come: the file equals the outbox."""
    token = world.tokens["zhenxiong"]
    receive(world.api.base, token, "--once").end()
    stop = threading.Event()

    def produce() -> None:
        while not stop.is_set():
            world.raise_alarm()

    producer = threading.Thread(target=produce)
    producer.start()
    printed: list[str] = []
    state = Path()
    for _ in range(5):
        process = receive(world.api.base, token)
        before = len(process.kept())
        wait_until(lambda p=process, n=before: len(p.kept()) > n + 10, what="progress")
        process.end(signal.SIGKILL)
        printed += process.out
        state = process.state
    stop.set()
    producer.join()
    last = receive(world.api.base, token, "--once")
    assert last.end() == 0
    printed += last.out

    told = world.outbox(ZHENXIONG)
    assert [(seq, body) for seq, body, _ in read_kept(state)] == told
    # Printing is at least once: every event, in order, and only the newest repeated.
    assert list(dict.fromkeys(printed)) == [body for _, body in told]


def test_a_hook_that_was_cut_off_runs_again(
    world: World, receive: Callable[..., Process], tmp_path: Path
) -> None:
    """Killed between keeping and the end of the hook: the next start runs it."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    # A hook that says that it began, and ends only when the gate is there.
    hook = f"cat >> '{log}'; until test -e '{gate}'; do sleep 0.05; done"
    process = receive(world.api.base, world.tokens["zhenxiong"], "--exec", hook)
    wait_until(lambda: process.says("connected"), what="connected")
    world.raise_alarm()
    wait_until(lambda: log.exists() and log.read_text("utf-8"), what="hook began")
    process.popen.kill()
    process.popen.wait(30)
    assert [state for _, _, state in process.kept()] == ["pending", "pending"]
    gate.touch()
    process.end()
    again = receive(world.api.base, world.tokens["zhenxiong"], "--exec", hook, "--once")

    assert again.end() == 0
    assert [state for _, _, state in again.kept()] == ["done", "done"]
    first, second = bodies(world)
    assert log.read_text("utf-8").splitlines() == [first, first, second]


def test_a_failing_hook_is_retried(
    world: World, receive: Callable[..., Process], tmp_path: Path
) -> None:
    """A hook that fails the first time gets its event again."""
    log = tmp_path / "log"
    hook = f"cat >> '{log}'; test $(wc -l < '{log}') -gt 1"
    process = receive(
        world.api.base, world.tokens["zhenxiong"], "--exec", hook, "--count", "2"
    )
    wait_until(lambda: process.says("connected"), what="connected")
    world.raise_alarm()

    assert process.end() == 0
    first, second = bodies(world)
    assert log.read_text("utf-8").splitlines() == [first, first, second]


def test_silence_is_told_once_and_the_line_comes_back(
    world: World, receive: Callable[..., Process], tmp_path: Path
) -> None:
    """A dead line: loud once, the hook once; then everything that was missed."""
    log = tmp_path / "silence"
    proxy = Proxy(world.api.port)
    try:
        process = receive(
            f"ws://127.0.0.1:{proxy.port}",
            world.tokens["zhenxiong"],
            "--on-silence",
            f"cat >> '{log}'",
        )
        wait_until(lambda: process.says("connected"), what="connected")
        world.raise_alarm()
        proxy.stall()
        wait_until(lambda: process.says("silence"), what="silence on stderr")
        wait_until(lambda: log.exists() and log.read_text(), what="silence hook")
        world.raise_alarm()
        proxy.cut()
        proxy.heal()
        wait_until(lambda: process.says("heard"), what="heard again", timeout_s=30)
        wait_until(lambda: len(process.out) == 4, what="all events", timeout_s=30)
        assert process.end(signal.SIGTERM) == 0
    finally:
        proxy.close()

    assert process.out == bodies(world)
    assert len(log.read_text().splitlines()) == 1
    assert json.loads(log.read_text())["event"] == "silence"


@pytest.mark.long
def test_a_server_that_is_heard_and_learns_nothing_is_told_as_silence(
    world: World, receive: Callable[..., Process], tmp_path: Path
) -> None:
    """Its outbox cannot be read: heartbeats go on, what they vouch for does not."""
    log = tmp_path / "still"
    flags = ("--on-silence", f"cat >> '{log}'")
    process = receive(world.api.base, world.tokens["zhenxiong"], *flags)
    wait_until(lambda: process.says("connected"), what="connected")
    world.conn.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
    wait_until(lambda: process.says("stands_still"), 60, "stands still on stderr")
    # A busy machine may be late with a heartbeat, and that is told as silence before.
    wait_until(lambda: "stands_still" in told_by_hook(log), 60, "the hook")
    world.conn.rollback()
    wait_until(lambda: process.says("heard"), 60, "it moves on")
    assert process.end(signal.SIGTERM) == 0


def told_by_hook(log: Path) -> list[str]:
    """The events that the hook was run for, in order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line)["event"] for line in lines]


def test_a_cut_line_resumes_by_itself(
    world: World, receive: Callable[..., Process]
) -> None:
    """Cut many times between events, the lines equal the outbox."""
    proxy = Proxy(world.api.port)
    try:
        process = receive(f"ws://127.0.0.1:{proxy.port}", world.tokens["zhenxiong"])
        wait_until(lambda: process.says("connected"), what="connected")
        for number in range(8):
            world.raise_alarm()
            proxy.cut()
            world.raise_alarm()
            n = 4 * (number + 1)
            wait_until(lambda n=n: len(process.out) == n, what=f"{n} events")
        assert process.end(signal.SIGTERM) == 0
    finally:
        proxy.close()

    assert process.out == bodies(world)


def test_a_new_epoch_is_said_aloud(
    world: World, receive: Callable[..., Process]
) -> None:
    """A restored database refuses the position; open alarms come as a snapshot."""
    token = world.tokens["zhenxiong"]
    world.raise_alarm()
    receive(world.api.base, token, "--once").end()
    with world.conn.transaction():
        world.conn.execute("UPDATE platform SET epoch = gen_random_uuid()")
    world.record(world.event(MINE_Z, no="001A02"))
    process = receive(world.api.base, token, "--once")

    assert process.end() == 0
    assert process.says("epoch_changed")
    assert [json.loads(line)["point"] for line in process.out] == ["001A02"]


def test_another_filter_begins_anew(
    world: World, receive: Callable[..., Process]
) -> None:
    """A position of a narrower filter is not used for a wider one."""
    token = world.tokens["city"]
    world.record(world.event(MINE_S))
    narrow = receive(world.api.base, token, "--once", "--area", "zhenxiong")
    narrow.end()
    wide = receive(world.api.base, token, "--once")

    assert wide.end() == 0
    assert narrow.out == []
    assert [json.loads(line)["mine"] for line in wide.out] == [MINE_S]


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (["--url", "ftp://x"], 2, "ws://HOST"),
        (["--url", "ws://u:p@x"], 2, "secrets"),
        (["--url", "ws://127.0.0.1:9", "--duration", "0.5"], 3, "not reached"),
        (["--token-file", "/nonexistent"], 2, "/nonexistent"),
        (["--count", "0"], 2, "--count"),
    ],
)
def test_wrong_use_is_one_clear_line(
    receive: Callable[..., Process], flags: list[str], code: int, word: str
) -> None:
    """A mistake of the operator ends with its code and says what is wrong."""
    process = receive("ws://127.0.0.1:9", "gm_" + "x" * 43, *flags)

    assert process.end() == code, process.err
    assert process.says(word), process.err


def test_two_receivers_cannot_share_a_file(
    world: World, receive: Callable[..., Process]
) -> None:
    """The second one is refused, the first goes on."""
    token = world.tokens["zhenxiong"]
    first = receive(world.api.base, token)
    wait_until(lambda: first.says("connected"), what="connected")
    second = receive(world.api.base, token)

    assert second.end() == 2
    assert second.says("another receiver")
    assert first.popen.poll() is None

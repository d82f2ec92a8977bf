"""From a mine's frame to an alarm on a county's screen, with every process real."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import free_port
from tests.fix_node import Node, join
from tests.fix_wait import wait_until

PLATFORMS = {"zhenxiong": "530627", "suijiang": "530626", "weixin": "530629"}
CITY = "zhaotong"


@dataclass
class RunningDemo:
    """A demo as a process of its own, and how to talk to it."""

    folder: Path
    port: int
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder.parent / "demo.log"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        known = self.folder / "demo.json"
        known.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gasmon.cli", "demo"),
                    *("--port", str(self.port), "--data-dir", str(self.folder)),
                    *self.flags,
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: self.is_ready(), 90, "the demo is ready")
        self.told = json.loads(known.read_text("utf-8"))

    def is_ready(self) -> bool:
        """Whether /readyz says so; a demo that ended is a failure at once."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text("utf-8")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz") as got:
                return bool(got.status == 200) and (self.folder / "demo.json").exists()
        except OSError:
            return False

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def get(self, path: str, role: str = "city_officer") -> Any:
        """An answer of the API."""
        return self.call("GET", path, None, role)

    def call(self, method: str, path: str, body: Any, role: str) -> Any:
        """Ask the API as somebody."""
        request = urllib.request.Request(
            f"{self.told['page']}/api/v1{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {self.told['tokens'][role]}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request) as got:
            return json.load(got)


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Every process below one."""
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> None:
    """Wait until none runs; what nobody has buried yet does not run either."""

    def runs(process: psutil.Process) -> bool:
        try:
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    wait_until(lambda: not [p for p in processes if runs(p)], 30, "all ended")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A city of twenty mines; gas rises in the three counties with a platform."""
    flags = ("--mines", "20", "--cycle", "1")
    for slug in PLATFORMS:
        flags += ("--incident", slug)
    running = RunningDemo(
        tmp_path_factory.mktemp("demo") / "data", free_port(), tuple(flags)
    )
    running.start()
    yield running
    assert running.process is not None
    if running.process.poll() is None:
        running.interrupt()


@pytest.fixture(scope="module")
def platforms(demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The receivers of three counties and the city, started before the alarms."""
    folder = tmp_path_factory.mktemp("platforms")
    running = {}
    for name, token in demo.told["platforms"].items():
        token_file = folder / f"{name}.token"
        token_file.write_text(token, "utf-8")
        token_file.chmod(0o600)
        with (folder / f"{name}.jsonl").open("ab") as out:
            running[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gasmon.cli", "receive", name),
                    *("--url", demo.told["stream"]),
                    *("--token-file", str(token_file)),
                    *("--state", str(folder / f"{name}.sqlite")),
                ],
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
    yield folder
    for process in running.values():
        process.terminate()
        process.wait(20)


def received(folder: Path, name: str) -> list[dict[str, Any]]:
    """What a platform printed so far, whole lines only."""
    text = (folder / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1] if line]


def outbox(demo: RunningDemo, area: str | None) -> list[str]:
    """Ids of what was told of an area, in order."""
    with psycopg.connect(demo.told["database"]["url"]) as conn:
        rows = conn.execute(
            "SELECT body::json ->> 'id' FROM outbox"
            " WHERE %(area)s::text IS NULL OR area_code = %(area)s ORDER BY seq",
            {"area": area},
        ).fetchall()
    return [row[0] for row in rows]


def test_addresses_and_tokens_are_for_their_owner_alone(demo: RunningDemo) -> None:
    """demo.json has everything to join in, and nobody else may read it."""
    path = demo.folder / "demo.json"

    assert path.stat().st_mode & 0o777 == 0o600
    assert set(demo.told["platforms"]) == {*PLATFORMS, CITY}
    assert {"viewer", "county_officer", "city_officer"} <= set(demo.told["tokens"])


@pytest.mark.slow
def test_each_county_receives_its_own_alarms_and_the_city_all(
    demo: RunningDemo, platforms: Path
) -> None:
    """A rise in three counties reaches three platforms, each its own, and the city."""

    def told() -> bool:
        return all(
            any(e["kind"] == "over_limit" for e in received(platforms, name))
            for name in PLATFORMS
        )

    wait_until(told, 90, "every county has an over-limit alarm")

    for name, area in PLATFORMS.items():
        events = received(platforms, name)
        assert {event["area"] for event in events} == {area}
        raised = next(e for e in events if e["kind"] == "over_limit")
        assert raised["event"] == "raised"
        assert raised["value"] >= raised["limit"]
        assert raised["text"]["zh"]
    wait_until(
        lambda: (
            set(PLATFORMS.values()) <= {e["area"] for e in received(platforms, CITY)}
        ),
        20,
        "the city has them all",
    )


def test_receivers_equal_the_outbox(demo: RunningDemo, platforms: Path) -> None:
    """In order, without gap or duplicate, for each platform."""
    for name, area in {**PLATFORMS, CITY: None}.items():
        wait_until(
            lambda name=name, area=area: (  # type: ignore[misc]
                [e["id"] for e in received(platforms, name)] == outbox(demo, area)
            ),
            30,
            f"{name} has what was told",
        )


def test_a_confirmation_reaches_the_county(demo: RunningDemo, platforms: Path) -> None:
    """What the county's officer confirms is an event of its own, for the city too."""
    alarms = demo.get("/alarms?state=all&area=530627&kind=over_limit")["items"]
    number = alarms[0]["alarm_id"]

    after = demo.call(
        "POST", f"/alarms/{number}/confirm", {"note": "已电话核实"}, "county_officer"
    )

    assert after["confirmations"]["county"]["note"] == "已电话核实"
    for name in ("zhenxiong", CITY):
        wait_until(
            lambda name=name: any(  # type: ignore[misc]
                e["event"] == "confirmed" and e["alarm_id"] == number
                for e in received(platforms, name)
            ),
            20,
            f"{name} is told of the confirmation",
        )
    assert not any(e["event"] == "confirmed" for e in received(platforms, "weixin"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_county_node_confirms_what_ingest_judged_of_a_simulated_mine(
    demo: RunningDemo,
    platforms: Path,
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> None:
    """From the mine's frame to the county's own page, and the mark back to the city."""
    with psycopg.connect(demo.told["database"]["url"]) as conn:
        token = join(conn, "node-suijiang", PLATFORMS["suijiang"], ["county"])
    dsn = new_migrated(postgres_server)
    node = Node("suijiang", dsn, demo.port, token, tmp_path)
    wanted = f"/alarms?state=all&area={PLATFORMS['suijiang']}&kind=over_limit"
    above = next(a for a in demo.get(wanted)["items"] if a["closed_at"] is None)
    node.start()
    try:
        node.answers()

        def shown() -> list[dict[str, Any]]:
            same = ("subject", "kind", "raised_at")
            return [
                alarm
                for alarm in node.ask("GET", wanted)["items"]
                if [alarm[name] for name in same] == [above[name] for name in same]
            ]

        wait_until(shown, 30, "the node has the alarm")
        (here,) = shown()
        for member in ("mine_name", "place", "uom"):
            assert here[member] == above[member]
        path = f"/alarms/{here['alarm_id']}/actions/confirm"
        node.ask("POST", path, {"text": "已电话核实"})

        def told() -> bool:
            life = demo.get(f"/alarms/{above['alarm_id']}/life")
            return any(
                (record["event"], record["tier"]) == ("confirmed", "county")
                and record["by"].endswith("@node-suijiang")
                for record in life["records"]
            )

        wait_until(told, 30, "the confirmation is above")
        wait_until(
            lambda: any(
                e["event"] == "confirmed" and e["by"].endswith("@node-suijiang")
                for e in received(platforms, "suijiang")
            ),
            20,
            "the county's receiver is told",
        )
    finally:
        node.stop()


def test_live_values_are_young(demo: RunningDemo) -> None:
    """Every mine of the city is online and its points have values."""
    mines = demo.get("/mines")["items"]

    assert len(mines) == 20
    assert all(mine["online"] for mine in mines)
    latest = demo.get(f"/mines/{mines[0]['code']}/latest")
    assert any(item["value"] is not None for item in latest["items"])


def test_ctrl_c_ends_everything_and_a_second_start_finds_its_data(
    demo: RunningDemo,
) -> None:
    """No process is left behind; alarms, tokens and points are there again."""
    assert demo.process is not None
    before = demo.get("/alarms?state=all&limit=1")["total"]
    tokens = demo.told["tokens"]
    family = children_of(demo.process)
    assert len(family) >= 3, "database, broker and simulator run beside it"

    assert demo.interrupt() == 0
    all_gone(family)

    demo.start()
    assert demo.told["tokens"] == tokens
    assert demo.get("/alarms?state=all&limit=1")["total"] >= before


@pytest.mark.slow
def test_a_killed_demo_starts_again(demo: RunningDemo) -> None:
    """After kill -9 the next start cleans up what was left and goes on."""
    assert demo.process is not None
    left = children_of(demo.process)
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait(30)

    demo.start()

    # Database, broker and city of the killed one.
    all_gone(left)

    assert demo.get("/mines")["items"]
    raised = demo.get("/alarms?state=open&kind=over_limit")["items"]
    keys = [(a["subject"], a["kind"]) for a in raised]
    assert len(keys) == len(set(keys)), "no alarm is open twice"

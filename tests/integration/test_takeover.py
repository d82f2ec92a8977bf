"""Two real ingest processes for one area: one owns, one stands by."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fix_command import Command
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Plant,
    paired,
    port_of,
    through,
)
from tests.rule_texts import LIMITS_ALONE

# Standing by is for sites, which have these two.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize(
        "paired", [("timescaledb", "mosquitto")], indirect=True, ids="-".join
    ),
]


@dataclass
class Pair:
    """A plant whose ingest is processes of its own."""

    plant: Plant
    folder: Path
    dsn: str
    processes: list[Command] = field(default_factory=list)

    def start(self, *flags: str) -> Command:
        """A ``gasmon ingest``."""
        number = len(self.processes)
        rules = self.folder / "limits.toml"
        rules.write_text(LIMITS_ALONE, "utf-8")
        arguments = [
            "ingest",
            *("--set", "mode=test"),
            *("--set", f"database.url={self.dsn}"),
            *("--set", f"mqtt.host={self.plant.broker.host}"),
            *("--set", f"mqtt.port={self.plant.broker.port}"),
            *("--set", f"ingest.spool_dir={self.folder}/spool-{number}"),
            *("--set", "ingest.standby=true"),
            *("--set", "engine.mark_interval_s=0.2"),
            *("--set", f"engine.rules_file={rules}"),
            *flags,
        ]
        self.processes.append(Command(arguments, self.folder / f"ingest-{number}.log"))
        return self.processes[-1]

    def log(self, number: int) -> str:
        """What one of them wrote."""
        return (self.folder / f"ingest-{number}.log").read_text("utf-8")

    def owner(self) -> str:
        """Who owns everything, as the database says."""
        rows = self.plant.ask("SELECT owner FROM ingest_owner WHERE scope = '*'")
        return str(rows[0][0]) if rows else ""

    def owned_by(self, process: Command) -> None:
        """Wait until it is this one."""
        mine = f":{process.pid}"

        def owns() -> bool:
            if process.poll() is not None:
                number = self.processes.index(process)
                pytest.fail(f"it ended: {self.log(number)}")
            return self.owner().endswith(mine)

        wait_until(owns, 40, f"{mine} owns")

    def stored(self, n: int) -> None:
        """Wait until so many frames are in the database."""
        wait_until(lambda: self.plant.count("frame") == n, 40, f"{n} frames")


@pytest.fixture
def pair(paired: Plant, tmp_path: Path) -> Iterator[Pair]:  # noqa: F811
    """Nothing runs yet; all that did is ended afterwards."""
    made = Pair(paired, tmp_path, paired.dsn)
    paired.gateway.known = lambda rev: wait_until(
        lambda: paired.count("mine", f"definition_rev = {rev}"), 40, "definitions"
    )
    yield made
    for process in made.processes:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        process.wait(20)


def both(pair: Pair) -> tuple[Command, Command]:
    """An owner that judges, and one that stands by."""
    owner = pair.start()
    pair.owned_by(owner)
    wait_until(lambda: "connected to" in pair.log(0), 30, "it has a session")
    pair.plant.gateway.define()
    pair.plant.gateway.gas(LOW)
    pair.plant.gateway.gas(HIGH)
    pair.stored(2)
    standby = pair.start()
    wait_until(lambda: "standing by" in pair.log(1), 30, "the second stands by")
    return owner, standby


def test_a_standby_goes_on_where_a_killed_owner_was(pair: Pair) -> None:
    """Nothing is lost, nothing told twice; the alarm ends as itself."""
    owner, standby = both(pair)
    ids = pair.plant.ask("SELECT alarm_id FROM alarm ORDER BY 1")

    owner.kill()
    pair.plant.gateway.gas(HIGH)

    pair.owned_by(standby)
    pair.stored(3)
    assert "snapshot of step" in pair.log(1)
    pair.plant.gateway.gas(LOW)
    pair.stored(4)
    assert pair.plant.ask("SELECT alarm_id FROM alarm ORDER BY 1") == ids
    assert pair.plant.count("alarm", "cleared_at IS NULL") == 0
    assert pair.plant.count("alarm_journal", "event = 'raised'") == 2


def test_a_stopped_owner_that_wakes_up_cannot_write(pair: Pair) -> None:
    """It hangs, the standby takes over; awake again it ends and leaves no trace."""
    owner, standby = both(pair)

    os.kill(owner.pid, signal.SIGSTOP)
    pair.plant.gateway.gas(HIGH)
    pair.owned_by(standby)
    pair.stored(3)
    os.kill(owner.pid, signal.SIGCONT)

    assert owner.wait(40) == 1
    assert "took our areas over" in pair.log(0)
    assert standby.poll() is None
    pair.plant.gateway.gas(LOW)
    pair.stored(4)
    assert pair.owner().endswith(f":{standby.pid}")
    assert pair.plant.count("alarm_journal", "event = 'raised'") == 2
    assert pair.plant.count("alarm", "cleared_at IS NULL") == 0
    wait_until(lambda: not pair.plant.gateway.told[-1].open, 20, "the relay is silent")


def test_a_database_that_comes_back_finds_its_owner(
    pair: Pair, make_proxy: Callable[[int], Proxy]
) -> None:
    """All locks are gone for a moment; the standby leaves the owner the time."""
    proxy = make_proxy(port_of(pair.dsn))
    pair.dsn = through(pair.dsn, proxy)
    owner, standby = both(pair)

    proxy.refuse()
    pair.plant.gateway.gas(HIGH)
    wait_until(lambda: "without database" in pair.log(1), 30, "both lost it")
    proxy.heal()

    pair.stored(3)
    wait_until(lambda: "again, fencing" in pair.log(0), 30, "it is taken again")
    assert pair.owner().endswith(f":{owner.pid}")
    assert owner.poll() is None
    assert standby.poll() is None


def test_an_owner_cut_off_from_the_database_yields_to_its_successor(
    pair: Pair, make_proxy: Callable[[int], Proxy]
) -> None:
    """It alone cannot see the database; the standby takes over, and it ends."""
    proxy = make_proxy(port_of(pair.dsn))
    direct, pair.dsn = pair.dsn, through(pair.dsn, proxy)
    owner = pair.start()
    pair.owned_by(owner)
    wait_until(lambda: "connected to" in pair.log(0), 30, "it has a session")
    pair.plant.gateway.define()
    pair.plant.gateway.gas(HIGH)
    pair.stored(1)
    pair.dsn = direct
    standby = pair.start()
    wait_until(lambda: "standing by" in pair.log(1), 30, "the second stands by")

    proxy.refuse()
    pair.plant.gateway.gas(HIGH)

    pair.owned_by(standby)
    assert owner.wait(40) == 1
    assert "took our session at the broker" in pair.log(0)
    pair.plant.gateway.gas(LOW)
    wait_until(
        lambda: not pair.plant.count("alarm", "cleared_at IS NULL"), 40, "it goes on"
    )
    assert standby.poll() is None


def test_a_standby_can_be_ended(pair: Pair) -> None:
    """It waits for nothing that it could not be called back from."""
    owner, standby = both(pair)

    standby.send_signal(signal.SIGTERM)

    assert standby.wait(20) == 0
    assert owner.poll() is None
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(30) == 0

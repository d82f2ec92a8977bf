"""Clocks that lie, from the gateway to the table: of mines, and our own.

Real broker, real database, a machine's clock that runs thirty times as fast, and mines
that measure by the true time and stamp by clocks of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.ingest.connect import hang_up
from gasmon.ingest.payloads import MineInfo, UnitInfo, encode_data, encode_points
from gasmon.ingest.topics import data_topic, points_topic
from gasmon.pipeline.loops import IngestLoop
from gasmon.units import PG_EPOCH_US, TIME_MAX_US, US_PER_H, US_PER_MS, US_PER_S
from tests.fix_clock import MachineClock
from tests.fix_pipeline import CH4
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import PAIRS, Plant, paired  # noqa: F401

RATE = 30.0
CYCLE_S = 5.0
LOW, OVER = 0.2, 1.2
H = 3600
MINES = [f"5306270001{number:02d}" for number in range(1, 7)]

pytestmark = [
    pytest.mark.slow,
    # Clocks do not depend on the kinds of database and broker.
    pytest.mark.parametrize(
        "paired", [PAIRS[1]], indirect=True, ids=["-".join(PAIRS[1])]
    ),
]


class City:
    """Mines that send when their cycle is over; ``drive`` lets time pass.

    Attributes:
        wrong_us: how far each mine's clock is from the truth [µs]; 0 if not named.
        value: of each mine's methane.
    """

    def __init__(self, plant: Plant, clock: MachineClock, mines: list[str]) -> None:
        self.clock = clock
        self.mines = mines
        self.wrong_us: dict[str, int] = {}
        self.value = dict.fromkeys(mines, LOW)
        self.seq = 0
        self._sent_us = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"city-{uuid.uuid4().hex[:8]}",
            protocol=paho.MQTTv311,
        )
        self._client.connect(plant.broker.host, plant.broker.port)
        self._client.loop_start()
        wait_until(self._client.is_connected, what="the city at its broker")
        for mine in mines:
            unit = UnitInfo("11121", "face", "工作面")
            payload = encode_points(1, 0, MineInfo("示范", "outburst"), [unit], [CH4])
            self._client.publish(points_topic(mine[:6], mine), payload, 1)

    def cycle(self) -> None:
        """Every mine sends a frame, if it is time."""
        true_us = self.clock.true_us()
        if true_us - self._sent_us < CYCLE_S * US_PER_S:
            return
        self._sent_us = true_us
        self.seq += 1
        for mine in self.mines:
            device_ms = (true_us + self.wrong_us.get(mine, 0)) // US_PER_MS
            items = [(CH4.no, self.value[mine], 0)]
            payload = encode_data("b1", self.seq, device_ms, items)
            self._client.publish(data_topic(mine[:6], mine), payload, 1)

    def drive(self, until: Callable[[], Any], what: str, timeout_s: float = 60) -> None:
        """Send until something has happened."""

        def sent() -> Any:
            self.cycle()
            return until()

        wait_until(sent, timeout_s, what)

    def pass_time(self, seconds: float) -> None:
        """Send for so long, of the city's time."""
        end_us = self.clock.true_us() + seconds * US_PER_S
        self.drive(lambda: self.clock.true_us() >= end_us, "time passes")

    def close(self) -> None:
        hang_up(self._client)


def begin(plant: Plant, clock: MachineClock) -> IngestLoop:
    """Ingest by this clock; patient enough for a loaded machine, not for an hour."""
    return plant.start(
        clock,
        engine__mark_interval_s=1.0,
        engine__mine_stale_after_s=900,
        engine__stale_after_s=900,
        database__write_timeout_s=600,
    )


@pytest.fixture
def city(paired: Plant) -> Iterator[Callable[..., City]]:  # noqa: F811
    """Makes the city of a plant."""
    made: list[City] = []

    def make(clock: MachineClock, more: list[str] | None = None) -> City:
        made.append(City(paired, clock, MINES + (more or [])))
        return made[-1]

    yield make
    for each in made:
        each.close()


def told(plant: Plant, kind: str) -> dict[str, list[str]]:
    """What was said of each subject, in order."""
    words: dict[str, list[str]] = {}
    for subject, event in plant.ask(
        "SELECT a.subject_id, j.event FROM alarm_journal j"
        " JOIN alarm a USING (alarm_id)"
        f" WHERE a.kind = '{kind}' ORDER BY j.journal_id"
    ):
        words.setdefault(subject, []).append(event)
    return words


def nothing_was_invented(plant: Plant) -> None:
    """No silence, nothing late, and only times of this century in the tables."""
    assert told(plant, "link_break") == {}
    assert told(plant, "no_data") == {}
    assert plant.count("alarm", "late") == 0
    for table, column in (("reading", "at"), ("frame", "judged_at")):
        far = f"{column} < '2000-01-01Z' OR {column} >= '2100-01-01Z'"
        assert plant.count(table, far) == 0


def test_wrong_clocks_of_mines_are_told_once_and_judged_in_time(
    paired: Plant,  # noqa: F811
    city: Callable[..., City],
) -> None:
    """Ahead, behind, in the year 2000, after 2100; over a restart; then set right."""
    ahead, behind, empty, beyond = wrong = [f"5306270009{n:02d}" for n in range(4)]
    clock = MachineClock(RATE)
    begin(paired, clock)
    mines = city(clock, wrong)
    mines.pass_time(30)
    now_us = clock.true_us()
    mines.wrong_us = {
        ahead: US_PER_H,
        behind: -US_PER_H,
        empty: PG_EPOCH_US + US_PER_H - now_us,
        beyond: TIME_MAX_US + US_PER_H - now_us,
    }
    begun_us = clock.true_us()
    mines.value |= dict.fromkeys(wrong, OVER)
    mines.pass_time(60)
    mines.value |= dict.fromkeys(wrong, LOW)
    mines.drive(lambda: len(told(paired, "clock_wrong")) == 4, "four wrong clocks")
    mines.drive(lambda: paired.count("gateway_clock", "is_wrong") == 4, "four rows")

    paired.stop()
    loop = begin(paired, clock)
    mines.pass_time(60)
    assert set(told(paired, "clock_wrong")) == set(wrong)
    assert {mine for _, mine in loop.evaluator.clocks.offset_us} <= set(wrong)
    mines.wrong_us = {}
    open_now = "kind = 'clock_wrong' AND cleared_at IS NULL"
    mines.drive(lambda: paired.count("alarm", open_now) == 0, "all set right", 90)

    assert told(paired, "clock_wrong") == {m: ["raised", "cleared"] for m in wrong}
    assert told(paired, "our_clock") == {}
    nothing_was_invented(paired)
    over = paired.ask(
        "SELECT m.code, (extract(epoch FROM raised_at) * 1000000)::bigint,"
        " cleared_at - raised_at, rank FROM alarm JOIN mine m USING (mine_id)"
        " WHERE alarm.kind = 'over_limit'"
    )
    assert sorted(row[0] for row in over) == sorted(wrong)
    for mine, raised_us, lasted, rank in over:
        assert rank == 1, mine
        assert abs(raised_us - begun_us) < 60 * US_PER_S, mine
        assert timedelta(seconds=40) < lasted < timedelta(seconds=100), mine


def over_limit(plant: Plant) -> tuple[int, timedelta | None]:
    """Level of the over-limit, and when it rose after it began."""
    ((rank, rose),) = plant.ask(
        "SELECT a.rank, (SELECT min(j.happened_at) - a.raised_at FROM alarm_journal j"
        "  WHERE j.alarm_id = a.alarm_id AND j.event = 'level')"
        " FROM alarm a WHERE a.kind = 'over_limit'"
    )
    return rank, rose


def arrivals_are_true(plant: Plant, clock: MachineClock) -> None:
    """The newest frame came just now by the true time, whatever our clock shows."""
    ((newest_us,),) = plant.ask(
        "SELECT (extract(epoch FROM arrived_at) * 1000000)::bigint FROM frame"
        " ORDER BY seq DESC LIMIT 1"
    )
    assert abs(newest_us - clock.true_us()) < 60 * US_PER_S


@pytest.mark.parametrize("step_s", [-H, pytest.param(H, marks=pytest.mark.long)])
def test_a_step_of_our_clock_changes_nothing_but_that_it_is_told(
    paired: Plant,  # noqa: F811
    city: Callable[..., City],
    step_s: int,
) -> None:
    """An over-limit that lives meanwhile rises after its five minutes, not before."""
    clock = MachineClock(RATE)
    begin(paired, clock)
    mines = city(clock)
    mines.pass_time(75)
    mines.value[MINES[0]] = OVER
    mines.drive(lambda: told(paired, "over_limit"), "the over-limit")

    clock.step(step_s)
    mines.drive(lambda: told(paired, "our_clock"), "our clock is told", 20)
    mines.pass_time(120)
    assert over_limit(paired) == (1, None)
    arrivals_are_true(paired, clock)
    mines.drive(lambda: over_limit(paired)[0] == 2, "the level")
    assert over_limit(paired)[1] == timedelta(minutes=5)
    assert told(paired, "our_clock") == {"platform-clock": ["raised"]}

    clock.step(-step_s)
    mines.drive(
        lambda: told(paired, "our_clock") == {"platform-clock": ["raised", "cleared"]},
        "our clock is right again",
    )
    assert told(paired, "clock_wrong") == {}
    nothing_was_invented(paired)


@pytest.mark.parametrize("wrong_s", [pytest.param(-H, marks=pytest.mark.long), H])
def test_a_clock_that_was_wrong_from_the_start_is_ours_and_not_the_mines(
    paired: Plant,  # noqa: F811
    city: Callable[..., City],
    wrong_s: int,
) -> None:
    """The mines say so together; set right, it is followed, and nothing is invented."""
    clock = MachineClock(RATE, wrong_s=wrong_s)
    begin(paired, clock)
    mines = city(clock)
    mines.pass_time(75)
    mines.drive(lambda: told(paired, "our_clock"), "our clock is told")
    mines.value[MINES[0]] = OVER
    mines.drive(lambda: told(paired, "over_limit"), "the over-limit")
    mines.pass_time(60)
    ((bias_s,),) = paired.ask(
        "SELECT (explain ->> 'bias_s')::float FROM alarm WHERE kind = 'our_clock'"
    )
    assert abs(bias_s + wrong_s) < 30

    clock.step(-wrong_s)
    open_now = "kind = 'our_clock' AND cleared_at IS NULL"
    mines.drive(lambda: paired.count("alarm", open_now) == 0, "followed and right")
    arrivals_are_true(paired, clock)
    rank, rose = over_limit(paired)
    assert rank == 1 or rose == timedelta(minutes=5)
    assert told(paired, "clock_wrong") == {}
    nothing_was_invented(paired)

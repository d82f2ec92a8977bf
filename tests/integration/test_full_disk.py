"""A restart across a full disk: what was judged is known, though it is not stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gasmon.alarms import debounce
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.judging import Judging
from gasmon.pipeline.kept import KeptSnapshot
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.spool import Spool
from gasmon.units import US_PER_MS
from tests.fix_pipeline import AREA, MINE
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Plant,
    paired,
)
from tests.integration.test_restart import (  # noqa: F401
    SITE,
    SLOW,
    kill,
    phase_of,
    since_of,
    spooling,
    with_delay,
)

PEAK = 2.4
Spooling = tuple[Plant, Proxy, dict[str, Any]]


SELDOM = {"engine__mark_interval_s": 60}
"""Every turn has readings: one of clock marks alone would always be stored whole."""


def take(plant: Plant, *values: float) -> None:
    """Send values and wait until they are judged and the broker was told so."""
    loop = plant.running[-1]
    for value in values:
        at_us = orjson.loads(plant.gateway.gas(value))["ts"] * US_PER_MS
    wait_until(lambda: loop.evaluator.engine.state.last_at_us[0] == at_us, 20, "judged")
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "acknowledged")


def no_room(loop: IngestLoop, patched: pytest.MonkeyPatch) -> Spool:
    """From now on the spool takes facts alone."""
    spool = loop.storing.spool
    assert spool is not None
    patched.setattr(Spool, "_resume", lambda _: None)
    spool.readings_refused = True
    return spool


def away_after_high(plant: Plant, proxy: Proxy, more: dict[str, Any]) -> IngestLoop:
    """One that seldom takes a snapshot; high when the database goes."""
    plant.stop()
    loop = plant.start(**more, **SELDOM)
    proxy.refuse()
    take(plant, HIGH)
    return loop


def go_on_until_kept(plant: Plant, more: dict[str, Any]) -> None:
    """Until a snapshot lies beside the spool that knows all that was judged so far."""
    kept = KeptSnapshot(Path(more["ingest__spool_dir"]))
    judged = plant.running[-1].evaluator.step

    def is_there() -> bool:
        take(plant, HIGH)
        found = kept.read()
        return found is not None and found.step >= judged

    wait_until(is_there, 20, "a snapshot")


@SITE
def test_a_peak_among_refused_readings_is_known_after_a_restart(
    spooling: Spooling,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While there is no room yet: nothing but the snapshot can know of it."""
    plant, proxy, more = spooling
    first = away_after_high(plant, proxy, more)
    with monkeypatch.context() as patched:
        spool = no_room(first, patched)
        take(plant, PEAK)
        go_on_until_kept(plant, more)
        n_refused = spool.n_refused
        kill(plant)
    proxy.heal()

    second = plant.start(**more)

    assert second.evaluator.engine.state.peak[0, OVER_LIMIT] == PEAK
    wait_until(lambda: second.checks()["persist"]() is None, 20, "everything written")
    plant.gateway.gas(LOW)
    plant.stored(3)
    assert plant.ask("SELECT DISTINCT peak FROM alarm") == [(PEAK,)]
    lost = plant.ask("SELECT sum(n) FROM reject WHERE reason = 'readings_lost'")
    assert lost == [(n_refused,)]


@SITE
def test_a_delay_that_began_anew_among_refused_readings_is_not_older(
    spooling: Spooling,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was below its limit meanwhile is pending since it rose again, no earlier."""
    plant, proxy, more = spooling
    plant.rules = with_delay(SLOW)
    first = away_after_high(plant, proxy, more)
    since_us = since_of(first)
    with monkeypatch.context() as patched:
        no_room(first, patched)
        take(plant, LOW, HIGH)
        go_on_until_kept(plant, more)
        kill(plant)
    proxy.heal()

    second = plant.start(**more)

    assert phase_of(second) == debounce.PENDING
    assert since_of(second) == since_of(first) > since_us


@SITE
def test_a_full_disk_that_is_over_leaves_a_snapshot_in_the_database(
    spooling: Spooling,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last refused turn may be the last spooled one: the next are written at once.

    Without a snapshot from behind it a restart would not know what it judged.
    """
    plant, proxy, more = spooling
    proxy.refuse()
    take(plant, HIGH)
    first = plant.running[-1]
    with monkeypatch.context() as patched:
        patched.setattr(KeptSnapshot, "write", lambda *_, **__: False)
        no_room(first, patched)
        take(plant, PEAK)
        step = first.evaluator.step
        proxy.heal()
        wait_until(lambda: first.storing.problem() is None, 20, "everything written")
        wait_until(
            lambda: plant.ask("SELECT max(step) FROM engine_snapshot")[0][0] >= step,
            20,
            "a snapshot",
        )
    kill(plant)

    second = plant.start(**more)

    assert second.evaluator.engine.state.peak[0, OVER_LIMIT] == PEAK


@SITE
def test_an_orderly_end_on_a_full_disk_forgets_nothing(
    spooling: Spooling,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was judged since the last snapshot is kept in the end, and goes on."""
    plant, proxy, more = spooling
    first = away_after_high(plant, proxy, more)
    with monkeypatch.context() as patched:
        no_room(first, patched)
        # No turn brings a snapshot any more: only the end can.
        patched.setattr(Judging, "_remember", lambda *_: None)
        take(plant, PEAK, HIGH)
        plant.stop()
    proxy.heal()

    second = plant.start(**more)

    assert second.evaluator.engine.state.peak[0, OVER_LIMIT] == PEAK
    plant.gateway.gas(LOW)
    over = "cleared_at IS NOT NULL"
    wait_until(lambda: plant.count("alarm", over) == 2, 20, "both are over")
    assert plant.ask("SELECT DISTINCT peak FROM alarm") == [(PEAK,)]


@SITE
def test_a_frame_given_up_is_known_when_the_spool_is_written(
    spooling: Spooling,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes again after a start: stored, at its own time, and nothing told twice."""
    plant, proxy, more = spooling
    first = away_after_high(plant, proxy, more)
    n_sent = plant.gateway.seq
    with monkeypatch.context() as patched:
        no_room(first, patched)
        sent = [plant.gateway.gas(value) for value in (PEAK, LOW, HIGH)]
        last_us = orjson.loads(sent[-1])["ts"] * US_PER_MS
        wait_until(
            lambda: first.evaluator.engine.state.last_at_us[0] == last_us, 20, "judged"
        )
        proxy.heal()
        wait_until(lambda: first.checks()["persist"]() is None, 20, "all written")
        plant.stop()
    newest = plant.ask("SELECT boot, frame_seq FROM mine_latest")
    assert newest == [(plant.gateway.boot, plant.gateway.seq)]
    assert plant.count("frame") == n_sent
    told = plant.ask("SELECT event_id, event FROM alarm_journal ORDER BY 1")

    second = plant.start(**more)
    assert second.storing.spool is not None
    for payload in sent:
        plant.gateway.send(data_topic(AREA, MINE), payload)
    plant.stored(plant.gateway.seq)

    assert second.evaluator.clocks.offset_us == {}
    times = plant.ask("SELECT extract(epoch FROM at) * 1000 FROM reading ORDER BY at")
    given = [orjson.loads(payload)["ts"] for payload in sent]
    assert [int(ms) for (ms,) in times][-3:] == given
    assert plant.ask("SELECT event_id, event FROM alarm_journal ORDER BY 1") == told


@SITE
def test_a_spool_that_is_full_to_the_last_byte_is_written_when_it_can_be(
    spooling: Spooling,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it takes no more waits; the database, back again, gets everything."""
    plant, proxy, _ = spooling
    proxy.refuse()
    take(plant, HIGH)
    loop = plant.running[-1]
    spool = loop.storing.spool
    assert spool is not None
    assert spool.n_turns > 0
    used_up(spool)
    plant.gateway.gas(LOW)
    wait_until(lambda: "used up" in caplog.text, 20, "not even facts are taken")
    assert loop.pump.unacknowledged, "it stays with the broker"
    proxy.heal()

    wait_until(lambda: plant.count("frame") == 3, 40, "everything written")
    wait_until(lambda: loop.storing.problem() is None, 20, "and said so")
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "acknowledged")
    assert loop.failure is None
    assert plant.count("alarm") == 2
    assert plant.count("alarm", "cleared_at IS NULL") == 0


def used_up(spool: Spool) -> None:
    """From now on it takes nothing more, as on a disk that others have filled."""
    spool.limit_bytes = 0
    spool._reserve.n_bytes = 0

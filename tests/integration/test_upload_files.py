"""A mine that writes files and one that speaks JSON, with the same gas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gasmon.alarms.rules import default_rules
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.ingest.topics import file_topic
from gasmon.ingest.upload.profile import Profile
from gasmon.pipeline.loops import IngestLoop
from gasmon.units import US_PER_S
from simulators.city import City
from simulators.files import FileMine
from simulators.gateway import MineGateway
from simulators.layout import build_city, choose_mines
from simulators.plan import CityPlan, MinePlan
from tests.fix_broker import Broker
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import Plant, plant_of

CYCLE_S = 10
N_CYCLES = 60
BY_ARRIVAL = ("link_break", "substation_break", "no_data", "clock_wrong")
"""Kinds that are judged by our clock; ten minutes come here within a second."""


@pytest.fixture
def site(
    new_migrated: Callable[[EmbeddedPostgres], str],
    postgres_server: EmbeddedPostgres,
    mosquitto_broker: Broker,
) -> Iterator[Plant]:
    """A database, a broker, and the shipped rules."""
    for plant in plant_of(new_migrated(postgres_server), mosquitto_broker):
        plant.rules = default_rules()
        yield plant


@dataclass
class Twins:
    """Two mines with the same sensors in the same air, and what they showed."""

    json: MinePlan
    files: MinePlan
    steps: list[tuple[int, list[float], list[int]]]


def twins(now_us: int) -> Twins:
    """Ten minutes that end now: gas in a return corner, a fan that stops, a fault."""
    plan = choose_mines(build_city(1), 1, ("zhenxiong",))
    (mine,) = plan.mines
    begin_us = (now_us // US_PER_S - CYCLE_S * N_CYCLES) * US_PER_S
    city = City(
        CityPlan(plan.seed, (mine,)),
        np.random.default_rng(7),
        activity=4.0,
        calibrations=False,
        incidents=(0,),
        incident_at_us=begin_us + 297 * US_PER_S,
    )
    steps = []
    for n in range(N_CYCLES):
        step = city.step(begin_us + n * CYCLE_S * US_PER_S)
        value, state = step.value.tolist(), step.state.tolist()
        if 20 <= n < 40:
            value[index_of(mine, "1001")] = 0.0
        if 10 <= n < 30:
            value[index_of(mine, "0004")], state[index_of(mine, "0004")] = nan, 128
        steps.append((step.at_us, value, state))
    # No file tells the kind of a mine, so the other one does not either.
    mine = replace(mine, kind="")
    return Twins(mine, replace(mine, code=mine.area + "009999"), steps)


def index_of(mine: MinePlan, sensor_type: str) -> int:
    """The first point of a type: a local fan, carbon monoxide."""
    types = [point.sensor_type for point in mine.points]
    return types.index(sensor_type)


def alarms_of(plant: Plant, mine: MinePlan) -> list[tuple[Any, ...]]:
    """What was raised and cleared at a mine, in event time, without its code."""
    rows = plant.ask(
        "SELECT a.kind, replace(a.subject_id, m.code, 'MINE'), a.rank, a.raised_at,"
        " a.cleared_at, a.value, a.peak FROM alarm a JOIN mine m USING (mine_id)"
        f" WHERE m.code = '{mine.code}' ORDER BY 1, 2, 4"
    )
    return [row for row in rows if row[0] not in BY_ARRIVAL]


@pytest.mark.slow
def test_a_mine_that_writes_files_and_one_that_speaks_json_raise_the_same_alarms(
    site: Plant, tmp_path: Path
) -> None:
    """Same kinds, points, levels, times and values; every file is moved."""
    profiles = tmp_path / "profiles.toml"
    pair = twins(site.gateway.now_ms * 1000)
    profiles.write_text(
        f'[mine.{pair.files.code}]\nencoding = "gbk"\nrecord_separator = "^"\n'
        'end_mark = "]]]"\n',
        "utf-8",
    )
    drop = tmp_path / "drop"
    drop.mkdir()
    loop = site.start(files__drop_dir=drop, files__profiles_file=profiles)
    book = loop.evaluator.book
    writer = FileMine(
        pair.files, Profile(encoding="gbk", record_separator="^", end_mark="]]]")
    )
    gateway = MineGateway(pair.json, "k3f9", N_CYCLES)
    begin_us = pair.steps[0][0] - US_PER_S

    writer.put(drop, "CDDY", begin_us, writer.definitions(begin_us))
    site.gateway.send(gateway.points_topic, gateway.birth(begin_us)[0].payload or b"")
    for mine in (pair.json, pair.files):
        wait_until(lambda m=mine: book.rev_of(m.code), 20, f"{mine.name} is defined")  # type: ignore[misc]
    for at_us, value, state in pair.steps:
        message = gateway.frame(at_us, value, state)
        assert message.seq is not None
        site.gateway.send(message.topic, gateway.ring.get(message.seq) or b"")
    for at_us, value, state in pair.steps:
        writer.put(drop, "CDSS", at_us, writer.readings(at_us, value, state))
    site.stored(2 * N_CYCLES)

    wait_until(lambda: not list(drop.glob("*.txt")), 20, "every file is moved")
    assert len(list(drop.rglob("backup/*/*/*.txt"))) == N_CYCLES + 1
    assert site.ask("SELECT reason, detail FROM reject") == []
    n_readings = site.ask(
        "SELECT m.code, count(*) FROM reading r JOIN point p USING (point_id)"
        " JOIN mine m USING (mine_id) GROUP BY 1"
    )
    n = N_CYCLES * len(pair.json.points)
    assert dict(n_readings) == {pair.json.code: n, pair.files.code: n}
    raised = alarms_of(site, pair.json)
    kinds = {kind for kind, *_ in raised}
    assert {"over_limit", "cut_off", "local_fan_stopped", "sensor_break"} <= kinds
    wait_until(lambda: alarms_of(site, pair.files) == raised, 20, "the same alarms")


def test_files_on_topics_go_the_same_way(site: Plant) -> None:
    """The same bytes from a broker; sent twice they are one frame."""
    site.start()
    pair = twins(site.gateway.now_ms * 1000)
    writer = FileMine(pair.files)
    area, code = pair.files.area, pair.files.code
    at_us, value, state = pair.steps[0]
    define, show = file_topic(area, code, "CDDY"), file_topic(area, code, "NCDSS")
    site.gateway.send(define, writer.definitions(at_us))
    book = site.running[-1].evaluator.book
    wait_until(lambda: book.rev_of(code), 20, "it is defined")
    for _ in range(2):
        site.gateway.send(show, writer.readings(at_us, value, state))
    later_us, value, state = pair.steps[1]
    site.gateway.send(show, writer.readings(later_us, value, state))
    site.stored(2)
    assert site.count("reading") == 2 * len(pair.files.points)
    assert site.count("point_version", "source = 'file'") == len(pair.files.points)


@pytest.mark.parametrize(
    "kind", ["mosquitto", pytest.param("nats", marks=pytest.mark.long)]
)
def test_files_that_a_reconnect_mixed_up_are_put_back_in_order(
    kind: str,
    new_migrated: Callable[[EmbeddedPostgres], str],
    postgres_server: EmbeddedPostgres,
    request: pytest.FixtureRequest,
) -> None:
    """The newer ones wait in the broker before the older: all are judged in order."""
    broker = request.getfixturevalue(f"{kind}_broker")
    for plant in plant_of(new_migrated(postgres_server), broker):
        again, told = mixed_up(plant)
        assert again.order.n_held == 0
        assert again.order.n_reordered > 0
        assert len(told) == 6
        assert told == sorted(told)


def mixed_up(plant: Plant) -> tuple[IngestLoop, list[int]]:
    """One file, and five in disorder that wait in the broker for the next ingest.

    Returns:
        The next ingest, and the files' times in the order in which they were stored.
    """
    first = plant.start()
    pair = twins(plant.gateway.now_ms * 1000)
    writer, area, code = FileMine(pair.files), pair.files.area, pair.files.code
    show = file_topic(area, code, "CDSS")
    files = [writer.readings(*step) for step in pair.steps[:6]]
    define = writer.definitions(pair.steps[0][0])
    plant.gateway.send(file_topic(area, code, "CDDY"), define)
    wait_until(lambda: first.evaluator.book.rev_of(code), 20, "it is defined")
    plant.gateway.send(show, files[0])
    plant.stored(1)
    plant.stop()
    for i in (4, 3, 5, 1, 2):
        plant.gateway.send(show, files[i])
    again = plant.start()
    plant.stored(6)
    # A new table's rows lie as they were written.
    rows = plant.ask("SELECT device_ms FROM frame ORDER BY tableoid, ctid")
    return again, [at_ms for (at_ms,) in rows]

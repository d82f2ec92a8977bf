"""Pre-warnings through a real ingest: broker, engine, database, restart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gasmon.alarms.kinds import FORECAST_KIND
from gasmon.alarms.reconcile import living
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import data_topic
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    AREA,
    MINE,
    Plant,
    paired,
    port_of,
    through,
)
from tests.integration.test_restart import kill

SITE = pytest.mark.parametrize(
    "paired", [("timescaledb", "mosquitto")], indirect=True, ids="-".join
)
NEAR = [0.5] * 30 + [0.97] * 15
"""A pre-warning is said, and open in the end."""
BUDGET = {"engine__forecast_false_alarms_a_day": 50}


def send(plant: Plant, values: Sequence[float], begin_ms: int) -> None:
    """Frames 30 s apart, of a while ago."""
    gateway = plant.gateway
    for k, value in enumerate(values):
        gateway.seq += 1
        payload = encode_data(
            gateway.boot, gateway.seq, begin_ms + k * 30_000, [("001A01", value, 0)]
        )
        gateway.send(data_topic(AREA, MINE), payload)


@SITE
def test_a_pre_warning_is_stored_with_its_baselines_and_outlives_a_restart(
    paired: Plant,  # noqa: F811
) -> None:
    """Once each, ended by the process that comes after; no relay hears of it."""
    begin_ms = paired.gateway.now_ms - 3_600_000
    paired.start(**BUDGET)
    paired.gateway.define()
    send(paired, NEAR, begin_ms)
    wait_until(
        lambda: paired.ask("SELECT 1 FROM alarm WHERE kind = 'forecast'"),
        what="a pre-warning",
    )
    flags = paired.ask(
        "SELECT DISTINCT mine_only FROM outbox JOIN alarm USING (alarm_id)"
        " WHERE kind = 'forecast'"
    )
    assert flags == [(True,)]
    wait_until(
        lambda: paired.ask("SELECT count(*) FROM frame")[0][0] == len(NEAR),
        what="all frames",
    )
    kill(paired)
    loop = paired.start(**BUDGET)
    assert FORECAST_KIND in {kind for kind, _ in living(loop.evaluator.engine)}
    send(paired, [0.3] * 30, begin_ms + len(NEAR) * 30_000)
    wait_until(
        lambda: paired.ask(
            "SELECT 1 FROM alarm WHERE kind = 'forecast' AND cleared_at IS NOT NULL"
        ),
        what="its end",
    )
    said = paired.ask("SELECT count(*) FROM alarm WHERE kind = 'forecast'")
    stored = paired.ask("SELECT model, count(*) FROM forecast GROUP BY 1")
    assert dict(stored)["forecast"] == said[0][0] == 1
    told = [alarm.kind for one in paired.gateway.told for alarm in one.open]
    assert FORECAST_KIND not in told

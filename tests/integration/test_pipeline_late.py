"""A backlog over the real path: what was over is one quiet row, what is on sounds."""

from __future__ import annotations

from typing import Any

import pytest

from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import backfill_topic, data_topic
from tests.fix_pipeline import AREA, MINE
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import LOW, Plant, paired

__all__ = ["paired"]

CYCLE_MS = 15_000
N_FRAMES = 480  # 2 h
FROM, N_HIGH = 200, 24  # 6 min
OVER = 1.2


class Backlog:
    """Two hours of a gateway's earlier start, with six minutes over the limit."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.begin_ms = plant.gateway.now_ms - N_FRAMES * CYCLE_MS

    def at_ms(self, number: int) -> int:
        return self.begin_ms + number * CYCLE_MS

    def before(self) -> None:
        """What was sent live before the line broke."""
        payload = encode_data("old", 1, self.begin_ms, [("001A01", LOW, 0)])
        self.plant.gateway.send(data_topic(AREA, MINE), payload)

    def send(self, first: int, last: int) -> None:
        """Frames of the gap, in order."""
        sent = []
        for number in range(first, last):
            high = FROM <= number < FROM + N_HIGH
            item = ("001A01", OVER if high else LOW, 0)
            payload = encode_data("old", number + 1, self.at_ms(number), [item])
            client = self.plant.gateway.client
            sent.append(client.publish(backfill_topic(AREA, MINE), payload, 1))
        for info in sent:
            info.wait_for_publish(20)


def _rows(plant: Plant) -> list[tuple[Any, ...]]:
    """All alarms of the point, times in ms."""
    return plant.ask(
        "SELECT kind, (extract(epoch FROM raised_at) * 1000)::bigint,"
        " (extract(epoch FROM cleared_at) * 1000)::bigint, late, quiet, peak"
        " FROM alarm WHERE kind <> 'no_data' ORDER BY raised_at"
    )


@pytest.mark.slow
def test_six_minutes_in_two_hours_are_one_quiet_row(paired: Plant) -> None:
    """Later half first, earlier half after it: one alarm, right times, no sound."""
    paired.start(engine__late_calm_s=6.0)
    paired.gateway.define()
    backlog = Backlog(paired)
    backlog.before()
    paired.gateway.gas(LOW)
    paired.stored(2)
    middle = FROM + N_HIGH // 2
    backlog.send(middle, N_FRAMES)
    backlog.send(1, middle)
    paired.stored(N_FRAMES + 1)
    wait_until(lambda: _rows(paired), 30, "the record")
    assert _rows(paired) == [
        (
            "over_limit",
            backlog.at_ms(FROM),
            backlog.at_ms(FROM + N_HIGH),
            True,
            "late",
            OVER,
        )
    ]
    # The relay of the mine was told all the while that nothing is raised.
    wait_until(lambda: paired.gateway.told, 20, "the relay")
    assert all(
        alarm.kind == "no_data" for told in paired.gateway.told for alarm in told.open
    )


@pytest.mark.slow
def test_what_is_still_on_sounds(paired: Plant) -> None:
    """The newest reading says nothing: the alarm has its own begin and is heard."""
    paired.start(engine__late_calm_s=6.0)
    paired.gateway.define()
    backlog = Backlog(paired)
    backlog.before()
    paired.gateway.gas(None)  # type: ignore[arg-type]
    paired.stored(2)
    backlog.send(1, FROM + 2)
    wait_until(
        lambda: any(
            alarm.kind == "over_limit"
            for told in paired.gateway.told
            for alarm in told.open
        ),
        30,
        "the relay sounds",
    )
    paired.stored(FROM + 3)
    (row,) = [row for row in _rows(paired) if row[0] == "over_limit"]
    assert row[1:5] == (backlog.at_ms(FROM), None, False, None)

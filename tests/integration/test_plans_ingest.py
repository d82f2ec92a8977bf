"""Planned work through a real ingest: quiet inside its window, and loud beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gasmon.clock import SystemClock
from gasmon.store import db, plans
from gasmon.store.access import Principal
from gasmon.store.decided import Act
from gasmon.store.plan_wish import PlanWish
from gasmon.units import US_PER_H, US_PER_S
from tests.fix_pipeline import AREA, MINE
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import LOW, Plant, paired

__all__ = ["paired"]

CLOCK = SystemClock()
OVER = 1.2
"""Over the limit and below the cut-off."""


class Office:
    """The mine's dispatcher and the county's officer, in one room."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.conn = db.connect(plant.settings().database)
        self.mine = Principal(1, "wang", "mine_dispatcher", None, (MINE,))
        self.county = Principal(2, "li", "county_officer", (AREA,), None)

    def approved(self, until_us: int, **changes: Any) -> int:
        """A plan that counts from now on."""
        wish = PlanWish(
            mine=MINE,
            work="blasting",
            from_us=CLOCK.now_us() - US_PER_S,
            until_us=until_us,
            reason="放炮",
            points=("01-001A01",),
            alarm_kinds=("over_limit",),
            **{"rank_ceiling": 3, "value_ceiling": 1.4, **changes},
        )
        with self.conn.transaction():
            plan_id = plans.file_plan(
                self.conn, self.mine, wish, longest_h=24, now_us=CLOCK.now_us()
            )
            act = Act(plan_id, "approve")
            plans.act_on_plan(self.conn, self.county, act, now_us=CLOCK.now_us())
        return plan_id

    def alarm(self) -> tuple[Any, ...]:
        """(planned, quiet) of the over-limit alarm; nothing while there is none."""
        rows = self.plant.ask(
            "SELECT planned, quiet FROM alarm WHERE kind = 'over_limit'"
        )
        return rows[0] if rows else ()

    def relay(self) -> list[str]:
        """Kinds that the mine's relay sounds for."""
        told = self.plant.gateway.told
        return [alarm.kind for alarm in told[-1].open] if told else []


@pytest.fixture
def office(paired: Plant) -> Iterator[Office]:
    """A running ingest, a mine with good values, and two people."""
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    wait_until(lambda: paired.count("point") == 1, 20, "the point's definition")
    made = Office(paired)
    yield made
    made.conn.close()


def known(office: Office, plan_id: int) -> None:
    """Wait until ingest has heard of a plan."""
    loop = office.plant.running[-1]

    def names() -> set[str]:
        table = loop._windows.table().by_subject
        return {window.name for windows in table.values() for window in windows}

    wait_until(lambda: f"plan:{plan_id}" in names(), 20, "the plan")


def rung(office: Office, why: str) -> None:
    """Wait until the alarm is loud, on the relay as well, and it is told why.

    A slow machine may see the mine fall silent meanwhile, which is told as well.
    """
    wait_until(lambda: office.alarm() == (True, None), 20, "the alarm is loud")
    wait_until(lambda: "over_limit" in office.relay(), 20, "the relay sounds")
    said = office.plant.ask(
        "SELECT j.event, j.detail->'explain'->'broke_through'->>'why'"
        " FROM alarm_journal j JOIN alarm a USING (alarm_id)"
        " WHERE a.kind = 'over_limit' AND j.event IN ('raised', 'broke_through')"
        " ORDER BY j.journal_id"
    )
    assert said == [("raised", None), ("broke_through", why)]
    told = office.plant.ask(
        "SELECT o.event FROM outbox o JOIN alarm a USING (alarm_id)"
        " WHERE a.kind = 'over_limit' AND o.event IN ('raised', 'broke_through')"
        " ORDER BY o.seq"
    )
    assert told == [("raised",), ("broke_through",)]


def test_inside_of_its_window_an_alarm_is_planned_and_above_its_ceiling_it_rings(
    office: Office,
) -> None:
    """Raised, stored, told and silent; until its value is higher than was agreed."""
    plan_id = office.approved(CLOCK.now_us() + US_PER_H)
    known(office, plan_id)
    office.plant.gateway.gas(OVER)
    office.plant.stored(2)
    assert office.alarm() == (True, f"plan:{plan_id}")
    assert "over_limit" not in office.relay()

    office.plant.gateway.gas(1.45)
    rung(office, "ceiling")


def test_a_window_that_ends_rings_over_a_restart(office: Office) -> None:
    """The alarm is quiet before and after the restart, and loud at the end."""
    plan_id = office.approved(CLOCK.now_us() + US_PER_H)
    known(office, plan_id)
    office.plant.gateway.gas(OVER)
    office.plant.stored(2)
    office.plant.stop()
    office.plant.start()
    office.plant.gateway.gas(OVER)
    office.plant.stored(3)
    assert office.alarm() == (True, f"plan:{plan_id}")
    assert "over_limit" not in office.relay()

    act = Act(plan_id, "withdraw", "完工")
    with office.conn.transaction():
        plans.act_on_plan(office.conn, office.mine, act, now_us=CLOCK.now_us())
    rung(office, "window_over")


def test_a_window_that_ends_by_itself_rings_without_a_reading(office: Office) -> None:
    """Nobody does anything, and nothing comes from the mine."""
    plan_id = office.approved(CLOCK.now_us() + US_PER_H)
    known(office, plan_id)
    office.plant.gateway.gas(OVER)
    office.plant.stored(2)
    assert office.alarm() == (True, f"plan:{plan_id}")
    # As if the hour were over now.
    office.plant.change(f"UPDATE quiet SET until_us = {CLOCK.now_us()}")
    rung(office, "window_over")
    said = office.plant.ask(
        "SELECT (extract(epoch FROM j.happened_at) * 1000000)::bigint = q.until_us"
        " FROM quiet q, alarm_journal j WHERE j.event = 'broke_through'"
    )
    assert said == [(True,)]

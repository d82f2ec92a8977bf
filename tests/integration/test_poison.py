"""What must never happen happens: judging raises, the database refuses a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.batch import ReadingBatch
from gasmon.errors import StateConflict
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.presence import online_boot
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.suspects import NothingJudged
from tests.fix_pipeline import AREA
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (  # noqa: F401
    HIGH,
    LOW,
    Plant,
    paired,
)

POISON = 1.2345


class Mistake(Exception):
    """A mistake of ours."""


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that fails over one value, after it has changed itself."""
    tick = AlarmEngine.tick

    def failing(engine: AlarmEngine, batch: ReadingBatch, **more: Any) -> Any:
        said = tick(engine, batch, **more)
        if (batch.value == POISON).any():
            raise Mistake(f"nobody thought of {POISON}")
        return said

    monkeypatch.setattr(AlarmEngine, "tick", failing)


@pytest.mark.usefixtures("mistaken")
def test_a_packet_that_makes_judging_fail_costs_nothing_else(
    paired: Plant,  # noqa: F811
) -> None:
    """It is tried alone, refused by name and acknowledged; the alarm goes on."""
    loop = paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(HIGH)
    paired.stored(1)

    gateway.gas(POISON)
    gateway.gas(HIGH)

    wait_until(lambda: paired.count("reject"), 60, "the refusal")
    ((reason, detail),) = paired.ask("SELECT reason, detail FROM reject")
    assert reason == "judge_failed"
    assert "Mistake: nobody thought of 1.2345" in detail
    wait_until(lambda: paired.count("frame") == 2, 40, "the frame behind it")
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "everything acknowledged")
    gateway.gas(LOW)
    wait_until(lambda: paired.count("frame") == 3, 40, "and the next one")
    assert loop.failure is None
    assert paired.count("alarm_journal", "event = 'raised'") == 2
    assert paired.count("alarm", "cleared_at IS NULL") == 0


def test_failures_without_a_packet_end_the_process(
    paired: Plant,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few new beginnings, then it says so: nobody is to blame but us."""
    loop = paired.start()

    def failing(*_: Any, marks: Sequence[int] = (), **__: Any) -> Any:
        raise Mistake("not even time passes")

    monkeypatch.setattr(AlarmEngine, "tick", failing)
    wait_until(lambda: loop.failure is not None, 60, "it ends")
    assert isinstance(loop.failure, Mistake)
    problem = loop.checks()["ingest"]()
    assert problem is not None
    assert "not even time passes" in problem


def test_a_mistake_that_hits_every_frame_leaves_all_with_the_broker(
    paired: Plant,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends and says so, nothing is refused; the next start judges and stores all."""
    loop = paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    paired.stored(1)

    with monkeypatch.context() as patched:
        tick = AlarmEngine.tick

        def failing(engine: AlarmEngine, batch: ReadingBatch, **more: Any) -> Any:
            if batch.n:
                raise MemoryError("no room for anything")
            return tick(engine, batch, **more)

        patched.setattr(AlarmEngine, "tick", failing)
        for number in range(1, 5):
            payload = encode_data("b", 1, gateway.now_ms, [("001A01", HIGH, 0)])
            gateway.send(data_topic(AREA, f"{AREA}90000{number}"), payload)
        wait_until(lambda: loop.failure is not None, 120, "it ends")
        problem = loop.checks()["ingest"]()
        paired.stop()

    assert isinstance(loop.failure, NothingJudged)
    assert problem is not None
    assert "a mistake of ours" in problem
    assert (paired.count("reject"), paired.count("frame")) == (0, 1)
    assert online_boot(paired.settings().mqtt, "who-lives") is None, "it says goodbye"
    second = paired.start()
    wait_until(lambda: paired.count("frame") == 5, 60, "all are stored")
    wait_until(lambda: second.pump.unacknowledged == 0, 20, "and acknowledged")
    assert paired.count("reject") == 0


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind = 'cut_off' AND NEW.explain <> '{}' THEN
        RAISE EXCEPTION 'no such explanation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON alarm FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def test_an_event_that_the_database_refuses_costs_its_explanation(
    paired: Plant,  # noqa: F811
) -> None:
    """Readings, the other alarm and what comes behind are stored; it is told bare."""
    paired.change(REFUSE)
    loop = paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(HIGH)
    gateway.gas(HIGH)

    paired.stored(2)

    alarms = paired.ask("SELECT kind, explain = '{}' FROM alarm ORDER BY kind")
    assert alarms == [("cut_off", True), ("over_limit", False)]
    told = paired.ask("SELECT body::json ->> 'kind' FROM outbox ORDER BY seq")
    assert sorted(kind for (kind,) in told) == ["cut_off", "over_limit"]
    ((reason, detail),) = paired.ask("SELECT reason, detail FROM reject")
    assert reason == "not_storable"
    assert "no such explanation" in detail
    gateway.gas(LOW)
    paired.stored(3)
    assert paired.count("alarm", "cleared_at IS NULL") == 0
    assert loop.failure is None


REFUSE_ALL = """
CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'nothing is good enough';
END $$;
CREATE TRIGGER refuse_all BEFORE INSERT ON {table}
FOR EACH ROW EXECUTE FUNCTION refuse_all();
"""


@pytest.mark.parametrize("table", ["reading", "frame"])
def test_a_database_that_takes_no_row_has_none_refused(
    paired: Plant,  # noqa: F811
    table: str,
) -> None:
    """A mistake that hits every row: all waits at the broker, and then is stored."""
    loop = paired.start()
    paired.gateway.define()
    # Stored by itself, before the first frame could share its commit.
    wait_until(lambda: paired.count("point") == 1, 20, "the definition is stored")
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "and acknowledged")
    paired.change(REFUSE_ALL.format(table=table))
    for _ in range(4):
        paired.gateway.gas(LOW)
    wait_until(lambda: loop.checks()["persist"]() is not None, 40, "it is said")
    wait_until(lambda: loop.pump.unacknowledged == 4, 20, "all of them came")
    assert (paired.count("reject"), paired.count("reading")) == (0, 0)

    paired.change(f"DROP TRIGGER refuse_all ON {table}")

    wait_until(lambda: paired.count("frame") == 4, 40, "all are stored")
    wait_until(lambda: loop.pump.unacknowledged == 0, 20, "and acknowledged")
    assert paired.count("reject") == 0
    assert loop.failure is None


def test_a_process_that_cannot_own_says_who_does(paired: Plant) -> None:  # noqa: F811
    """Without ``ingest.standby`` a second one is refused at once."""
    paired.start()
    with pytest.raises(StateConflict, match="has an owner already: \\* by test:0"):
        paired.start()

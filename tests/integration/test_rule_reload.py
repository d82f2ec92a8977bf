"""Other rules for an ingest that runs, with the real broker and database."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.recent import has_recent
from gasmon.pipeline.rulewatch import load_rules
from tests.fix_pipeline import CH4
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import LOW, Plant, paired  # noqa: F401
from tests.integration.test_restart import DEMO, SITE, kill
from tests.integration.test_without_database import Cut, cut  # noqa: F401
from tests.rule_texts import LIMITS_ALONE

STRICT = f"""{LIMITS_ALONE}
[[rule]]
kind = "over_limit"
match = {{ quantity = ["CH4"] }}
with = {{ alarm_high = 0.8, clear_high = 0.7 }}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A rule file with the limits of the law."""
    path = tmp_path / "rules.toml"
    path.write_text(LIMITS_ALONE, "utf-8")
    return path


def start(plant: Plant, file: Path, **more: object) -> IngestLoop:
    """An ingest with this rule file."""
    plant.rules = load_rules(file)
    return plant.start(engine__rules_file=str(file), **more)


def write(loop: IngestLoop, file: Path, text: str) -> None:
    """Other contents, and a word that they are there."""
    file.write_text(text, "utf-8")
    loop.rules.ask()


def n_versions(loop: IngestLoop) -> int:
    return len(loop.evaluator.engine.rules.history)


def told(plant: Plant) -> list[tuple[str, float]]:
    """What was said of the over-limit, with its limit."""
    return [
        (str(event), float(limit))
        for event, limit in plant.ask(
            "SELECT j.event, j.limit_value FROM alarm_journal j"
            " JOIN alarm a USING (alarm_id)"
            " WHERE a.kind = 'over_limit' ORDER BY j.journal_id"
        )
    ]


@SITE
def test_the_next_reading_is_judged_by_the_new_file(
    paired: Plant,  # noqa: F811
    file: Path,
) -> None:
    """And a restart goes on with it, from the step in the log."""
    plant = paired
    first = start(plant, file)
    plant.gateway.define()
    plant.gateway.gas(0.85)
    plant.stored(1)
    assert plant.count("alarm") == 0
    write(first, file, STRICT)
    wait_until(lambda: n_versions(first) == 2, 20, "the engine has the new rules")
    from_us = first.evaluator.engine.rules.history[-1][0]
    plant.gateway.gas(0.85)
    plant.stored(2)
    assert told(plant) == [("raised", 0.8)]
    kill(plant)
    # Whatever the file says meanwhile: what was judged is judged so again.
    file.write_text(LIMITS_ALONE, "utf-8")

    second = start(plant, file)

    assert "snapshot of step" in second.restarted
    assert second.evaluator.engine.rules.history[1][0] == from_us
    assert plant.ask("SELECT kind FROM alarm WHERE cleared_at IS NULL") == [
        ("over_limit",)
    ]
    wait_until(lambda: n_versions(second) == 3, 20, "it follows the file again")
    plant.gateway.gas(0.85)
    plant.stored(3)
    assert [event for event, _ in told(plant)] == ["raised", "cleared"]


@DEMO
def test_a_wrong_file_is_refused_and_the_rules_in_force_stay(
    paired: Plant,  # noqa: F811
    file: Path,
) -> None:
    """Seen at the gauge and by who asks whether it is ready; mended, it counts."""
    plant = paired
    loop = start(plant, file)
    plant.gateway.define()
    plant.gateway.gas(LOW)
    plant.stored(1)
    write(loop, file, STRICT.replace("clear_high = 0.7", "clear_high = 0.9"))
    check = loop.checks()["rules"]
    wait_until(lambda: check() is not None, 20, "it was refused")
    assert "rules.toml:" in str(check())
    assert "gasmon_rules_refused 1" in plant.metrics.render()
    plant.gateway.gas(0.85)
    plant.stored(2)
    assert plant.count("alarm") == 0
    assert n_versions(loop) == 1
    write(loop, file, STRICT)
    wait_until(lambda: n_versions(loop) == 2, 20, "the mended file counts")
    assert check() is None
    plant.gateway.gas(0.85)
    plant.stored(3)
    assert told(plant) == [("raised", 0.8)]


@SITE
def test_a_start_without_database_goes_on_by_the_rules_in_force(
    cut: Cut,  # noqa: F811
    file: Path,
) -> None:
    """Told while the database was there or away: the copy and the spool have them."""
    plant = cut.plant
    kill(plant)
    cut.more["engine__rules_file"] = str(file)
    plant.rules = load_rules(file)
    loop = cut.start()
    wait_until(lambda: has_recent(cut.folder), 30, "the copy is whole")
    write(loop, file, STRICT)
    wait_until(lambda: n_versions(loop) == 2, 20, "the engine has the new rules")
    plant.gateway.gas(0.85)
    plant.stored(2)
    history = [from_us for from_us, _ in loop.evaluator.engine.rules.history]
    cut.kill_away()
    plant.rules = load_rules(file)
    loop = cut.start()
    assert loop.storing.since_start
    found = loop.evaluator.engine.rules.history
    assert [from_us for from_us, _ in found] == history
    plant.gateway.gas(0.75)
    cut.acknowledged()
    cut.proxy.heal()
    plant.stored(3)
    cut.written()
    assert told(plant) == [("raised", 0.8)]
    assert plant.ask("SELECT kind FROM alarm WHERE cleared_at IS NULL") == [
        ("over_limit",)
    ]


@DEMO
def test_an_approved_change_counts_without_a_restart(
    paired: Plant,  # noqa: F811
) -> None:
    """From the database to the next reading; in the audit, and over a restart."""
    plant = paired
    first = plant.start()
    plant.gateway.define()
    plant.gateway.gas(0.85)
    plant.stored(1)
    plant.change(
        "INSERT INTO limit_change (point_id, limits, effective_from_us, reason)"
        """ SELECT point_id, '{"alarm_high": 0.8, "clear_high": 0.7}', 0, 'x'"""
        f" FROM point WHERE no = '{CH4.no}'",
        "INSERT INTO limit_change_record (change_id, event, principal, role, reason,"
        " effective_from_us, recorded_at) VALUES (1, 'approved', 'li', 'city_officer',"
        " '', (extract(epoch FROM now()) * 1000000)::bigint, now())",
    )
    wait_until(lambda: n_versions(first) == 2, 20, "the engine has the new limit")
    plant.gateway.gas(0.85)
    plant.stored(2)
    assert told(plant) == [("raised", 0.8)]
    ((change,),) = plant.ask(
        "SELECT detail->'limit_changes' FROM audit WHERE action = 'rules.in_force'"
    )
    assert change == [1]
    kill(plant)
    second = plant.start()
    assert n_versions(second) == 2
    plant.gateway.gas(0.75)
    plant.stored(3)
    assert [event for event, _ in told(plant)] == ["raised"]

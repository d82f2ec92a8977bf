"""Drills while much else goes wrong: a flood of real alarms, a database that is away in
the middle, a command that dies. About three minutes, nearly all of them waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.drill_record import read
from tests.fix_broker import MosquittoBroker
from tests.fix_proxy import Proxy
from tests.fix_scenarios import ScenarioStack, serving
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import port_of, through
from tests.long.test_drills import SCENARIO, at_work, living, sheet_text

FLOOD = (
    *("load", "--mines", "60", "--points", "2", "--cycle", "5"),
    *("--duration", "20", "--alarm-every", "1"),
)
"""Sixty real mines, and in each a point that goes over its limit and back."""

FAN_TOO = """
[[cause]]
kind = "local_fan_stop"
mines = "mine"
unit = "heading"
at = "35s"

[[expect]]
kind = "local_fan_stopped"
mines = "mine"
unit = "heading"
cause = "local_fan_stop"
within = "10s"
"""
"""When the gas has been told and the database has gone for that."""

PATIENCE_S = 40.0
AWAY_S = 60.0
"""The outage is longer than the patience, which is of the begin alone."""

READY_S = 120.0

_NEVER = threading.Event()
"""What must pass is time itself: the length of the outage, and between questions."""


def wait_idly(is_so: Callable[[], object], timeout_s: float, what: str) -> None:
    """As ``wait_until``, for what takes a minute: asked twice a second."""

    def asked() -> bool:
        _NEVER.wait(0.5)
        return bool(is_so())

    wait_until(asked, timeout_s, what)


def current(stack: ScenarioStack) -> list[dict[str, Any]]:
    """Drills that are declared or go on."""
    person = stack.person("city_officer")
    items: list[dict[str, Any]] = person.ask("GET", "/drills", {"current": "true"})[
        "items"
    ]
    return items


def until_runs(stack: ScenarioStack) -> int:
    """Its run, once a drill goes on and its mines have sent something."""
    found: list[int] = []

    def runs() -> bool:
        found[:] = [d["run"] for d in current(stack) if d["state"] == "running"]
        return bool(found)

    wait_idly(runs, READY_S, "the drill goes on")
    return found[0]


def n_alarms(stack: ScenarioStack, run: int, state: str) -> int:
    """How many alarms of a run there are."""
    query = {"run": str(run), "state": state}
    return int(stack.person("city_officer").ask("GET", "/alarms", query)["total"])


def n_real(stack: ScenarioStack) -> int:
    """How many real alarms of the county there are."""
    query = {"area": "zhenxiong", "state": "all"}
    return int(stack.person("city_officer").ask("GET", "/alarms", query)["total"])


def until_told(stack: ScenarioStack, run: int) -> None:
    """Until the first alarm of a drill stands in its list."""
    wait_idly(lambda: n_alarms(stack, run, "all") > 0, READY_S, "an alarm of the drill")


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Something else meanwhile; what it raises is raised here."""
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join(READY_S + AWAY_S)
    assert not thread.is_alive()
    assert not raised, raised


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(500)
def test_a_drill_outlives_a_flood_and_a_minute_without_the_database(
    plain_migrated_dsn: str,
    mosquitto_broker: MosquittoBroker,
    make_proxy: Callable[[int], Proxy],
    tmp_path: Path,
) -> None:
    """Real alarms are real and many, its own come, people act, and it is passed."""
    proxy = make_proxy(port_of(plain_migrated_dsn))
    sheet, scenario = tmp_path / "sheet.toml", tmp_path / "pocket.toml"
    sheet.write_text(sheet_text().replace('"90s"', '"240s"'), "utf-8")
    longer = SCENARIO.replace('duration = "30s"', 'duration = "60s"')
    scenario.write_text(longer + FAN_TOO, "utf-8")
    held = (str(scenario), "--county", "zhenxiong", "--sheet", str(sheet))
    more = ("--on-real-alarm", "go-on", "--patience", str(PATIENCE_S))

    behind = through(plain_migrated_dsn, proxy)
    with (
        serving(plain_migrated_dsn, behind, mosquitto_broker, tmp_path) as stack,
        living(stack, tmp_path),
    ):

        def trouble() -> None:
            until_told(stack, until_runs(stack))
            flood, _ = stack.begin(*FLOOD)
            # Of what is only spooled when the drill ends its record cannot tell.
            wait_idly(lambda: n_real(stack) > 0, READY_S, "a real alarm of the county")
            proxy.refuse()
            _NEVER.wait(AWAY_S)
            proxy.heal()
            assert flood.wait(READY_S) == 0

        with at_work(stack), stack.receiving(tmp_path), beside(trouble):
            code, told = stack.drill(400, *held, *more, "--platforms", "platform")

        unmet = [c for c in told["criteria"] if not c["met"]]
        assert (code, told["ended_by"], unmet) == (0, "done", [])
        (kept,) = tmp_path.glob("drill-*.json")
        record = read(kept)
        assert {alarm.fits for alarm in record.alarms} <= {"expected", "allowed"}
        # Those of the county stand in the record, all of them among the live ones.
        assert record.real_alarms
        asked = {"state": "all", "limit": "100"}
        person = stack.person("city_officer")
        wait_idly(lambda: person.ask("GET", "/alarms", asked)["total"] >= 60, READY_S,
                  "all real alarms")  # fmt: skip
        real = person.ask("GET", "/alarms", asked)
        assert not any(alarm["drill"] for alarm in real["items"])


@pytest.mark.long
@pytest.mark.timeout(300)
def test_gasmon_ends_a_drill_whose_command_died(
    scenario_stack: ScenarioStack, tmp_path: Path
) -> None:
    """Long before its declared end, with its alarms; another command scores it."""
    sheet, scenario = tmp_path / "sheet.toml", tmp_path / "pocket.toml"
    sheet.write_text(sheet_text().replace('"90s"', '"5s"'), "utf-8")
    scenario.write_text(SCENARIO, "utf-8")
    held = (str(scenario), "--county", "zhenxiong", "--sheet", str(sheet))
    person = scenario_stack.person("city_officer")

    with living(scenario_stack, tmp_path):
        words = scenario_stack.drill_words(*held, "--patience", "30")
        command, _ = scenario_stack.begin(*words)
        try:
            run = until_runs(scenario_stack)
            until_told(scenario_stack, run)
        finally:
            command.kill()
        wait_idly(lambda: not current(scenario_stack), 120, "gasmon ends it")

        drill = person.ask("GET", f"/drills/{run}")
        assert (drill["state"], drill["end_cause"]) == ("ended", "player_gone")
        assert n_alarms(scenario_stack, run, "all") > 0
        assert n_alarms(scenario_stack, run, "open") == 0
        assert person.ask("GET", "/alarms", {"state": "all"})["total"] == 0

        words = scenario_stack.drill_words("--end", str(run))
        code, told = scenario_stack.simulate(60, *words)
        assert (code, told["passed"], told["ended_by"]) == (1, False, "cut_off")
        (kept,) = tmp_path.glob("drill-*.json")
        record = read(kept)
        assert {alarm.fits for alarm in record.alarms} <= {"expected", "allowed"}
        assert record.curves[0].at_s
        assert "中断 cut off" in Path(told["html"]).read_text("utf-8")
        score = person.ask("GET", f"/drills/{run}")["score"]
        assert (score["points"], score["passed"]) == (told["points"], False)
        assert list(tmp_path.glob("drill-*.open")) == []

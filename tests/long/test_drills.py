"""Drills on a whole gasmon, held by the real command: one that passes, one that a real
alarm stops. About 60 s; the seed is the command's own.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import pytest

from gasmon.errors import ConfigError, DependencyError
from simulators.drill_record import read
from tests.fix_command import Command
from tests.fix_scenarios import ScenarioStack
from tests.fix_wait import wait_until

SCENARIO = """
[scenario]
zh = "回风隅角瓦斯突增"
en = "a pocket of gas in a return corner"
about = "At once over the limit and the cut-off; half a minute in all."
duration = "30s"
cycle = "1s"
speed = 1

[[mines]]
name = "mine"
county = "zhenxiong"

[[cause]]
kind = "pocket"
mines = "mine"
unit = "face"
at = "5s"
ch4_pct = 1.9

[[expect]]
kind = ["over_limit", "cut_off"]
mines = "mine"
unit = "face"
place = "FACE_T0"
cause = "pocket"
within = "25s"
least = 2
most = 2

[[may]]
kind = ["feed_lost", "rapid_rise", "extent_over_limit", "jump_and_return"]
mines = "mine"
why = "they say the same"
"""
LOAD = (
    *("load", "--mines", "12", "--points", "2", "--cycle", "1"),
    *("--duration", "3", "--alarm-every", "1"),
)
"""A mine in each county whose first point is over its limit."""

SAID = "12 人已撤出，来电不实 all withdrawn, no smoke"
TASKS = (
    ("mine_dispatcher", "confirm", ""),
    ("county_officer", "confirm", ""),
    ("city_officer", "confirm", ""),
    ("county_officer", "verify", "电话核实"),
    ("mine_dispatcher", "handle", "已下令撤人"),
)


def sheet_text() -> str:
    """The shipped sheet for half a minute: injects at once, and time for a busy day."""
    source = files("simulators").joinpath("sheets", "standard.toml").read_text("utf-8")
    source = re.sub(r'(at|jitter) = "\d+(s|min)"', r'\1 = "9s"', source)
    return re.sub(r'within = "\d+(s|min)"', 'within = "90s"', source)


class People:
    """Those who take part: they do on the platform what they are trained to do."""

    def __init__(self, stack: ScenarioStack) -> None:
        self._person = {role: stack.person(role) for role, _, _ in TASKS}
        self._done: set[tuple[int, int]] = set()
        self.stopped = threading.Event()

    def work(self) -> None:
        """Until they are told to stop."""
        while not self.stopped.wait(0.5):
            # Where gasmon does not answer they try again, as people do.
            with suppress(DependencyError):
                lists = self._person["city_officer"].ask(
                    "GET", "/drills", {"current": "true"}
                )
                for drill in lists["items"]:
                    self._look(drill["run"])

    def _look(self, run: int) -> None:
        query = {"run": str(run), "state": "all"}
        found = self._person["city_officer"].ask("GET", "/alarms", query)["items"]
        for alarm in found:
            assert alarm["drill"]
            assert "【演练】" in alarm["text"]["zh"]
            for n, (role, action, text) in enumerate(TASKS):
                if (alarm["alarm_id"], n) not in self._done:
                    self._act(role, alarm["alarm_id"], action, text)
                    self._done.add((alarm["alarm_id"], n))
        for alarm in found[:1]:
            self._act("county_officer", alarm["alarm_id"], "comment", SAID)

    def _act(self, role: str, alarm_id: int, action: str, text: str) -> None:
        body = {"text": text} if text else {}
        try:
            path = f"/alarms/{alarm_id}/actions/{action}"
            self._person[role].ask("POST", path, body=body)
        except ConfigError as error:
            # Its drill may have ended, and with it the alarm, a moment before.
            if " 409 " not in str(error):
                raise


@contextmanager
def at_work(stack: ScenarioStack) -> Iterator[None]:
    """People who act while a drill goes on."""
    people = People(stack)
    thread = threading.Thread(target=people.work)
    thread.start()
    try:
        yield
    finally:
        people.stopped.set()
        thread.join(30)
    assert not thread.is_alive()


CITY = ("city", "--county", "zhenxiong", "--mines", "8", "--cycle", "2", "--quiet")


@contextmanager
def living(stack: ScenarioStack, folder: Path) -> Iterator[None]:
    """Real mines, on an ordinary day, known to gasmon."""
    where = ("--port", str(stack.broker_port), "--activity", "calm")
    city = Command([*CITY, *where], folder / "city.log", "gasmon-sim")
    person = stack.person("city_officer")

    def is_known() -> bool:
        known = person.points_of("zhenxiong")
        return len(known) == 8 and min(known.values()) > 0

    try:
        wait_until(is_known, 60, "gasmon knows the mines")
        yield
    finally:
        city.send_signal(15)
        try:
            city.wait(30)
        finally:
            city.kill()


@contextmanager
def beside(act: Callable[[], None], patience_s: float) -> Iterator[None]:
    """Somebody does something meanwhile, and is done with it in the end."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join(patience_s)
    assert not thread.is_alive()


@contextmanager
def interrupted(stack: ScenarioStack) -> Iterator[None]:
    """Methane rises for true in another mine of the county once a drill goes on."""

    def is_held() -> bool:
        person = stack.person("city_officer")
        current = person.ask("GET", "/drills", {"current": "true"})["items"]
        return any(drill["state"] == "running" for drill in current)

    def rise() -> None:
        wait_until(is_held, 60, "the drill goes on")
        stack.simulate(60, *LOAD)

    with beside(rise, 120):
        yield


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_drill_passes_and_another_is_stopped_by_a_real_alarm(
    scenario_stack: ScenarioStack, tmp_path: Path
) -> None:
    """Alarms come, people act, the sheet is theirs; real alarms go before drills."""
    sheet, scenario = tmp_path / "sheet.toml", tmp_path / "pocket.toml"
    sheet.write_text(sheet_text(), "utf-8")
    scenario.write_text(SCENARIO, "utf-8")
    held = (str(scenario), "--county", "zhenxiong", "--sheet", str(sheet))
    person = scenario_stack.person("city_officer")

    with living(scenario_stack, tmp_path):
        with at_work(scenario_stack), scenario_stack.receiving(tmp_path):
            code, told = scenario_stack.drill(200, *held, "--platforms", "platform")

        assert [c for c in told["criteria"] if not c["met"]] == []
        assert (code, told["passed"], told["ended_by"]) == (0, True, "done")
        (kept,) = tmp_path.glob("drill-*.json")
        record = read(kept)
        assert {alarm.fits for alarm in record.alarms} <= {"expected", "allowed"}
        assert record.real_alarms == ()
        assert "【演练】" in Path(told["html"]).read_text("utf-8")
        assert Path(told["xlsx"]).stat().st_size > 10_000
        score = person.ask("GET", f"/drills/{record.run}")["score"]
        assert (score["points"], score["passed"]) == (told["points"], True)
        # No row of the drill among the live ones.
        assert person.ask("GET", "/alarms", {"state": "all"})["total"] == 0

        with interrupted(scenario_stack):
            code, told = scenario_stack.drill(90, *held)
        assert (code, told["passed"], told["ended_by"]) == (1, False, "real_alarm")
        assert person.ask("GET", "/alarms", {"state": "all"})["total"] > 0


@contextmanager
def called_off(stack: ScenarioStack) -> Iterator[None]:
    """The trainer calls a declared drill off, before any mine of it plays."""
    trainer = stack.person("trainer")
    declared: list[int] = []

    def is_declared() -> bool:
        current = trainer.ask("GET", "/drills", {"current": "true"})["items"]
        declared[:] = [drill["run"] for drill in current]
        return bool(declared)

    def call_off() -> None:
        wait_until(is_declared, 60, "a drill is declared")
        path = f"/drills/{declared[0]}/end"
        trainer.ask("POST", path, body={"reason": "今天不练了 not today"})

    with beside(call_off, 90):
        yield


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_drill_called_off_before_its_mines_play_ends_its_command(
    scenario_stack: ScenarioStack, tmp_path: Path
) -> None:
    """It does not wait in vain for a begin that never comes."""
    scenario = tmp_path / "pocket.toml"
    scenario.write_text(SCENARIO, "utf-8")

    with living(scenario_stack, tmp_path), called_off(scenario_stack):
        # Far longer than it takes, far shorter than the patience of 120 s.
        code, told = scenario_stack.drill(
            60, str(scenario), "--county", "zhenxiong", "--lead", "40"
        )

    assert (code, told["passed"], told["ended_by"]) == (1, False, "stopped")
    (kept,) = tmp_path.glob("drill-*.json")
    assert read(kept).alarms == ()

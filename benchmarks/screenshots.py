"""``python -m benchmarks.screenshots``: pictures of the main pages, as they are now.

The city is the simulated one with eight hours of history in one mine and a busy
quarter of an hour of alarms. The pictures of README and docs come by default; ``--all``
takes every page in both languages and themes, for looking at.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from benchmarks.browser import browser, signed_in
from benchmarks.shot_drill import declared, played
from benchmarks.stage import Stage, staged, warmed
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import default_rules
from gasmon.clock import SystemClock
from gasmon.domain import states
from gasmon.errors import GasmonError
from gasmon.store.db import connect
from gasmon.store.definitions import save_definitions
from gasmon.store.rules_taken import note_present
from gasmon.units import US_PER_H, US_PER_MIN, US_PER_S
from simulators.city import CityStep

N_STEPS = 8 * 60
NEXT_REV = 2**31 - 1
QUALITY = 75
STEADY = "document.getAnimations().forEach((a) => { a.pause(); a.currentTime = 0; })"
"""Symbols flash: a picture shows them lit."""

KINDS = (
    *("over_limit", "cut_off", "over_limit", "sensor_break", "over_limit"),
    *("no_data", "local_fan_stopped", "over_limit", "calibration", "over_limit"),
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One page: where it is, how large, and what must be there."""

    name: str
    path: str
    size: tuple[int, int]
    wait: str
    lang: str = "zh"
    theme: str = "light"


def shots(code: str, point_id: int, alarm_id: int, run: int) -> list[Shot]:
    """The pages of README and docs."""
    return [
        Shot("overview", "/", (1600, 1000), ".tile .v"),
        Shot("room", f"/mine/{code}", (1600, 1000), ".spark path[d]", theme="dark"),
        Shot(
            "wall",
            f"/mine/{code}?mode=wall",
            (1920, 1080),
            ".spark path[d]",
            theme="dark",
        ),
        Shot("point", f"/point/{point_id}?window=8h", (1600, 1000), "[data-figure]"),
        Shot("alarms", "/alarms?tab=open", (1600, 700), "tbody tr[data-alarm]"),
        Shot("alarm", f"/alarm/{alarm_id}", (1600, 900), "main.alarm .do"),
        Shot("county", f"/county/{code[:6]}", (1600, 800), "tbody tr[data-alarm]"),
        Shot("statistics", "/statistics?by=kind", (1600, 700), "tbody tr[data-name]"),
        Shot("rules", "/rules", (1600, 900), "tr[data-rule]"),
        Shot("drill", f"/drill/{run}", (1600, 1000), ".of-mine tr[data-point]"),
    ]


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--all", action="store_true", help="both languages and themes")
    parser.add_argument("--mines", type=int, help="only so many (default all)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        made = _take(args.out, args.mines, args.all)
    except GasmonError as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return error.exit_code
    told = {path.name: path.stat().st_size for path in made}
    lines = "\n".join(f"{name}  {size // 1000} kB" for name, size in told.items())
    print(json.dumps(told) if args.json else lines)
    return 0


def _take(out: Path, n_mines: int | None, every: bool) -> list[Path]:
    with staged(n_mines) as stage, browser() as running:
        mine = max(stage.plan.mines, key=lambda mine: len(mine.points))
        point = _history(stage, mine.code)
        _alarms(stage)
        run = declared(stage, mine.code)
        played(stage, mine.code, run)
        alarm = _ask(stage, "/alarms?limit=1&order=worst")["items"][0]["alarm_id"]
        with connect(stage.where.database) as conn:
            note_present(
                conn, RuleChange.of(default_rules(), 0), "*", SystemClock().now_us()
            )
            conn.commit()
        wanted = shots(mine.code, int(stage.ids[point]), alarm, run)
        if every:
            wanted = [
                replace(
                    shot, name=f"{shot.name}-{lang}-{theme}", lang=lang, theme=theme
                )
                for shot in wanted
                for lang in ("zh", "en")
                for theme in ("light", "dark")
            ]
        return [_shoot(running, stage, shot, out) for shot in wanted]


def _shoot(running: Browser, stage: Stage, shot: Shot, out: Path) -> Path:
    # Nothing may be old because the shot before took long.
    stage.feed(SystemClock().now_us(), offline=[stage.plan.mines[3].code])
    page = signed_in(
        running, stage, shot.path, lang=shot.lang, theme=shot.theme, size=shot.size
    )
    page.locator(shot.wait).first.wait_for()
    page.locator(".blocked-bar").click()
    seen = page.locator(".real-alarm.new button")
    if seen.count():
        seen.click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(2500)
    page.evaluate(STEADY)
    path = out / f"{shot.name}.webp"
    path.write_bytes(_picture(page))
    page.context.close()
    return path


def _picture(page: Page) -> bytes:
    session = page.context.new_cdp_session(page)
    how = {"format": "webp", "quality": QUALITY}
    told: dict[str, Any] = session.send("Page.captureScreenshot", how)
    return base64.b64decode(told["data"])


def _history(stage: Stage, code: str) -> int:
    """Eight hours of a mine, with everything at one point that a trend can show; the
    point's place among all."""
    now_us = SystemClock().now_us()
    steps = warmed(stage, now_us, N_STEPS, US_PER_MIN)
    at = stage.of_mine(code)
    methane = [i for i in at if stage.points[i].quantity == "CH4"]
    point = max(methane, key=lambda i: float(np.nanmean([s.value[i] for s in steps])))
    _incident(steps, point)
    stage.store(steps[:200], at)
    # Twenty minutes without the mine.
    stage.store(steps[220:], at)
    definition = stage.points[point]
    high = definition.alarm_high
    begin_us = steps[140].at_us
    told = [
        stage.event(point, "over_limit", 2, begin_us, value=1.05, limit=high, peak=1.4)
    ]
    end = {"event": "cleared", "happened_at_us": steps[156].at_us, "value": 0.7}
    told.append(stage.event(point, "over_limit", 2, begin_us, **end))
    stage.tell(told)
    stricter = replace(
        definition,
        alarm_high=0.8,
        clear_high=0.8,
        effective_from_us=steps[330].at_us,
        rev=NEXT_REV,
    )
    with connect(stage.where.database) as conn:
        rest = [stage.points[i] for i in at if i != point]
        mine = replace(stage.mines[code], rev=NEXT_REV)
        save_definitions(conn, mine, [*rest, stricter], now_us=now_us)
        conn.commit()
    return point


def _incident(steps: list[CityStep], point: int) -> None:
    """An over-limit of a quarter of an hour, and a calibration later."""
    for i in range(136, 158):
        steps[i].value[point] += 0.9 * np.sin(np.pi * (i - 136) / 22)
    for i in range(400, 408):
        steps[i].value[point] = 2.0 if i < 406 else 0.0
        steps[i].state[point] |= states.CALIBRATION


def _alarms(stage: Stage) -> None:
    """A busy quarter of an hour all over the city; a third of it is confirmed."""
    now_us = SystemClock().now_us()
    methane = [i for i, one in enumerate(stage.points) if one.quantity == "CH4"]
    switches = [i for i, one in enumerate(stage.points) if one.quantity == "FAN_LOCAL"]
    events = []
    for n in range(26):
        kind, rank = KINDS[n % len(KINDS)], (4, 3, 2, 1, 2, 1, 0)[n % 7]
        among = switches if kind == "local_fan_stopped" else methane
        place = among[(n * 571 + 7) % len(among)]
        seen: dict[str, Any] = {}
        if kind in ("over_limit", "cut_off"):
            value = 1.0 + 0.07 * n
            seen = {"value": value, "limit": 1.0, "peak": value}
        began_us = now_us - (n * 47 + 12) * US_PER_S
        events.append(stage.event(place, kind, rank, began_us, **seen))
    old_us = now_us - 26 * US_PER_H
    events.append(
        stage.event(methane[3], "over_limit", 1, old_us, value=0.9, limit=0.8)
    )
    stage.tell(events)
    listed = _ask(stage, "/alarms?limit=30")["items"]
    ids = [row["alarm_id"] for row in listed[::3]]
    _ask(stage, "/alarms/confirm", {"alarm_ids": ids, "text": "已通知矿方核实"})


def _ask(stage: Stage, path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        f"{stage.url}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {stage.token}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as told:
        return json.load(told)


if __name__ == "__main__":
    sys.exit(main())

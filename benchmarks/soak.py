"""``soak``: pages that are open for long: heap and nodes must stay as they are.

A mine's room, its wall and the city's overview are open while the city sends 20 times
as fast as on site. Alarms come, end and are confirmed as fast as they come, so that as
many are open at the end as at the beginning. Every few seconds the garbage is collected
and what is left is counted. The ratio is what the last third held over what the second
third held (medians); in the first everything is made that is made once. 1 is flat.
"""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass, field

import numpy as np
from playwright.sync_api import CDPSession, Page

from benchmarks.browser import browser, grown, signed_in
from benchmarks.report import Report
from benchmarks.stage import CYCLE_US, Stage, staged, warmed
from gasmon.alarms.events import AlarmEvent
from gasmon.clock import SystemClock
from gasmon.units import US_PER_S

SPEED = 20
LOOK_S = 5.0
N_OPEN = 10
SPREAD = 0.618
"""Neighbours in time are far apart in the city: each mine has its alarms evenly."""

MOST_GROWTH = {"heap": 1.08, "nodes": 1.05, "listeners": 1.05}
"""What counts as flat. Compiled code and caches of the browser settle for minutes: 1 to
4 % of the heap were seen in three minutes without any leak; a row more for each alarm
of the room was 26 % of the nodes."""

MB = 1_000_000
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Raised = tuple[int, AlarmEvent]
"""Place of a point, and its alarm that is open."""


@dataclass(frozen=True, slots=True)
class Size:
    """How long, and how much there is to show."""

    lasts_s: float = 3600.0
    n_mines: int = 40


QUICK = Size(lasts_s=180.0, n_mines=12)


@dataclass(slots=True)
class Looked:
    """What a page held, look after look.

    Attributes:
        at_s: since the beginning.
        told: heap [bytes], nodes and listeners.
    """

    at_s: list[float] = field(default_factory=list)
    told: list[dict[str, int]] = field(default_factory=list)

    def of(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """One of them, from the second third on."""
        kept = self.told[len(self.told) // 3 :]
        return np.array([one[name] for one in kept], np.int64)

    def growth(self, name: str) -> float:
        """Median of the last third over that of the second; 1 is flat."""
        found = self.of(name)
        part = max(1, len(found) // 2)
        return float(np.median(found[-part:]) / np.median(found[:part]))

    def grew(self) -> dict[str, float]:
        """What grew more than :data:`MOST_GROWTH`, and by how much."""
        found = {name: self.growth(name) for name in MOST_GROWTH}
        return {name: by for name, by in found.items() if by > MOST_GROWTH[name]}


def run(quick: bool) -> Report:
    """Three minutes, or an hour."""
    size = QUICK if quick else Size()
    looked = soaked(size)
    growth = max(one.growth("heap") for one in looked.values())
    return Report(
        benchmark="soak",
        unit="heap at the end over heap at the beginning",
        value=growth,
        ceiling=1.0,
        settings={"speed": SPEED, "lasts_s": size.lasts_s, "mines": size.n_mines},
        details={
            name: {
                "heap_mb": [round(one["heap"] / MB, 2) for one in seen.told][::6],
                "nodes_first_last": seen.of("nodes")[[0, -1]].tolist(),
                "nodes_growth": round(seen.growth("nodes"), 4),
                "heap_growth": round(seen.growth("heap"), 4),
                "grew": seen.grew(),
                "looks": len(seen.told),
            }
            for name, seen in looked.items()
        },
    )


def soaked(size: Size, speed: int = SPEED) -> dict[str, Looked]:
    """Run it; what each page held meanwhile, by the page's name."""
    with staged(size.n_mines) as stage, browser() as running:
        warmed(stage, SystemClock().now_us() - CYCLE_US, 0)
        stage.feed(SystemClock().now_us())
        room = stage.plan.mines[0].code
        pages = {
            "room": signed_in(running, stage, f"/mine/{room}", theme="dark"),
            "wall": signed_in(running, stage, f"/mine/{room}?mode=wall"),
            "city": signed_in(running, stage, "/"),
        }
        return _soak(stage, pages, size.lasts_s, CYCLE_US / US_PER_S / speed)


def _soak(
    stage: Stage, pages: dict[str, Page], lasts_s: float, every_s: float
) -> dict[str, Looked]:
    sessions: dict[str, CDPSession] = {}
    for name, page in pages.items():
        sessions[name] = page.context.new_cdp_session(page)
        sessions[name].send("Performance.enable")
        # Alarms that await somebody flash and sound: that is part of the load.
        page.locator(".banner").click()
    looked = {name: Looked() for name in pages}
    began_s, n, next_look_s = time.monotonic(), 0, 0.0
    raised: list[Raised] = []
    while (now_s := time.monotonic() - began_s) < lasts_s:
        stage.feed(SystemClock().now_us())
        raised = _turn(stage, raised, n)
        n += 1
        if now_s >= next_look_s:
            next_look_s = now_s + LOOK_S
            _confirm(stage)
            for name, session in sessions.items():
                looked[name].at_s.append(now_s)
                looked[name].told.append(grown(session))
        rest_s = began_s + n * every_s - time.monotonic()
        # Playwright hears its browser only while it waits for it.
        next(iter(pages.values())).wait_for_timeout(max(1.0, rest_s * 1000))
    return looked


def _turn(stage: Stage, raised: list[Raised], n: int) -> list[Raised]:
    """An alarm more, and the oldest of ten ended: as many come as go."""
    now_us = SystemClock().now_us()
    place = int(n * SPREAD * len(stage.points)) % len(stage.points)
    new = stage.event(place, "over_limit", n % 5, now_us, value=1.2, limit=1.0)
    told, kept = [new], [*raised, (place, new)]
    if len(kept) > N_OPEN:
        at, old = kept.pop(0)
        more = {"event": "cleared", "happened_at_us": now_us, "value": 0.4}
        told.append(stage.event(at, old.kind, old.rank, old.raised_at_us, **more))
    stage.tell(told)
    return kept


def _confirm(stage: Stage) -> None:
    """Confirm what is over, as the colleague at the next desk does."""
    over = _ask(stage, "/alarms?state=cleared&confirmed=false&limit=200")
    if over["items"]:
        ids = [one["alarm_id"] for one in over["items"]]
        _ask(stage, "/alarms/confirm", {"alarm_ids": ids, "text": "已核实"})


def _ask(
    stage: Stage, path: str, body: object = None
) -> dict[str, list[dict[str, int]]]:
    asked = urllib.request.Request(
        f"{stage.url}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {stage.token}",
            "Content-Type": "application/json",
        },
    )
    with NO_PROXY.open(asked, timeout=60) as told:
        found: dict[str, list[dict[str, int]]] = json.load(told)
    return found

"""``pages``: how soon pages show values, and how fast a thousand tiles are drawn.

A page is there when it shows values: the room of a mine with the most points, and the
city with all its mines, each opened several times in a browser that has the files. The
floor beside it is an empty page of the same server. Then a wall of a thousand tiles
gets new values three times a second, as the page does it, and frames are counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from playwright.sync_api import Browser, Page

from benchmarks.browser import PATIENCE_MS, browser, signed_in
from benchmarks.report import Report, significant, spread
from benchmarks.stage import CYCLE_US, Stage, staged, warmed
from gasmon.clock import SystemClock
from gasmon.errors import GasmonError

BUDGET_MS = {"room": 1000, "city": 2000}
BUDGET_FRAMES_PER_S = 10
LOOK_MS = 10

SHOWN = {
    "room": "[...document.querySelectorAll('.points tbody td.v')]"
    ".filter((cell) => cell.textContent).length >= %d",
    "city": "[...document.querySelectorAll('.tile .v')]"
    ".filter((cell) => cell.textContent).length >= %d",
}
WALL = """
  const { TileWall } = await import('/static/tiles.js');
  const main = document.querySelector('main');
  main.textContent = '';
  const wall = new TileWall(main);
  const mines = Array.from({ length: n }, (_, i) => ({
    code: String(530600000000 + i), area: String(530621 + (i % 10)), name: `煤矿 ${i}`,
  }));
  wall.setMines(mines, (area) => area, false);
  const update = () => {
    const now = Date.now();
    for (const { code } of mines) {
      const value = Math.random() * 2;
      const place = '回风巷T2';
      wall.patch(code, { online: true, arrivedMs: now, atMs: now, value, place });
    }
    wall.flush(now, false);
  };
"""
FRAMES = (
    "async ([n, seconds]) => {"
    + WALL
    + """
  const until = performance.now() + seconds * 1000;
  let frames = 0;
  const count = () => {
    frames += 1;
    if (performance.now() < until) requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  while (performance.now() < until) {
    update();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return frames / seconds;
}
"""
)
UPDATES = (
    "async ([n, updates]) => {"
    + WALL
    + """
  for (let i = 0; i < updates; i += 1) {
    update();
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
  }
}
"""
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; ``n_mines`` None: all of the city."""

    n_mines: int | None = None
    n_opens: int = 7
    n_tiles: int = 1000
    frames_s: float = 10.0
    n_updates: int = 20


QUICK = Size(n_mines=5, n_opens=2, n_tiles=200, frames_s=1.0, n_updates=3)


def run(quick: bool) -> Report:
    """Measure on the simulated city."""
    size = QUICK if quick else Size()
    with staged(size.n_mines) as stage, browser() as running:
        warmed(stage, SystemClock().now_us() - CYCLE_US, 0)
        stage.feed(SystemClock().now_us())
        took = _opened(running, stage, size)
        page = signed_in(running, stage, "/", size=(1920, 1080))
        frames = float(page.evaluate(FRAMES, [size.n_tiles, size.frames_s]))
        update_ms = _update_ms(page, size)
        biggest = max(len(mine.points) for mine in stage.plan.mines)
        n_mines = len(stage.plan.mines)
    room_ms, floor_ms = spread(took["room"])["p50"], spread(took["floor"])["p50"]
    return Report(
        benchmark="pages",
        unit="ms until a mine's room shows all its values",
        value=room_ms,
        ceiling=floor_ms,
        settings={"mines": n_mines, "points_of_room": biggest, "tiles": size.n_tiles},
        details={
            "room_ms": spread(took["room"]),
            "city_ms": spread(took["city"]),
            "empty_page_ms": spread(took["floor"]),
            "frames_per_s": significant(frames, 3),
            "update_ms": update_ms,
            "budget_ms": BUDGET_MS,
            "budget_frames_per_s": BUDGET_FRAMES_PER_S,
        },
    )


def _opened(running: Browser, stage: Stage, size: Size) -> dict[str, list[float]]:
    """Open each page several times; how long until it shows its values [ms]."""
    mine = max(stage.plan.mines, key=lambda mine: len(mine.points))
    wanted = {
        "room": (f"/mine/{mine.code}", SHOWN["room"] % (len(mine.points) * 9 // 10)),
        "city": ("/", SHOWN["city"] % (len(stage.plan.mines) * 9 // 10)),
        "floor": ("/healthz", "true"),
    }
    page = signed_in(running, stage, "/", size=(1920, 1080))
    took: dict[str, list[float]] = {name: [] for name in wanted}
    for _ in range(size.n_opens):
        for name, (path, shown) in wanted.items():
            stage.feed(SystemClock().now_us())
            began_s = time.monotonic()
            page.goto(stage.url + path, wait_until="commit")
            _until(page, shown)
            took[name].append((time.monotonic() - began_s) * 1000)
    return took


def _update_ms(page: Page, size: Size) -> dict[str, float]:
    """What the page's main thread spends on one update of all tiles [ms of processor
    time, which other work on the machine does not lengthen]."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> dict[str, float]:
        told = session.send("Performance.getMetrics")["metrics"]
        return {one["name"]: float(one["value"]) for one in told}

    before = spent()
    page.evaluate(UPDATES, [size.n_tiles, size.n_updates])
    after = spent()
    parts = {"all": "Task", "script": "Script", "layout": "Layout"}
    return {
        name: significant(
            (after[f"{part}Duration"] - before[f"{part}Duration"])
            * (1000 / size.n_updates),
            3,
        )
        for name, part in parts.items()
    }


def _until(page: Page, shown: str) -> None:
    """Look until a page shows what it should; its policy lets nothing of ours wait
    inside of it.

    Raises:
        GasmonError: it never does.
    """
    until_s = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(shown):
        if time.monotonic() > until_s:
            raise GasmonError(f"{page.url} does not show its values")
        page.wait_for_timeout(LOOK_MS)

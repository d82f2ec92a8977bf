"""A real browser for what looks at pages: the system's Chromium, headless."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.stage import Stage
from gasmon.errors import DependencyError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
PATIENCE_MS = 30_000


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser, closed afterwards.

    Raises:
        DependencyError: there is none.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise DependencyError(f"none of {', '.join(PROGRAMS)} is installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield running
        running.close()


def signed_in(
    running: Browser,
    stage: Stage,
    path: str,
    *,
    lang: str = "zh",
    theme: str = "light",
    size: tuple[int, int] = (1366, 768),
) -> Page:
    """A page of its own, signed in as the city's officer."""
    context = running.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_init_script(
        f"localStorage.setItem('gasmon.lang', '{lang}');"
        f"localStorage.setItem('gasmon.theme', '{theme}')"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{stage.url}{path}#token={stage.token}")
    page.wait_for_selector(".banner")
    return page


def grown(session: CDPSession) -> dict[str, int]:
    """What a page holds after the garbage is gone: heap [bytes], nodes, listeners."""
    session.send("HeapProfiler.collectGarbage")
    told: dict[str, Any] = session.send("Performance.getMetrics")
    known = {one["name"]: one["value"] for one in told["metrics"]}
    return {
        "heap": int(known["JSHeapUsedSize"]),
        "nodes": int(known["Nodes"]),
        "listeners": int(known["JSEventListeners"]),
    }

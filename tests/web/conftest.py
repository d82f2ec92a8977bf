"""A real browser and a real site for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import expect as expect_of_page

from gasmon.embedded.postgres import EmbeddedPostgres
from tests.fix_found import chromium_program, require
from tests.fix_postgres import migrated_copy
from tests.web.fix_site import Site

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_MS = 20_000
"""How long what must appear may take [ms]: a busy machine is no finding."""

expect_of_page.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless; one per module, because while Playwright runs
    no test of another folder could run an event loop."""
    program = chromium_program()
    if program is None:
        require("Chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=CHROMIUM_ARGS
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def site(
    postgres_server: EmbeddedPostgres,
    templates: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A database with four mines and the api process over it, one per module."""
    name = migrated_copy(postgres_server, templates)
    made = Site(postgres_server.dsn(name), tmp_path_factory.mktemp("site"))
    made.start()
    yield made
    made.stop()
    postgres_server.drop_database(name)


def hear(page: Page, complain: Callable[[str], None]) -> None:
    """Pass on what the browser complains about."""
    page.on(
        "console",
        lambda told: complain(told.text) if told.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complain(str(error)))


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[OpenPage]:
    """A function that opens a page signed in as somebody.

    What the browser complains about (script errors, refused styles, failed loads)
    fails the test at its end, unless the test expects it.
    """
    complaints: list[str] = []
    contexts = []

    def open_it(
        path: str = "/",
        who: str | None = "county",
        *,
        lang: str = "zh",
        width: int = 1366,
        height: int = 768,
        expect: str = "",
        theme: str = "light",
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
        )
        contexts.append(context)
        context.add_init_script(f"localStorage.setItem('gasmon.lang', '{lang}')")
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)

        def complain(text: str) -> None:
            if not expect or expect.lower() not in text.lower():
                complaints.append(f"{path}: {text}")

        hear(page, complain)
        token = "" if who is None else f"#token={site.tokens[who]}"
        page.goto(site.url + path + token)
        if who is not None:
            page.wait_for_selector(".banner")
        return page

    yield open_it
    for context in contexts:
        context.close()
    site.clear_all()
    assert complaints == []

"""Pages whose server, session or rights go away, and pages under a flood."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from gasmon.store import db, upstream
from tests.fix_wait import wait_until
from tests.web.conftest import OpenPage
from tests.web.fix_click import click_until_seen
from tests.web.fix_site import Site, now_us

MINE = "530627000001"
OTHER = "530627000003"
FAR = "530629000001"


@pytest.mark.slow
def test_a_flood_shows_a_page_and_the_true_total(
    open_page: OpenPage, site: Site
) -> None:
    """A hundred alarms: fifty rows, the total told, more on demand, no duplicates."""
    told = []
    for _ in range(40):
        for mine in (MINE, OTHER, "530627000002"):
            told.append(site.event(mine))
            raised_us = told[-1].raised_at_us
            told.append(site.event(mine, "cleared", raised_us=raised_us))
    site.record(*told)
    page = open_page("/alarms?tab=cleared")
    rows = page.locator("tbody tr[data-alarm]")
    expect(rows).to_have_count(50)
    expect(page.locator(".toolbar")).to_contain_text("120")
    expect(page.locator('.count[data-level="4"] b')).to_have_text("120/120")
    page.locator("button.more").click()
    expect(rows).to_have_count(100)
    page.locator("button.more").click()
    expect(rows).to_have_count(120)
    ids = rows.evaluate_all("(list) => list.map((row) => row.dataset.alarm)")
    assert len(set(ids)) == 120


@pytest.mark.slow
def test_a_session_that_ends_is_not_a_silent_page(
    open_page: OpenPage, site: Site
) -> None:
    """When the session is over the page says and sounds that it shows no alarms."""
    page = open_page("/alarms?tab=open", expect="401")
    page.locator("main").click()
    expect(page.locator(".sound")).to_have_attribute("data-state", "on")
    site.end_sessions()
    # The stream asks every 15 s whether its session still holds.
    expect(page.locator(".dead-bar")).to_contain_text("登录已失效", timeout=25_000)
    tones = "import('/static/sound.js').then((m) => m.sound.value.played)"
    wait_until(lambda: page.evaluate(tones) >= 1, what="a tone")
    field = page.locator('input[name="token"]')
    click_until_seen(page.locator("button.other"), field)
    field.fill(site.tokens["county"])
    page.keyboard.press("Enter")
    expect(page.locator(".alarms-page")).to_be_visible()
    assert page.url == f"{site.url}/alarms?tab=open"


# The server looks every 15 s, and the page waits before it asks again.
@pytest.mark.long
def test_changed_rights_do_not_end_the_page(open_page: OpenPage, site: Site) -> None:
    """A stream closed because rights changed comes back with the new ones."""
    page = open_page("/", "colleague")
    expect(page.locator(".tile")).to_have_count(3)
    site.give_areas("colleague", ["530627", "530629"])
    tile = page.locator(f'.tile[data-mine="{FAR}"]')
    expect(tile).to_be_visible(timeout=45_000)
    site.send(FAR, {"001A01": 0.77})
    expect(tile.locator(".v")).to_have_text("0.77", timeout=25_000)
    site.give_areas("colleague", ["530627"])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_dead_page_says_so_and_comes_back(open_page: OpenPage, site: Site) -> None:
    """Without the server the screen turns grey with a bar, and recovers by itself.

    What happened meanwhile is told afterwards, and the page says that none is missing.
    """
    page = open_page("/", expect="failed")
    expect(page.locator(".tile")).to_have_count(3)
    complete = page.locator(".complete")
    expect(complete).to_contain_text(re.compile(r"无缺 .* · 0 条"))
    site.stop()
    site.alarm(MINE)
    try:
        expect(page.locator(".lost-bar")).to_be_visible()
        expect(page.locator(".dead-bar")).to_be_visible(timeout=20_000)
        assert "dead" in (page.locator("html").get_attribute("class") or "")
    finally:
        site.start()
    site.send(MINE, {"001A01": 0.88})
    expect(page.locator(".dead-bar")).to_have_count(0, timeout=75_000)
    tile = page.locator(f'.tile[data-mine="{MINE}"]')
    expect(tile.locator(".v")).to_have_text("0.88", timeout=20_000)
    assert "dead" not in (page.locator("html").get_attribute("class") or "")
    expect(complete).to_contain_text(re.compile(r"无缺 .* · 1 条"))
    assert page.locator(".hole").count() == 0


@pytest.mark.slow
def test_a_node_that_is_cut_off_says_up_to_when_it_is_complete(
    open_page: OpenPage, site: Site
) -> None:
    """The watermark of alarms stands for the age of values; a bar says what to do."""
    here = upstream.Followed("市平台", "node", "e", 1, "[]", 5.0, now_us(), None)
    with db.connect(site.database) as conn:
        upstream.keep_position(conn, here)
        upstream.keep_heard(conn, 1_795_401_981_000_000, 1_795_401_981_000_000)
        conn.commit()
    site.stop()
    site.start(upstream__url="ws://127.0.0.1:9", upstream__name="市平台")
    try:
        page = open_page("/", expect="ERR_CONNECTION")
        at = "10:46:21"
        expect(page.locator(".cell.above b")).to_have_text(at)
        bar = page.locator(".above-bar")
        expect(bar).to_contain_text(f"与 市平台 断开：报警完整至 {at}")
        page.locator("button.lang").click()
        expect(bar).to_contain_text(f"complete to {at}")
        # What is not here is said, and where it is; nothing passes for a silent sensor.
        for path, what in (
            (f"/mine/{MINE}", "points"),
            (f"/point/{MINE}-01-001A01", "readings"),
            ("/changes", "changes"),
        ):
            page.goto(site.url + path)
            expect(page.locator(f'.not-here[data-what="{what}"]')).to_contain_text(
                "市平台"
            )
        expect(page.locator("form.action, .trend")).to_have_count(0)
        page.close()  # it would complain about the server that ends
    finally:
        site.stop()
        with db.connect(site.database) as conn:
            conn.execute("DELETE FROM upstream")
            conn.commit()
        site.start()

"""A shift handed over by two people in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from gasmon.shifts.posts import Post
from gasmon.store import db, handovers, shift_presence
from gasmon.store.access import Principal
from gasmon.units import US_PER_H
from tests.fix_shifts import begin_shifts
from tests.web.conftest import OpenPage
from tests.web.fix_click import click_until_seen
from tests.web.fix_site import Site, now_us

COUNTY = Post("county", "530627")


def earlier_shift(site: Site) -> int:
    """The colleague kept the shift before this one; its hand-over is open."""
    with db.connect(site.database, autocommit=True) as conn:
        row = conn.execute(
            "SELECT principal_id FROM principal WHERE name = 'colleague'"
        ).fetchone()
        assert row is not None
        who = Principal(
            int(str(row[0])), "colleague", "county_officer", ("530627",), None
        )
        shift_presence.sign_on(conn, COUNTY, who, now_us() - 14 * US_PER_H)
        return handovers.open_handover(conn, COUNTY, "before", who, now_us())


@pytest.mark.slow
def test_two_people_hand_a_shift_over(open_page: OpenPage, site: Site) -> None:
    """Sign on, the reminder, a note and two signatures, one of each person."""
    begin_shifts(site.database.url, COUNTY)
    site.alarm("530627000001", rank=3)
    page = open_page("/shifts", "county")
    post = page.locator('[data-post="county/530627"]')
    expect(post).to_contain_text("无人")
    click_until_seen(post.locator(".sign-on"), post.locator(".there .flag"))
    expect(post.locator(".there")).to_contain_text("county")

    number = earlier_shift(site)
    old = open_page(
        f"/handover/{number}", "colleague", lang="en", expect="a status of 409"
    )
    expect(old.locator(".unsigned-bar")).to_contain_text(
        "Shifts without two signatures: 1"
    )
    expect(old.locator('[data-count="open"]')).to_contain_text("1")
    old.locator("textarea").fill("main fan under repair")
    press(old, "note", '.notes li:has-text("main fan")')
    press(old, "sign", '[data-side="outgoing"] b')
    expect(old.locator('[data-side="outgoing"]')).to_contain_text("colleague")
    # He is not signed on to a later shift: the server says so, in both languages.
    press(old, "accept", '.failure:has-text("not signed on to a shift after it")')

    page.goto(f"{site.url}/handover/{number}")
    expect(page.locator(".notes")).to_contain_text("main fan under repair")
    press(page, "accept", '[data-side="incoming"] b')
    expect(page.locator("main.handover")).to_have_attribute("data-state", "accepted")
    expect(page.locator("[data-action]")).to_have_count(0)
    expect(page.locator(".unsigned-bar")).to_have_count(0)
    page.emulate_media(media="print")
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.locator(".signatures")).to_be_visible()
    expect(page.locator(".paper-only")).to_contain_text("打印时间")


def press(page: Page, action: str, wanted: str) -> None:
    """Press an action's button until what it brings is there."""
    click_until_seen(page.locator(f'[data-action="{action}"]'), page.locator(wanted))

"""Mouse and keyboard, used as hands use them."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.web.conftest import OpenPage
from tests.web.fix_site import Site

MINE = "530627000001"
HELD_MS = 150
"""How long a finger stays on the button [ms]."""


def test_the_click_that_unlocks_sound_does_what_it_was_meant_for(
    open_page: OpenPage, site: Site
) -> None:
    """The bar of blocked sound vanishes with it; what stood below moves up only when
    the button was let go."""
    site.alarm(MINE)
    page = open_page("/alarms", "dispatcher")
    bar = page.locator(".blocked-bar")
    expect(bar).to_be_visible()
    tab = page.locator(".tabs button").nth(3)
    box = tab.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.wait_for_timeout(HELD_MS)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"tab=cleared"))
    expect(bar).to_have_count(0)

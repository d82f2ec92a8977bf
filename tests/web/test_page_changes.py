"""Changes of limits on the page: one proposes, the past is asked, another decides."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

from gasmon.alarms.rules import default_rules
from gasmon.duty.back_testing import BackTests
from gasmon.store import db
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site, now_us

MINE = "530627000001"


def back_test(site: Site) -> None:
    """What duty does with the changes that wait."""
    tests = BackTests(default_rules, time.monotonic)
    with db.connect(site.database) as conn:
        while tests.look(conn, now_us()) != "none waits":
            conn.commit()
        conn.commit()


@pytest.mark.slow
def test_one_proposes_and_another_decides(open_page: OpenPage, site: Site) -> None:
    """From the point to the approval; the difference is on the page in between."""
    site.store_series(MINE, [-90, -75, -60, -45], [0.3, 0.7, 0.8, 0.3])
    county = open_page(f"/point/{site.point_id(MINE)}", "county")
    county.locator(".point-top a").click()
    form = county.locator("form.action")
    expect(form.locator('input[name="point"]')).to_have_value("01-001A01")
    form.locator('input[name="alarm_high"]').fill("0.6")
    form.locator('input[name="reason"]').fill("回风隅角瓦斯偏高")
    form.locator("button.main").click()
    change = county.locator("section[data-change]")
    expect(change.locator(".state")).to_have_text("回溯中")
    expect(change.locator('[data-action="approve"]')).to_have_count(0)
    back_test(site)
    # It looks again by itself while a back-test is under way.
    expect(change.locator(".state")).to_have_text("待审批")
    expect(change).to_contain_text("1.00 → 0.60 %")

    city = open_page("/changes", "city", lang="en")
    seen = city.locator("section[data-change]")
    expect(seen.locator('[data-sort="added"]')).to_be_visible()
    seen.locator('[data-action="approve"]').click()
    expect(seen.locator(".state")).to_contain_text("counts since its time")
    site.alarm(MINE)
    city.goto(site.url + "/alarms")
    city.locator("a[href^='/alarm/']").first.click()
    expect(city.locator(".beside tr").first).to_contain_text("0.60 %")

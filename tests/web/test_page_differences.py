"""The daily list of what mines tell and what they measured, in a real browser."""

from __future__ import annotations

from datetime import date

from playwright.sync_api import expect

from gasmon.store import db
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site

DAY = date(2026, 11, 20)
MINE = "530627000001"
ABROAD = "530629000001"
ROWS = [
    (MINE, "not_reported", "001A01", "10:00", "10:05", 1.6, None, 1),
    (MINE, "maximum_differs", "001A01", "12:00", "12:30", 1.62, 0.98, 1),
    (MINE, "calibration_batch", "", "14:00", "14:09", None, None, 12),
    (ABROAD, "not_measured", "001A01", "09:00", None, None, 1.2, 1),
]


def test_a_day_is_listed_and_leads_to_its_points(
    open_page: OpenPage, site: Site
) -> None:
    """A county sees its own, in both languages; the city sees all."""
    with db.connect(site.database, autocommit=True) as conn:
        for mine, kind, no, at, until, ours, theirs, n in ROWS:
            conn.execute(
                "INSERT INTO mine_difference (run, mine_id, day, kind, system, no, at,"
                " until, ours, theirs, n, found_at) SELECT 0, mine_id, %s, %s, '01',"
                " %s, %s, %s, %s, %s, %s, now() FROM mine WHERE code = %s",
                (
                    DAY,
                    kind,
                    no,
                    f"{DAY}T{at}:00+08:00",
                    until and f"{DAY}T{until}:00+08:00",
                    ours,
                    theirs,
                    n,
                    mine,
                ),
            )
    page = open_page(f"/differences?day={DAY}", "county")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(0)).to_contain_text("10:00:00 – 10:05:00")
    expect(rows.nth(0)).to_contain_text("超限未上报")
    expect(rows.nth(0).locator("td").nth(4)).to_contain_text("1.6")
    expect(rows.nth(0).locator("td").nth(5)).to_have_text("——")
    expect(rows.nth(1).locator("td").nth(5)).to_contain_text("0.98")
    expect(rows.nth(2)).to_contain_text("12 个测点")
    rows.nth(1).locator(f'a[href^="/point/{site.point_id(MINE)}"]').click()
    expect(page).to_have_url(f"{site.url}/point/{site.point_id(MINE)}")

    city = open_page(f"/differences?day={DAY}", "city", lang="en")
    expect(city.locator("tbody tr")).to_have_count(4)
    expect(city.locator(f'tr[data-mine="{ABROAD}"]')).to_contain_text("1.2")
    city.locator('input[name="day"]').fill("2026-11-19")
    expect(city.locator(".empty")).to_be_visible()

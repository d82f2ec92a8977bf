"""The dispatch room on desk and wall, a point's trend, and the city's overview."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from gasmon.store import db
from tests.fix_wait import wait_until
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site

MINE = "530627000001"
OTHER = "530627000003"
ZOOMED = (683, 384)
"""What is left of a desk's screen at 200 % [css px]."""


def test_who_has_one_mine_begins_in_its_room(open_page: OpenPage, site: Site) -> None:
    """An overview would be a single tile; the way back leads out, not in a circle."""
    page = open_page("/", "dispatcher")
    expect(page).to_have_url(f"{site.url}/mine/{MINE}")
    page.locator("nav a", has_text="报警").click()
    expect(page).to_have_url(f"{site.url}/alarms")
    page.locator("nav a", has_text="总览").click()
    expect(page).to_have_url(f"{site.url}/mine/{MINE}")
    page.go_back()
    expect(page).to_have_url(f"{site.url}/alarms")


@pytest.mark.slow
def test_what_is_over_but_unconfirmed_stays_in_its_room(
    open_page: OpenPage, site: Site
) -> None:
    """Also when the page is loaded anew; its point is marked, so its row is there."""
    told = site.alarm(MINE)
    site.alarm(MINE, "cleared", raised_us=told.raised_at_us)
    page = open_page(f"/mine/{MINE}", "dispatcher")
    rows = page.locator(".alarms-of tr[data-alarm]")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("已解除")
    county = open_page("/alarms", "county")
    county.locator(".to-over").click()
    expect(county.locator("tr[data-alarm]")).to_have_count(1)
    expect(county).to_have_url(re.compile("tab=cleared"))
    with db.connect(site.database, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO confirmation (alarm_id, tier, rank, principal, confirmed_at)"
            " SELECT alarm_id, 'mine', rank, 'dispatcher', now() FROM alarm"
            " ON CONFLICT DO NOTHING"
        )
    page.reload()
    expect(page.locator(".alarms-of .empty")).to_be_visible()


@pytest.mark.slow
def test_a_room_on_desk_and_wall(open_page: OpenPage, site: Site) -> None:
    """An hour's curve beside each value; on the wall what is read from afar."""
    site.store_series(MINE, [-3000.0 + 30 * i for i in range(100)], [0.4] * 100)
    page = open_page(f"/mine/{MINE}", "dispatcher", width=1920, height=1080)
    row = page.locator(f'tr[data-point="{site.point_id(MINE)}"]')
    expect(row.locator(".spark path")).to_have_attribute("d", re.compile(r"^M"))
    expect(row.locator(".spark line")).to_have_count(2)
    page.locator(".modes button").nth(1).click()
    expect(page).to_have_url(re.compile("mode=wall"))
    cells = page.locator(".wall-cell")
    expect(cells).to_have_count(4)
    expect(cells.first.locator(".v")).to_have_text("0.42")
    site.alarm(MINE, no="004A01")
    alarmed = page.locator(f'.wall-cell[data-point="{site.point_id(MINE, "004A01")}"]')
    expect(alarmed.locator(".sym.c-4")).to_be_visible()
    expect(alarmed.locator(".place")).to_have_text("总回风巷")
    expect(page.locator(".wall-alarms tr")).to_have_count(1)
    # Text is as large as the distance asks for, and back to normal on the desk.
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    at_three_metres = page.evaluate(size)
    page.locator(".wall-foot input").first.fill("8")
    wait_until(lambda: page.evaluate(size) > 2 * at_three_metres, what="larger text")
    page.locator(".modes button").first.click()
    wait_until(lambda: page.evaluate(size) == 14, what="text of a desk")
    expect(row.locator("td.v")).to_have_text("0.42")


READ_AT_8_M_PX = 58
"""16 minutes of arc at 8 m on a 55-inch screen of 1920 times 1080 [css px]."""

FROM_AFAR = """() => [...document.querySelectorAll(".wall-cell")].filter((cell) => {
  const { top, bottom, left, right } = cell.getBoundingClientRect();
  const foot = document.querySelector(".wall-foot").getBoundingClientRect();
  return top >= 0 && left >= 0 && bottom <= foot.top && right <= innerWidth;
}).map((cell) => ["place", "v"].map((name) =>
  parseFloat(getComputedStyle(cell.querySelector(`.${name}`)).fontSize)))"""


@pytest.mark.slow
def test_a_wall_seen_from_8_m_shows_points_while_sound_is_blocked(
    open_page: OpenPage, site: Site
) -> None:
    """The sound's bar is one line; the points that stand there are read from afar."""
    for no in ("001A01", "004A01"):
        site.alarm(MINE, no=no)
    page = open_page(f"/mine/{MINE}?mode=wall", "dispatcher", width=1920, height=1080)
    page.evaluate("localStorage.setItem('gasmon.wall.distance', '8')")
    page.reload()
    expect(page.locator(".blocked-bar")).to_be_visible()
    expect(page.locator(".wall-alarms tr")).to_have_count(2)
    expect(page.locator(".wall-cell .sym.c-4").first).to_be_visible()
    sizes = page.evaluate(FROM_AFAR)
    assert len(sizes) >= 3
    assert min(px for cell in sizes for px in cell) >= READ_AT_8_M_PX
    bar = page.locator(".blocked-bar").bounding_box()
    assert bar is not None
    assert READ_AT_8_M_PX <= bar["height"] < 2 * READ_AT_8_M_PX
    assert page.evaluate("document.documentElement.scrollHeight") <= 1080


@pytest.mark.slow
def test_a_trend_shows_what_happened_and_gives_a_file(
    open_page: OpenPage, site: Site
) -> None:
    """Missing time is counted, earlier windows are reached, the file is audited."""
    site.store_series(OTHER, [-3500.0 + 5 * i for i in range(300)], [0.5] * 300)
    page = open_page(f"/point/{site.point_id(OTHER)}")
    expect(page.locator('[data-figure="gaps"]')).to_be_visible()
    expect(page.locator('[data-figure="max"]')).to_contain_text("0.50 %")
    for window, button in (("90d", 5), ("1y", 6), ("1h", 0)):
        page.locator(".windows button").nth(button).click()
        expect(page).to_have_url(re.compile(f"window={window}"))
        expect(page.locator('[data-figure="max"]')).to_contain_text("0.50 %")
    with page.expect_download() as waiting:
        page.locator("a.export").click()
    text = waiting.value.path().read_text("utf-8-sig")
    assert text.splitlines()[0].startswith("mine,mine_name,point,place,uom")
    assert "观音山煤矿" in text
    with db.connect(site.database) as conn:
        rows = conn.execute(
            "SELECT principal, subject FROM audit WHERE action = 'readings.export'"
        ).fetchall()
    assert rows == [("county", f"{OTHER}-01-001A01")]
    page.locator(".travel button").first.click()
    expect(page).to_have_url(re.compile("until="))
    expect(page.locator(".chart-empty")).to_be_visible()


def test_the_city_compares_its_counties_and_finds_places(
    open_page: OpenPage, site: Site
) -> None:
    """The worst county is first; a search leads to a point by the keyboard."""
    page = open_page("/", "city")
    expect(page.locator(".county")).to_have_count(2)
    expect(page.locator(".county-mines a")).to_have_count(4)
    site.alarm("530629000001", rank=3)
    worst = page.locator(".compared tbody tr").first
    expect(worst).to_have_attribute("data-county", "530629")
    expect(worst.locator(".sym.c-3")).to_be_visible()
    expect(page.locator('.county[data-county="530629"] .sym.c-3')).to_be_visible()
    expect(page.locator(".load")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("坪上 004")
    expect(page.locator(".found a")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/point/{site.point_id(MINE, '004A01')}$"))


@pytest.mark.long
def test_pages_fit_at_twice_their_size(open_page: OpenPage, site: Site) -> None:
    """At a zoom of 200 % nothing is cut off sideways; what is long is scrolled."""
    page = open_page("/", "city", width=ZOOMED[0], height=ZOOMED[1])
    for path in ("/", f"/mine/{MINE}", f"/point/{site.point_id(MINE)}", "/alarms"):
        page.goto(site.url + path)
        expect(page.locator("main")).to_be_visible()
        expect(page.locator(".banner .clock b")).to_have_text(re.compile(r"\d\d:"))
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= ZOOMED[0], (path, wide)
        main = page.locator("main").bounding_box()
        assert main is not None
        assert main["height"] > 150, (path, main)


OFF_THE_PAGE = """
[...document.querySelectorAll('main table, main button, main summary, main input')]
  .filter((one) => one.matches('summary') || !one.closest('details:not([open])'))
  .filter((one) => one.offsetParent && one.getBoundingClientRect().right > innerWidth)
  .map((one) => one.outerHTML.slice(0, 80))
"""


@pytest.mark.long
def test_what_one_can_do_is_on_the_page_at_twice_its_size(
    open_page: OpenPage, site: Site
) -> None:
    """Forms and lists for administrators, with a name of sixty characters in them."""
    name = "镇雄县应急管理局安全生产调度中心夜班值班员欧阳亚历山德罗维奇" * 2
    site.invite(name)
    page = open_page("/users", "chief", width=ZOOMED[0], height=ZOOMED[1])
    for path, seen in (
        ("/users", f'[data-user="{name}"]'),
        ("/audit", "[data-audit]"),
        ("/shifts", ".calendar button"),
        ("/plans", "main h1"),
        ("/changes", "main h1"),
    ):
        page.goto(site.url + path)
        expect(page.locator(seen).first).to_be_visible()
        assert page.evaluate(OFF_THE_PAGE) == [], path

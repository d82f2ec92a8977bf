"""Every screen in a real browser against the real api: both languages, both themes."""

from __future__ import annotations

import re
import threading
from math import nan

import pytest
from playwright.sync_api import Page, Route, expect

from tests.fix_wait import wait_until
from tests.web.conftest import OpenPage
from tests.web.fix_click import check_box, click_until_seen
from tests.web.fix_site import MARKUP, Site

MINE = "530627000001"
OTHER = "530627000003"
FAR = "530629000001"
LOOK = "(theme) => import('/static/state.js').then((m) => m.setLook(theme, '100'))"


def check_screen(page: Page, where: tuple[str, str]) -> None:
    """It says something, in one language, and fits the screen in both themes."""
    lang = where[1]
    expect(page.locator("main")).to_contain_text(re.compile(r"坪上"))
    expect(page.locator(".banner .clock b")).to_have_text(
        re.compile(r"^\d\d:\d\d:\d\d$")
    )
    shown = page.locator("body").inner_text()
    for nonsense in ("undefined", "NaN", "[object"):
        assert nonsense not in shown, where
    assert not re.search(r"\b[a-z]+\.[a-z_]+\.?[a-z_]*\b(?=\s|$)", shown), where
    assert (lang == "zh") == ("总览" in shown), where
    for theme, width in (("light", 1366), ("dark", 1920)):
        page.evaluate(LOOK, theme)
        page.set_viewport_size({"width": width, "height": 768})
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, (*where, wide)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_page_in_both_languages(open_page: OpenPage, site: Site) -> None:
    """All addresses open, say something, fit the screen and make no complaint."""
    site.alarm(MINE)
    page = open_page("/")
    for path in (
        "/",
        "/area/530627",
        "/county/530627?part=mines",
        f"/mine/{MINE}",
        f"/point/{site.point_id(MINE)}",
        f"/point/{MINE}-01-001A01",
        "/alarms",
        "/alarms?tab=history",
    ):
        page.goto(site.url + path)
        check_screen(page, (path, "zh"))
        page.locator(".banner .lang").click()
        expect(page.locator("nav")).to_contain_text("Alarms")
        check_screen(page, (path, "en"))
    dark = open_page("/alarms", lang="en", theme="dark")
    expect(dark.locator("html")).to_have_attribute("data-theme", "dark")
    check_screen(dark, ("/alarms", "en"))


def test_signing_in_by_the_field(open_page: OpenPage, site: Site) -> None:
    """A wrong token is refused in words, the right one leads where one wanted to go."""
    page = open_page("/alarms?tab=open", None, expect="401")
    click_until_seen(page.locator("button.other"), page.locator('input[name="token"]'))
    field = page.locator('input[name="token"]')
    field.fill("gm_" + "x" * 43)
    page.keyboard.press("Enter")
    expect(page.locator(".failure")).to_contain_text("令牌无效")
    field.fill(site.tokens["viewer"])
    page.keyboard.press("Enter")
    expect(page.locator(".alarms-page")).to_be_visible()
    assert page.url == f"{site.url}/alarms?tab=open"
    click_until_seen(page.locator(".who"), page.locator(".account"))
    page.locator(".account button.main").first.click()
    expect(page.locator('input[name="user"]')).to_be_visible()


def test_a_token_in_the_address_is_taken_out_of_it(
    open_page: OpenPage, site: Site
) -> None:
    """The token signs in and is neither in the address nor in storage or scripts."""
    page = open_page(f"/mine/{MINE}")
    expect(page.locator(".units")).to_be_visible()
    assert page.url == f"{site.url}/mine/{MINE}"
    kept = page.evaluate("JSON.stringify(localStorage) + document.cookie")
    assert site.tokens["county"] not in kept
    assert "gasmon_session" not in kept


def test_tiles_follow_the_values(open_page: OpenPage, site: Site) -> None:
    """A new highest methane value shows on the mine's tile with its place."""
    page = open_page("/", "city")
    tile = page.locator(f'.tile[data-mine="{MINE}"]')
    expect(tile.locator(".v")).to_have_text("0.42")
    site.send(MINE, {"001A01": 0.73})
    expect(tile.locator(".v")).to_have_text("0.73")
    expect(tile.locator(".where")).to_have_text("11121回风巷T2")
    site.send(MINE, {"001A01": 0.42}, online=False)
    expect(tile).to_have_class(re.compile("stale"))
    expect(tile.locator(".where")).to_contain_text("断线")
    site.send(MINE, {"001A01": 0.42})
    expect(tile).not_to_have_class(re.compile("stale"))


def test_no_count_is_shown_before_alarms_are_known(
    open_page: OpenPage, site: Site
) -> None:
    """A dash, never a nought, until the server said what is open."""
    site.alarm(MINE, rank=4)
    page = open_page("/")
    count = page.locator('.count[data-level="4"] b')
    expect(count).to_have_text(re.compile(r"^[1-9]"))
    held: list[Route] = []
    release = threading.Event()

    def hold(route: Route) -> None:
        if release.is_set():
            route.continue_()
        else:
            held.append(route)

    page.route("**/api/v1/alarms?*", hold)
    page.reload()
    expect(count).to_have_text("–")
    expect(page.locator(".banner .oldest")).not_to_contain_text("无")
    release.set()
    for route in held:
        route.continue_()
    expect(count).to_have_text(re.compile(r"^[1-9]"))


def test_scope_is_what_the_server_gives(open_page: OpenPage) -> None:
    """A county sees its own mines and no others."""
    page = open_page("/", "county")
    expect(page.locator(".tile")).to_have_count(3)
    assert page.locator(f'.tile[data-mine="{FAR}"]').count() == 0


@pytest.mark.slow
def test_pages_that_count_in_both_languages(open_page: OpenPage, site: Site) -> None:
    """Groups of a flood, statistics and the daily reports, likewise."""
    site.alarm(MINE)
    page = open_page("/alarms?tab=groups")
    for path in (
        "/alarms?tab=groups",
        "/statistics?by=mine",
        "/statistics?report=daily",
        f"/statistics?report=mine&mine={MINE}",
    ):
        page.goto(site.url + path)
        check_screen(page, (path, "zh"))
        page.locator(".banner .lang").click()
        check_screen(page, (path, "en"))
        page.locator(".banner .lang").click()


@pytest.mark.slow
def test_names_with_markup_are_text(open_page: OpenPage, site: Site) -> None:
    """A mine cannot put markup on the screen by its name or a point's place."""
    code = "530627000002"
    site.alarm(code, no="002A04")
    page = open_page("/")
    for path in ("/", f"/mine/{code}", "/alarms", f"/point/{code}-01-002A04"):
        page.goto(site.url + path)
        expect(page.get_by_text(MARKUP).first).to_be_visible()
        assert page.evaluate("window.hacked") is None
        assert page.locator("main img, .banner img, main td b b").count() == 0


def test_values_are_honest(open_page: OpenPage, site: Site) -> None:
    """Old values are hatched with their age, missing ones are dashes, never 0.00."""
    site.send(OTHER, {"001A01": 0.61}, age_s=200)
    site.send(OTHER, {"002A04": nan}, state=128)
    site.send(OTHER, {"004A01": 0.5}, age_s=4000)
    page = open_page(f"/mine/{OTHER}")

    def cell(no: str, name: str) -> str:
        row = page.locator(f'tr[data-point="{site.point_id(OTHER, no)}"]')
        return row.locator(f"td.{name}").inner_text()

    wait_until(lambda: cell("001A01", "v") == "0.61", what="the stale value")
    stale = page.locator(f'tr[data-point="{site.point_id(OTHER)}"]')
    expect(stale).to_have_attribute("data-quality", "stale")
    assert cell("001A01", "state") == "无新数据"
    assert cell("001A01", "a").startswith("3:")
    assert cell("002A04", "v") == "——"
    assert cell("002A04", "state") == "传感器故障"
    assert cell("004A01", "v") == "——"
    assert cell("003D01", "v") == "开"
    assert "0.00" not in page.locator(".units").inner_text()
    site.send(OTHER, {"001A01": 0.62})
    expect(stale).to_have_attribute("data-quality", "good")
    assert cell("001A01", "v") == "0.62"


@pytest.mark.slow
def test_an_alarm_appears_at_once_everywhere(open_page: OpenPage, site: Site) -> None:
    """Banner, list, tile and the mine's row show it without loading anew."""
    pages = [open_page(path) for path in ("/alarms", "/", f"/mine/{MINE}")]
    reds = [page.locator('.count[data-level="4"] b') for page in pages]
    for red in reds:
        expect(red).to_have_text("0/0")
    site.alarm(MINE)
    for page, red in zip(pages, reds, strict=True):
        expect(red).to_have_text("1/1")
        expect(page.locator(".oldest")).to_contain_text("坪上煤矿")
        expect(page.locator(".newest")).to_contain_text("坪上煤矿")
    expect(pages[0].locator("tbody tr[data-alarm]")).to_have_count(1)
    expect(
        pages[1].locator(f'.tile[data-mine="{MINE}"] .sym.c-4.flash')
    ).to_be_visible()
    row = pages[2].locator(f'tr[data-point="{site.point_id(MINE)}"]')
    expect(row.locator(".sym.c-4.flash")).to_be_visible()
    # Two clicks from any alarm to its point, also when only the event told of it.
    link, big = pages[0].locator("td.h-place a").first, pages[0].locator(".now .big")
    click_until_seen(link, big)


def test_confirming_by_keyboard_with_a_note(open_page: OpenPage, site: Site) -> None:
    """j, a, note, Enter: stored with the note, shown elsewhere, symbol stops."""
    site.alarm(MINE)
    site.alarm(OTHER, rank=3)
    page, other = open_page("/alarms"), open_page("/alarms?tab=open", "city")
    expect(page.locator("tbody tr[data-alarm]")).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator('input[name="note"]')).to_be_focused()
    # Keys of the list are letters here.
    page.keyboard.type("jxa1 已撤人")
    page.keyboard.press("Enter")
    expect(page.locator('tr[data-state="confirmed"]')).to_have_count(1)
    wait_until(
        lambda: ("county", "county", "jxa1 已撤人") in site.confirmations(),
        what="the stored confirmation",
    )
    expect(other.locator('.tick.yes[data-tier="county"]')).to_have_count(1)
    # The city's own duty is not cleared by the county's.
    expect(other.locator("button.confirm")).to_have_count(2)
    # The next unconfirmed one is selected, the confirmed row stays where it was.
    expect(page.locator("tr.selected")).to_have_attribute("data-state", "unconfirmed")
    expect(page.locator("tbody tr[data-alarm]")).to_have_count(2)
    assert page.locator("tr.selected .flash").count() == 1


@pytest.mark.slow
def test_bulk_confirmation_reports_each_row(open_page: OpenPage, site: Site) -> None:
    """One note for all but red ones; a row that a colleague took meanwhile says so."""
    site.alarm(MINE, no="002A04", rank=4)
    for mine in (MINE, OTHER):
        site.alarm(mine, rank=3)
    page = open_page("/alarms", expect="409")
    boxes = page.locator("td.check input")
    expect(boxes).to_have_count(3)
    check_box(page.locator("th.check input"))
    expect(page.locator("td.check input:checked")).to_have_count(2)
    page.locator(".toolbar button.main").click()
    expect(page.locator(".toolbar .note-line")).to_be_visible()
    taken = page.locator("tr[data-alarm]").last.get_attribute("data-alarm")
    colleague = open_page("/alarms", "colleague")
    click_until_seen(
        colleague.locator(f'tr[data-alarm="{taken}"] button.confirm'),
        colleague.locator("tr.editor button.main"),
    )
    page.locator('.toolbar input[name="note"]').fill("同一原因")
    colleague.locator("tr.editor button.main").click()
    expect(colleague.locator(f'tr[data-alarm="{taken}"]')).to_have_class(
        re.compile("done")
    )
    page.locator(".toolbar .note-line button.main").click()
    expect(page.locator("tbody tr.done")).to_have_count(2)
    expect(page.locator(f'tr[data-alarm="{taken}"] .failure-word')).to_have_text(
        "已被确认"
    )
    assert site.confirmations()[-1] == ("county", "county", "同一原因")


@pytest.mark.parametrize("who", ["viewer", "platform"])
def test_who_may_not_confirm_has_no_way_to(
    open_page: OpenPage, site: Site, who: str
) -> None:
    """For a viewer or a program nothing to confirm with is on the screen."""
    site.alarm(FAR)
    page = open_page("/alarms", who)
    expect(page.locator("tbody tr[data-alarm]")).to_have_count(1)
    assert page.locator("button.confirm, td.check, th.act").count() == 0
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("a")
    assert page.locator(".note-line").count() == 0


def test_rows_do_not_move_under_the_mouse(open_page: OpenPage, site: Site) -> None:
    """New alarms wait while the pointer is in the list; the selection stays."""
    for mine in (MINE, OTHER):
        site.alarm(mine)
    page = open_page("/alarms")
    row = page.locator("tbody tr[data-alarm]").nth(1)
    row.hover()
    click_until_seen(row.locator("td.h-kind"), page.locator("tr.selected"))
    chosen = row.get_attribute("data-alarm")
    before = row.bounding_box()
    site.alarm("530627000002")
    expect(page.locator(".waiting")).to_contain_text("1")
    assert row.bounding_box() == before
    page.locator(".waiting").click()
    expect(page.locator("tbody tr[data-alarm]")).to_have_count(3)
    expect(page.locator("tr.selected")).to_have_attribute("data-alarm", chosen or "")


def test_filters_are_in_the_address_and_done_by_the_server(
    open_page: OpenPage, site: Site
) -> None:
    """Tabs, levels and words change the address; the address alone brings them back."""
    site.alarm(MINE, rank=2)
    site.alarm(OTHER, rank=4)
    page = open_page("/alarms")
    rows = page.locator("tbody tr[data-alarm]")
    expect(rows).to_have_count(2)
    page.keyboard.press("4")
    expect(rows).to_have_count(1)
    assert "min_rank=4" in page.url
    page.keyboard.press("4")
    expect(rows).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("坪上")
    expect(rows).to_have_count(1)
    wait_until(lambda: "q=" in page.url, what="the search in the address")
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.locator('input[name="q"]')).to_have_value("坪上")
    page.goto(f"{site.url}/alarms?tab=device")
    expect(page.locator(".empty")).to_be_visible()


def test_keys_sleep_while_chinese_is_composed(open_page: OpenPage, site: Site) -> None:
    """A key that belongs to an input method does nothing to the list."""
    site.alarm(MINE)
    page = open_page("/alarms")
    expect(page.locator("tbody tr[data-alarm]")).to_have_count(1)
    page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " { key: 'j', bubbles: true, isComposing: true }))"
    )
    assert page.locator("tr.selected").count() == 0
    page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " { key: 'j', bubbles: true }))"
    )
    expect(page.locator("tr.selected")).to_have_count(1)


def test_the_trend_shows_the_stored_series(open_page: OpenPage, site: Site) -> None:
    """Minimum, maximum and mean of the window, and a chart for each window."""
    times = [-1800.0 + 5 * i for i in range(200)]
    site.store_series(OTHER, times, [0.4 + 0.001 * i for i in range(200)])
    page = open_page(f"/point/{site.point_id(OTHER)}")
    figure = page.locator('[data-figure="max"]')
    expect(figure).to_contain_text("0.60 %")
    expect(page.locator('[data-figure="min"]')).to_have_text("0.40 %")
    for window in ("8h", "24h", "7d"):
        page.locator(".tabs button").nth(["8h", "24h", "7d"].index(window) + 1).click()
        expect(page).to_have_url(re.compile(f"window={window}"))
        expect(figure).to_contain_text("0.60 %")
        expect(page.locator(".uplot canvas")).to_have_count(1)
    page.goto(f"{site.url}/point/{site.point_id(OTHER, '004A01')}")
    expect(page.locator(".chart-empty")).to_be_visible()


def test_blocked_sound_is_told_and_unlocked_by_a_click(
    open_page: OpenPage, site: Site
) -> None:
    """With something unconfirmed a large bar says that nobody hears it."""
    page = open_page("/")
    expect(page.locator(".sound")).to_have_attribute("data-state", "blocked")
    assert page.locator(".blocked-bar").count() == 0
    site.alarm(MINE)
    expect(page.locator(".blocked-bar")).to_be_visible()
    page.locator(".blocked-bar").click()
    expect(page.locator(".sound")).to_have_attribute("data-state", "on")
    wait_until(
        lambda: int(page.locator(".sound").get_attribute("data-played") or 0) >= 1,
        what="a tone",
    )
    expect(page.locator(".blocked-bar")).to_have_count(0)
    page.locator(".sound").click()
    expect(page.locator(".sound")).to_have_attribute("data-state", "off")


def test_language_and_theme_change_in_place(open_page: OpenPage) -> None:
    """Both are one click, kept for this workstation, and leave the page standing."""
    page = open_page("/alarms")
    page.locator(".banner .lang").click()
    expect(page.locator("nav")).to_contain_text("Alarms")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.get_by_text("Light", exact=True).click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    expect(page.locator("nav")).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_symbols_flash_in_phase_and_rest_when_asked(
    open_page: OpenPage, site: Site
) -> None:
    """Unconfirmed symbols flash together, text never; reduced motion is honoured."""
    site.alarm(MINE)
    site.alarm(OTHER, rank=2)
    page = open_page("/alarms")
    expect(page.locator("tbody .flash")).to_have_count(2)
    starts = "[...new Set(document.getAnimations().map((a) => a.startTime))]"
    wait_until(lambda: page.evaluate(starts) == [0], what="flashing in phase")
    shapes = "document.getAnimations().every((a) => a.effect.target.matches('svg.sym'))"
    assert page.evaluate(shapes)
    page.emulate_media(reduced_motion="reduce")
    wait_until(
        lambda: page.evaluate("document.getAnimations().length") == 0,
        what="no animation",
    )


@pytest.mark.slow
def test_updates_make_no_new_nodes(open_page: OpenPage, site: Site) -> None:
    """Values write into nodes made once: a day of updates does not grow the page."""
    page = open_page("/", "city")
    shown = page.locator(f'.tile[data-mine="{MINE}"] .v')
    expect(shown).to_have_text("0.42")
    count = "document.querySelectorAll('.wall, .wall *').length"
    before = page.evaluate(count)
    for i in range(10):
        site.send(MINE, {"001A01": 0.5 + i / 100})
        expect(shown).to_have_text(f"{0.5 + i / 100:.2f}")
    assert page.evaluate(count) == before
    site.send(MINE, {"001A01": 0.42})

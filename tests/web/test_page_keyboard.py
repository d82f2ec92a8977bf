"""Everything by the keyboard: each page is walked, and the forms are filled with it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.fix_shifts import begin_shifts
from tests.fix_wait import wait_until
from tests.web.conftest import OpenPage
from tests.web.fix_drill import Drill
from tests.web.fix_keyboard import (
    described,
    has_keyboard,
    nameless,
    tab_back_to,
    tab_to,
    walk,
)
from tests.web.fix_site import Site
from tests.web.test_page_duties import COUNTY, earlier_shift

MINE = "530627000001"


PAGES = {
    "county": (
        *(
            "/",
            "/area/530627",
            "/county/530627?part=mines",
            "/county/530627?part=rooms",
        ),
        *(f"/mine/{MINE}", f"/mine/{MINE}?mode=wall", "/point/{point}", "/alarms"),
        *("/alarms?tab=history", "/alarms?tab=groups", "/alarms?tab=incidents"),
        *("/alarm/{alarm}", "/plans", "/changes", "/statistics", "/differences"),
        *("/drainage", "/forecasts", "/consoles", "/shifts", "/rules", "/account"),
        *("/drills", "/drill/{drill}", "/handover/{handover}"),
    ),
    "trainer": ("/drills", "/drill/{drill}?part=timeline"),
    "dispatcher": ("/plans", "/changes?mine=530627000001&point=01-001A01"),
    "chief": ("/users", "/audit", "/shifts"),
}


def handover(site: Site) -> int:
    """One that waits for its signatures."""
    begin_shifts(site.database.url, COUNTY)
    rows = site.get("/handovers")["items"]
    return rows[0]["handover_id"] if rows else earlier_shift(site)


@pytest.mark.long
@pytest.mark.parametrize("who", PAGES)
def test_each_page_is_walked_by_tab_alone(
    open_page: OpenPage, site: Site, who: str
) -> None:
    """Whatever can be operated is reached, shows that it is, and has a name."""
    site.alarm(MINE)
    rows = site.get("/alarms?state=open")["items"]
    drill = Drill(site, stops=False)
    drill.define()
    drill.send(1.62, 0.31)
    drill.alarm()
    names = {
        "point": site.point_id(MINE),
        "alarm": rows[0]["alarm_id"],
        "drill": drill.run,
        "handover": handover(site),
    }
    page = open_page("/account", who)
    page.locator(".banner .brand").click()
    found = {}
    for path in PAGES[who]:
        path = path.format(**names)
        page.goto(site.url + path)
        expect(page.locator("main h1, main .filters").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        told = {**walk(page), "nameless": nameless(page)}
        found.update({f"{path} {name}": told[name] for name in told if told[name]})
    drill.close()
    assert found == {}


def test_a_password_is_set_and_a_log_in_made_by_the_keyboard(
    open_page: OpenPage, site: Site
) -> None:
    """What was refused has the keyboard, is marked, and is described by why."""
    link = site.invite("keyboard").removeprefix(site.url)
    page = open_page(link, None, expect="401")
    first, again = page.locator("[name=password]"), page.locator("[name=again]")
    has_keyboard(first)
    page.keyboard.type("short")
    page.keyboard.press("Tab")
    page.keyboard.type("short")
    page.keyboard.press("Enter")
    has_keyboard(first)
    expect(first).to_have_attribute("aria-invalid", "true")
    wait_until(lambda: "12" in described(first), what="why it was refused")
    for field in (first, again):
        tab_to(page, field)
        page.keyboard.press("Control+a")
        page.keyboard.type("coal dust and a lamp")
    expect(first).not_to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Enter")
    expect(page.locator(".banner")).to_be_visible()
    page.goto(f"{site.url}/account")
    tab_to(page, page.locator("main .main").first)
    page.keyboard.press("Enter")
    has_keyboard(page.locator("[name=user]"))
    page.keyboard.type("keyboard")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    password = page.locator("[name=password]")
    expect(password).to_have_attribute("aria-invalid", "true")
    has_keyboard(password)
    wait_until(lambda: described(password) != "", what="why it was refused")
    page.keyboard.press("Control+a")
    page.keyboard.type("coal dust and a lamp")
    page.keyboard.press("Enter")
    expect(page.locator(".banner")).to_be_visible()


def test_planned_work_is_filed_and_approved_by_the_keyboard(
    open_page: OpenPage,
) -> None:
    """A refusal leaves the keyboard where it was; what is decided keeps it near."""
    page = open_page("/plans", "dispatcher", expect="status of 4")
    page.keyboard.press("Tab")
    has_keyboard(page.locator(".skip"))
    page.keyboard.press("Enter")
    has_keyboard(page.locator("main"))
    for name, text in (("points", "01-999Z99"), ("test_gas", "2.0")):
        tab_to(page, page.locator(f"[name={name}]"))
        page.keyboard.type(text)
    tab_to(page, page.locator("[name=reason]"))
    page.keyboard.type("标校")
    page.keyboard.press("Enter")
    refused = page.locator("form .failure[role=alert]")
    expect(refused).to_be_visible()
    reason = page.locator("[name=reason]")
    has_keyboard(reason)
    said = refused.inner_text()
    wait_until(lambda: described(reason) == said, what="the field described by it")
    points = page.locator("[name=points]")
    tab_back_to(page, points)
    page.keyboard.press("Control+a")
    page.keyboard.type("01-001A01")
    page.keyboard.press("Enter")
    expect(page.locator("section[data-state=filed]")).to_be_visible()
    expect(refused).to_have_count(0)
    expect(page.locator(".unseen[role=status]")).to_have_text("已完成")
    officer = open_page("/plans", "county")
    approve = officer.locator("[data-action=approve]").first
    expect(approve).to_be_visible()
    tab_to(officer, approve)
    officer.keyboard.press("Enter")
    expect(approve).to_have_count(0)
    near = "Boolean(document.activeElement.closest('[data-plan]'))"
    wait_until(lambda: officer.evaluate(near), what="the keyboard near the plan")


def test_an_alarm_is_handled_by_the_keyboard(open_page: OpenPage, site: Site) -> None:
    """From the list to its page: rows, links, actions, one that is not possible yet."""
    site.alarm(MINE)
    page = open_page("/alarms", "dispatcher")
    row = page.locator("tr[data-alarm]").first
    expect(row).to_be_visible()
    page.keyboard.press("j")
    has_keyboard(row)
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    has_keyboard(row)
    tab_to(page, row.locator(".h-start a"))
    page.keyboard.press("Enter")
    expect(page.locator("main.alarm .do")).to_be_visible()
    rules = f"/rules?subject={MINE}-01-001A01"
    expect(page.locator("[data-why=rules]")).to_have_attribute("href", rules)
    has_keyboard(page.locator("main"))
    grey = page.locator(".do [aria-disabled=true]").first
    tab_to(page, grey)
    page.keyboard.press("Enter")
    expect(page.locator("[data-why-not]")).to_be_visible()
    comment = page.locator("[data-action=comment]")
    tab_back_to(page, comment)
    page.keyboard.press("Enter")
    text = page.locator("[data-form=comment] [name=text]")
    has_keyboard(text)
    page.keyboard.press("Escape")
    has_keyboard(comment)
    page.keyboard.press("Enter")
    has_keyboard(text)
    page.keyboard.type("已到现场")
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-event=commented]")).to_contain_text("已到现场")
    has_keyboard(page.locator("section.do"))


def test_pages_lists_and_panels_hand_the_keyboard_on(
    open_page: OpenPage, site: Site
) -> None:
    """A link leads to the page's beginning; keys' list and one-time links take it."""
    page = open_page("/", "chief")
    shifts = page.locator(".banner nav a", has_text=re.compile("值班"))
    tab_to(page, shifts)
    page.keyboard.press("Enter")
    has_keyboard(page.locator("main.shifts"))
    page.keyboard.press("?")
    has_keyboard(page.locator(".help button"))
    page.keyboard.press("Escape")
    expect(page.locator(".help")).to_have_count(0)
    has_keyboard(page.locator("main.shifts"))
    page.goto(f"{site.url}/users")
    tab_to(page, page.locator("form [name=user]"))
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    has_keyboard(page.locator("section.link input"))

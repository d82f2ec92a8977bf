"""Duties without a mouse: shifts, calendars, drills, limits and tokens."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.fix_shifts import begin_shifts
from tests.fix_wait import wait_until
from tests.web.conftest import OpenPage
from tests.web.fix_drill import COUNTY, MINE, add_trainer
from tests.web.fix_keyboard import (
    described,
    has_keyboard,
    press,
    tab_back_to,
    tab_to,
    write,
)
from tests.web.fix_site import Site
from tests.web.test_page_changes import back_test
from tests.web.test_page_duties import COUNTY as POST
from tests.web.test_page_duties import earlier_shift

DONE = "已完成"


@pytest.fixture(autouse=True)
def no_pointer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may be done with a mouse, not even by accident."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a mouse was used")

    for name in ("click", "dblclick", "hover", "check", "fill", "select_option"):
        monkeypatch.setattr(f"playwright.sync_api.Locator.{name}", refuse)


def is_told(page: Page, text: str = DONE) -> None:
    """A screen reader is told it."""
    expect(page.locator(".unseen[role=status]")).to_have_text(text)


def is_near(page: Page, selector: str) -> None:
    """The keyboard is on it or within it."""
    near = f"Boolean(document.activeElement.closest({selector!r}))"
    wait_until(lambda: page.evaluate(near), what=f"the keyboard near {selector}")


@pytest.mark.long
def test_a_shift_is_handed_over(open_page: OpenPage, site: Site) -> None:
    """Signing on, a note, one's signature, and that of who takes over."""
    begin_shifts(site.database.url, POST)
    site.alarm(MINE, rank=3)
    page = open_page("/shifts", "county")
    post = page.locator('[data-post="county/530627"]')
    press(page, post.locator(".sign-on"))
    expect(post.locator(".there .flag")).to_be_visible()
    has_keyboard(post.locator(".sign-on"))
    is_told(page)

    number = earlier_shift(site)
    old = open_page("/shifts", "colleague", expect="a status of 409")
    press(old, old.locator(f'[data-handover="{number}"] a'))
    has_keyboard(old.locator("main.handover"))
    text = old.locator("textarea")
    press(old, old.locator('[data-action="note"]'))
    refused = old.locator(".do .failure[role=alert]")
    expect(refused).to_be_visible()
    has_keyboard(text)
    wait_until(lambda: described(text) == refused.inner_text(), what="why at the field")
    old.keyboard.type("主通风机检修")
    press(old, old.locator('[data-action="note"]'))
    expect(old.locator(".notes li")).to_contain_text("主通风机检修")
    has_keyboard(old.locator('[data-action="note"]'))
    press(old, old.locator('[data-action="sign"]'))
    expect(old.locator('[data-side="outgoing"] b')).to_have_text("colleague")
    is_near(old, "section.do")
    # Not his to accept: the refusal is told where he is.
    accept = old.locator('[data-action="accept"]')
    press(old, accept)
    expect(refused).to_be_visible()
    has_keyboard(accept)

    page.reload()
    press(page, page.locator(".unsigned-bar"))
    has_keyboard(page.locator("main.handover"))
    press(page, page.locator('[data-action="accept"]'))
    expect(page.locator("main.handover")).to_have_attribute("data-state", "accepted")
    is_near(page, "main.handover")
    is_told(page)


@pytest.mark.long
def test_a_calendar_is_set_and_somebody_assigned(
    open_page: OpenPage, site: Site
) -> None:
    """Place, pattern, name; a refusal stays at its field; an assignment taken back."""
    page = open_page("/shifts", "chief", expect="a status of 4")
    calendar = page.locator("section.calendar")
    press(page, calendar.locator("select[name=tier]"), "ArrowDown")
    expect(calendar.locator("select[name=place]")).to_have_value("530600")
    expect(calendar.locator(".muted, [data-day]").first).to_be_visible()
    slots = calendar.locator('[data-form="slots"]')
    write(page, slots.locator("[name=shifts]"), "two-12h")
    page.keyboard.press("Enter")
    refused = calendar.locator(".failure")
    expect(refused).to_be_visible()
    field = slots.locator("[name=shifts]")
    has_keyboard(field)
    wait_until(
        lambda: described(field) == refused.inner_text(), what="why at the field"
    )
    page.keyboard.type(" 08:00")
    page.keyboard.press("Enter")
    expect(calendar.locator("[data-day]", has_text="白班").first).to_be_visible()
    expect(refused).to_have_count(0)
    has_keyboard(field)
    is_told(page)
    assign = calendar.locator('[data-form="assign"]')
    write(page, assign.locator("[name=name]"), "county")
    write(page, assign.locator("[name=shift]"), "白班")
    page.keyboard.press("Enter")
    expect(refused).to_contain_text("county")
    tab_back_to(page, assign.locator("[name=name]"))
    write(page, assign.locator("[name=name]"), "city")
    page.keyboard.press("Enter")
    row = calendar.locator("[data-assignment]")
    expect(row).to_contain_text("city")
    press(page, row.locator("button"))
    expect(row).to_have_count(0)
    is_near(page, "section.calendar")


@pytest.mark.long
def test_a_drill_is_declared_and_ended(open_page: OpenPage, site: Site) -> None:
    """Boxes by the space bar; its page has the keyboard, then how it ended."""
    add_trainer(site)
    page = open_page("/drills", "trainer", expect="status of 422")
    form = page.locator("form.action")
    write(page, form.locator("[name=scenario]"), "outburst")
    area = form.locator(f'[name=area][value="{COUNTY}"]')
    tab_to(page, area)
    if not area.is_checked():
        page.keyboard.press("Space")
    minutes = form.locator("[name=minutes]")
    write(page, minutes, "1440")
    page.keyboard.press("Enter")
    refused = form.locator(".failure[role=alert]")
    expect(refused).to_contain_text("longest_h")
    has_keyboard(minutes)
    wait_until(lambda: "longest_h" in described(minutes), what="why at the field")
    page.keyboard.press("Control+a")
    page.keyboard.type("30")
    stop = form.locator("[name=stop]")
    tab_to(page, stop)
    page.keyboard.press("Space")
    expect(stop).not_to_be_checked()
    press(page, form.locator("button.main"))
    drill = page.locator("main.drill-page")
    expect(drill).to_have_attribute("data-state", "running")
    has_keyboard(drill)
    expect(page.locator('[data-fact="on_real"]')).to_contain_text("继续")
    for part in ("timeline", "open"):
        button = page.locator(f'[data-part="{part}"]')
        tab_to(page, button) if part == "timeline" else tab_back_to(page, button)
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        has_keyboard(button)
    tab_back_to(page, page.locator("form.end [name=reason]"))
    page.keyboard.type("到此为止")
    page.keyboard.press("Enter")
    expect(drill).to_have_attribute("data-state", "ended")
    is_near(page, "main.drill-page")
    is_told(page)


@pytest.mark.long
def test_a_limit_is_changed(open_page: OpenPage, site: Site) -> None:
    """Proposed, tested on the past, its alarms unfolded, approved by somebody else."""
    site.store_series(MINE, [-90, -75, -60, -45], [0.3, 0.7, 0.8, 0.3])
    page = open_page(f"/point/{site.point_id(MINE)}", "county", expect="status of 4")
    press(page, page.locator(".point-top a", has_text="限值"))
    has_keyboard(page.locator("main.changes"))
    form = page.locator("form.action")
    high, point = form.locator("[name=alarm_high]"), form.locator("[name=point]")
    write(page, point, "01-999Z99")
    write(page, high, "0.6")
    write(page, form.locator("[name=reason]"), "回风隅角瓦斯偏高")
    page.keyboard.press("Enter")
    refused = form.locator(".failure[role=alert]")
    expect(refused).to_be_visible()
    is_near(page, "form.action")
    tab_back_to(page, point)
    write(page, point, "01-001A01")
    page.keyboard.press("Enter")
    change = page.locator("section[data-change]").first
    expect(change).to_have_attribute("data-state", "proposed")
    expect(refused).to_have_count(0)
    is_told(page)
    back_test(site)
    expect(change.locator("[data-sort=added] dd")).not_to_have_text("0")
    # It was loaded anew meanwhile: the keyboard is where it was.
    has_keyboard(point)
    press(page, change.locator("summary").first)
    expect(change.locator("details[open] tr").first).to_be_visible()

    city = open_page("/changes", "city", expect="status of 4")
    seen = city.locator("section[data-change]").first
    refuse = seen.locator('[data-action="refuse"]')
    press(city, refuse)
    why = seen.locator("[name=why]")
    has_keyboard(why)
    expect(seen.locator(".failure[role=alert]")).to_be_visible()
    wait_until(lambda: described(why) != "", what="that a reason is wanted")
    city.keyboard.type("同意")
    press(city, seen.locator('[data-action="approve"]'))
    expect(seen.locator('[data-action="approve"]')).to_have_count(0)
    is_near(city, "section[data-change]")
    is_told(city)


@pytest.mark.long
def test_tokens_are_given_and_ended(open_page: OpenPage) -> None:
    """It has the keyboard, chosen, to be copied; ended, it is near where it was."""
    page = open_page("/users", "chief")
    form = page.locator('[data-form="token"]')
    write(page, form.locator("[name=name]"), "dashboard")
    tab_to(page, form.locator("[name=days]"))
    page.keyboard.press("End")
    press(page, form.locator("[name=program]"), "Space")
    area = form.locator('[name=area][value="530629"]')
    press(page, area, "Space")
    expect(area).to_be_checked()
    press(page, form.locator("button.main"))
    given = page.locator(".tokens .link input")
    has_keyboard(given)
    expect(given).to_have_value(re.compile("^gm_.{43}$"))
    chosen = given.evaluate(
        "(one) => one.value.slice(one.selectionStart, one.selectionEnd)"
    )
    assert chosen == given.input_value()
    made = page.locator('.tokens tr:has-text("dashboard")')
    press(page, made.locator('[data-do="revoke"]'))
    expect(made).to_have_count(0)
    is_near(page, "section.tokens")
    is_told(page)

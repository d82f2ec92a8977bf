"""Pages of people and their duties in a real browser: who must act, log-in by link and
password, planned work, and a shift that is handed over.

In one file because each has one test: they share a browser and a site.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from gasmon.duty.channel_file import Channel
from gasmon.duty.escalating import Escalation
from gasmon.remote.frames import encode_body
from gasmon.shifts.posts import Post
from gasmon.store import alarms, db, deliveries, handovers, shift_presence
from gasmon.store.access import Principal
from gasmon.units import US_PER_H, US_PER_MIN
from tests.answers_only import EXPECTING, answers_only
from tests.fix_shifts import begin_shifts
from tests.fix_wait import wait_until
from tests.web.conftest import OpenPage
from tests.web.fix_click import click_until_seen
from tests.web.fix_site import Site, now_us
from tests.web.test_page_alarm import MINE, number_of
from tests.web.test_page_answers import DRAWN

PASSWORD = "seven herons under the bridge"
OTHER = "a ladder leans on the moon"
COUNTY = Post("county", "530627")
UNSIGNED = re.compile(r"/handovers\?.*unsigned=true")
TIME = re.compile(r"^(\d\d-\d\d )?\d\d:\d\d:\d\d$")
DUTY = Escalation(
    answers_only(),
    EXPECTING,
    encode_body,
    [Channel("phones", "mail", to=("duty@x.cn",), host="x", sender="gas@x.cn")],
)


@pytest.mark.slow
def test_who_must_act_and_what_was_sent_is_on_the_page(
    open_page: OpenPage, site: Site
) -> None:
    """Facts, steps, journal, counter, list and the bar of a failing channel."""
    site.clear_all()
    told = site.alarm(MINE, rank=2)
    number = number_of(site)
    later_us = now_us() + 4 * US_PER_MIN
    try:
        with db.connect(site.database) as conn:
            DUTY.look(conn, later_us)
            attempt = deliveries.take(conn, "phones", later_us)
            assert attempt is not None
            deliveries.failed(
                conn, "phones", "mail", attempt, "refused",
                deliver_for_us=US_PER_MIN, now_us=later_us,
            )  # fmt: skip
        page = open_page(f"/alarm/{number}")
        expect(page.locator('[data-fact="life.must_act"]')).to_have_text("县级")
        step = page.locator('tr[data-step="confirmed/county/1"]')
        expect(step).to_contain_text("无人确认")
        expect(step).to_contain_text("phones du***@x.cn 待发送")
        record = page.locator('tr[data-event="escalated"]')
        expect(record).to_contain_text("→ 县级")
        expect(page.locator(".channel-bar")).to_contain_text("phones")
        counter = page.locator(".count.owed")
        expect(counter).to_contain_text("现应处理")
        counter.click()
        expect(page.locator(f'tr[data-alarm="{number}"]')).to_be_visible()
    finally:
        site.alarm(MINE, "cleared", rank=2, raised_us=told.raised_at_us)
        with db.connect(site.database) as conn:
            DUTY.look(conn, later_us + US_PER_MIN)
            conn.execute("DELETE FROM channel_state")
            conn.commit()


@pytest.mark.slow
def test_what_a_room_drew_and_sounded_is_on_the_alarms_page(
    open_page: OpenPage, site: Site
) -> None:
    """Painted, blocked, sounded; red where it is missing; the room's light."""
    site.clear_all()
    site.alarm(MINE, rank=3)
    page = open_page(f"/alarm/{number_of(site)}")
    room = page.locator('tr[data-recipient="county/530627"][data-told="raised"]')
    sounded = room.locator('[data-step="sounded"]')
    expect(room.locator('[data-step="drawn"]')).to_have_text(TIME)
    expect(room).to_contain_text("county")
    expect(sounded).to_have_text("声音被阻止")
    lights = open_page("/consoles", "city")
    # Pages of other tests, closed by now, are consoles too.
    console = page.evaluate("localStorage.getItem('gasmon.console')")
    light = lights.locator(f'tr[data-console="{console}"]')
    expect(light).to_contain_text("✗ 声音被阻止 · 未试音")
    click_until_seen(page.locator("button.test"), page.locator("button.heard"))
    page.locator("button.heard").click()
    expect(sounded).to_have_text(TIME)
    expect(light).to_contain_text("✓ 就绪")
    page.close()
    expect(light).to_contain_text("✗ 画面已关闭")

    with db.connect(site.database) as conn:
        conn.execute("UPDATE principal SET created_at = created_at - interval '1 h'")
        told = site.event("530629000001", rank=3)
        alarms.record(conn, [told], encode_body, now_us() - US_PER_MIN)
        conn.commit()
    lights.goto(f"{site.url}/alarm/{number_of(site, '530629000001')}")
    cell = lights.locator('tr[data-recipient="platform"] [data-step="stored"]')
    expect(cell).to_have_class(re.compile("missing"))
    expect(cell).to_have_text("缺失")


@pytest.mark.slow
def test_a_link_a_password_and_the_way_out(open_page: OpenPage, site: Site) -> None:
    """The link asks for a password once; log-in, change and log-out everywhere work."""
    address = site.invite("li")
    page = open_page("/login", None, expect="the server responded with a status of 4")
    page.goto(address)
    expect(page.locator("form")).to_contain_text("为 li（县级值班）设置密码")
    assert "link" not in page.url

    def set_password(first: str, second: str) -> None:
        page.locator('input[name="password"]').fill(first)
        page.locator('input[name="again"]').fill(second)
        page.locator("button.main").last.click()

    said = page.locator(".failure")
    set_password("short", "short")
    expect(said).to_contain_text("不足 12 个字符")
    set_password(PASSWORD, OTHER)
    expect(said).to_contain_text("不一致")
    set_password("gasmon20261127", "gasmon20261127")
    expect(said).to_contain_text("太常见")
    set_password(PASSWORD, PASSWORD)
    expect(page.locator(".banner .who")).to_have_text("li")

    click_until_seen(page.locator(".who"), page.locator(".account"))
    expect(page.locator(".account tbody tr")).to_have_count(1)
    page.locator('input[name="before"]').fill("not the old one")
    set_password(OTHER, OTHER)
    expect(said).to_contain_text("原密码错误")
    page.locator('input[name="before"]').fill(PASSWORD)
    set_password(OTHER, OTHER)
    expect(said).to_contain_text("密码已修改")
    page.locator("button.everywhere").click()

    page.locator('input[name="user"]').fill("li")
    page.locator('input[name="password"]').fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(said).to_contain_text("用户名或密码错误")
    page.locator('input[name="password"]').fill(OTHER)
    page.keyboard.press("Enter")
    expect(page.locator(".banner .who")).to_have_text("li")
    assert not re.search("login|welcome", page.url)

    page.goto(address)
    expect(said).to_contain_text("已被使用")


@pytest.mark.slow
def test_the_mine_files_and_the_county_approves(open_page: OpenPage) -> None:
    """What is missing is said; what was filed is seen, approved and ended."""
    mine = open_page("/plans", "dispatcher", expect="status of 422")
    form = mine.locator("form.action")
    expect(form.locator('select[name="mine"]')).to_have_text("坪上煤矿")
    form.locator('select[name="work"]').select_option("blasting")
    form.locator('input[name="units"]').fill("11121")
    form.locator('input[name="reason"]').fill("11121放炮")
    form.locator("button.main").click()
    expect(form.locator(".failure")).to_contain_text("value_ceiling")
    form.locator('input[name="value_ceiling"]').fill("1.4")
    form.locator("button.main").click()
    filed = mine.locator("section[data-plan]")
    expect(filed).to_have_count(1)
    expect(filed.locator(".state")).to_have_text("待审批")
    expect(filed).to_contain_text("放炮作业")

    county = open_page("/plans", "county", lang="en")
    seen = county.locator("section[data-plan]")
    expect(seen.locator(".state")).to_have_text("waits for a decision")
    seen.locator('[data-action="refuse"]').click()
    expect(seen.locator(".failure")).to_have_text("A remark with the reason is wanted")
    expect(county.locator("form")).to_have_count(0)
    county.locator('.plan-statistics input[type="month"]').fill("2020-01")
    expect(county.locator(".plan-statistics")).to_contain_text("No planned work")
    seen.locator('[data-action="approve"]').click()
    expect(seen.locator(".state")).to_have_text("within its window")
    expect(seen).to_contain_text("dispatcher")

    mine.reload()
    filed.locator('input[name="why"]').fill("提前完工")
    filed.locator('[data-action="withdraw"]').click()
    expect(filed.locator(".state")).to_have_text("已结束")
    expect(filed.locator("button")).to_have_count(0)
    counted = mine.locator(f'.plan-statistics tr[data-mine="{MINE}"]')
    for name, n in (("filed", "1"), ("approved", "1"), ("misused", "0")):
        expect(counted.locator(f'[data-cell="{name}"]')).to_have_text(n)


@pytest.mark.slow
def test_a_countys_platform_is_one_place(open_page: OpenPage, site: Site) -> None:
    """Figures that open mines by state, the console, deliveries, rooms and shifts."""
    site.clear_all()
    site.alarm(MINE, rank=3)
    page = open_page("/county", "county")
    figure = page.locator(".figure-tabs button")
    expect(figure).to_have_count(6)
    expect(figure.first).to_contain_text("未确认 1/1")
    expect(page.locator("tr[data-alarm]")).to_have_count(1)
    for tab in ("handling", "quiet"):
        page.goto(f"{site.url}/county/530627?tab={tab}")
        expect(page.locator(".county .list-scroll .empty")).to_be_visible()
    page.goto(f"{site.url}/county/530627?part=mines")
    row = page.locator(f'.mines tr[data-mine="{MINE}"]')
    expect(row).to_have_attribute("data-state", "alarm")
    expect(page.locator(".mines tbody tr")).to_have_count(3)
    for part, wanted in (
        ("ledger", "tr[data-recipient], .empty"),
        ("rooms", "tr[data-person]"),
        ("shifts", ".part-shifts p"),
        ("plans", '.part-plans a[href="/plans"]'),
    ):
        button = page.locator(f'[data-part="{part}"]')
        click_until_seen(button, page.locator(wanted).first)

    site.send("530629000001", {"001A01": 0.4})
    city = open_page("/county", "city", lang="en")
    city.locator('select[name="county"]').select_option("530629")
    expect(city.locator(".figure-tabs")).to_contain_text("1/1 · 100 %")
    expect(open_page("/", "dispatcher").locator(".to-county")).to_have_count(0)


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

    held: list[tuple[Route, APIResponse]] = []
    page.route(UNSIGNED, lambda route: held.append((route, route.fetch())), times=1)
    page.goto(f"{site.url}/handover/{number}")
    expect(page.locator(".notes")).to_contain_text("main fan under repair")
    # Asking the page for something lets the browser's events in.
    wait_until(lambda: page.evaluate("true") and held)
    press(page, "accept", '[data-side="incoming"] b')
    # An answer of before it comes late, and reminds nobody of what is done.
    held[0][0].fulfill(response=held[0][1])
    page.evaluate(DRAWN)
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


@pytest.mark.slow
def test_a_flood_is_gathered_and_an_incident_confirmed_as_a_whole(
    open_page: OpenPage, site: Site
) -> None:
    """Groups of a mine and a kind with red apart; both alarms of a unit at once."""
    site.clear_all()
    for rank, no in ((4, "001A01"), (2, "002A04")):
        site.alarm(MINE, rank=rank, no=no)
    site.alarm(MINE, rank=3, no="004A01", kind="sensor_break")
    page = open_page("/alarms?tab=groups")
    group = page.locator(f'[data-group="{MINE}/over_limit"]')
    expect(group.locator("td").nth(3)).to_have_text("2")
    expect(group).to_contain_text("红")
    expect(page.locator(".reds tr[data-alarm]")).to_have_count(1)
    expect(page.locator("[data-group]")).to_have_count(2)

    page.goto(f"{site.url}/alarms?tab=incidents")
    incident = page.locator("tr[data-incident]")
    expect(incident).to_have_count(1)
    confirm = incident.locator("button.confirm")
    expect(confirm).to_contain_text("3")
    click_until_seen(confirm, incident.locator('input[name="note"]'))
    incident.locator('input[name="note"]').fill("同一工作面")
    incident.locator("button.main").click()
    expect(confirm).to_have_count(0)
    expect(incident.locator("form")).to_have_count(0)
    assert {note for _, _, note in site.confirmations()} >= {"同一工作面"}


@pytest.mark.slow
def test_an_administrator_runs_accounts_calendars_and_reads_the_audit(
    open_page: OpenPage,
) -> None:
    """Made with a link, another role, retired; a shift assigned; each with its row."""
    page = open_page("/users", "chief", expect="a status of 4")
    form = page.locator("main > section form").first
    form.locator('input[name="user"]').fill("zhao")
    form.locator('input[value="530627"]').check()
    form.locator("button.main").click()
    expect(page.locator(".link input")).to_have_value(re.compile("/welcome#link="))
    row = page.locator('[data-user="zhao"]')
    expect(row).to_contain_text("待设置密码")
    expect(row).to_contain_text("镇雄")
    row.locator("summary").click()
    row.locator('select[name="role"]').select_option("viewer")
    row.locator('[data-do="role"]').click()
    expect(row.locator("td").nth(1)).to_have_text("查看")
    row.locator('[data-do="retire"]').click()
    expect(row).to_contain_text("已停用")
    expect(row.locator("details")).to_have_count(0)

    token = page.locator('[data-form="token"]')
    token.locator('input[name="name"]').fill("dashboard")
    token.locator('input[name="program"]').check()
    token.locator('input[value="530629"]').check()
    token.locator("button.main").click()
    expect(page.locator(".tokens .link input")).to_have_value(re.compile("^gm_.{43}$"))
    made = page.locator('.tokens tr:has-text("dashboard")')
    expect(made).to_contain_text("只读")
    made.locator('[data-do="revoke"]').click()
    expect(made).to_have_count(0)

    to_audit = page.locator("main a", has_text="审计")
    click_until_seen(page.locator(".crumbs a"), to_audit)
    click_until_seen(to_audit, page.locator('input[name="subject"]'))
    page.locator('input[name="subject"]').fill("zhao")
    page.locator("main button.main").click()
    rows = page.locator("[data-audit]")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("user.retire")
    expect(rows.nth(1)).to_contain_text("viewer")

    page.goto(page.url.partition("/audit")[0] + "/shifts")
    calendar = page.locator("section.calendar")
    calendar.locator('select[name="place"]').select_option("530629")
    slots = calendar.locator('[data-form="slots"]')
    slots.locator('input[name="shifts"]').fill("two-12h")
    slots.locator("button").click()
    expect(calendar.locator(".failure")).to_be_visible()
    slots.locator('input[name="shifts"]').fill("two-12h 08:00")
    slots.locator("button").click()
    expect(calendar.locator("[data-day]").first).to_contain_text("白班")
    assign = calendar.locator('[data-form="assign"]')
    assign.locator('input[name="name"]').fill("city")
    assign.locator('input[name="shift"]').fill("白班")
    assign.locator("button").click()
    expect(calendar.locator(".failure")).to_contain_text("city")

    # Others have no such pages, and the server shows them nothing.
    other = open_page("/users", "county", lang="en", expect="a status of 403")
    expect(other.locator(".failure")).to_be_visible()
    click_until_seen(other.locator(".who"), other.locator(".everywhere"))
    expect(other.locator("main a")).to_have_count(1)
    expect(other.locator("main a")).to_have_attribute("href", "/rules")

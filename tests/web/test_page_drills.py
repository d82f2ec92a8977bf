"""Drills in a real browser: declared, played and ended on their pages, and a real alarm
that comes while people look at one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import OpenPage
from tests.web.fix_click import check_box, click_until_seen
from tests.web.fix_drill import COUNTY, MINE, Drill, add_trainer
from tests.web.fix_site import Site
from tests.web.test_page_screens import LOOK

NewDrill = Callable[..., Drill]
TIME = re.compile(r"^(\d\d-\d\d )?\d\d:\d\d:\d\d$")


@pytest.fixture
def new_drill(site: Site) -> Iterator[NewDrill]:
    """A function that makes a running drill; all are over at the end."""
    made: list[Drill] = []

    def make(**more: Any) -> Drill:
        made.append(Drill(site, **more))
        return made[-1]

    yield make
    for drill in made:
        drill.close()


def check_frame(page: Page, word: str) -> None:
    """Frame and watermark lie over the page, on paper too, and take no click."""
    expect(page.locator(".drill-watermark span").first).to_have_text(word)
    expect(page.locator("html")).to_have_class(re.compile(r"\bdrill\b"))
    frame = page.locator(".drill-frame")
    for media in ("print", "screen"):
        page.emulate_media(media=media)
        expect(frame).to_be_visible()
    assert frame.evaluate("e => getComputedStyle(e).pointerEvents") == "none"


def test_what_is_real_is_insistent_beside_a_drill(open_page: OpenPage) -> None:
    """Every level repeats like red, the worst first; no fault, plan or forecast."""
    page = open_page("/login", None, expect="401")
    tones = page.evaluate(
        "async () => { const m = await import('/static/sound.js');"
        " const seen = { heard: new Map(), redAt: -Infinity, silencedUntil: 0 };"
        " const blue = { alarm_id: 1, rank: 1, kind: 'over_limit' };"
        " const yellow = { ...blue, alarm_id: 2, rank: 2 };"
        " const link = { alarm_id: 3, rank: 2, kind: 'link_break' };"
        " return [[[blue, link], 0], [[blue, link], 59], [[blue, link], 60],"
        " [[blue, yellow], 61], [[blue, yellow], 120], [[blue, yellow], 121]]"
        ".map(([owed, s]) => m.decide(seen, owed, s * 1000, true)); }"
    )
    assert tones == ["1", None, "1", "2", None, "2"]
    real = page.evaluate(
        "async () => { const m = await import('/static/realalarm.js');"
        " const at = (s) => new Date(s * 1000).toISOString();"
        " const row = (id, more) => [id, { alarm_id: id, rank: 2, raised_at: at(id),"
        " kind: 'over_limit', confirmations: {}, ...more }];"
        " const rows = [row(1), row(2), row(3, { rank: 4 }), row(4, { rank: 0 }),"
        " row(5, { kind: 'no_data' }), row(6, { planned: true, quiet: 'plan:1' }),"
        " row(7, { confirmations: { county: { rank: 2 } } }),"
        " row(8, { late: true, cleared_at: at(9) }), row(9, { kind: 'forecast' }),"
        " row(10, { shelved_until: at(99), shelf_rank: 2 })];"
        " const book = { byId: new Map(rows) };"
        " return m.realOnes(book, 'county').map((alarm) => alarm.alarm_id); }"
    )
    assert real == [3, 2, 1]


@pytest.mark.slow
def test_a_drill_is_declared_shown_and_ended(open_page: OpenPage, site: Site) -> None:
    """Only a trainer may declare; an officer ends it; a viewer is offered nothing."""
    add_trainer(site)
    trainer = open_page("/drills", "trainer", expect="status of 422")
    form = trainer.locator("form.action")
    form.locator('input[name="scenario"]').fill("outburst")
    form.locator('input[name="title"]').fill("夜间突出演练")
    form.locator('input[name="participants"]').fill("李值班 王调度")
    form.locator('input[name="minutes"]').fill("1440")
    check_box(form.locator(f'input[value="{COUNTY}"]'))
    form.locator("button.main").click()
    expect(form.locator(".failure")).to_contain_text("longest_h")
    form.locator('input[name="minutes"]').fill("60")
    form.locator("button.main").click()
    page = trainer.locator(".drill-page")
    expect(page).to_have_attribute("data-state", "running")
    expect(page.locator('[data-fact="participants"]')).to_have_text("李值班 王调度")
    expect(page.locator('[data-fact="judged"]')).to_contain_text("拒收")
    check_frame(trainer, "演练")
    run = page.get_attribute("data-run")

    viewer = open_page("/drills", "viewer", lang="en")
    expect(viewer.locator(f'tr[data-run="{run}"]')).to_contain_text("夜间突出演练")
    expect(viewer.locator("form")).to_have_count(0)
    expect(viewer.locator(".to-drills a").last).to_contain_text(f"no. {run} ·")
    viewer.goto(f"{site.url}/drill/{run}")
    expect(viewer.locator(".drill-page")).to_be_visible()
    expect(viewer.locator("form.end")).to_have_count(0)

    county = open_page(f"/drill/{run}", "county")
    county.locator('form.end input[name="reason"]').fill("到此为止")
    county.locator("form.end button.main").click()
    ended = county.locator(".drill-page")
    expect(ended).to_have_attribute("data-state", "ended")
    expect(ended.locator(".ended")).to_contain_text("人工结束")
    expect(ended.locator("form.end")).to_have_count(0)
    expect(trainer.locator(".drill-page .ended")).to_contain_text("到此为止")
    # Another one for later: the field holds the time in Beijing.
    trainer.goto(f"{site.url}/drills")
    later = datetime.now(UTC) + timedelta(hours=8 + 2)
    form.locator('input[name="scenario"]').fill("mine-power")
    form.locator('input[name="from"]').fill(f"{later:%Y-%m-%dT%H:%M}")
    check_box(form.locator(f'input[value="{COUNTY}"]'))
    form.locator("button.main").click()
    expect(page).to_have_attribute("data-state", "declared")
    expect(page.locator(".crumbs")).to_contain_text(re.compile(r"距开始 (1:59|2:00):"))
    page.locator('form.end input[name="reason"]').fill("取消")
    page.locator("form.end button.main").click()
    expect(page).to_have_attribute("data-state", "ended")
    trainer.goto(f"{site.url}/drills")
    over = trainer.locator('section[data-state="ended"]')
    expect(over.locator(f'tr[data-run="{run}"]')).to_contain_text("人工结束")


@pytest.mark.slow
def test_people_act_within_a_drill_and_nothing_is_real(
    open_page: OpenPage, site: Site, new_drill: NewDrill
) -> None:
    """Values, alarm, confirmation, incident and timeline, and no live count."""
    drill = new_drill(title="回风流瓦斯超限演练")
    page = open_page(f"/drill/{drill.run}", "county")
    room = open_page("/", "dispatcher")
    expect(room.locator(".to-drills a.flag")).to_have_count(1)
    expect(page.locator(".of-mine, .unit").first).to_contain_text("还没有煤矿")
    drill.define()
    drill.send(0.83, 0.31)
    value = page.locator("tr[data-point] td.v")
    expect(value).to_have_text(["0.83", "0.31"])
    drill.send(1.62, 0.4)
    expect(value).to_have_text(["1.62", "0.40"])
    drill.alarm(rank=3)
    row = page.locator("tr[data-alarm]")
    click_until_seen(page.locator(".waiting, button.confirm").first, row)
    expect(row).to_contain_text("演练工作面上隅角T0")
    symbol = page.locator("tr[data-point] td.s svg.flash")
    expect(symbol).to_have_count(1)
    expect(page.locator('.count[data-level="3"] b')).to_have_text("0/0")
    row.locator("button.confirm").click()
    page.locator('.note-line input[name="note"]').fill("演练确认")
    page.keyboard.press("Enter")
    expect(row.locator('[data-tier="county"]')).to_have_text("县✓")
    expect(symbol).to_have_count(0)
    page.locator('[data-part="incidents"]').click()
    expect(page.locator("tr[data-incident]")).to_have_count(1)
    page.locator('[data-part="timeline"]').click()
    events = page.locator(".timeline tbody tr")
    expect(events.first).to_have_attribute("data-event", "confirmed")
    expect(events.first).to_contain_text("演练确认")
    expect(page.locator('[data-event="began"]')).to_have_count(1)
    # Its alarm and its point are pages of the drill too, and lead back to it.
    page.locator('[data-event="raised"] a').click()
    check_frame(page, "演练")
    ledger = page.locator(f'tr[data-recipient="county/{COUNTY}"][data-told="raised"]')
    expect(ledger.locator('[data-step="drawn"]')).to_have_text(TIME)
    page.locator(".crumbs a[href^='/point/']").click()
    expect(page.locator(".now .big")).to_have_text("1.62")
    check_frame(page, "演练")
    page.locator(".crumbs a.mark").click()
    expect(page.locator(".drill-page")).to_be_visible()
    page.locator(".brand").click()
    expect(page.locator(".drill-frame")).to_have_count(0)
    # The county has confirmed; the mine, on its real page, is asked to.
    room.locator(".drill-bar").click()
    expect(room.locator("tr[data-alarm] button.confirm")).to_be_visible()
    expect(room.locator(".drill-bar")).to_have_count(0)
    expect(page.locator(".to-drills a.flag")).to_have_count(1)
    expect(page.locator(".drill-bar")).to_have_count(0)
    assert [c[0] for c in site.confirmations() if c[2] == "演练确认"] == ["county"]


@pytest.mark.slow
def test_a_real_alarm_breaks_through_a_drill(
    open_page: OpenPage, site: Site, new_drill: NewDrill
) -> None:
    """Over everything and heard, with the way to the live page; the drill stops."""
    drill = new_drill()
    going_on = new_drill(stops=False)
    page = open_page(f"/drill/{drill.run}", "county")
    other = open_page(f"/drill/{going_on.run}", "trainer", lang="en", theme="dark")
    drill.alarm()
    expect(page.locator("tr[data-alarm], .waiting").first).to_be_visible()
    expect(page.locator(".blocked-bar")).to_contain_text("1 条未确认")
    sound = page.locator("button.sound")
    page.locator(".blocked-bar").click()
    expect(sound).to_have_attribute("data-state", "on")
    expect(page.locator(".real-alarm")).to_have_count(0)
    before = int(sound.get_attribute("data-played") or 0)
    site.alarm(MINE, rank=2)
    drill.sweep()
    real = page.locator(".real-alarm.new")
    expect(real).to_contain_text("真实报警")
    expect(real).to_contain_text("坪上煤矿")
    assert real.evaluate(
        "e => { const b = e.getBoundingClientRect();"
        " return e.contains(document.elementFromPoint(b.x + 40, b.y + 40)); }"
    )
    played = f"button.sound[data-played='{before}']"
    expect(page.locator(played)).to_have_count(0)
    ended = page.locator(".drill-page")
    expect(ended).to_have_attribute("data-state", "ended")
    expect(ended.locator(".ended")).to_contain_text("真实报警中止")
    expect(other.locator(".real-alarm.new")).to_contain_text("REAL ALARM")
    expect(other.locator(".drill-page")).to_have_attribute("data-state", "running")
    # Seen, it stays as a bar; the next one stands over everything again.
    other.locator(".real-alarm button").click()
    expect(other.locator(".real-alarm.new")).to_have_count(0)
    expect(other.locator(".real-alarm")).to_be_visible()
    site.alarm("530627000003", rank=4)
    expect(other.locator(".real-alarm.new")).to_contain_text("东翼采区")
    real.locator("a.button").click()
    expect(page.locator("tr[data-alarm]")).to_have_count(2)
    expect(page.locator(".drill-frame")).to_have_count(0)
    expect(page.locator(".real-alarm")).to_have_count(0)
    for _ in range(2):
        page.locator("button.confirm").first.click()
        page.locator('.note-line input[name="note"]').fill("已通知")
        page.keyboard.press("Enter")
        expect(page.locator(".note-line")).to_have_count(0)
    expect(other.locator(".real-alarm")).to_have_count(0)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_pages_of_drills_in_both_languages_and_themes(
    open_page: OpenPage, site: Site, new_drill: NewDrill
) -> None:
    """They say something, in one language, and fit the screen."""
    drill = new_drill(title="一个名称特别长的跨县联合煤与瓦斯突出应急处置综合演练")
    drill.define()
    drill.send(1.62, 0.31)
    drill.alarm()
    page = open_page("/drills", "county")
    for path in (
        "/drills",
        *(f"/drill/{drill.run}?part={p}" for p in ("open", "timeline")),
    ):
        page.goto(site.url + path)
        for lang, word in (("zh", "演练"), ("en", "Drills")):
            expect(page.locator(".to-drills a").first).to_have_text(word)
            expect(page.locator("main")).to_contain_text("跨县联合")
            shown = page.locator("body").inner_text()
            for nonsense in ("undefined", "NaN", "[object"):
                assert nonsense not in shown, (path, lang)
            assert not re.search(r"\b(drills?|real|life|col)\.[a-z_]+", shown)
            for theme, width in (("light", 1366), ("dark", 1920), ("dark", 683)):
                page.evaluate(LOOK, theme)
                page.set_viewport_size({"width": width, "height": 768})
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (path, lang, width, wide)
            other = "en" if lang == "zh" else "zh-CN"
            button = page.locator(".banner .lang")
            click_until_seen(button, page.locator(f'html[lang="{other}"]'))

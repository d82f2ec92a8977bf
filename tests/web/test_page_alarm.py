"""One alarm's page in a real browser, and the lists that it shares with the server."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from gasmon.alarms import signatures
from gasmon.alarms.causes import CAUSES
from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.lifecycle import ACTIONS, STATES
from gasmon.alarms.lifecycle_record import CORRECTABLE, PHASES, WITHDRAWABLE
from gasmon.store import db, forecasts
from gasmon.store.alarm_effects import MEMBERS
from gasmon.units import US_PER_DAY, US_PER_S, iso_us, to_datetime
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site, now_us
from tests.web.test_page_files import WEB, texts
from tests.web.test_page_modules import CLEARED, CONFIRMED, book, page, run, tab

__all__ = ["page", "tab"]

MINE = "530627000001"
SHELVED = {"event": "shelved", "until": "2026-11-23T11:00:00.000+08:00", "ceiling": 3}


def number_of(site: Site, mine: str = MINE) -> int:
    """The open alarm of a mine."""
    return int(site.get(f"/alarms?mine={mine}")["items"][0]["alarm_id"])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_word_of_an_alarms_life_is_there(lang: str) -> None:
    """States, actions, events, phases, causes."""
    words = texts(lang)
    wanted = {
        *(f"astate.{state}" for state in STATES),
        *(f"action.{name}" for name in ACTIONS),
        *(f"event.{action.event}" for action in ACTIONS.values()),
        *(f"phase.{phase}" for phase in PHASES),
        *(f"cause.{code}" for code in CAUSES),
    }
    assert wanted <= set(words)
    for code, (chinese, english) in CAUSES.items():
        said = words[f"cause.{code}"].lower()
        assert said == (chinese if lang == "zh" else english.lower())


def test_the_form_knows_the_servers_lists(page: Any) -> None:
    """Causes and fields of the forms are those that the server takes."""
    causes = run(page, "alarmform", "return m.CAUSES")
    about = run(page, "alarmform", "return m.ABOUT")
    with_reason = run(page, "alarmform", "return m.WITH_REASON")
    assert causes == list(CAUSES)
    assert about == {"correct": list(CORRECTABLE), "withdraw": list(WITHDRAWABLE)}
    assert set(with_reason) == {
        n for n, taken in MEMBERS.items() if "cause_code" in taken
    }


def is_loud(page: Any, events: list[dict[str, Any]]) -> Any:
    """Whether alarm 7 owes, and whether a shelf keeps it quiet."""
    return run(
        page,
        "alarmbook",
        "const b = m.emptyBook(); for (const e of x) m.enter(b, e, 'county');"
        "const a = b.byId.get(7); return [m.owes(a, 'county'), m.isShelved(a)]",
        [{**BODY, **event} for event in events],
    )


BODY = {"alarm_id": 7, "event": "raised", "kind": "over_limit", "rank": 3}


@pytest.mark.parametrize(
    ("events", "quiet"),
    [
        ([{}, SHELVED], True),
        # A level above the shelf's breaks through, its end brings it back.
        ([{}, SHELVED, {"event": "level", "rank": 4}], False),
        ([{}, SHELVED, {"event": "unshelved"}], False),
        # Raised again under an older shelf; under planned work it is another matter.
        ([{"quiet": "shelf:3"}], True),
        ([{"quiet": "shelf:3"}, {"event": "level", "rank": 4, "quiet": None}], False),
        ([{"quiet": "plan:3"}], False),
        # A row of the API says what covers its present level.
        ([{"event": None, "shelved_until": "2026-11-23T11:00:00.000+08:00"}], True),
        ([{"event": None, "shelved_until": None}], False),
    ],
)
def test_a_shelf_keeps_quiet_up_to_its_level(
    page: Any, events: list[dict[str, Any]], quiet: bool
) -> None:
    """The duty to confirm is there in either case."""
    assert is_loud(page, events) == [True, quiet]


def test_what_a_rule_closes_is_owed_by_nobody(page: Any) -> None:
    """Closed by hand, our tier still owes; by a rule that asks nobody, none does."""
    closed = {**CLEARED, "event": "closed", "tier": "city"}
    by_rule = {**closed, "tier": None, "asks_nobody": True}
    assert book(page, [{}, CLEARED, closed]) == ["cleared_unconfirmed", True, 3]
    assert book(page, [{}, CLEARED, closed, {**CONFIRMED, **closed}]) is not None
    assert book(page, [{}, CLEARED, by_rule]) is None


def test_an_alarm_is_handled_on_its_page(open_page: OpenPage, site: Site) -> None:
    """Confirmed with a cause, verified, handled, shelved; the journal shows each."""
    site.clear_all()
    site.alarm(MINE, rank=3)
    number = number_of(site)
    page = open_page("/alarms")
    page.locator(f'tr[data-alarm="{number}"] .h-start a').click()
    expect(page.locator("main.alarm")).to_have_attribute("data-state", "unconfirmed")
    verify = page.locator('button[data-action="verify"]')
    expect(verify).to_be_disabled()
    assert verify.get_attribute("title") == "请先确认本级报警"

    page.locator('button[data-action="confirm"]').click()
    page.locator('select[name="reason"]').select_option("blasting")
    page.locator('input[name="text"]').fill("电话已通知")
    page.keyboard.press("Enter")
    expect(page.locator("main.alarm")).to_have_attribute("data-state", "confirmed")
    expect(page.locator('[data-fact="life.reason"]')).to_have_text("放炮作业")
    expect(page.locator('tr[data-tier="county"]')).to_contain_text("✓ county")
    expect(page.locator('tr[data-tier="mine"]')).to_contain_text("未确认")

    verify.click()
    page.locator('input[name="text"]').fill("放炮后超限")
    page.keyboard.press("Enter")
    expect(page.locator('tr[data-event="verified"]')).to_contain_text("放炮后超限")
    page.locator('button[data-action="withdraw"]').click()
    page.locator('input[name="text"]').fill("写错")
    page.keyboard.press("Enter")
    expect(page.locator("tr.gone")).to_contain_text("放炮后超限")

    page.locator('button[data-action="shelve"]').click()
    page.locator('select[name="minutes"]').select_option("60")
    page.locator('input[name="text"]').fill("更换传感器")
    page.keyboard.press("Enter")
    expect(page.locator("main.alarm")).to_have_attribute("data-state", "shelved")
    expect(page.locator('[data-fact="life.shelved_until"]')).to_be_visible()
    expect(page.locator('button[data-action="close"]')).to_be_disabled()


def test_why_an_alarm_spoke_stands_on_its_page(open_page: OpenPage, site: Site) -> None:
    """The rule's words, where its limit is from, and which points said what."""
    site.clear_all()
    at_us = now_us()
    told = replace(
        site.event(MINE, rank=2),
        explain={
            "text": {"zh": "风门同时打开，风流短路", "en": "doors open"},
            "limits_from": "law:FACE_T2",
            "level_rule": 25,
            "on_delay_s": 90.0,
            "points": [
                {"no": "004D01", "role": "door", "place": "1号风门", "value": 1.0,
                 "state": 0, "at": iso_us(at_us)},
            ],
        },
    )  # fmt: skip
    site.record(told)
    page = open_page(f"/alarm/{number_of(site)}")
    expect(page.locator('[data-why="text"]')).to_have_text("风门同时打开，风流短路")
    expect(page.locator('[data-why="limits_from"]')).to_have_text("法规限值 FACE_T2")
    expect(page.locator('[data-why="level_rule"]')).to_have_text("第 25 条")
    expect(page.locator('[data-why="on_delay_s"]')).to_have_text("1:30")
    expect(page.locator('.why tr[data-role="door"]')).to_contain_text("1号风门")


def test_what_pre_warnings_were_worth_has_a_page(
    open_page: OpenPage, site: Site
) -> None:
    """The forecast beside both baselines, by mine and over all of it."""
    begun_us = now_us() - US_PER_DAY
    with db.connect(site.database, autocommit=True) as conn:
        at = to_datetime(begun_us)
        done = (at, to_datetime(now_us()))
        conn.execute("INSERT INTO forecast_search VALUES (0, %s, %s)", done)
        for second, model in ((60, "forecast"), (900, "forecast"), (60, "ewma_1min")):
            warned = Warned(
                row=0, model=model, raised_us=begun_us + second * US_PER_S, limit=1.0,
                horizon_s=600, probability=0.4, threshold=0.3, last_value=0.9,
                ewma_1min=0.88, advisory=False,
            )  # fmt: skip
            forecasts.append(conn, 0, [site.point_id(MINE)], [warned], now_us())
    page = open_page("/forecasts")
    mine = page.locator(f'tr[data-name="{MINE}"]')
    expect(mine).to_have_count(3)
    for model, n in (("forecast", "2"), ("ewma_1min", "1"), ("last_value", "0")):
        row = page.locator(f'tr[data-name="{MINE}"][data-model="{model}"]')
        expect(row.locator('[data-count="n_warned"]')).to_have_text(n)
    page.locator('select[name="by"]').select_option("all")
    expect(page.locator("main")).to_contain_text("预测模型")
    expect(page.locator('tr[data-name=""]')).to_have_count(3)
    page.locator('select[name="days"]').select_option("7")
    expect(page.locator('tr[data-name=""]')).to_have_count(3)


def test_every_part_of_an_explanation_has_a_word() -> None:
    """What the page of rules says that events explain is shown, or shown elsewhere."""
    rules = (Path(__file__).parents[2] / "docs/alarm-rules.md").read_text("utf-8")
    chapter = rules.split("## 事件")[1].split("Events are")[0]
    names = set(re.findall(r"`([a-z_]+)`", chapter))
    source = (WEB / "alarmwhy.js").read_text("utf-8")
    elsewhere = set(
        re.findall(r'"(\w+)"', source.split("ELSEWHERE = [")[1].split("]")[0])
    )
    nested = {"explain", "zh", "en"}
    for lang in ("zh", "en"):
        words = texts(lang)
        for name in names - elsewhere - nested:
            assert {f"why.{name}", f"because.{name}"} & set(words), name


def test_every_number_of_a_signature_has_a_word() -> None:
    """What stands beside a sign of a false alarm is no name of a field."""
    source = Path(signatures.__file__).read_text("utf-8")
    names = set(re.findall(r'"([a-z_]+)":', source)) - set(signatures.SIGNATURES)
    assert "moved_by" in names
    for lang in ("zh", "en"):
        assert {f"signatures.{name}" for name in names} <= set(texts(lang))


def test_what_others_do_appears_by_itself(open_page: OpenPage, site: Site) -> None:
    """The page follows the stream: a colleague's record, a cleared value."""
    site.clear_all()
    told = site.alarm(MINE, rank=2)
    number = number_of(site)
    mine, other = (open_page(f"/alarm/{number}", who) for who in ("county", "city"))
    other.locator('button[data-action="comment"]').click()
    other.locator('input[name="text"]').fill("市级已知")
    other.keyboard.press("Enter")
    expect(mine.locator('tr[data-event="commented"]')).to_contain_text("市级已知")
    site.alarm(MINE, "cleared", rank=2, raised_us=told.raised_at_us)
    expect(mine.locator("main.alarm")).to_have_attribute(
        "data-state", "cleared_unconfirmed"
    )
    # The banner's count leads to where it is to be found.
    expect(mine.locator('.count[data-level="2"]')).to_have_attribute(
        "href", re.compile("tab=cleared")
    )


def test_a_refusal_is_shown_in_the_servers_words(
    open_page: OpenPage, site: Site
) -> None:
    """Another county's officer was quicker: why it is refused stands on the page."""
    site.clear_all()
    site.alarm(MINE, rank=2)
    number = number_of(site)
    page = open_page(f"/alarm/{number}", expect="422")
    page.locator('button[data-action="assign"]').click()
    page.locator('input[name="to"]').fill("nobody")
    page.locator("form.action button.main").click()
    expect(page.locator(".failure")).to_contain_text("'nobody'")


def test_a_viewer_is_offered_nothing(open_page: OpenPage, site: Site) -> None:
    """And sees everything; a number that is not there is said."""
    site.clear_all()
    site.alarm(MINE, rank=2)
    number = number_of(site)
    page = open_page(f"/alarm/{number}", "viewer", lang="en", expect="404")
    expect(page.locator(".do")).to_contain_text("Your role looks on.")
    assert page.locator(".do button").count() == 0
    expect(page.locator('tr[data-event="raised"]')).to_be_visible()
    shown = page.locator("body").inner_text()
    assert not re.search(r"\b[a-z]+\.[a-z_]+\.?[a-z_]*\b(?=\s|$)", shown)
    page.goto(f"{site.url}/alarm/99999999")
    expect(page.locator(".failure")).to_be_visible()

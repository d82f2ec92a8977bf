"""Answers that come late, or in another order than they were asked for."""

from __future__ import annotations

import re

from playwright.sync_api import Route, expect

from tests.web.conftest import OpenPage

LINE = "main > p.num"
"""From when to when the figures are."""

DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def test_an_answer_that_was_overtaken_is_not_shown(open_page: OpenPage) -> None:
    """The answer of the question before comes last, and changes nothing."""
    page = open_page("/statistics", "county")
    told_line, choice = page.locator(LINE), page.locator("select[name=period]")
    expect(told_line).to_be_visible()
    before = told_line.inner_text()
    held: list[Route] = []
    page.route(re.compile("period=week"), lambda route: held.append(route))
    choice.select_option("week")
    # What was read for another question is not shown under this one.
    expect(told_line).to_have_count(0)
    choice.select_option("month")
    expect(told_line).to_be_visible()
    shown = told_line.inner_text()
    assert shown != before
    with page.expect_response(lambda answer: "period=week" in answer.url):
        held[0].continue_()
    page.evaluate(DRAWN)
    assert told_line.inner_text() == shown


def test_a_failure_that_was_overtaken_is_not_told(open_page: OpenPage) -> None:
    """Nor does a refusal of what nobody waits for any more stand over the answer."""
    page = open_page("/statistics", "county", expect="Failed to load")
    told_line = page.locator(LINE)
    expect(told_line).to_be_visible()
    held: list[Route] = []
    page.route(re.compile("period=week"), lambda route: held.append(route))
    page.locator("select[name=period]").select_option("week")
    expect(told_line).to_have_count(0)
    page.locator("select[name=period]").select_option("month")
    expect(told_line).to_be_visible()
    with page.expect_event("requestfailed"):
        held[0].abort()
    page.evaluate(DRAWN)
    expect(page.locator("main .failure")).to_have_count(0)
    expect(told_line).to_be_visible()

"""Planned work on the page: the mine files it, the county decides; both languages."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import OpenPage


@pytest.mark.slow
def test_the_mine_files_and_the_county_approves(open_page: OpenPage) -> None:
    """What is missing is said; what was filed is seen, approved and ended."""
    mine = open_page("/plans", "dispatcher", expect="status of 422")
    form = mine.locator("form.action")
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
    expect(seen.locator('[data-action="refuse"]')).to_be_disabled()
    expect(county.locator("form")).to_have_count(0)
    seen.locator('[data-action="approve"]').click()
    expect(seen.locator(".state")).to_have_text("within its window")
    expect(seen).to_contain_text("dispatcher")

    mine.reload()
    filed.locator('input[name="why"]').fill("提前完工")
    filed.locator('[data-action="withdraw"]').click()
    expect(filed.locator(".state")).to_have_text("已结束")
    expect(filed.locator("button")).to_have_count(0)

"""The page of rules: what is in force, why it applies, and what is found in it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import default_rules
from gasmon.store import db
from gasmon.store.rules_taken import note_present
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site, now_us

MINE = "530627000001"


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_rules_are_read_searched_and_explained(
    open_page: OpenPage, site: Site, lang: str
) -> None:
    """Whoever may look sees all of it; a wrong name is answered, not swallowed."""
    shipped = RuleChange.of(default_rules(), 0)
    with db.connect(site.database) as conn:
        note_present(conn, shipped, "*", now_us())
        conn.commit()
    page = open_page(f"/rules?lang={lang}", expect="a status of 4")
    expect(page.locator("[data-rules]")).to_have_count(1)
    rows = page.locator("[data-rule]")
    expect(rows).to_have_count(len(default_rules().rules))
    texts = {"zh": ("甲烷超限", "回风隅角"), "en": ("methane over its limit", "law")}
    expect(page.locator("main")).to_contain_text(texts[lang][0])
    page.locator('input[name="search"]').fill("pump_stopped")
    page.locator('input[name="search"]').press("Enter")
    expect(rows).to_have_count(
        sum(rule.kind == "pump_stopped" for rule in default_rules().rules)
    )
    asked = page.locator('input[name="subject"]')
    asked.fill(f"{MINE}-01-001A01")
    asked.press("Enter")
    expect(page.locator(".story")).to_contain_text("default_rules.toml")
    asked.fill("nonsense")
    asked.press("Enter")
    expect(page.locator(".story")).to_have_count(0)
    expect(page.locator(".failure")).to_be_visible()

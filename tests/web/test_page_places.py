"""Classes of places on the page: what is open, and a county that decides it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gasmon.store import db
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site


@pytest.mark.parametrize(
    ("lang", "mine", "words"),
    [
        ("zh", "530627000001", ("地点文字不明确", "核实", "裁定为")),
        ("en", "530627000003", ("the text says none", "on site", "by county")),
    ],
)
def test_a_county_decides_a_place(
    open_page: OpenPage, site: Site, lang: str, mine: str, words: tuple[str, str, str]
) -> None:
    """From the mine's page to the list, a class with a reason, and it is gone."""
    page = open_page(f"/mine/{mine}", "county", lang=lang)
    page.locator(f'a[href="/places?mine={mine}"]').click()
    row = page.locator(f'tr[data-mine="{mine}"][data-point="01-004A01"]')
    expect(row).to_contain_text("总回风巷")
    expect(row).to_contain_text(words[0])
    row.locator("button.open").click()
    assert row.locator("select").input_value() == "TOTAL_RETURN"
    row.locator('input[name="reason"]').fill(words[1])
    row.locator("button.main").click()
    # What counts changes with the mine's next turn in ingest; the ruling stands now.
    expect(row).to_have_count(0)
    page.locator('input[name="all"]').check()
    expect(row).to_contain_text(words[2])
    with db.connect(site.database) as conn:
        found = conn.execute(
            "SELECT r.new_class, r.reason, r.ruled_by FROM place_ruling r"
            " JOIN point p USING (point_id) JOIN mine m USING (mine_id)"
            " WHERE m.code = %s",
            (mine,),
        ).fetchall()
    assert found == [("TOTAL_RETURN", words[1], "county")]


def test_whoever_may_not_decide_sees_the_list(open_page: OpenPage) -> None:
    """A viewer reads what is open, without a way to decide it."""
    page = open_page("/places?mine=530627000002", "viewer")
    expect(page.locator('tr[data-point="01-004A01"]')).to_be_visible()
    expect(page.locator("button.open")).to_have_count(0)

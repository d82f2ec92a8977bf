"""From the one-time link to logging out everywhere, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import OpenPage
from tests.web.fix_click import click_until_seen
from tests.web.fix_site import Site

PASSWORD = "seven herons under the bridge"
OTHER = "a ladder leans on the moon"


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

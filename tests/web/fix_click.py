"""Clicks on a page that moves while it loads."""

from __future__ import annotations

import time

from playwright.sync_api import Error, Locator

PATIENCE_S = 30
"""How long what must appear may take [s]: a busy machine is no finding."""


def click_until_seen(target: Locator, wanted: Locator) -> None:
    """Click as a person would: once more when nothing came of it.

    While a page loads its rows may move between the press and the release of the
    button, and then the browser reports no click on any of them.

    Raises:
        AssertionError: nothing came of any click.
    """
    until_s = time.monotonic() + PATIENCE_S
    while not wanted.count():
        assert time.monotonic() < until_s, f"no click on {target} brings {wanted}"
        target.click()
        try:
            wanted.first.wait_for(timeout=3_000)
        except Error:
            continue


def check_box(box: Locator) -> None:
    """Choose as a person would, for the same reason.

    Raises:
        AssertionError: the box stays empty.
    """
    until_s = time.monotonic() + PATIENCE_S
    while not box.is_checked():
        assert time.monotonic() < until_s, f"no click chooses {box}"
        box.click()

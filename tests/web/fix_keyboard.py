"""What of a page the keyboard reaches, and how it shows."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import CDPSession, Locator, Page, expect

WATCH = """() => {
  const fields = ['input:not([type=hidden])', 'select', 'textarea', 'button'];
  const usable = fields.map((one) => `${one}:not(:disabled)`);
  const wanted = [...usable, 'a[href]', 'summary'].join();
  const open = (one) => one.matches('summary') || !one.closest('details:not([open])');
  window.watchShown = (one) => one.isConnected && one.getClientRects().length;
  const all = [...document.querySelectorAll(wanted)].filter((one) =>
    one.tabIndex >= 0 && one.getClientRects().length && open(one)
    && getComputedStyle(one).visibility === 'visible');
  const watch = { left: new Set(all), bare: [], hidden: [] };
  window.watch = watch;
  document.addEventListener('focusin', ({ target }) => {
    watch.left.delete(target);
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    const isBare = outlineStyle === 'none' || !(parseFloat(outlineWidth) >= 1);
    if (isBare) watch.bare.push(target);
    requestAnimationFrame(() => {
      const { top, bottom, left, right, width } = target.getBoundingClientRect();
      const out = bottom < 0 || top > innerHeight || right < 0 || left > innerWidth;
      if (document.activeElement === target && width && out) watch.hidden.push(target);
    });
  });
  document.activeElement.blur();
  return all.length;
}"""
LEFT = "[...watch.left].filter(watchShown).length"
FOUND = """() => {
  const told = (one) => one.outerHTML.slice(0, 120);
  return {
    unreached: [...watch.left].filter(watchShown).map(told),
    bare: watch.bare.map(told),
    hidden: watch.hidden.map(told),
  };
}"""

STOPS_OF_A_DATE = 6
"""Year, month, day, hour, minute and the calendar have the keyboard one by one."""

CONTAINERS = ("main", "row", "region", "form", "RootWebArea", "generic", "table")
"""Hold the keyboard after an action; they are not operated."""


HAS_IT = "(node) => node === document.activeElement"


def has_keyboard(one: Locator) -> None:
    """Wait until it has the keyboard."""
    expect(one).to_be_focused()


def tab_to(page: Page, one: Locator, most: int = 80, key: str = "Tab") -> None:
    """Press Tab until it has the keyboard, as somebody without a mouse does."""
    expect(one).to_be_visible()
    for _ in range(most):
        if one.evaluate(HAS_IT):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{most} times {key} do not lead to {one}")


def tab_back_to(page: Page, one: Locator, most: int = 80) -> None:
    """The other way round."""
    tab_to(page, one, most, "Shift+Tab")


def press(page: Page, one: Locator, key: str = "Enter") -> None:
    """Tab to it and press."""
    tab_to(page, one)
    page.keyboard.press(key)


def write(page: Page, one: Locator, text: str) -> None:
    """Tab to a field and write into it, in place of what it holds."""
    tab_to(page, one)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def described(one: Locator) -> str:
    """What a screen reader says of it beside its name."""
    told: str = one.evaluate(
        "(node) => (document.getElementById(node.getAttribute('aria-describedby'))"
        " || { textContent: '' }).textContent"
    )
    return told


def walk(page: Page) -> dict[str, list[str]]:
    """Press Tab through the whole page.

    Returns:
        What was never reached, what showed no outline when it had the keyboard, and
        what was outside of the screen then.
    """
    n = page.evaluate(WATCH)
    dates = page.locator("input[type=date], input[type=datetime-local]").count()
    most = 2 * (n + dates * STOPS_OF_A_DATE) + 10
    for pressed in range(most):
        page.keyboard.press("Tab")
        if pressed % 8 == 7 and not page.evaluate(LEFT):
            break
    found: dict[str, list[str]] = page.evaluate(FOUND)
    return found


def nameless(page: Page) -> list[str]:
    """What can be operated and has no name for those who do not see it."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found = [_told(session, node) for node in nodes if _is_nameless(node)]
    session.detach()
    return found


def _is_nameless(node: dict[str, Any]) -> bool:
    if node.get("ignored") or node["role"]["value"] in CONTAINERS:
        return False
    names = {one["name"]: one["value"].get("value") for one in node["properties"]}
    return bool(names.get("focusable")) and not node["name"].get("value", "").strip()


def _told(session: CDPSession, node: dict[str, Any]) -> str:
    which = {"backendNodeId": node["backendDOMNodeId"]}
    html = session.send("DOM.resolveNode", which)["object"]["objectId"]
    call = {
        "objectId": html,
        "functionDeclaration": "function () { return this.outerHTML.slice(0, 120); }",
        "returnByValue": True,
    }
    told = session.send("Runtime.callFunctionOn", call)
    return f"{node['role']['value']}: {told['result']['value']}"

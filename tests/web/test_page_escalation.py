"""Who must act, what was sent, and a channel that fails, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from gasmon.alarms.escalation_rules import default_escalation
from gasmon.duty.channel_file import Channel
from gasmon.duty.escalating import Escalation
from gasmon.remote.frames import encode_body
from gasmon.store import db, deliveries
from gasmon.units import US_PER_MIN
from tests.web.conftest import OpenPage
from tests.web.fix_site import Site, now_us
from tests.web.test_page_alarm import MINE, number_of

DUTY = Escalation(
    default_escalation(),
    encode_body,
    [Channel("phones", "mail", to=("duty@x.cn",), host="x", sender="gas@x.cn")],
)


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

"""Calls by channels, on a real database and real servers: once, and again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import psycopg
import pytest

from gasmon.clock import Clock, ManualClock, SystemClock
from gasmon.duty.channel_file import Channel
from gasmon.duty.courier import Couriers
from gasmon.duty.escalating import Escalation
from gasmon.duty.jobs import escalation_of
from gasmon.duty.senders import call_of
from gasmon.remote.frames import encode_body
from gasmon.settings import Settings
from gasmon.store import deliveries
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MIN
from tests.answers_only import EXPECTING, answers_only
from tests.fix_api import World
from tests.fix_receivers import HttpGateway, MailServer
from tests.fix_wait import wait_until
from tests.integration.test_escalation import act, ask, tell

MIN = US_PER_MIN
PATIENCE_S = 20.0


def sms(url: str, *to: str) -> Channel:
    """A gateway of SMS for every tier."""
    return Channel(
        "phones",
        "sms",
        to=to or ("13800000000",),
        url=url,
        secret="s3cret",
        fields={"mobile": "{to}", "id": "{id}"},
    )


def call(
    world: World, channels: Sequence[Channel], at_us: int, exercise: bool = False
) -> None:
    """One look of duty with these channels."""
    rules = answers_only()
    Escalation(rules, EXPECTING, encode_body, channels, exercise).look(
        world.conn, at_us
    )
    world.conn.commit()


def couriers(
    world: World, channel: Channel, clock: Clock, metrics: Metrics | None = None
) -> Couriers:
    """Couriers that remember nothing."""
    return Couriers(world.api.settings, [channel], clock, metrics or Metrics())


def states(world: World) -> list[tuple[object, ...]]:
    """(recipient, state, attempts) of every delivery."""
    rows = world.conn.execute(
        "SELECT recipient, state, attempts FROM delivery ORDER BY delivery_id"
    ).fetchall()
    world.conn.commit()
    return list(rows)


def test_whoever_handles_is_reminded_of_the_report_by_channels(world: World) -> None:
    """The first step's telephones ring for it too, once for each half hour."""
    at_us = tell(world, world.event(rank=3), ago_us=MIN)
    act(world, "dispatcher", "confirm")
    act(world, "dispatcher", "handle", text="停工撤人")
    phones = sms("http://127.0.0.1:9/", "13800000001")
    call(world, [phones], at_us + 20 * MIN)
    assert states(world) == []
    call(world, [phones], at_us + 45 * MIN)
    call(world, [phones], at_us + 46 * MIN)
    assert states(world) == [("13800000001", "waiting", 0)]
    (told,) = world.conn.execute("SELECT body FROM delivery").fetchone() or ("",)
    world.conn.commit()
    message = call_of(told, key="k", to="x", now_us=at_us)
    assert message.subject.startswith("【要求反馈】")
    assert "要求煤矿反馈" in message.subject


def test_a_running_courier_sends_what_duty_called_for(
    world: World, http_gateway: HttpGateway, mail_server: MailServer
) -> None:
    """Webhook, mail and SMS, each once, with the event's own body and text."""
    hook = Channel("hook", "webhook", to=("x",), url=http_gateway.url, secret="s")
    post = Channel(
        "post", "mail", to=("duty@x.cn",), host="127.0.0.1", port=mail_server.port,
        tls="none", sender="gas@x.cn", tiers=frozenset({"county"}),
    )  # fmt: skip
    foreign = replace(sms(http_gateway.url), areas=frozenset({"110101"}))
    tell(world, world.event(rank=3), ago_us=4 * MIN)
    call(world, [hook, post, foreign], SystemClock().now_us())
    running = Couriers(world.api.settings, [hook, post], SystemClock(), Metrics())
    running.start()
    try:
        wait_until(
            lambda: {state for _, state, _ in states(world)} == {"sent"},
            PATIENCE_S,
            "both letters",
        )
    finally:
        running.stop()
    ((_, headers, body),) = http_gateway.got
    told = json.loads(body)
    assert (told["event"], told["to"], told["rank"]) == ("escalated", "county", 3)
    assert headers["X-Gasmon-Delivery"]
    ((to, _),) = mail_server.got
    assert to == "duty@x.cn"
    assert states(world) == [("x", "sent", 1), ("duty@x.cn", "sent", 1)]
    assert running.problem() is None


def test_a_failing_gateway_is_tried_again_later_and_shown(
    world: World, http_gateway: HttpGateway
) -> None:
    """Health, metrics and the api name it; the same key goes out each time."""
    clock, metrics = ManualClock(SystemClock().now_us()), Metrics()
    channel, http_gateway.status = sms(http_gateway.url), 503
    tell(world, world.event(rank=3), ago_us=4 * MIN)
    call(world, [channel], clock.now_us())
    courier = couriers(world, channel, clock, metrics)
    assert courier.send_next(world.conn, channel)
    assert not courier.send_next(world.conn, channel)
    assert "phones: HTTP 503" in (courier.problem() or "")
    gauge = 'gasmon_channel_failing{channel="phones"} '
    assert f"{gauge}1" in metrics.render()
    (shown,) = ask(world, "escalation")["channels"]
    assert (shown["channel"], shown["n_failed"]) == ("phones", 1)
    assert shown["failing_since"] is not None
    (step,) = ask(world, "alarms/1/escalation")["steps"]
    (delivery,) = step["deliveries"]
    assert (delivery["state"], delivery["attempts"]) == ("waiting", 1)
    assert delivery["recipient"] == "138****0000"
    assert "HTTP 503" in delivery["last_error"]
    clock.advance(6)
    http_gateway.status = 200
    assert courier.send_next(world.conn, channel)
    assert courier.problem() is None
    assert f"{gauge}0" in metrics.render()
    first, second = (json.loads(body)["id"] for _, _, body in http_gateway.got)
    assert first == second
    assert ask(world, "escalation")["channels"][0]["failing_since"] is None
    assert states(world) == [("13800000000", "sent", 2)]


def test_a_courier_that_died_in_between_is_followed_under_the_same_key(
    world: World, http_gateway: HttpGateway
) -> None:
    """At least once: another one sends when the lease is over, and not before."""
    clock, channel = ManualClock(SystemClock().now_us()), sms(http_gateway.url)
    tell(world, world.event(rank=3), ago_us=4 * MIN)
    call(world, [channel], clock.now_us())
    held = deliveries.take(world.conn, "phones", clock.now_us())
    assert held is not None
    assert not couriers(world, channel, clock).send_next(world.conn, channel)
    clock.advance(deliveries.LEASE_S + 1)
    assert couriers(world, channel, clock).send_next(world.conn, channel)
    ((_, _, body),) = http_gateway.got
    assert json.loads(body)["id"] == held.delivery_key
    assert states(world) == [("13800000000", "sent", 2)]
    # Called again by a duty that starts anew: nothing more is written or sent.
    call(world, [channel], clock.now_us())
    assert not couriers(world, channel, clock).send_next(world.conn, channel)


@pytest.mark.parametrize("away_min", [0, 45])
def test_an_unreachable_gateway_is_given_up_when_it_was_tried_for_long(
    world: World, dead_port: int, away_min: int
) -> None:
    """With growing pauses; what became of it stays to be seen. A courier that was away
    when the call was made tries for as long, from then on."""
    clock = ManualClock(SystemClock().now_us())
    channel = sms(f"http://127.0.0.1:{dead_port}/")
    tell(world, world.event(rank=3), ago_us=4 * MIN)
    call(world, [channel], clock.now_us())
    clock.advance(60 * away_min)
    courier, pauses, quiet_s = couriers(world, channel, clock), list[int](), 0
    while states(world)[0][1] == "waiting":
        if courier.send_next(world.conn, channel):
            pauses.append(quiet_s)
            quiet_s = 0
        clock.advance(5)
        quiet_s += 5
    assert pauses == [0, 5, 15, 30, 60, 120, 300, 300, 300, 300, 300]
    assert states(world) == [("13800000000", "given_up", 11)]
    (step,) = ask(world, "alarms/1/escalation")["steps"]
    assert "cannot be reached" in step["deliveries"][0]["last_error"]


@pytest.mark.parametrize("drill", [False, True])
def test_no_exercise_sends_an_sms(
    world: World, http_gateway: HttpGateway, drill: bool
) -> None:
    """Neither a site that is none, nor an alarm of a drill; a webhook is called."""
    hook = Channel("hook", "webhook", to=("x",), url=http_gateway.url, secret="s")
    channels = [sms(http_gateway.url), hook]
    if drill:
        world.conn.execute("INSERT INTO run (run, name) VALUES (7, 'drill')")
    event = replace(world.event(rank=3), run=7 if drill else 0)
    at_us = tell(world, event, ago_us=4 * MIN)
    call(world, channels, at_us + 3 * MIN, exercise=not drill)
    clock = SystemClock()
    for channel in channels:
        while couriers(world, channel, clock).send_next(world.conn, channel):
            pass
    assert states(world) == [("13800000000", "withheld", 0), ("x", "sent", 1)]
    assert len(http_gateway.got) == 1
    # The database itself holds to that, whatever a program does.
    with pytest.raises(psycopg.errors.CheckViolation):
        world.conn.execute("UPDATE delivery SET state = 'waiting' WHERE kind = 'sms'")
    world.conn.rollback()


def test_what_was_answered_or_folded_calls_nobody(
    world: World, http_gateway: HttpGateway
) -> None:
    """Two alarms of one incident: one SMS for each number."""
    channel = sms(http_gateway.url, "13800000000", "13900000000")
    both = (world.event(rank=3), world.event(no="001A02", rank=3))
    at_us = tell(world, *both, ago_us=4 * MIN)
    call(world, [channel], at_us + 4 * MIN)
    assert [to for to, _, _ in states(world)] == ["13800000000", "13900000000"]
    steps = ask(world, "alarms/2/escalation")["steps"]
    assert [step["deliveries"] for step in steps] == [[]]


def test_a_mine_is_not_shown_the_channels_of_the_county(
    world: World, http_gateway: HttpGateway
) -> None:
    """Nor to whom its alarms were sent."""
    channel = sms(http_gateway.url)
    tell(world, world.event(rank=3), ago_us=4 * MIN)
    call(world, [channel], SystemClock().now_us())
    courier = couriers(world, channel, SystemClock())
    assert courier.send_next(world.conn, channel)
    assert ask(world, "escalation", "dispatcher")["channels"] == []
    (step,) = ask(world, "alarms/1/escalation", "dispatcher")["steps"]
    assert step["deliveries"] == []


def test_only_a_real_site_calls_real_telephones() -> None:
    """The mode decides: ``test`` and ``demo`` are exercises."""
    for mode, is_exercise in (("production", False), ("test", True), ("demo", True)):
        settings = Settings.model_validate({"mode": mode})
        assert escalation_of(settings).exercise is is_exercise

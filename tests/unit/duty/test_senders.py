"""Sending to real servers: what goes out, and how a refusal is told."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from gasmon.duty.channel_file import Channel
from gasmon.duty.senders import Call, call_of, send
from gasmon.errors import DependencyError, GasmonError
from tests.fix_receivers import HttpGateway, MailServer

BODY = json.dumps(
    {
        "id": "x/escalated",
        "alarm_id": 7,
        "raised_at": "2026-11-23T10:46:21.123+08:00",
        "text": {"zh": "橙色 煤矿\r\nBcc: a@b 无人确认", "en": "orange mine"},
    }
)
CALL = call_of(BODY, key="k" * 32, to="13800000000", now_us=1_795_000_000_000_000)


def refusal(channel: Channel, call: Call = CALL) -> GasmonError:
    """What sending raises."""
    with pytest.raises(GasmonError) as caught:
        send(channel, call)
    return caught.value


def hook(gateway: HttpGateway) -> Channel:
    """A webhook to the test's server."""
    return Channel("hook", "webhook", url=gateway.url, secret="s3cret")


def phones(gateway: HttpGateway, **more: str) -> Channel:
    """A gateway of SMS."""
    return Channel(
        "phones",
        "sms",
        url=gateway.url,
        secret="s3cret",
        fields={"mobile": "{to}", "content": "{text}", "key": "{secret}", "n": "{id}"},
        headers={"Authorization": "Bearer {secret}", "X-Odd": "{", "X-Else": "{a}"},
        **more,
    )


def test_a_webhook_is_signed_over_time_and_body(http_gateway: HttpGateway) -> None:
    """Whoever knows the secret can tell who sent it, and when."""
    send(hook(http_gateway), CALL)
    ((path, headers, body),) = http_gateway.got
    assert (path, body) == ("/send", BODY)
    assert headers["X-Gasmon-Delivery"] == "k" * 32
    assert headers["X-Gasmon-Timestamp"] == "1795000000"
    signed = f"1795000000.{BODY}".encode()
    wanted = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["X-Gasmon-Signature"] == f"sha256={wanted}"


def test_an_sms_fills_the_gateways_own_form(http_gateway: HttpGateway) -> None:
    """JSON or form, with the number, the text, the secret and the key."""
    send(phones(http_gateway), CALL)
    send(phones(http_gateway, form="form"), CALL)
    (_, headers, first), (_, _, second) = http_gateway.got
    told = json.loads(first)
    assert headers["Authorization"] == "Bearer s3cret"
    assert (headers["X-Odd"], headers["X-Else"]) == ("{", "{a}")
    assert (told["mobile"], told["key"]) == ("13800000000", "s3cret")
    assert told["n"] == "k" * 32
    assert told["content"] == "【报警升级】橙色 煤矿 Bcc: a@b 无人确认 10:46:21 #7"
    assert parse_qs(second) == {name: [text] for name, text in told.items()}


def test_an_answer_that_says_no_is_no_delivery(http_gateway: HttpGateway) -> None:
    """Status 200 and a code in the body; the secret is not repeated."""
    channel = phones(http_gateway, ok_field="code", ok_value="0")
    send(channel, CALL)
    http_gateway.answer = '{"code": 4, "msg": "no credit for s3cret"}'
    text = str(refusal(channel))
    assert "code is not 0" in text
    assert "no credit for ***" in text
    for odd in ("hello", "[1]", "{}"):
        http_gateway.answer = odd
        assert odd in str(refusal(channel))


@pytest.mark.parametrize("status", [302, 403, 500])
def test_a_refusal_is_told_with_its_status(
    http_gateway: HttpGateway, status: int
) -> None:
    """A redirect is none of our addresses: the secret is not carried there."""
    http_gateway.status = status
    error = refusal(hook(http_gateway))
    assert f"HTTP {status}" in str(error)
    assert not isinstance(error, DependencyError)
    assert len(http_gateway.got) == 1


def test_a_mail_is_one_letter_with_a_key(mail_server: MailServer) -> None:
    """A name with a line break adds no header."""
    channel = Channel(
        "post", "mail", host="127.0.0.1", port=mail_server.port, tls="none",
        sender="gas@x.cn", to=("duty@x.cn",),
    )  # fmt: skip
    send(channel, replace(CALL, to="duty@x.cn"))
    ((to, letter),) = mail_server.got
    assert to == "duty@x.cn"
    assert f"Message-ID: <{'k' * 32}@gasmon>" in letter
    assert "Auto-Submitted: auto-generated" in letter
    assert "\nBcc:" not in letter
    mail_server.refuses = True
    assert "unknown here" in str(refusal(channel, replace(CALL, to="duty@x.cn")))


def test_a_mail_is_not_sent_in_the_clear_where_it_must_not(
    mail_server: MailServer,
) -> None:
    """A server that cannot encrypt gets nothing."""
    channel = Channel(
        "post", "mail", host="127.0.0.1", port=mail_server.port, sender="gas@x.cn"
    )
    assert "STARTTLS" in str(refusal(channel, replace(CALL, to="duty@x.cn")))
    assert mail_server.got == []


@pytest.mark.parametrize("kind", ["webhook", "sms", "mail", "mail-tls"])
def test_nobody_there_is_a_missing_dependency(dead_port: int, kind: str) -> None:
    """Told as unreachable, not as refused."""
    channel = Channel(
        "x",
        kind.partition("-")[0],
        url=f"http://127.0.0.1:{dead_port}/",
        host="127.0.0.1",
        port=dead_port,
        tls="tls" if kind == "mail-tls" else "none",
        sender="gas@x.cn",
    )
    error = refusal(channel, replace(CALL, to="duty@x.cn"))
    assert isinstance(error, DependencyError)
    assert "cannot be reached" in str(error)

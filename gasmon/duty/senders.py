"""How each kind of channel sends: one function per kind, blocking, for threads.

All give back nothing when the other side took the message, and raise with the reason
when it did not. What is sent twice after a crash bears the same key, so that the other
side can tell: the webhook's header, the mail's Message-ID, the gateway's ``{id}``.
"""

import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gasmon.duty.channel_file import Channel
from gasmon.errors import DependencyError, GasmonError
from gasmon.units import BEIJING, US_PER_S, to_datetime

TIMEOUT_S = 10.0
"""Longest wait for the other side [s]; well below the lease of a delivery."""

MOST_SHOWN = 200
"""Characters of an answer that are shown; MOST_READ bytes of it are read."""

MOST_READ = 65_536
MOST_SMS = 500
"""Characters of one SMS: eight parts of a long one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One message to one recipient.

    Attributes:
        key: the same at each attempt.
        body: the event's JSON.
        subject: one line in Chinese.
        text: for people, both languages.
        now_us: wall time of the attempt [µs UTC].
    """

    key: str
    to: str
    body: str
    subject: str
    text: str
    now_us: int


def send(channel: Channel, call: Call) -> None:
    """Send one message.

    Raises:
        DependencyError: the other side cannot be reached.
        GasmonError: it refused; says how.
    """
    try:
        _SENDERS[channel.kind](channel, call)
    except GasmonError as error:
        if channel.secret and channel.secret in str(error):
            raise type(error)(str(error).replace(channel.secret, "***")) from None
        raise


def call_of(body: str, *, key: str, to: str, now_us: int) -> Call:
    """The message about an event, as people read it."""
    event: dict[str, Any] = json.loads(body)
    said = {name: " ".join(text.split()) for name, text in event["text"].items()}
    number = f"#{event['alarm_id']}" if event.get("alarm_id") else ""
    began = str(event.get("raised_at") or "")[11:19]
    head = "要求反馈" if event.get("event") == "status_requested" else "报警升级"
    zh = f"【{head}】{said['zh']} {began} {number}".strip()
    return Call(key, to, body, zh, f"{zh}\n{said['en']}\n", now_us)


class _NoRedirect(HTTPRedirectHandler):
    """A secret is not carried to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, data: bytes, headers: Mapping[str, str]) -> bytes:
    request = Request(url, data, dict(headers), method="POST")
    try:
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read(MOST_READ))
    except HTTPError as error:
        with error:
            said = error.read(MOST_READ).decode("utf-8", "replace")[:MOST_SHOWN]
            raise GasmonError(f"HTTP {error.code}: {' '.join(said.split())}") from None
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise DependencyError(f"cannot be reached: {reason}") from None


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a webhook's message: HMAC-SHA256 over time and body, in hex."""
    message = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _webhook(channel: Channel, call: Call) -> None:
    body, timestamp = call.body.encode(), str(call.now_us // US_PER_S)
    _post(
        channel.url,
        body,
        {
            "Content-Type": "application/json",
            "X-Gasmon-Delivery": call.key,
            "X-Gasmon-Timestamp": timestamp,
            "X-Gasmon-Signature": f"sha256={sign(channel.secret, timestamp, body)}",
        },
    )


def _sms(channel: Channel, call: Call) -> None:
    values = {
        "to": call.to,
        "text": call.subject[:MOST_SMS],
        "secret": channel.secret,
        "id": call.key,
    }

    def filled(templates: Mapping[str, str]) -> dict[str, str]:
        return {name: _fill(text, values) for name, text in templates.items()}

    fields, headers = filled(channel.fields), filled(channel.headers)
    if channel.form == "json":
        headers["Content-Type"] = "application/json"
        data = json.dumps(fields, ensure_ascii=False).encode()
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        data = urlencode(fields).encode()
    answer = _post(channel.url, data, headers)
    if channel.ok_field:
        _check_answer(channel, answer)


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in; what a value holds in braces is not looked at again."""
    parts = template.split("{")
    filled = [parts[0]]
    for part in parts[1:]:
        name, brace, rest = part.partition("}")
        filled.append(values[name] + rest if brace and name in values else "{" + part)
    return "".join(filled)


def _check_answer(channel: Channel, answer: bytes) -> None:
    """Many gateways say 200 and refuse in the body."""
    try:
        found = json.loads(answer)[channel.ok_field]
    except (ValueError, KeyError, TypeError):
        found = None
    if str(found) != channel.ok_value:
        said = " ".join(answer.decode("utf-8", "replace").split())[:MOST_SHOWN]
        raise GasmonError(
            f"refused: {channel.ok_field} is not {channel.ok_value}: {said}"
        )


def _mail(channel: Channel, call: Call) -> None:
    letter = EmailMessage()
    letter["From"], letter["To"] = channel.sender, call.to
    letter["Subject"] = call.subject
    letter["Date"] = format_datetime(to_datetime(call.now_us).astimezone(BEIJING))
    letter["Message-ID"] = f"<{call.key}@gasmon>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(call.text)
    try:
        server = _smtp(channel)
        try:
            if channel.user:
                server.login(channel.user, channel.secret)
            server.send_message(letter)
        finally:
            # Without a farewell: the letter was taken or not, whatever is said to that.
            server.close()
    except smtplib.SMTPConnectError as error:
        raise DependencyError(f"cannot be reached: {error}") from None
    except smtplib.SMTPException as error:
        raise GasmonError(f"refused: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise DependencyError(f"cannot be reached: {error}") from None


def _smtp(channel: Channel) -> smtplib.SMTP:
    """A connection, encrypted as the channel wants it."""
    if channel.tls == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(
            channel.host, channel.port, timeout=TIMEOUT_S, context=context
        )
    server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT_S)
    if channel.tls == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except Exception:
            server.close()
            raise
    return server


_SENDERS: Mapping[str, Callable[[Channel, Call], None]] = {
    "webhook": _webhook,
    "mail": _mail,
    "sms": _sms,
}

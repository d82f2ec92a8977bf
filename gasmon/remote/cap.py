"""An alarm event as a message of the Common Alerting Protocol 1.2 (pure).

CAP is what emergency offices, sirens and broadcasters read (OASIS standard of 1 July
2010, also ITU-T X.1303bis). A message is made of an event's body, as outbox and stream
carry it, and of what was told of the same alarm before. How levels map to CAP's words
is ours, in the tables below and in docs/cap.md: the standard leaves it to the sender.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from gasmon import domain
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.kinds import FORECAST_KINDS
from gasmon.remote.texts import KINDS, number
from gasmon.units import BEIJING

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"

SEVERITIES = ("Unknown", "Minor", "Moderate", "Severe", "Extreme")
"""By rank: ungraded, blue, yellow, orange, red. Ours."""

URGENCIES = ("Unknown", "Expected", "Expected", "Immediate", "Immediate")
"""By rank, while the alarm lasts. Ours."""

RESPONSES = ("Monitor", "Assess", "Assess", "Execute", "Execute")
"""By rank: ``Execute`` means the plan that the mine has for it. Ours."""

OVER = ("cleared", "closed")
"""Events after which the danger is past."""

Alert = dict[str, Any]
"""CAP's elements by their names, in the order of the schema."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that a later one of the same alarm refers to.

    Attributes:
        event_id: of the body that it was made of; ``decided_us`` from there [µs UTC].
    """

    event_id: str
    decided_us: int


def alert_of(
    body: Mapping[str, Any], sender: str, earlier: Sequence[Earlier] = ()
) -> Alert:
    """One event as a CAP message in Chinese and English.

    Args:
        body: as ``remote.frames.encode_body`` makes it, read from its JSON.
        sender: who we are; without spaces, commas, ``<`` and ``&``.
        earlier: what was told of this alarm before, the oldest first. Without any it
            is an ``Alert``, else an ``Update`` of all of them.
    """
    alert: Alert = {
        "identifier": identifier(str(body["id"])),
        "sender": sender,
        "sent": _time(str(body["decided_at"])),
        "status": "Exercise" if body["drill"] else "Actual",
        "msgType": "Update" if earlier else "Alert",
        "source": "gasmon",
        "scope": "Restricted",
        "restriction": "mine, county and city platforms",
    }
    if earlier:
        alert["references"] = " ".join(
            f"{sender},{identifier(one.event_id)},{_beijing(one.decided_us)}"
            for one in earlier
        )
    alert["incidents"] = str(body["incident_id"])
    alert["info"] = [_info(body, at, tag) for at, tag in enumerate(("zh-CN", "en-US"))]
    return alert


def identifier(event_id: str) -> str:
    """An event's id without what an identifier of CAP may not hold."""
    return quote(event_id, safe="/:+-._~")


def to_xml(alert: Alert) -> bytes:
    """The message as XML, with its declaration."""
    root = ElementTree.Element("alert", {"xmlns": NAMESPACE})
    _fill(root, alert)
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def headline(body: Mapping[str, Any], language: str) -> str:
    """The event in one line: ``zh`` or ``en``."""
    return str(body["text"][language])


def _info(body: Mapping[str, Any], at: int, tag: str) -> dict[str, Any]:
    """What there is to say in one language; ``at`` 0 is Chinese, 1 English."""
    kind, rank = str(body["kind"]), int(body["rank"])
    is_over, is_forecast = body["event"] in OVER, kind in FORECAST_KINDS
    names = KINDS.get(kind, (kind, kind.replace("_", " ")))
    urgency = "Past" if is_over else "Expected" if is_forecast else URGENCIES[rank]
    certainty = "Observed"
    if is_forecast:
        certainty = "Possible"
    elif body["event"] == "unknown":
        certainty = "Unknown"
    response = RESPONSES[rank]
    if is_over:
        response = "AllClear"
    elif is_forecast:
        response = "Prepare"
    return {
        "language": tag,
        "category": "Safety",
        "event": names[at],
        "responseType": response,
        "urgency": urgency,
        "severity": SEVERITIES[rank],
        "certainty": certainty,
        "eventCode": [{"valueName": "gasmon:kind", "value": kind}],
        "onset": _time(str(body["raised_at"])),
        "senderName": ("gasmon 煤矿瓦斯监控", "gasmon mine gas monitoring")[at],
        "headline": headline(body, ("zh", "en")[at]),
        "parameter": list(_parameters(body)),
        "area": _area(body, at),
    }


def _parameters(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """What CAP has no element for; empty ones are left out."""
    uom = str(body["uom"] or "")
    told: dict[str, str | None] = {
        "event": str(body["event"]),
        "level": RANK_NAMES[int(body["rank"])],
        "subject": str(body["subject"]),
        "rule": str(body["rule"]),
        "alarm_id": str(body["alarm_id"]),
        "value": _number(body["value"], uom),
        "limit": _number(body["limit"], uom),
        "peak": _number(body["peak"], uom),
        "planned": "true" if body["planned"] else None,
        "late": "true" if body["late"] else None,
        "quiet": body["quiet"] or None,
    }
    return [
        {"valueName": f"gasmon:{name}", "value": value}
        for name, value in told.items()
        if value is not None
    ]


def _area(body: Mapping[str, Any], at: int) -> dict[str, Any]:
    """Where it is, with the codes of GB/T 2260 (county) and of the mine."""
    code = str(body["area"])
    known = {area.code: area for area in domain.areas()}.get(code)
    county = code if known is None else (known.name_zh, known.name_en)[at]
    parts = (county, str(body["mine_name"] or ""), str(body["place"] or ""))
    codes = [{"valueName": "GB/T 2260", "value": code}]
    if body["mine"]:
        codes.append({"valueName": "gasmon:mine", "value": str(body["mine"])})
    return {
        "areaDesc": " ".join(part for part in parts if part),
        "geocode": codes,
    }


def _number(value: float | None, uom: str) -> str | None:
    return None if value is None else number(float(value), uom)


def _time(iso: str) -> str:
    """CAP wants whole seconds and an offset; we speak Beijing time."""
    return datetime.fromisoformat(iso).astimezone(BEIJING).isoformat(timespec="seconds")


def _beijing(time_us: int) -> str:
    at = datetime.fromtimestamp(time_us // 1_000_000, BEIJING)
    return at.isoformat(timespec="seconds")


# What XML 1.0 can carry; a mine's name may hold anything.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Text with a sign in the place of what XML cannot carry."""
    return _NOT_XML.sub("\ufffd", text)


def _fill(parent: ElementTree.Element, members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        for one in value if isinstance(value, list) else [value]:
            child = ElementTree.SubElement(parent, name)
            if isinstance(one, Mapping):
                _fill(child, one)
            else:
                child.text = clean(str(one))

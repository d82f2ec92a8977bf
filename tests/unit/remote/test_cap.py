"""Events as CAP 1.2, held against the schema that OASIS publishes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.kinds import FORECAST_KINDS
from gasmon.remote import cap, cap_feed, frames
from gasmon.remote.texts import KINDS
from tests.fix_examples import examples
from tests.unit.remote.test_frames import AT_US, EVENT, Stored

SCHEMA = xmlschema.XMLSchema(
    str(Path(__file__).parents[2] / "data" / "cap" / "CAP-v1.2.xsd")
)
EVENTS = ("raised", "level", "unknown", "known", "cleared", "confirmed", "closed")
EARLIER = (cap.Earlier("0/a/raised/1", AT_US), cap.Earlier("0/a/level/2", AT_US + 1))
SPACE = f"{{{cap.NAMESPACE}}}"


def body(event: str = "raised", **fields: Any) -> dict[str, Any]:
    """The body of one event."""
    told = replace(EVENT, event=event, **fields)
    found: dict[str, Any] = json.loads(frames.encode_body(Stored(told)))
    return found


def alert(*earlier: cap.Earlier, **fields: Any) -> cap.Alert:
    """The message of one event."""
    return cap.alert_of(body(**fields), "gasmon.test", earlier)


@pytest.mark.parametrize("event", EVENTS)
def test_every_message_is_valid(event: str) -> None:
    """Each kind and event; each level, alone and as a follower."""
    variants = [(rank, earlier) for rank in range(5) for earlier in ((), EARLIER)]
    for number, kind in enumerate(sorted(KINDS)):
        rank, earlier = variants[number % len(variants)]
        made = alert(*earlier, event=event, kind=kind, rank=rank)
        SCHEMA.validate(cap.to_xml(made).decode())


@examples(30, more=2)
@given(
    name=st.text(),
    place=st.text(),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    no=st.text(min_size=1, max_size=20),
)
def test_whatever_a_mine_is_called_the_message_is_valid(
    name: str, place: str, value: float | None, no: str
) -> None:
    """Names hold control characters, markup and commas; XML and references do not."""
    told = replace(EVENT, value=value, subject_id=f"530627000001-01-{no}", no=no)
    stored = Stored(told, mine_name=name, place=place)
    try:
        written = json.loads(frames.encode_body(stored))
    except (TypeError, ValueError):
        return  # a lone surrogate is no text that was ever decoded
    earlier = (cap.Earlier(told.event_id, AT_US),)
    text = cap.to_xml(cap.alert_of(written, "gasmon.test", earlier)).decode()
    SCHEMA.validate(text)
    references = ElementTree.fromstring(text).findtext(SPACE + "references") or ""
    assert len(references.split(" ")) == 1
    assert len(references.split(",")) == 3


def test_a_message_says_what_it_is_about() -> None:
    """The members that a reader acts upon."""
    made = alert()
    chinese, english = made["info"]
    assert (made["status"], made["msgType"], made["scope"]) == (
        *("Actual", "Alert"),
        "Restricted",
    )
    assert "references" not in made
    assert made["sent"].endswith("+08:00")
    assert (chinese["language"], english["language"]) == ("zh-CN", "en-US")
    assert (chinese["event"], english["event"]) == ("超限报警", "over limit")
    assert (chinese["severity"], chinese["urgency"]) == ("Severe", "Immediate")
    assert (chinese["certainty"], chinese["responseType"]) == ("Observed", "Execute")
    assert "镇雄县" in chinese["area"]["areaDesc"]
    assert "Zhenxiong" in english["area"]["areaDesc"]
    codes = {code["valueName"]: code["value"] for code in chinese["area"]["geocode"]}
    assert codes == {"GB/T 2260": "530627", "gasmon:mine": "530627000001"}
    told = {one["valueName"]: one["value"] for one in chinese["parameter"]}
    assert (told["gasmon:value"], told["gasmon:limit"]) == ("1.60%", "1.00%")
    assert told["gasmon:level"] == "orange"


def test_a_follower_names_all_that_came_before() -> None:
    """An update refers to each message by sender, identifier and time."""
    made = alert(*EARLIER, event="level", rank=4)
    assert made["msgType"] == "Update"
    first, second = made["references"].split(" ")
    assert first == "gasmon.test,0/a/raised/1,2026-11-23T08:06:21+08:00"
    assert second.startswith("gasmon.test,0/a/level/2,")


def test_a_drill_is_an_exercise() -> None:
    """In status and in each headline, so that nobody takes it for real."""
    made = alert(run=7)
    assert made["status"] == "Exercise"
    assert "演练" in made["info"][0]["headline"]
    assert "DRILL" in made["info"][1]["headline"]


def test_what_is_over_is_past() -> None:
    """A cleared alarm tells nobody to do anything."""
    info = alert(*EARLIER, event="cleared")["info"][0]
    assert (info["urgency"], info["responseType"]) == ("Past", "AllClear")


def test_what_is_expected_or_not_known_is_not_called_observed() -> None:
    """A pre-warning is possible; a value that is gone is unknown."""
    for kind in FORECAST_KINDS:
        info = alert(kind=kind)["info"][0]
        assert (info["certainty"], info["responseType"]) == ("Possible", "Prepare")
    assert alert(event="unknown")["info"][0]["certainty"] == "Unknown"


def test_a_feed_leads_to_each_message_and_on() -> None:
    """Atom with an entry for each, in order, and the way to what comes after."""
    rows = [(4, body()), (7, body("cleared"))]
    text = cap_feed.feed_of(
        rows,
        sender="gasmon.test",
        path="/api/v1/cap",
        epoch="00000000-0000-0000-0000-000000000001",
        next_query="after=7&limit=2",
        updated="2026-11-27T09:00:00+08:00",
    )
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.fromstring(text)
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{atom}link")}
    assert links == {"self": "/api/v1/cap", "next": "/api/v1/cap?after=7&limit=2"}
    hrefs = [link.get("href") for link in feed.findall(f"{atom}entry/{atom}link")]
    assert hrefs == ["/api/v1/cap/4", "/api/v1/cap/7"]
    titles = [title.text or "" for title in feed.findall(f"{atom}entry/{atom}title")]
    assert "超限报警" in titles[0]
    for name in ("id", "updated", "title"):
        assert all(e.findtext(atom + name) for e in feed.findall(f"{atom}entry"))

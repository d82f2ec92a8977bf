"""Bodies of events: what was encoded is read again, what is none is said by name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.remote.frames import encode_body
from gasmon.store.alarms import StoredEvent
from gasmon.upstream.heard import Unreadable, read_body

AT_US = 1_795_401_981_123_456


def event(**more: Any) -> AlarmEvent:
    """An event with all that one may have."""
    told: dict[str, Any] = {
        "event": "raised",
        "kind": "over_limit",
        "rule": "law:FACE_T0",
        "subject_type": "unit",
        "subject_id": "530627000001/u/11121",
        "area": "530627",
        "mine": "530627000001",
        "raised_at_us": AT_US,
        "happened_at_us": AT_US + 7,
        # Besides its identity a body has milliseconds.
        "arrived_at_us": AT_US - AT_US % 1000,
        "decided_at_us": AT_US - AT_US % 1000,
        "rank": 3,
        "system": "01",
        "no": "001A01",
        "unit": "11121",
        "value": 1.6,
        "limit": 1.0,
        "peak": 1.7,
        "peak_at_us": AT_US - AT_US % 1000,
        "late": True,
        "planned": True,
        "quiet": "plan:3",
        "explain": {"of": [1, 2]},
        **more,
    }
    return AlarmEvent(**told)


def body(stored: StoredEvent) -> dict[str, Any]:
    """As the stream carries it."""
    found: dict[str, Any] = orjson.loads(encode_body(stored))
    return found


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"value": None, "limit": None, "peak": None, "peak_at_us": None},
        {"subject_type": "link", "subject_id": "530627000001", "system": None},
        {"late": False, "planned": False, "quiet": None, "explain": {}, "mine": ""},
    ],
)
def test_what_was_encoded_is_read_again(more: dict[str, Any]) -> None:
    """Every part of an event survives the stream."""
    told = event(**more)

    heard = read_body(body(StoredEvent(told, 7, 8, None, "矿", "处", "CH4", "%")))

    assert heard.event == told
    assert (heard.mine_name, heard.place, heard.quantity, heard.uom) == (
        *("矿", "处"),
        *("CH4", "%"),
    )
    assert heard.by is None
    assert heard.more == {}


def test_a_record_is_read_with_all_that_it_says() -> None:
    """Who, for which tier, why, under which key, about what, and what else."""
    stored = StoredEvent(
        *(event(event="corrected"), 7, 8, None, "", "", "", ""),
        by="王",
        tier="county",
        note="注\x00",
        cause_code="sensor_fault",
        more={"key": "k" * 8, "refers_to": 5, "refers_to_id": "0/a", "to": "mine"},
    )

    heard = read_body(body(stored))

    assert (heard.by, heard.tier, heard.note) == ("王", "county", "注")
    assert (heard.cause_code, heard.key) == ("sensor_fault", "k" * 8)
    assert heard.refers_to == "0/a"
    assert heard.more == {"refers_to": 5, "to": "mine"}


def test_a_tier_that_is_none_of_ours_is_no_tier() -> None:
    """A newer server may know more of them; the record is kept all the same."""
    told = body(
        StoredEvent(event(event="confirmed"), 7, 8, None, "", "", "", "", by="x")
    )

    assert read_body({**told, "tier": "province"}).tier is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "0/x"}, "event 0/x: ValueError"),
        ({"id": "0/\x00/a/1/raised/3/2"}, "NUL"),
        ({"subject": None}, "AttributeError"),
        ({"subject": "point:other"}, "its members say"),
        ({"arrived_at": "yesterday"}, "yesterday"),
        ({"value": "high"}, "high"),
        ({"rule": ...}, "KeyError 'rule'"),
    ],
)
def test_a_body_that_is_none_is_named(change: dict[str, Any], words: str) -> None:
    """Whose it is and what is wrong with it."""
    told = body(StoredEvent(event(), 7, 8, None, "", "", "", ""))
    told |= change
    told = {key: value for key, value in told.items() if value is not ...}

    with pytest.raises(Unreadable) as failure:
        read_body(told)

    assert words in str(failure.value)

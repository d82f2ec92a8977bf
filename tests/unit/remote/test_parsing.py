"""Frames as they are read: strict about what is used, lenient about the rest."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.remote import frames, parsing
from gasmon.remote.parsing import Malformed, parse_client, parse_server

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_a_subscription_is_read() -> None:
    """Position, areas and level; unknown members are ignored."""
    frame = parse_client(
        '{"type":"subscribe","resume":{"epoch":"e","seq":3,"x":1},'
        '"areas":["530627"],"min_rank":4,"later":true}'
    )

    assert frame == parsing.Subscribe(("e", 3), ("530627",), 4)
    assert parse_client('{"type":"subscribe"}') == parsing.Subscribe(None, None, 0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("1", "not an object"),
        ("{}", "None is none of"),
        ('{"type":"hello"}', "'hello' is none of"),
        ('{"type":"subscribe","resume":1}', "resume 1"),
        ('{"type":"subscribe","resume":{"seq":1}}', "epoch None"),
        ('{"type":"subscribe","resume":{"epoch":"e"}}', "seq None"),
        ('{"type":"subscribe","resume":{"epoch":"e","seq":true}}', "seq True"),
        ('{"type":"subscribe","resume":{"epoch":"e","seq":-1}}', "seq -1"),
        ('{"type":"subscribe","areas":"x"}', "areas 'x'"),
        ('{"type":"subscribe","areas":[5]}', "areas 5"),
        ('{"type":"subscribe","min_rank":5}', "min_rank 5"),
        ('{"type":"ack","seq":1.5}', "seq 1.5"),
        ('{"type":"subscribe","reports":["sent"]}', "reports 'sent'"),
        ('{"type":"receipt","step":"sent","ids":["a"]}', "step 'sent'"),
        ('{"type":"receipt","step":"drawn"}', "ids None"),
        ('{"type":"receipt","step":"drawn","ids":["a"],"key":"short"}', "'short'"),
        ('{"type":"receipt","step":"drawn","ids":["a\\u0000"]}', "NUL"),
        ('{"type":"receipt","step":"drawn","ids":["a"],"at":"now"}', "at 'now'"),
        ('{"type":"command","key":"short","alarm_id":1,"action":"x"}', "key 'short'"),
        ('{"type":"ack","seq":"' + "x" * 100 + '"}', "..."),
    ],
)
def test_a_malformed_client_frame_is_named(text: str, named: str) -> None:
    """The error names the member and what it held."""
    with pytest.raises(Malformed) as error:
        parse_client(text)

    assert named in str(error.value)


@pytest.mark.parametrize(
    ("at", "at_us"),
    [
        (None, None),
        ("2026-11-23T08:06:21.123+08:00", 1_795_392_381_123_000),
        ("2026-11-23T00:06:21.123Z", 1_795_392_381_123_000),
        ("1999-01-01T00:00:00Z", None),
    ],
)
def test_a_receipt_is_read(at: str | None, at_us: int | None) -> None:
    """Any offset will do, and an incredible clock says nothing."""
    text = json.dumps({"type": "receipt", "step": "drawn", "ids": ["a"], "at": at})

    assert parse_client(text) == parsing.Receipt("drawn", ("a",), at_us)


def test_a_command_keeps_what_belongs_to_its_action() -> None:
    """Everything beside type, alarm and action is judged where actions are."""
    text = frames.command("12345678", 5, "confirm", text="见")

    assert parse_client(text) == parsing.Command(
        "12345678", 5, "confirm", {"key": "12345678", "text": "见"}
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"type":7}', "type 7"),
        ('{"type":"hello","epoch":"e","head":1,"heartbeat_s":0}', "heartbeat_s 0"),
        ('{"type":"snapshot","epoch":"e","seq":1}', "alarms None"),
        ('{"type":"snapshot","epoch":"e","seq":1,"alarms":[{}]}', "has no id"),
        ('{"type":"event","epoch":"e","seq":1,"from":0,"to":1}', "event body None"),
    ],
)
def test_a_malformed_server_frame_is_named(text: str, named: str) -> None:
    """A server that breaks the protocol is noticed by name."""
    with pytest.raises(Malformed) as error:
        parse_server(text)

    assert named in str(error.value)


def test_a_newer_server_may_say_more() -> None:
    """A frame that we do not know is no error."""
    assert parse_server('{"type":"ledger"}') == parsing.Unknown("ledger")


@given(st.text() | json_values.map(lambda value: __import__("json").dumps(value)))
def test_any_text_is_a_frame_or_malformed(text: str) -> None:
    """Whatever arrives, nothing but Malformed is raised."""
    for parse in (parse_client, parse_server):
        try:
            parse(text)
        except Malformed:
            pass

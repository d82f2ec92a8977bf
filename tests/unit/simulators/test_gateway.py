"""What a gateway writes, against the schemas of the contract."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from gasmon.ingest import payloads
from gasmon.units import US_PER_S
from simulators.city import City
from simulators.gateway import MineGateway, boot_name, definition
from simulators.layout import build_city
from simulators.load import LoadGateway, encoded_blocks, load_mines

NOW_US = 1_790_000_000 * US_PER_S
PLAN = build_city(1)


def check(name: str, payload: bytes | None) -> Any:
    """Parse a payload after its schema accepted it."""
    assert payload is not None
    parsed = json.loads(payload)
    validator = Draft202012Validator(payloads.schema(name))
    assert not [error.message for error in validator.iter_errors(parsed)]
    return parsed


def gateway(ring_frames: int = 10) -> MineGateway:
    """A gateway of the first mine with three frames behind it."""
    made = MineGateway(PLAN.mines[0], "boot1", ring_frames)
    n = len(PLAN.mines[0].points)
    for k in range(3):
        made.frame(NOW_US + k * US_PER_S, [float("nan")] + [1.0] * (n - 1), [0] * n)
    return made


def test_every_definition_fits_the_schema() -> None:
    """Definition frames of mines of every kind are valid and name each point once, in
    the plan's order."""
    mines = PLAN.mines[::6]
    assert {mine.kind for mine in mines} == {"low_gas", "high_gas", "outburst"}
    for mine in mines:
        parsed = check("points", definition(mine, NOW_US))
        assert [p["no"] for p in parsed["points"]] == [p.no for p in mine.points]
        assert parsed["mine"]["atmosphere_kpa"] == mine.atmosphere_kpa


def test_every_data_frame_fits_the_schema() -> None:
    """A cycle of every third mine is valid, with switches as whole numbers."""
    city = City(PLAN, np.random.default_rng(1), activity=4.0)
    step = city.step(NOW_US)
    pieces = list(zip(PLAN.mines, city.roster.slices, strict=True))
    for mine, piece in pieces[::3]:
        made = MineGateway(mine, "boot1", 1)
        message = made.frame(
            NOW_US, step.value[piece].tolist(), step.state[piece].tolist()
        )
        assert message.seq == 1
        parsed = check("data", made.ring.get(1))
        assert parsed["ts"] == NOW_US // 1000
        kinds = {p.no: p.kind for p in mine.points}
        for no, value, _state in parsed["d"]:
            if kinds[no] == "KG" and value is not None:
                assert type(value) is int


def test_a_missing_value_is_null() -> None:
    """NaN never reaches the wire."""
    parsed = check("data", gateway().ring.get(3))
    assert parsed["seq"] == 3
    assert parsed["d"][0][1] is None


def test_a_birth_defines_before_it_says_online() -> None:
    """Definitions first, then the state; both retained."""
    points, state = gateway().birth(NOW_US)
    check("points", points.payload)
    assert check("state", state.payload)["s"] == "online"
    assert points.retain
    assert state.retain
    assert check("state", gateway().state("offline", NOW_US).payload)["boot"] == "boot1"


def ask(made: MineGateway, **request: Any) -> tuple[Any, list[str], list[int]]:
    """Put a request; returns the answer, topics of further messages, frames."""
    encoded = payloads.encode_cmd_req(payloads.CmdReq("r1", **request))
    messages, again = made.answer(encoded, NOW_US)
    assert messages[0].topic == made.response_topic
    answer = check("cmd_res", messages[0].payload)
    return answer, [message.topic for message in messages[1:]], again


def test_resend_gives_the_frames_that_are_kept() -> None:
    """The range comes from the ring; what is gone is named."""
    made = gateway()
    answer, _, again = ask(made, cmd="resend", boot="boot1", from_seq=2, to_seq=3)
    assert answer["ok"]
    assert again == [2, 3]
    answer, _, again = ask(made, cmd="resend", boot="boot1", from_seq=2, to_seq=5)
    assert not answer["ok"]
    assert "2 of the frames 2 to 5" in answer["error"]
    assert again == [2, 3]


def test_resend_of_another_boot_is_refused() -> None:
    """A gateway that restarted no longer has the frames of before."""
    answer, _, again = ask(gateway(), cmd="resend", boot="old", from_seq=1, to_seq=1)
    assert not answer["ok"]
    assert "old" in answer["error"]
    assert again == []


def test_rebirth_and_time_are_answered() -> None:
    """Rebirth publishes definitions and state again; time is acknowledged."""
    made = gateway()
    answer, topics, _ = ask(made, cmd="rebirth")
    assert answer["ok"]
    assert topics == [made.points_topic, made.state_topic]
    answer, topics, _ = ask(made, cmd="time", ts_ms=NOW_US // 1000)
    assert answer["ok"]
    assert topics == []


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"v":1,"id":"x","cmd":"fly"}'])
def test_bytes_that_are_no_request_get_no_answer(payload: bytes) -> None:
    """There is no id to answer to, and nothing else happens."""
    assert gateway().answer(payload, NOW_US) == ([], [])


def test_boot_names_differ_from_start_to_start() -> None:
    """One microsecond later is another boot, and names are short."""
    assert boot_name(NOW_US) != boot_name(NOW_US + 1)
    assert len(boot_name(NOW_US)) < 12
    assert boot_name(0) == "0"


def test_load_frames_fit_the_schema_and_count() -> None:
    """Frames printed around encoded blocks are frames like any other."""
    mines = load_mines(300, 40)
    assert len({mine.code for mine in mines}) == 300
    blocks, alarm = encoded_blocks(mines[0])
    made = LoadGateway(mines[11], "boot1", 50)
    for k, block in enumerate([*blocks, alarm]):
        message = made.ready_frame(NOW_US + k, block)
        assert message.seq == k + 1
        parsed = check("data", made.ring.get(k + 1))
        assert (parsed["boot"], parsed["seq"]) == ("boot1", k + 1)
        assert [item[0] for item in parsed["d"]] == [p.no for p in mines[11].points]
        over = [item[1] for item in parsed["d"] if item[1] >= 1.0]
        assert over == ([1.2] if block is alarm else [])
    check("points", definition(mines[11], NOW_US))

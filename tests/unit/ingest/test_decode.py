"""Every bad input of a frame: a clear reason, and nothing else is lost."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np
import orjson
import pytest

from gasmon.batch import FrameKey, Packet
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.decode import DecodeLimits, Layouts, decode_packets
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.frame import STATE_UNREADABLE
from gasmon.ingest.gather import REJECTS_PER_REASON
from gasmon.ingest.payloads import CmdRes, encode_cmd_res, encode_data, encode_state
from gasmon.ingest.topics import (
    alarms_topic,
    backfill_topic,
    cmd_res_topic,
    data_topic,
    event_topic,
    file_topic,
    platform_state_topic,
    state_topic,
)
from gasmon.points import PointKey
from gasmon.units import US_PER_DAY
from tests.fix_directory import (
    AREA,
    ARRIVED_US,
    MINE,
    TS_MS,
    TS_US,
    MemoryDirectory,
    data_packet,
    decode,
    packet,
    reasons,
)

GOOD = ["001A02", 0.3, 0]
GOOD_PACKET = data_packet([["001A09", 0.9, 0]], seq=99)


def test_a_clean_frame_becomes_readings() -> None:
    """Value, null, switch with its own time: rows, values, bits and times."""
    payload = encode_data(
        "k3f9",
        17,
        TS_MS,
        [("001A01", 0.42, 0), ("001A02", None, 128), ("001D01", 1, 0, TS_MS - 1500)],
    )
    decoded = decode(packet(payload))
    batch = decoded.batch
    assert decoded.rejects == []
    assert batch.row.tolist() == [0, 1, 2]
    assert batch.value[[0, 2]].tolist() == [0.42, 1.0]
    assert isnan(batch.value[1])
    assert batch.state.tolist() == [0, 128, 0]
    assert batch.at_us.tolist() == [TS_US, TS_US, TS_US - 1_500_000]
    assert batch.arrived_us.tolist() == [ARRIVED_US] * 3
    frame = decoded.frames[0]
    assert frame.key == FrameKey(0, MINE, "k3f9", 17)
    assert (frame.channel, frame.device_ms, frame.judged_us) == ("data", TS_MS, TS_US)
    assert (frame.first, frame.n_readings) == (0, 3)
    assert decoded.unknown == [
        PointKey(MINE, "01", no) for no in ("001A01", "001A02", "001D01")
    ]


BAD_FRAMES: list[tuple[str, bytes, str, str]] = [
    ("not JSON", b"hello", "not_json", "line 1"),
    ("nothing", b"", "empty_payload", "0 bytes"),
    ("cut off", b'{"v":1,"boot":"k', "not_json", "line 1"),
    ("not UTF-8", b'{"v":1,"boot":"\xb2\xe2"}', "not_utf8", "offset 15"),
    ("an array", b"[1,2]", "not_an_object", "an array of 2"),
    ("an array with NaN", b"[NaN]", "not_an_object", "an array of 1"),
    ("nested too deep", b"[" * 5000 + b"]" * 5000, "not_json", "depth"),
    ("deep, with NaN", b"[" * 5000 + b"NaN" + b"]" * 5000, "not_json", "line 1"),
    ("no version", b"{}", "missing_key", "v is missing"),
    ("another version", b'{"v":2}', "unknown_version", "v is 2"),
    ("true as version", b'{"v":true}', "unknown_version", "v is true"),
]


@pytest.mark.parametrize(
    ("payload", "reason", "words"),
    [row[1:] for row in BAD_FRAMES],
    ids=[row[0] for row in BAD_FRAMES],
)
def test_a_bad_frame_is_refused_by_name(
    payload: bytes, reason: str, words: str
) -> None:
    """The frame is refused with its reason and first bytes; its neighbour stays."""
    decoded = decode(packet(payload), GOOD_PACKET)
    (reject,) = decoded.rejects
    assert reject.reason == reason
    assert words in reject.detail
    assert (reject.mine, reject.where) == (MINE, "frame")
    assert (reject.first_bytes, reject.size) == (payload[:256], len(payload))
    assert decoded.batch.value.tolist() == [0.9]


BAD_KEYS: list[tuple[dict[str, Any], str, str]] = [
    ({"boot": ...}, "missing_key", "boot is missing"),
    ({"seq": ...}, "missing_key", "seq is missing"),
    ({"ts": ...}, "missing_key", "ts is missing"),
    ({"d": ...}, "missing_key", "d is missing"),
    ({"boot": 5}, "wrong_type", "boot is 5"),
    ({"boot": ""}, "bad_text", "boot is ''"),
    ({"boot": "x" * 65}, "bad_text", "65 characters"),
    ({"boot": "a\x00b"}, "bad_text", "boot"),
    ({"boot": "a/b"}, "bad_text", "a slash"),
    ({"seq": "1"}, "wrong_type", "seq is '1'"),
    ({"seq": 1.5}, "wrong_type", "seq is 1.5"),
    ({"seq": True}, "wrong_type", "seq is true"),
    ({"seq": -1}, "out_of_range", "seq is -1"),
    ({"seq": 1e300}, "out_of_range", "over 40 digits"),
    ({"ts": "now"}, "wrong_type", "ts is 'now'"),
    ({"ts": None}, "wrong_type", "ts is null"),
    ({"d": {}}, "wrong_type", "d is an object of 0"),
    ({"mine": "530627000001"}, "mine_disagrees", "530627000001"),
]


@pytest.mark.parametrize(("other", "reason", "words"), BAD_KEYS, ids=str)
def test_a_bad_key_refuses_the_frame_and_is_named(
    other: dict[str, Any], reason: str, words: str
) -> None:
    """Missing, mistyped or contradicting keys: the detail names key and value."""
    obj = {"v": 1, "boot": "b", "seq": 1, "ts": TS_MS, "d": [GOOD], **other}
    kept = {key: value for key, value in obj.items() if value is not ...}
    decoded = decode(packet(orjson.dumps(kept)), GOOD_PACKET)
    assert reasons(decoded) == [reason]
    assert words in decoded.rejects[0].detail
    assert decoded.batch.n == 1


def test_nan_as_time_is_refused_like_text() -> None:
    """`"ts":NaN` is no time."""
    bad = packet(b'{"v":1,"boot":"b","seq":1,"ts":NaN,"d":[]}')
    assert reasons(decode(bad)) == ["wrong_type"]


BAD_VALUES: list[tuple[bytes, str, str]] = [
    (b"NaN", "not_a_number", "nan"),
    (b"Infinity", "not_a_number", "inf"),
    (b"-Infinity", "not_a_number", "-inf"),
    (b'"0.42"', "text_for_number", "'0.42'"),
    (b"true", "bool_for_number", "true"),
    (b"[1]", "value_type", "an array of 1"),
    (b"-0.11", "negative_concentration", "-0.11"),
]


@pytest.mark.parametrize(("raw", "reason", "words"), BAD_VALUES, ids=str)
def test_an_unusable_value_is_no_value_and_costs_no_neighbour(
    raw: bytes, reason: str, words: str
) -> None:
    """The reading stays without a value, with its state bits; its neighbours stay."""
    d = b'[["001A01",0.1,0],["001A02",' + raw + b',1],["001A03",0.3,0]]'
    decoded = decode(
        packet(b'{"v":1,"boot":"k","seq":1,"ts":%d,"d":%s}' % (TS_MS, d), topic=None),
        GOOD_PACKET,
    )
    (reject,) = decoded.rejects
    assert (reject.reason, reject.where) == (reason, "reading")
    assert "001A02" in reject.detail
    assert words in reject.detail
    assert decoded.batch.state.tolist() == [0, 1, 0, 0]
    assert decoded.batch.value[[0, 2, 3]].tolist() == [0.1, 0.3, 0.9]
    assert isnan(decoded.batch.value[1])


def test_null_is_no_value_and_no_fault() -> None:
    """A gateway says null when it has no value: not refused."""
    decoded = decode(data_packet([["001A01", None, 0]]))
    assert (reasons(decoded), decoded.batch.n) == ([], 1)
    assert isnan(decoded.batch.value[0])


def test_endless_integers_do_not_stop_decoding() -> None:
    """400 digits beside NaN (so the lenient parser reads them) are too large."""
    digits = b"9" * 400
    bad = packet(
        b'{"v":1,"boot":"k","seq":1,"ts":1,"d":[["A1",%s,0],["A2",NaN,%s],["A3",1,0]]}'
        % (digits, digits)
    )
    decoded = decode(bad)
    assert reasons(decoded) == ["number_too_large", "not_a_number", "state_unreadable"]
    assert decoded.batch.value[2] == 1.0
    only_ints = packet(
        b'{"v":1,"boot":"k","seq":2,"ts":1,"x":NaN,"d":[["A1",%s,0]]}' % digits
    )
    assert reasons(decode(only_ints)) == ["number_too_large"]


def test_zero_drift_of_methane_is_kept_as_it_is() -> None:
    """Down to −0.1 % a sensor drifts; the threshold is an argument."""
    drifting = data_packet([["001A01", -0.1, 0]])
    assert decode(drifting).batch.value.tolist() == [-0.1]
    strict = DecodeLimits(lowest={"CH4": 0.0})
    decoded = decode_packets([drifting], MemoryDirectory(), limits=strict)
    assert reasons(decoded) == ["negative_concentration"]
    assert "below 0" in decoded.rejects[0].detail


def test_what_may_be_negative_is_not_touched() -> None:
    """Temperatures and pressure differences have no lowest value."""
    directory = MemoryDirectory()
    directory.quantities = {"001A02": "TEMP"}
    frame = data_packet([["001A01", 0.2, 0], ["001A02", -12.5, 0]])
    decoded = decode(data_packet([], seq=2), frame, directory=directory)
    assert (reasons(decoded), decoded.batch.value.tolist()) == ([], [0.2, -12.5])


def test_negative_values_name_their_own_frame() -> None:
    """With an empty frame between, the refusal still belongs to the right mine."""
    other = "530627000001"
    decoded = decode(
        data_packet([["A1", -9.0, 0], ["A2", -8.0, 0]]),
        data_packet([], seq=2),
        data_packet([["A1", 1.0, 0], ["A7", -7.0, 0]], mine=other),
    )
    assert [(r.mine, r.detail.split(" is ")[0]) for r in decoded.rejects] == [
        (MINE, "point A1: -9.0"),
        (MINE, "point A2: -8.0"),
        (other, "point A7: -7.0"),
    ]


@pytest.mark.parametrize(
    "state", ["1", None, True, -1, 2**31, 1.5, [], 2**64 - 1], ids=str
)
def test_an_unreadable_state_counts_as_unknown_bits(state: Any) -> None:
    """The value stays; the state becomes a bit that nobody knows."""
    decoded = decode(data_packet([["001A01", 0.4, state], GOOD]))
    assert reasons(decoded) == ["state_unreadable"]
    assert decoded.batch.state.tolist() == [STATE_UNREADABLE, 0]
    assert decoded.batch.value.tolist() == [0.4, 0.3]


@pytest.mark.parametrize("state", [256, 5, 2**31 - 1, 4.0], ids=str)
def test_unknown_bits_are_kept(state: float) -> None:
    """Bits without a meaning are kept: downstream they count as an alarm."""
    decoded = decode(data_packet([["001A01", 0.4, state]]))
    assert (reasons(decoded), decoded.batch.state.tolist()) == ([], [int(state)])


@pytest.mark.parametrize(
    ("item", "reason", "words"),
    [
        ([], "reading_shape", "array of 0"),
        (["001A01", 0.4], "reading_shape", "array of 2"),
        (["001A01", 0.4, 0, None, 1], "reading_shape", "array of 5"),
        ("abc", "reading_shape", "'abc'"),
        (7, "reading_shape", "7"),
        ({"no": "001A01"}, "reading_shape", "an object of 1"),
        ([1, 0.4, 0], "bad_point_number", "1"),
        ([None, 0.4, 0], "bad_point_number", "null"),
        (["", 0.4, 0], "bad_point_number", "''"),
        (["123456789", 0.4, 0], "bad_point_number", "9 characters"),
        (["00 1", 0.4, 0], "bad_point_number", "00 1"),
        (["a/b", 0.4, 0], "bad_point_number", "a/b"),
        (["a\x00b", 0.4, 0], "bad_point_number", "a"),
    ],
    ids=str,
)
def test_a_reading_without_identity_is_dropped_alone(
    item: Any, reason: str, words: str
) -> None:
    """Wrong length, wrong type or an impossible number: dropped and named."""
    for d in ([item, GOOD], [GOOD, item], [item]):
        decoded = decode(data_packet(d), GOOD_PACKET)
        assert reasons(decoded) == [reason]
        assert words in decoded.rejects[0].detail
        assert decoded.batch.n == len(d)


def test_many_faults_of_a_kind_in_one_frame_become_one_row() -> None:
    """A frame of thousands of bad readings does not fill the table of rejects."""
    decoded = decode(data_packet([[f"A{i}", "x", 0] for i in range(500)]))
    assert len(decoded.rejects) == REJECTS_PER_REASON + 1
    assert decoded.rejects[-1].n == 500 - REJECTS_PER_REASON
    assert sum(reject.n for reject in decoded.rejects) == 500


def test_the_same_point_twice() -> None:
    """Other time: both in order. Same time: a repeat or a contradiction."""
    earlier, later = TS_MS - 2000, TS_MS - 1000
    decoded = decode(
        data_packet(
            [
                ["A1", 0.1, 0, earlier],
                ["A1", 0.2, 0, later],
                ["A1", 0.2, 0, later],
                ["A1", 1.7, 1, later],
                ["A1", 0.3, 0],
                ["A1", 0.3, 0, TS_MS],
                GOOD,
            ]
        )
    )
    assert reasons(decoded) == [
        "duplicate_reading",
        "contradiction",
        "duplicate_reading",
    ]
    assert "0.2" in decoded.rejects[1].detail
    assert "1.7" in decoded.rejects[1].detail
    assert decoded.batch.value.tolist() == [0.1, 0.2, 0.3, 0.3]
    assert decoded.batch.at_us.tolist() == [
        earlier * 1000,
        later * 1000,
        TS_US,
        TS_US,
    ]


def test_short_and_full_code_are_one_point() -> None:
    """Twice the same point under both names is found, too."""
    full = MINE + "01MN0001" + "A1"
    decoded = decode(data_packet([["A1", 0.1, 0], [full, 0.1, 0]]))
    assert (reasons(decoded), decoded.batch.n) == (["duplicate_reading"], 1)


def test_full_codes_tell_system_and_sensor_type() -> None:
    """A full code names its system; its type goes to the provisional row."""
    directory = MemoryDirectory()
    drainage = MINE + "02MN0022" + "001A01"
    decoded = decode(data_packet([[drainage, 30.0, 0]]), directory=directory)
    key = PointKey(MINE, "02", "001A01")
    assert (decoded.unknown, directory.types) == ([key], {key: "0022"})
    other_mine = "530627000001" + "01MN0001" + "001A01"
    decoded = decode(data_packet([[other_mine, 0.1, 0], GOOD]))
    assert (reasons(decoded), decoded.batch.n) == (["mine_disagrees"], 1)
    for broken in (MINE + "03MN0001A1", MINE + "01XX0001A1", MINE + "01MN00x1A1"):
        assert reasons(decode(data_packet([[broken, 1, 0]]))) == ["bad_point_number"]
    assert reasons(decode(data_packet([[MINE + "01MN0001" + "a b", 1, 0]]))) == [
        "bad_point_number"
    ]


def test_a_short_number_may_belong_to_drainage() -> None:
    """System 01 unless only a definition of system 02 has the number."""
    directory = MemoryDirectory(PointKey(MINE, "02", "A1"))
    decoded = decode(data_packet([["A1", 30, 0]]), directory=directory)
    assert (decoded.batch.row.tolist(), decoded.unknown) == ([0], [])


def test_a_point_that_the_directory_refuses_is_named() -> None:
    """A full table costs the new points, not the known ones."""
    directory = MemoryDirectory(PointKey(MINE, "01", "001A02"))
    directory.full = True
    decoded = decode(data_packet([["A1", 0.1, 0], GOOD]), directory=directory)
    assert (reasons(decoded), decoded.batch.n) == (["unknown_point"], 1)
    assert decoded.unknown == []


@pytest.mark.parametrize(
    "ts_ms", [0, -1, 253_402_300_800_000, 2**63 - 1, -(2**63), 1e30, -1e30], ids=str
)
def test_a_frame_is_never_refused_for_its_clock(ts_ms: float) -> None:
    """An absurd time is kept raw (within int64) and judged at arrival."""
    decoded = decode(data_packet([GOOD], ts=ts_ms))
    frame = decoded.frames[0]
    assert reasons(decoded) == []
    assert frame.judged_us == ARRIVED_US
    assert decoded.batch.at_us.tolist() == [ARRIVED_US]
    assert abs(frame.device_ms - ts_ms) <= abs(ts_ms) / 2 or abs(ts_ms) > 2**62
    np.int64(frame.device_ms)


@pytest.mark.parametrize("days", [-400, -1, 1, 3000])
def test_clocks_ahead_and_behind_are_kept_as_sent(days: int) -> None:
    """Between 2000 and 2100 the device's time counts, however far off."""
    ts_ms = TS_MS + days * US_PER_DAY // 1000
    decoded = decode(data_packet([GOOD], ts=ts_ms))
    assert decoded.batch.at_us.tolist() == [ts_ms * 1000]


def test_a_clock_error_is_corrected() -> None:
    """A clock an hour ahead moves the frame and its samples alike to the arrival."""
    ts_ms = ARRIVED_US // 1000 + 3_600_000
    frame = data_packet([["A1", 1, 0, ts_ms - 1000], ["A2", 1, 0]], ts=ts_ms)
    batch = decode_packets([frame], MemoryDirectory(), clocks=MineClocks()).batch
    assert batch.at_us.tolist() == [ARRIVED_US - 1_000_000, ARRIVED_US]


def test_a_sample_from_the_future_is_judged_with_its_frame() -> None:
    """One sample that is hours ahead does not make what follows it late."""
    frame = data_packet([["A1", 1, 0, ARRIVED_US // 1000 + 7_200_000], ["A2", 1, 0]])
    batch = decode(frame).batch
    assert batch.at_us.tolist() == [TS_US, TS_US]


def test_sample_times_beside_an_absurd_frame_time() -> None:
    """Distances stay near the frame; a sane sample stays; an absurd one moves."""
    d = [["A1", 1, 0, -500], ["A2", 1, 0, TS_MS], ["A3", 1, 0, -(10**17)], ["A4", 1, 0]]
    batch = decode(data_packet(d, ts=0)).batch
    assert batch.at_us.tolist() == [
        ARRIVED_US - 500_000,
        TS_US,
        ARRIVED_US,
        ARRIVED_US,
    ]


@pytest.mark.parametrize("time_ms", ["x", True, []], ids=str)
def test_a_bad_sample_time_is_judged_with_its_frame(time_ms: Any) -> None:
    """The reading stays."""
    decoded = decode(data_packet([["A1", 0.4, 0, time_ms], GOOD]))
    assert reasons(decoded) == ["sample_time"]
    assert decoded.batch.at_us.tolist() == [TS_US, TS_US]


def test_a_frame_over_the_size_is_refused_unparsed() -> None:
    """10 MB: the detail names mine and both sizes."""
    decoded = decode(packet(b"[" * 10_000_000), GOOD_PACKET)
    (reject,) = decoded.rejects
    assert (reject.reason, reject.size) == ("frame_too_large", 10_000_000)
    assert "10000000 bytes, at most 524288" in reject.detail
    assert decoded.batch.n == 1


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "other/topic",
        "gasmon/v1/530627",
        "gasmon/v1/530628/530627004499/data",
        "gasmon/v1/530627/530627004499/nonsense",
        platform_state_topic(),
        alarms_topic(AREA, MINE),
        "x" * 60_000,
    ],
    ids=lambda topic: topic[:50],
)
def test_a_message_on_a_wrong_topic_is_refused(topic: str) -> None:
    """Outside the tree, wrong area for the mine, or a topic that is ours."""
    decoded = decode(packet(b"{}", topic=topic), GOOD_PACKET)
    assert reasons(decoded) == ["bad_topic"]
    assert len(decoded.rejects[0].detail) < 400
    assert decoded.batch.n == 1


def test_an_unknown_mine_is_refused_by_name() -> None:
    """The directory decides which mines are taken."""
    stranger = "110000000001"
    decoded = decode(data_packet([GOOD], mine=stranger), GOOD_PACKET)
    assert reasons(decoded) == ["unknown_mine"]
    assert stranger in decoded.rejects[0].detail


def test_repeated_frames_are_dropped_by_key() -> None:
    """Within one call and against what was seen; backfill shares the keys."""
    seen = SeenFrames()
    first = data_packet([GOOD], seq=1)
    again = Packet(backfill_topic(AREA, MINE), first.payload, ARRIVED_US)
    decoded = decode_packets([first, again], MemoryDirectory(), is_new=seen.is_new)
    assert (decoded.batch.n, len(decoded.repeated)) == (1, 1)
    for frame in decoded.frames:
        seen.add(frame.key, frame.device_ms)
    late = data_packet([GOOD], seq=0)
    decoded = decode_packets([again, late], MemoryDirectory(), is_new=seen.is_new)
    assert [frame.key.seq for frame in decoded.frames] == [0]
    assert decoded.repeated == [FrameKey(0, MINE, "k3f9", 1)]


def test_unknown_keys_are_ignored_and_counted() -> None:
    """In frames and in the rare messages."""
    decoded = decode(
        data_packet([GOOD], extra=1, mine_name="x"),
        packet(
            b'{"v":1,"s":"online","boot":"b","ts":1,"new":2}',
            topic=state_topic(AREA, MINE),
        ),
    )
    assert (reasons(decoded), dict(decoded.extra_keys)) == (
        [],
        {"data": 2, "state": 1},
    )


def test_layouts_are_remembered_until_forgotten() -> None:
    """The same numbers cost no look-up; after `forget` they do again."""
    directory, layouts = MemoryDirectory(), Layouts()
    for seq in range(3):
        decode_packets([data_packet([GOOD], seq=seq)], directory, layouts=layouts)
    assert directory.n_rows_calls == 1
    layouts.forget(MINE)
    decode_packets([data_packet([GOOD])], directory, layouts=layouts)
    assert directory.n_rows_calls == 2


def test_what_is_remembered_is_bounded() -> None:
    """Ever new numbers and topics push old ones out."""
    directory, layouts = MemoryDirectory(), Layouts()
    for i in range(3):
        d = [[f"{i}-{n}", 0.1, 0] for n in range(3000)]
        decode_packets([data_packet(d, seq=i)], directory, layouts=layouts)
    assert len(layouts._points[MINE]) <= 4096 + 3000
    for i in range(20_001):
        layouts.topic(data_topic(AREA, f"{AREA}{i:06d}"))
    assert len(layouts._topics) == 1


def test_other_messages_become_values() -> None:
    """State, event and answers to commands, each with mine and arrival."""
    event = b'{"v":1,"eid":"e1","no":"A1","code":"001","start":%d,"end":null,"max":1.2}'
    event %= TS_MS
    decoded = decode(
        packet(encode_state("online", "b", 7, "1.0"), topic=state_topic(AREA, MINE)),
        packet(event, topic=event_topic(AREA, MINE, 3)),
        packet(encode_cmd_res(CmdRes("c1", True)), topic=cmd_res_topic(AREA, MINE)),
    )
    assert decoded.rejects == []
    assert decoded.states[0].state.boot == "b"
    assert (decoded.events[0].run, decoded.events[0].event.max) == (3, 1.2)
    assert decoded.responses[0].response == CmdRes("c1", True)
    assert decoded.batch.n == 0


def test_a_bad_rare_message_is_refused() -> None:
    """An empty file and a broken state are frames refused."""
    decoded = decode(
        packet(b"", topic=file_topic(AREA, MINE, "CDSS")),
        packet(orjson.dumps({"v": 1, "s": "dead"}), topic=state_topic(AREA, MINE)),
    )
    assert reasons(decoded) == ["empty_payload", "bad_text"]

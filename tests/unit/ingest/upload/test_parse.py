"""Upload files record by record: what is read, what is refused and by which name."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import pytest

from gasmon.ingest.frame import STATE_UNREADABLE
from gasmon.ingest.upload.fast import NO_TIME_US, ReadingsReader
from gasmon.ingest.upload.parse import UploadFile, parse_file
from gasmon.ingest.upload.profile import ORDINAL_STATES, POWER_FROM_ONE, Profile
from gasmon.ingest.upload.records import (
    Abnormal,
    PointCode,
    PointRow,
    Reading,
    Relation,
    SubstationState,
    read_relation,
)
from gasmon.units import parse_iso_us

MINE = "530627004499"
HEAD = f"{MINE};示例煤矿;2026-07-16 11:00:00"
A = f"{MINE}01MN0001001A01"
D = f"{MINE}01KG1001001D01"
AT = "2026-07-16 10:59:58"
GOOD = f"{A};环境瓦斯;11121采煤工作面回风隅角T0;0.42;%;0;{AT}"
SWITCH = f"{D};局部通风机;11123掘进局扇;1;;0;{AT}"
NATIONAL = Profile()


def read(
    *records: str,
    file_type: str = "CDSS",
    profile: Profile = NATIONAL,
    head: str = HEAD,
    end: str | None = None,
) -> UploadFile:
    """Parse a file of these records as its mine writes it."""
    end = profile.end_mark if end is None else end
    text = profile.record_separator.join([head, *records]) + end
    data = text.encode(profile.codec)
    return parse_file(data, profile, file_type, file="f.txt", mine=MINE)


def only(file: UploadFile) -> tuple[str, int, str, bool]:
    """The one refusal of a file, without its words."""
    (refusal,) = file.refusals
    assert refusal.file == "f.txt"
    return refusal.reason, refusal.record, refusal.field, refusal.kept


def reading(file: UploadFile, i: int = 0) -> Reading:
    """One record of a CDSS file."""
    record = file.records[i]
    assert isinstance(record, Reading)
    return record


def test_the_national_file_is_read() -> None:
    """The form as it is documented: header, an analog value, a switch."""
    file = read(GOOD, SWITCH)
    assert file.refusals == ()
    assert file.completeness == "complete"
    assert file.header is not None
    assert file.header.name == "示例煤矿"
    assert file.header.uploaded_us == parse_iso_us("2026-07-16T11:00:00+08:00")
    first = reading(file)
    assert first.code == PointCode(MINE, "01", "MN", "0001", "001A01")
    assert (first.value, first.uom, first.state) == (0.42, "%", 0)
    assert first.at_us == parse_iso_us("2026-07-16T10:59:58+08:00")
    assert reading(file, 1).value == 1.0


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
@pytest.mark.parametrize("separator", ["~", "^"])
@pytest.mark.parametrize("break_", ["", "\r\n", "\n"])
@pytest.mark.parametrize("end", ["||", "]]]", ""])
def test_every_variant_is_a_setting(
    encoding: str, separator: str, break_: str, end: str
) -> None:
    """The same records under every combination of what mines do."""
    profile = Profile(
        encoding=encoding, record_separator=separator, line_break=break_, end_mark=end
    )
    text = (separator + break_).join([HEAD, GOOD, SWITCH]) + end + break_
    file = parse_file(text.encode(profile.codec), profile, "CDSS", mine=MINE)
    assert file.refusals == ()
    assert [reading(file, i).value for i in (0, 1)] == [0.42, 1.0]
    assert file.completeness == ("complete" if end else "unmarked")


@pytest.mark.parametrize(
    ("actual", "reason"),
    [
        ({"encoding": "gbk"}, "encoding_differs"),
        ({"record_separator": "^"}, "record_separator_differs"),
        ({"end_mark": "]]]"}, "end_mark_differs"),
        ({"end_mark": ""}, "incomplete_file"),
    ],
)
def test_a_wrong_profile_does_not_silence_a_mine(
    actual: dict[str, str], reason: str
) -> None:
    """A plain difference is told and the values are read all the same."""
    profile = replace(NATIONAL, **actual)  # type: ignore[arg-type]
    text = profile.record_separator.join([HEAD, GOOD, SWITCH]) + profile.end_mark
    file = parse_file(text.encode(profile.codec), NATIONAL, "CDSS", mine=MINE)
    assert file.refusals[0].reason == reason
    assert file.refusals[0].kept
    assert reading(file) == reading(read(GOOD))


def test_utf8_under_a_gbk_profile_is_noticed() -> None:
    """Some UTF-8 is valid GBK; it must not become senseless characters."""
    text = f"{HEAD}~{GOOD}||"
    profile = Profile(encoding="gbk")
    file = parse_file(text.encode(), profile, "CDSS", mine=MINE)
    assert reading(file).place == "11121采煤工作面回风隅角T0"


@pytest.mark.parametrize("place", ["联通", "一采区"])
def test_gbk_that_looks_like_utf8_stays_gbk(place: str) -> None:
    """联通 in GBK is valid UTF-8 by chance."""
    text = f"{MINE};;2026-07-16 11:00:00~{A};;{place};0.1;;0;{AT}||"
    profile = Profile(encoding="gbk")
    file = parse_file(text.encode("gbk"), profile, "CDSS", mine=MINE)
    assert file.refusals == ()
    assert reading(file).place == place


def test_a_wider_header_is_read_and_a_surprising_one_told() -> None:
    """With its setting nothing is said; without it, the time is still the last."""
    wide = f"{MINE};示例煤矿;KJ90X;某厂;2026-07-16 11:00:00"
    file = read(GOOD, head=wide, profile=Profile(header_width=5))
    assert file.refusals == ()
    assert file.header is not None
    assert file.header.extra == ("KJ90X", "某厂")
    told = read(GOOD, head=wide)
    assert only(told) == ("header_width", 0, "", True)
    assert told.header is not None
    assert told.header.uploaded_us == file.header.uploaded_us


def test_a_missing_header_costs_nothing_but_itself() -> None:
    """The first record is taken for what it is."""
    data = f"{GOOD}~{SWITCH}||".encode()
    file = parse_file(data, NATIONAL, "CDSS", file="f.txt", mine=MINE)
    assert only(file) == ("header_missing", 0, "", True)
    assert len(file.records) == 2


@pytest.mark.parametrize("extra", [0, 1, 12, 40, 60])
def test_a_half_written_file_is_told_apart(extra: int) -> None:
    """No end mark: what is whole is read, the piece at the end is refused."""
    whole = "~".join([HEAD, GOOD, SWITCH])
    text = whole[: len(whole) - extra]
    file = parse_file(text.encode(), NATIONAL, "CDSS", file="f.txt", mine=MINE)
    assert file.completeness == "incomplete"
    assert [r.reason for r in file.refusals] == ["incomplete_file", "cut_off"]
    assert file.refusals[1].record == 2
    assert file.numbers == (1,)
    assert file.n_records == 2


@pytest.mark.parametrize("data", [b"", b"\r\n", b"  \n"])
def test_an_empty_file_is_incomplete(data: bytes) -> None:
    """Somebody has just begun to write it, or never did."""
    file = parse_file(data, NATIONAL, "CDSS", file="f.txt", mine=MINE)
    assert file.completeness == "incomplete"
    assert only(file) == ("empty_file", 0, "", False)


def test_what_follows_the_end_is_not_taken() -> None:
    """The rest of an older, longer file that was overwritten."""
    old = f"{MINE};示例煤矿;2026-07-16 10:59:00~{SWITCH}||"
    file = read(GOOD, end="||" + old)
    assert only(file) == ("after_end", 0, "", False)
    assert len(file.records) == 1


def test_an_end_mark_inside_a_location_ends_nothing() -> None:
    """`||` may stand in a text."""
    file = read(GOOD.replace("回风隅角", "回风||隅角"), SWITCH)
    assert file.refusals == ()
    assert len(file.records) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "bad_point_code"),
        ("001A01", "bad_point_code"),
        (A + "123", "bad_point_code"),
        (A.replace("MN", "XX"), "bad_point_code"),
        (A.replace(MINE, "53062700449"), "bad_point_code"),
        (A.replace(MINE, "530627004488"), "mine_disagrees"),
    ],
)
def test_a_record_without_its_point_is_refused(code: str, reason: str) -> None:
    """Nobody could say what it measured; its neighbours stay."""
    file = read(GOOD.replace(A, code), SWITCH)
    assert only(file) == (reason, 1, "code", False)
    assert file.numbers == (2,)


def test_a_code_of_28_characters_is_the_longest() -> None:
    """Number of eight characters."""
    longest = f"{MINE}01MN000112345678"
    assert len(longest) == 28
    assert reading(read(GOOD.replace(A, longest))).code.no == "12345678"


@pytest.mark.parametrize(
    "value", ["abc", "1,5", "nan", "inf", "1_0", "0x10", "１", "1e999"]
)
def test_a_value_that_is_no_number_is_no_value(value: str) -> None:
    """The reading is kept without it: the state may still say something."""
    file = read(GOOD.replace("0.42", value))
    assert only(file) == ("not_a_number", 1, "value", True)
    assert isnan(reading(file).value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("-0.1", -0.1), ("+3", 3.0), (".5", 0.5), ("7.", 7.0), ("1e-3", 0.001)],
)
def test_usual_ways_to_write_a_number(value: str, number: float) -> None:
    """Signs, missing digits beside the point, exponents."""
    assert reading(read(GOOD.replace("0.42", value))).value == number


def test_an_empty_value_is_no_value_and_no_mistake() -> None:
    """A faulty sensor sends none."""
    file = read(GOOD.replace(";0.42;%;0;", ";;%;128;"))
    assert file.refusals == ()
    assert isnan(reading(file).value)
    assert reading(file).state == 128


@pytest.mark.parametrize("state", ["", "x", "-1", "1.0", "99999999999"])
def test_a_state_that_cannot_be_read_counts_as_an_alarm(state: str) -> None:
    """Only a written 0 says that all is well."""
    file = read(GOOD.replace(";%;0;", f";%;{state};"))
    assert only(file) == ("state_unreadable", 1, "state", True)
    assert reading(file).state == STATE_UNREADABLE


def test_states_are_bits_or_an_enumeration() -> None:
    """5 is alarm and calibration for one mine, a substation fault for another."""
    five = GOOD.replace(";%;0;", ";%;5;")
    assert reading(read(five)).state == 5
    counted = Profile(state_reading="enumeration", state_codes=ORDINAL_STATES)
    assert reading(read(five, profile=counted)).state == 16
    single = Profile(state_reading="enumeration")
    file = read(five, profile=single)
    assert only(file) == ("state_unreadable", 1, "state", True)


@pytest.mark.parametrize(
    ("time", "iso"),
    [
        ("2026/7/6 1:02:03", "2026-07-06T01:02:03+08:00"),
        ("2026-07-16T10:59:58.25", "2026-07-16T10:59:58.250+08:00"),
        ("2026-07-16  10:59:58", "2026-07-16T10:59:58+08:00"),
    ],
)
def test_times_that_are_clear_are_read(time: str, iso: str) -> None:
    """Slashes, single digits, fractions."""
    assert reading(read(GOOD.replace(AT, time))).at_us == parse_iso_us(iso)


@pytest.mark.parametrize(
    "time", ["2026-02-30 10:00:00", "2026-07-16", "0", "昨天", "2026-07-16 24:00:00"]
)
def test_a_bad_time_leaves_the_file_s_own(time: str) -> None:
    """A clock is never a reason to lose a value."""
    file = read(GOOD.replace(AT, time))
    assert only(file) == ("bad_time", 1, "at", True)
    assert reading(file).at_us is None


@pytest.mark.parametrize("record", [GOOD + ";x", GOOD.rpartition(";")[0], "x", ";;"])
def test_a_record_of_another_width_is_refused(record: str) -> None:
    """A separator in a location shifts everything behind it."""
    file = read(SWITCH, record, SWITCH)
    assert only(file) == ("field_count", 2, "", False)
    assert file.numbers == (1, 3)


def test_empty_fields_at_the_end_do_not_count() -> None:
    """Some programs end each record with a separator."""
    assert read(GOOD + ";", GOOD + ";;").refusals == ()


def test_a_separator_too_many_never_shifts_a_record() -> None:
    """With an empty time at its end, a shifted record looks like a padded one."""
    shifted = f"{A};;环境瓦斯;采面;0.42;%;0;"
    assert only(read(shifted)) == ("field_count", 1, "", False)


def test_a_place_that_cannot_be_read_does_not_cost_the_value() -> None:
    """Damaged bytes inside a text; the number beside it is whole."""
    data = f"{HEAD}~{GOOD}||".encode().replace("回".encode(), b"\xe5\x9b")
    file = parse_file(data, NATIONAL, "CDSS", file="f.txt", mine=MINE)
    assert [r.reason for r in file.refusals] == ["bad_encoding", "bad_text"]
    assert (reading(file).value, reading(file).place) == (0.42, "")


def test_the_mine_of_the_header_counts_when_nobody_else_tells() -> None:
    """A file by hand: its own header is the authority then."""
    data = f"{HEAD}~{GOOD}~{GOOD.replace(MINE, '530627000001')}||".encode()
    file = parse_file(data, NATIONAL, "CDSS", file="f.txt")
    assert file.mine == MINE
    assert only(file) == ("mine_disagrees", 2, "code", False)


def test_definitions_are_read_with_their_limits() -> None:
    """24 fields; a limit that is no number is named, the others stay."""
    row = (
        f"{A};01;{MINE}001;0001;MN;%;4;0;1.0;1.0;;;1.5;1,0;;;;;11121采面T0;;;;"
        f"D-{D}-馈电◇?;{AT}"
    )
    head = f"{MINE};示例煤矿;KJ90X;系统;某厂;2028-01-01;2026-07-16 11:00:00"
    file = read(row, file_type="CDDY", head=head)
    (point,) = file.records
    assert isinstance(point, PointRow)
    assert (point.range_high, point.range_low) == (4.0, 0.0)
    assert (point.alarm_high, point.clear_high, point.cut_high) == (1.0, 1.0, 1.5)
    assert point.refused == ("restore_high",)
    assert point.relations == (f"D-{D}-馈电", "?")
    assert read_relation(point.relations[0]) == Relation("cut_off", D, "馈电")
    assert [(r.reason, r.field) for r in file.refusals] == [
        ("limit_not_a_number", "restore_high"),
        ("bad_relation", "relations"),
    ]
    assert file.header is not None
    assert file.header.extra == ("KJ90X", "系统", "某厂", "2028-01-01")


def test_the_point_code_counts_over_its_repetition() -> None:
    """System, sensor type and value kind stand in the code and beside it."""
    row = f"{A};02;;0002;KG;{';' * 18}"
    file = read(row, file_type="CDDY", profile=Profile(definition_header_width=3))
    assert [r.field for r in file.refusals] == ["system", "sensor_type", "value_kind"]
    assert {r.reason for r in file.refusals} == {"code_disagrees"}
    (point,) = file.records
    assert isinstance(point, PointRow)
    assert point.code.sensor_type == "0001"


def test_an_open_event_has_no_end() -> None:
    """YCBJ: sent again until its end is filled; unknown kinds are kept."""
    row = f"{A};环境瓦斯;上隅角;%;{{}};{AT};;1.2;{AT};;;;;;;;{AT}"
    file = read(row.format("001"), row.format("077"), row.format("1"), file_type="YCBJ")
    assert only(file) == ("bad_kind", 3, "kind", False)
    first = file.records[0]
    assert isinstance(first, Abnormal)
    assert (first.kind, first.end_us, first.max) == ("001", None, 1.2)


def test_an_event_without_a_start_is_refused() -> None:
    """It could not be told from another one."""
    row = f"{A};;;%;001;;;;;;;;;;;;{AT}"
    assert only(read(row, file_type="YCBJ")) == ("bad_time", 1, "start", False)


def test_power_states_are_numbered_in_two_ways() -> None:
    """1 is the mains for most, the battery for one program."""
    rows = [f"{MINE}001;0;{code};{AT}" for code in "129"]
    read_as = [
        [r.power for r in file.records if isinstance(r, SubstationState)]
        for file in (
            read(*rows, file_type="FZSS"),
            read(*rows, file_type="FZSS", profile=Profile(power_codes=POWER_FROM_ONE)),
        )
    ]
    assert read_as == [["ac", "fault", "unknown"], ["dc", "ac", "fault"]]


def test_a_substation_state_that_is_unknown_is_told() -> None:
    """A code outside the dictionary is no good news."""
    file = read(f"{MINE}001;7;x;{AT}", f"{MINE}123456;0;0;{AT}", file_type="FZSS")
    assert [(r.reason, r.record, r.kept) for r in file.refusals] == [
        ("unknown_run_state", 1, True),
        ("unknown_power_state", 1, True),
        ("bad_substation_code", 2, False),
    ]


def test_columns_have_gaps_where_records_have_none() -> None:
    """The fast way: no value is NaN, no time is marked, refused records go."""
    data = "~".join(
        [HEAD, GOOD, "x", f"{D};;;;;0;", GOOD.replace("0.42", "1.5")]
    ).encode()
    reader = ReadingsReader(NATIONAL, MINE)
    for _ in range(2):
        file = reader.read(data + b"||", file="f.txt")
        assert file.numbers.tolist() == [1, 3, 4]
        assert file.value.tolist()[::2] == [0.42, 1.5]
        assert isnan(file.value[1])
        assert file.at_us[1] == NO_TIME_US
        assert [r.reason for r in file.refusals] == ["field_count"]


def test_what_is_remembered_belongs_to_one_mine() -> None:
    """A reader that learns its mine from headers does not mix two of them."""
    reader = ReadingsReader(NATIONAL)
    other = "530627000001"
    for mine in (MINE, other, MINE):
        data = f"{HEAD}~{GOOD}||".replace(MINE, mine).encode()
        file = reader.read(data)
        assert file.refusals == ()
        assert [code.mine for code in file.codes] == [mine]

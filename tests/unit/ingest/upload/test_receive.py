"""Upload files as messages: frames, definitions and events of mines without JSON."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gasmon.batch import FrameKey, Packet
from gasmon.errors import ConfigError
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.decode import Decoded, decode_packets
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.topics import file_topic
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.profiles import Profiles, parse_profiles
from gasmon.ingest.upload.receive import FileReader
from gasmon.ingest.upload.records import Abnormal, Header, PointCode, PointRow, Reading
from gasmon.ingest.upload.write import write_file
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.units import US_PER_S
from tests.fix_directory import AREA, MINE, TS_US, MemoryDirectory, reasons

NATIONAL = Profile()
BEGIN_US = TS_US // US_PER_S * US_PER_S


def code(no: str, system: str = "01") -> PointCode:
    """A methane point of our mine."""
    return PointCode(MINE, system, "MN", "0001", no)


def reading(value: float, second: int, no: str = "001A01", state: int = 0) -> Reading:
    """One record of CDSS."""
    at_us = BEGIN_US + second * US_PER_S
    return Reading(code(no), "环境瓦斯", "回风隅角", value, "%", state, at_us)


def cdss(*readings: Reading, second: int = 0, profile: Profile = NATIONAL) -> bytes:
    """A file of readings, uploaded at this second."""
    header = Header(MINE, "示例煤矿", BEGIN_US + second * US_PER_S)
    return write_file("CDSS", header, readings, profile)


def sent(data: bytes, second: float = 0, file_type: str = "CDSS") -> Packet:
    """The file as it arrives."""
    topic = file_topic(AREA, MINE, file_type)
    return Packet(topic, data, BEGIN_US + round(second * US_PER_S))


class Ingest:
    """Decoding from call to call, as the pipeline does it."""

    def __init__(self, reader: FileReader | None = None) -> None:
        self.directory = MemoryDirectory()
        self.seen = SeenFrames()
        self.clocks = MineClocks()
        self.reader = reader or FileReader()

    def take(self, *packets: Packet) -> Decoded:
        """One turn."""
        decoded = decode_packets(
            packets,
            self.directory,
            clocks=self.clocks,
            is_new=self.seen.is_new,
            files=self.reader,
        )
        for frame in decoded.frames:
            self.seen.add(frame.key, frame.device_ms, frame.arrived_us // 1000)
        return decoded

    def upload(self, value: float, made: int, arrived: float) -> Decoded:
        """A file of one reading, made and arriving at these seconds."""
        return self.take(sent(cdss(reading(value, made), second=made), arrived))


def at_s(decoded: Decoded) -> list[float]:
    """When each reading is judged [s since the begin]."""
    return ((decoded.batch.at_us - BEGIN_US) / US_PER_S).tolist()


def test_a_file_of_readings_is_a_frame() -> None:
    """Values, states and each record's own time; a point that is new gets a row."""
    data = cdss(reading(0.42, -3), reading(1.2, -1, "A2", state=1), second=0)
    decoded = Ingest().take(sent(data, 0.5))
    assert decoded.rejects == []
    (frame,) = decoded.frames
    assert (frame.channel, frame.n_readings) == ("file", 2)
    assert (frame.key.boot, frame.judged_us) == ("file", BEGIN_US)
    assert decoded.batch.value.tolist() == [0.42, 1.2]
    assert decoded.batch.state.tolist() == [0, 1]
    assert at_s(decoded) == [-3, -1]
    assert decoded.unknown == [PointKey(MINE, "01", no) for no in ("001A01", "A2")]


def test_the_same_file_again_is_a_repeat_and_another_of_that_second_is_not() -> None:
    """Within a turn and from turn to turn."""
    ingest = Ingest()
    one, other = cdss(reading(0.4, 0)), cdss(reading(0.5, 0, "A2"))
    first = ingest.take(sent(one), sent(one), sent(other))
    assert (first.batch.n, len(first.repeated)) == (2, 1)
    again = ingest.take(sent(other, 600), sent(one, 700))
    assert (again.batch.n, len(again.repeated)) == (0, 2)
    assert all(frame.key.seq < 2**53 for frame in first.frames)


def test_an_older_file_is_old_and_stays_so() -> None:
    """What was uploaded belatedly keeps its time, however much of it comes."""
    ingest = Ingest()
    ingest.upload(0.4, 3600, 3600)
    for number in range(60):
        # An hour that was kept somewhere, brought within five minutes.
        decoded = ingest.upload(0.5, 60 * number, 3605 + 5 * number)
        assert at_s(decoded) == [60 * number]


def test_an_uploader_whose_clock_was_set_back_is_judged_as_it_arrives() -> None:
    """After two minutes at its own pace; then each file is in order again."""
    ingest = Ingest()
    ingest.upload(0.4, 3600, 3600)
    judged = [at_s(ingest.upload(0.5, 30 * n, 3630 + 30 * n)) for n in range(8)]
    assert judged[:4] == [[0], [30], [60], [90]]
    # From here on it is another start, with a correction of its own.
    assert judged[4:] == [[3750], [3780], [3810], [3840]]
    assert ingest.clocks.standing(0, MINE)[0] != "file"


def test_a_file_in_between_that_is_newer_proves_the_clock_right() -> None:
    """Old files come beside present ones: a backlog at leisure, not a clock."""
    ingest = Ingest()
    for n in range(10):
        ingest.upload(0.4, 7200 + 30 * n, 7200 + 30 * n)
        assert at_s(ingest.upload(0.5, 30 * n, 7205 + 30 * n)) == [30 * n]


def test_an_uploader_whose_clock_is_ahead_is_judged_as_it_arrives() -> None:
    """As a gateway's frames are."""
    ingest = Ingest()
    assert at_s(ingest.upload(0.4, 3600, 0)) == [0]
    assert at_s(ingest.upload(0.4, 3630, 30)) == [30]


def test_a_file_without_any_time_is_judged_at_its_arrival() -> None:
    """Neither header nor records tell one."""
    record = replace(reading(0.4, 0), at_us=None)
    data = write_file("CDSS", Header(MINE, "示例煤矿"), [record], NATIONAL)
    assert at_s(Ingest().take(sent(data, 7))) == [7]


def test_refusals_name_file_record_field_and_reason() -> None:
    """And what is good of the file counts."""
    good, bad = reading(0.4, 0), reading(0.5, 0, "A2")
    data = cdss(good, bad).replace(b"0.5", b"0,5")
    decoded = Ingest().take(sent(data))
    assert reasons(decoded) == ["not_a_number"]
    (reject,) = decoded.rejects
    assert f"file {MINE}_CDSS_20260921221320.txt, record 2, value" in reject.detail
    assert decoded.batch.value[0] == 0.4
    assert np.isnan(decoded.batch.value[1])


def test_each_mine_is_read_by_its_profile() -> None:
    """Here states are counted: 8 is a sensor fault, not over-range."""
    text = f'[mine.{MINE}]\nencoding = "gbk"\nstate_reading = "enumeration"\n'
    text += "state_codes = [[0, 0], [8, 128]]\n"
    profiles = parse_profiles(text, "profiles.toml")
    data = cdss(reading(0.4, 0, state=128), profile=profiles.of(MINE))
    decoded = Ingest(FileReader(lambda: profiles)).take(sent(data))
    assert decoded.rejects == []
    assert decoded.batch.state.tolist() == [128]
    assert profiles.of("530627000001") == NATIONAL


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[mine", "profiles.toml: "),
        ("[mines]", "mines is unknown"),
        ("mine = 3", "mine is 3"),
        ("[mine.12]", "'12' is not twelve digits"),
        ("default = 1", "default is 1"),
        (f"[mine.{MINE}]\nencoding = 'big5'", "encoding is 'big5'"),
    ],
)
def test_a_wrong_file_of_profiles_is_refused_by_name(text: str, says: str) -> None:
    """With the section or setting at fault."""
    with pytest.raises(ConfigError, match=r"^profiles\.toml: ") as error:
        parse_profiles(text, "profiles.toml")
    assert says in str(error.value)


def test_without_a_file_every_mine_writes_as_the_nation_does() -> None:
    """The default of the default."""
    assert Profiles().of(MINE) == NATIONAL


def point_row(no: str, system: str = "01", place: str = "总回风巷瓦斯") -> PointRow:
    """One record of CDDY."""
    return PointRow(code(no, system), uom="%", alarm_high=0.75, place=place)


def cddy(*rows: PointRow, second: int = 0) -> bytes:
    """A file of definitions."""
    header = Header(MINE, "示例煤矿", BEGIN_US + second * US_PER_S, ("", "", "", ""))
    return write_file("CDDY", header, rows, NATIONAL)


def test_a_file_of_definitions_is_one_by_its_upload_time() -> None:
    """The one that was written last is the newest."""
    decoded = Ingest().take(sent(cddy(point_row("A1")), 60, "CDDY"))
    (definition,) = decoded.definitions
    assert definition.rev == definition.ts_ms == BEGIN_US // 1000
    assert [point.key.no for point in definition.points] == ["A1"]
    assert definition.points[0].place_class == "TOTAL_RETURN"


def test_two_systems_with_a_file_each_do_not_retire_each_other() -> None:
    """Safety monitoring and drainage are often of two makers."""
    standing = [
        PointDef(PointKey(MINE, "01", "A1"), unit_slug="11121"),
        PointDef(PointKey(MINE, "01", "A2")),
        PointDef(PointKey(MINE, "02", "P1"), unit_slug="drainage"),
    ]
    units = (UnitDef("11121", "face"), UnitDef("drainage", "drainage"))
    known = MineDef(MINE, AREA, kind="outburst", units=units)
    reader = FileReader(describe=lambda mine: (known, standing))
    data = cddy(point_row("A1", place="总回风巷"))
    (definition,) = Ingest(reader).take(sent(data, 0, "CDDY")).definitions
    # A2 is gone: the file is one of its system. P1 is not.
    assert [point.key.no for point in definition.points] == ["A1", "P1"]
    assert {unit.slug for unit in definition.mine.units} == {"return", "drainage"}
    assert definition.mine.kind == "outburst"


def test_events_of_the_mine_are_told_once_with_their_end() -> None:
    """A row with an end replaces the open one."""
    event = Abnormal(
        code("001A01"),
        "001",
        BEGIN_US,
        max=1.3,
        max_at_us=BEGIN_US + 5 * US_PER_S,
        cause="放炮",
    )
    ended = replace(event, end_us=BEGIN_US + 90 * US_PER_S)
    data = write_file("YCBJ", Header(MINE, "示", BEGIN_US), [event, ended], NATIONAL)
    (told,) = Ingest().take(sent(data, 0, "YCBJ")).events
    assert (told.event.no, told.event.system, told.event.code) == (
        "001A01",
        "01",
        "001",
    )
    assert told.event.start_ms == BEGIN_US // 1000
    assert told.event.end_ms == BEGIN_US // 1000 + 90_000
    assert (told.event.max, told.event.cause) == (1.3, "放炮")


@pytest.mark.parametrize("file_type", ["XXXX", "cddy", "N1CDSS"])
def test_a_type_that_nobody_knows_is_refused(file_type: str) -> None:
    """Lower case too: a file of definitions must come before its readings."""
    decoded = Ingest().take(sent(cddy(point_row("A1")), 0, file_type))
    assert reasons(decoded) == ["unknown_file_type"]
    assert decoded.definitions == []


def test_a_prefix_of_the_type_is_nothing_else() -> None:
    """`file/NCDSS` is a file of readings."""
    decoded = Ingest().take(sent(cdss(reading(0.4, 0)), 0, "NCDSS"))
    assert decoded.frames[0].key == FrameKey(0, MINE, "file", decoded.frames[0].key.seq)

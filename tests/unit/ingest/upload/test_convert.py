"""Upload files in the words of the pipeline: definitions, frames, events."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from random import Random

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from gasmon.ingest.decode import decode_packets
from gasmon.ingest.definitions import parse_points
from gasmon.ingest.fields import PayloadError
from gasmon.ingest.gather import Rejects
from gasmon.ingest.layouts import Layouts
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import data_topic, parse_topic, points_topic
from gasmon.ingest.upload.convert import (
    Defined,
    definition_of,
    distinct,
    frame_columns,
    items_of,
    tell,
)
from gasmon.ingest.upload.evidence import newest
from gasmon.ingest.upload.fast import ReadingFile, ReadingsReader
from gasmon.ingest.upload.parse import parse_file
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import (
    LIMITS_IN_ORDER,
    Abnormal,
    Header,
    PointCode,
    PointRow,
    Reading,
)
from gasmon.ingest.upload.write import write_file
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef, PointKey, UnitDef
from tests.fix_directory import (
    AREA,
    ARRIVED_US,
    MINE,
    TS_MS,
    TS_US,
    MemoryDirectory,
    packet,
)
from tests.fix_examples import examples

NATIONAL = Profile()
HEADER = Header(MINE, "示例煤矿", TS_US)


def code(no: str, sensor_type: str = "0001", kind: str = "MN") -> PointCode:
    """A code of our mine."""
    return PointCode(MINE, "01", kind, sensor_type, no)


def key(no: str) -> PointKey:
    """Identity of a point of our mine."""
    return PointKey(MINE, "01", no)


def definitions(
    *rows: PointRow,
    data: bytes | None = None,
    known: MineDef | None = None,
    standing: tuple[PointDef, ...] = (),
    corrections: dict[PointKey, str | None] | None = None,
) -> Defined:
    """Define these points by a file."""
    data = data or write_file("CDDY", HEADER, rows, NATIONAL)
    file = parse_file(data, NATIONAL, "CDDY", file="f", mine=MINE)
    return definition_of(
        file, ARRIVED_US, known=known, standing=standing, corrections=corrections
    )


FACE = PointRow(
    code("A1"),
    uom="%",
    range_high=4.0,
    range_low=0.0,
    alarm_high=1.0,
    clear_high=1.0,
    cut_high=1.5,
    restore_high=1.0,
    place="11121采煤工作面回风隅角T0",
    relations=("D-001D01-馈电",),
)


def test_a_definition_has_everything_the_file_says() -> None:
    """Limits, range, unit, class from the text, relations, mine and units."""
    definition = definitions(FACE).definition
    (point,) = definition.points
    assert point.key == key("A1")
    assert (point.quantity, point.sensor_type, point.uom) == ("CH4", "0001", "%")
    assert (point.range_low, point.range_high) == (0.0, 4.0)
    assert (point.alarm_high, point.cut_high, point.restore_high) == (1.0, 1.5, 1.0)
    assert isnan(point.alarm_low)
    assert (point.place_class, point.unit_slug) == ("FACE_T0", "11121")
    assert point.relations == ("D-001D01-馈电",)
    assert (point.source, point.rev) == ("file", TS_MS)
    assert point.effective_from_us == TS_US // 1_000_000 * 1_000_000
    mine = definition.mine
    assert (mine.code, mine.area, mine.name) == (MINE, AREA, "示例煤矿")
    assert mine.rev == definition.rev == TS_MS
    assert mine.units == (UnitDef("11121", "face", "11121采煤工作面"),)


def test_contradictory_limits_are_refused_one_by_one() -> None:
    """As in a `points` payload, with the number of the record."""
    bad = replace(FACE, code=code("A2"), cut_high=0.5)
    defined = definitions(FACE, bad)
    (refusal,) = [r for r in defined.refusals if "cut_high 0.5" in r.detail]
    assert (refusal.reason, refusal.record) == ("limit_contradiction", 2)
    assert refusal.kept
    assert "cut_high" in defined.definition.refused[key("A2")]
    assert isnan(defined.definition.points[1].cut_high)
    assert defined.definition.points[1].alarm_high == 1.0


LIMITS = st.sampled_from((nan, 0.5, 0.8, 1.0, 1.5))


@given(st.tuples(*[LIMITS] * 8))
@examples(60)
def test_limits_meet_the_same_rules_as_in_payloads(numbers: tuple[float, ...]) -> None:
    """Both ways of telling the same limits leave the same ones in force."""
    limits = dict(zip(LIMITS_IN_ORDER, numbers, strict=True))
    defined = definitions(PointRow(code("A1"), **limits))  # type: ignore[arg-type]
    payload = {"v": 1, "rev": 1, "ts": 1, "points": [{"no": "A1", **limits}]}
    reasons: list[PayloadError] = []
    told = parse_points(
        parse_topic(points_topic(AREA, MINE)),
        orjson.dumps(payload),
        ARRIVED_US,
        reasons.append,
    )
    (here,), (there,) = defined.definition.points, told.points
    for name in LIMIT_FIELDS:
        a, b = getattr(here, name), getattr(there, name)
        assert a == b or (isnan(a) and isnan(b))
    assert defined.definition.refused == told.refused
    assert len(defined.refusals) == len(reasons)


def test_an_unreadable_limit_keeps_the_last_good_one() -> None:
    """It is named as refused, so nobody takes it for "no limit"."""
    data = write_file("CDDY", HEADER, [FACE], NATIONAL).replace(b";1.5;", b";1,5;")
    defined = definitions(data=data)
    assert defined.definition.refused == {key("A1"): ("cut_high",)}
    assert not defined.partial


def test_a_point_defined_twice_is_told() -> None:
    """The first one counts, the second is refused with its record."""
    defined = definitions(FACE, FACE)
    (refusal,) = defined.refusals
    assert (refusal.reason, refusal.record, refusal.kept) == (
        "duplicate_point",
        2,
        False,
    )


def test_what_no_file_tells_is_kept() -> None:
    """Kind and air pressure of a mine are known from elsewhere."""
    known = MineDef(MINE, AREA, "旧名", "outburst", 84.0)
    mine = definitions(FACE, known=known).definition.mine
    assert (mine.name, mine.kind, mine.atmosphere_kpa) == ("示例煤矿", "outburst", 84.0)


def test_a_damaged_file_retires_nobody() -> None:
    """Points that cannot be read, or come after the break, stand as they were."""
    before = definitions(FACE, replace(FACE, code=code("A2"))).definition.points
    data = write_file("CDDY", HEADER, [FACE, replace(FACE, code=code("A2"))], NATIONAL)
    whole = definitions(FACE, standing=before)
    assert not whole.partial
    assert [p.key.no for p in whole.definition.points] == ["A1"]
    for hurt in (data[:-30], data.replace(b"A2;", b"A2;;")):
        defined = definitions(data=hurt, standing=before)
        assert defined.partial
        assert [p.key.no for p in defined.definition.points] == ["A1", "A2"]


def test_a_class_belongs_to_what_has_limits_by_class() -> None:
    """Methane at the return corner has a class; carbon monoxide there has none."""
    co = replace(FACE, code=code("C1", "0004"), place="11121采煤工作面回风巷CO")
    defined = definitions(FACE, co)
    assert [p.place_class for p in defined.definition.points] == ["FACE_T0", None]
    assert [p.unit_slug for p in defined.definition.points] == ["11121", "11121"]
    assert defined.places[1].place.place_class == "FACE_T2"


def test_a_person_s_correction_counts() -> None:
    """Also one that says that nobody knows."""
    unclear = replace(FACE, code=code("A2"), place="11122 T1")
    corrections: dict[PointKey, str | None] = {key("A1"): None, key("A2"): "HEADING_T1"}
    before = definitions(FACE, unclear)
    assert [p.place_class for p in before.places] == ["FACE_T0", None]
    assert before.places[1].place.guess == "FACE_T1"
    after = definitions(FACE, unclear, corrections=corrections)
    assert [p.place_class for p in after.definition.points] == [None, "HEADING_T1"]
    assert all(placed.corrected for placed in after.places)


def test_devices_belong_to_the_unit_of_their_number() -> None:
    """11121馈电 names no face, but another point of 11121 does."""
    texts = ["11121采煤工作面T1", "11121馈电", "总回风巷", "11123掘进面", "11121掘进面"]
    rows = [
        replace(FACE, code=code(f"A{i}"), place=text) for i, text in enumerate(texts)
    ]
    definition = definitions(*rows[:4]).definition
    assert [p.unit_slug for p in definition.points] == [
        "11121",
        "11121",
        "return",
        "11123",
    ]
    mixed = definitions(*rows).definition
    # Both a face and a heading have the number, so nobody knows whose the device is.
    assert [p.unit_slug for p in mixed.points] == [
        *("11121", None, "return", "11123", "11121-heading"),
    ]
    assert len({unit.slug for unit in mixed.mine.units}) == len(mixed.mine.units)


def readings(*records: Reading) -> ReadingFile:
    """A CDSS file of these records, read the fast way."""
    data = write_file("CDSS", HEADER, records, NATIONAL)
    return ReadingsReader(NATIONAL, MINE).read(data, file="f")


SECOND = 1_000_000
AT_US = TS_US // SECOND * SECOND - 10 * SECOND
SOME = (
    Reading(code("A1"), value=0.5, at_us=AT_US),
    Reading(code("A2"), value=nan, state=128, at_us=AT_US + SECOND),
    Reading(code("D1", "1001", "KG"), value=1.0),
)


def test_a_file_and_a_frame_give_the_same_batch() -> None:
    """A mine that speaks only files is judged as one that speaks JSON."""
    file = readings(*SOME)
    sent = packet(
        encode_data("b", 1, TS_US // 1000, items_of(file)),
        topic=data_topic(AREA, MINE),
    )
    decoded = decode_packets([sent], MemoryDirectory())
    assert decoded.rejects == []
    assert decoded.batch.at_us[:2].tolist() == [AT_US, AT_US + SECOND]
    directory, unknown = MemoryDirectory(), []
    rejects = Rejects()
    columns = frame_columns(file, Layouts(), directory, unknown, rejects)
    assert columns.rows.tolist() == decoded.batch.row.tolist()
    values = np.array(columns.values, np.float64)
    assert np.array_equal(values, decoded.batch.value, equal_nan=True)
    assert list(columns.states) == decoded.batch.state.tolist()
    assert unknown == decoded.unknown
    assert directory.types[key("D1")] == "1001"
    assert rejects.all == []


def test_several_cycles_in_one_file_are_all_kept() -> None:
    """The same point at other times is no repetition."""
    cycles = [replace(SOME[0], at_us=AT_US + i * SECOND) for i in range(3)]
    file = distinct(readings(*cycles))
    assert file.refusals == ()
    columns = frame_columns(file, Layouts(), MemoryDirectory(), [], Rejects())
    assert columns.rows.tolist() == [0, 0, 0]
    assert columns.times == [(AT_US + i * SECOND) // 1000 for i in range(3)]


def test_readings_that_repeat_or_contradict_are_told() -> None:
    """Same point, same time: the first counts, the others are named."""
    other = replace(SOME[0], value=0.9)
    file = distinct(readings(SOME[0], SOME[0], other, SOME[1], SOME[1]))
    assert file.numbers.tolist() == [1, 4]
    assert [(r.reason, r.record) for r in file.refusals] == [
        ("duplicate_reading", 2),
        ("contradiction", 3),
        ("duplicate_reading", 5),
    ]
    assert "0.9" in file.refusals[1].detail
    assert file.n_records == len(file.numbers) + len(file.refusals)


def test_refused_points_of_a_directory_are_told() -> None:
    """A full mine: its readings are not dropped in silence."""
    directory = MemoryDirectory(key("A1"))
    directory.full = True
    rejects = Rejects()
    rejects.open(packet(b"x"), None)
    columns = frame_columns(readings(*SOME), Layouts(), directory, [], rejects)
    assert list(columns.nos) == [str(SOME[0].code)]
    assert [r.reason for r in rejects.all] == ["unknown_point", "unknown_point"]


def test_refusals_reach_the_pipeline_with_their_place() -> None:
    """File, record, field and reason in one line; many alike are counted."""
    text = "~".join([f"{MINE};x;bad", *["x"] * 20]) + "||"
    file = parse_file(text.encode(), NATIONAL, "CDSS", file="f.txt", mine=MINE)
    rejects = Rejects()
    rejects.open(packet(text.encode()), None)
    tell(file.refusals, rejects, "reading")
    rejects.close()
    assert sum(reject.n for reject in rejects.all) == 21
    assert {(r.where, r.reason) for r in rejects.all} == {
        ("frame", "bad_time"),
        ("reading", "field_count"),
    }
    assert rejects.all[0].detail.startswith("file f.txt, header, uploaded: 'bad'")
    assert rejects.all[1].detail.startswith("file f.txt, record 1: 1 fields")


def test_events_fold_to_their_newest_record() -> None:
    """Sent every half minute; its end closes it for good."""
    start = Abnormal(code("A1"), "001", AT_US, max=1.1)
    higher = replace(start, max=1.4)
    ended = replace(higher, end_us=AT_US + SECOND)
    other = replace(start, kind="002")
    assert newest([start, higher, other]) == {start.key: higher, other.key: other}
    assert newest([start, ended, higher])[start.key] == ended


@given(st.integers(0, 2**32))
@examples(30)
def test_damaged_definitions_never_raise(seed: int) -> None:
    """Whatever a file holds, a definition comes out, and standing points stay.

    So do those of a system that a whole file does not name.
    """
    from tests.upload_corpus import damaged, some_sample

    rng = Random(seed)
    sample = some_sample(rng, "CDDY")
    file = parse_file(
        damaged(rng, sample.data), sample.profile, "CDDY", file="f", mine=MINE
    )
    standing = PointDef(key("OLD"))
    defined = definition_of(file, ARRIVED_US, standing=[standing])
    points = defined.definition.points
    is_named = "01" in {p.key.system for p in points if p.key != standing.key}
    assert (standing in points) == (defined.partial or not is_named)
    assert len(defined.places) == len(file.records)


def test_the_substation_of_a_point_is_carried() -> None:
    """With the mine's code before it or without; its own number is not repeated."""
    rows = [
        replace(FACE, code=code(no), substation=substation)
        for no, substation in (
            ("A1", f"{MINE}7"),
            ("A2", "7"),
            ("007A01", f"{MINE}007"),
            ("A3", ""),
        )
    ]
    points = definitions(*rows).definition.points
    assert [point.substation for point in points] == ["7", "7", "", ""]

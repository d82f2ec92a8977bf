"""Laws of upload files: there and back, two ways alike, and nothing lost in damage."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.ingest.fields import PayloadError
from gasmon.ingest.upload.cells import read_time, time_reader
from gasmon.ingest.upload.fast import NO_TIME_US, ReadingFile, ReadingsReader
from gasmon.ingest.upload.parse import UploadFile, parse_file
from gasmon.ingest.upload.plain import PlainReader
from gasmon.ingest.upload.profile import Profile, profile_from
from gasmon.ingest.upload.records import (
    FIELDS,
    FILE_TYPES,
    Header,
    PointCode,
    Reading,
    Record,
)
from gasmon.ingest.upload.write import write_file
from tests.fix_examples import examples
from tests.upload_corpus import MINE, Sample, damaged, some_sample

PAGE = Path(__file__).parents[2] / "docs" / "upload-files.md"
N_FILES = 3_000
N_FILES_LONG = 100_000

SEEDS = st.integers(0, 2**32)


def same(left: Record, right: Record) -> bool:
    """Whether two records hold the same; NaN is equal to NaN."""
    if type(left) is not type(right):
        return False
    for field in fields(left):
        a, b = getattr(left, field.name), getattr(right, field.name)
        if a != b and not (a != a and b != b):
            return False
    return True


def parsed(sample: Sample, data: bytes) -> UploadFile:
    """The file as its mine's profile reads it."""
    return parse_file(data, sample.profile, sample.file_type, file="f", mine=MINE)


@given(SEEDS, st.sampled_from(FILE_TYPES))
@examples(100)
def test_what_is_written_is_read_back(seed: int, file_type: str) -> None:
    """Every type under every profile: the same header, the same records."""
    sample = some_sample(Random(seed), file_type)
    file = parsed(sample, sample.data)
    assert file.refusals == ()
    assert file.header == sample.header
    assert file.n_records == len(sample.records)
    assert all(map(same, file.records, sample.records))
    marked = bool(sample.profile.end_mark)
    assert file.completeness == ("complete" if marked else "unmarked")


@given(SEEDS)
@examples(50)
def test_a_whole_file_is_plain(seed: int) -> None:
    """No file as mines write it needs the long way, whatever its profile."""
    sample = some_sample(Random(seed), "CDSS")
    reader = PlainReader(sample.profile, MINE)
    for data in (sample.data, sample.data + b"\r\n", sample.data):
        plain = reader.read(data)
        assert (plain is None) == (not sample.records)
        if plain is not None:
            assert plain.header == sample.header
            assert len(plain.codes) == len(sample.records)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"||", b""),
        (b"||", b"||x"),
        (b"||", b"||530627004499;"),
        (b":58~", b":58~||;"),
        (b";0.42;", b";0,42;"),
        (b"530627004499;", b"530627004498;"),
        (b"530627004499;", b"\xef\xbb\xbf530627004499;"),
        (b";0;2026", b";;2026"),
        (b";0;2026", b";\xc2\xa0;2026"),
        (b":58~", b":58;x~"),
        (b":58~", b":58;"),
        (b":58~", b":60~"),
        (b":58~", b":58~~"),
        (b"T0", b"T0\xff"),
    ],
)
def test_what_is_odd_is_not_plain(old: bytes, new: bytes) -> None:
    """Each oddity in an example of the page is left to the way that says what it is."""
    line = next(
        line for line in PAGE.read_text("utf-8").splitlines() if "~53062700" in line
    )
    head, record = line.removesuffix("||").split("~")
    second = record.replace("001A01", "002A01")
    example = f"{head}~{record}~{second}||".encode()
    reader = PlainReader(Profile(), MINE)
    assert reader.read(example) is not None
    assert old in example
    data = example.replace(old, new, 1)
    assert reader.read(data) is None
    slow = parse_file(data, Profile(), "CDSS", file="f", mine=MINE)
    check_alike(slow, ReadingsReader(Profile(), MINE).read(data, file="f"))


TIMES = st.from_regex(
    r"20[0-2][0-9]-[01][0-9]-[0-3][0-9][ T]{1,2}[0-2][0-9]:[0-6][0-9]:[0-6]?[0-9]?"
    r"(\.[0-9]{1,3})?",
    fullmatch=True,
)


@given(st.lists(TIMES, min_size=1, max_size=4), SEEDS)
@examples(100)
def test_times_of_one_minute_are_read_alike(times: list[str], seed: int) -> None:
    """What a reader of times remembers changes nothing that it reads."""
    rng, read = Random(seed), time_reader()
    for text in times:
        minute = text[:17]
        for one in (text, f"{minute}{rng.randrange(70):02d}", minute, f" {text}"):
            for _ in range(2):
                try:
                    known = read_time(one)
                except PayloadError as error:
                    with pytest.raises(PayloadError, match=re.escape(str(error))):
                        read(one)
                else:
                    assert read(one) == known


@given(SEEDS)
def test_a_profile_is_read_back(seed: int) -> None:
    """Settings as plain values make the same profile again."""
    profile = some_sample(Random(seed)).profile
    assert profile_from(profile.as_dict()) == profile


@examples(30, more=2)
@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="gb18030", exclude_categories=["C", "Z"])),
)
def test_any_number_and_text_is_read_back(value: float, text: str) -> None:
    """Numbers to the last bit, texts of any script."""
    reading = some_reading(value, text)
    profile = Profile(encoding="gbk", end_mark="]]]")
    if any(sign in text for sign in (";", "~", "]]]")):
        with pytest.raises(ValueError, match="separates"):
            write_file("CDSS", Header(MINE), [reading], profile)
        return
    data = write_file("CDSS", Header(MINE), [reading], profile)
    (back,) = parse_file(data, profile, "CDSS", mine=MINE).records
    if len(text) <= 500 and text.isprintable() and "\ufffd" not in text:
        assert same(back, reading)


def some_reading(value: float, place: str) -> Reading:
    """A reading of one point."""
    return Reading(PointCode(MINE, "01", "MN", "0001", "001A01"), "", place, value)


@given(SEEDS)
@examples(80)
def test_a_bad_record_never_costs_its_neighbours(seed: int) -> None:
    """Junk inside one record leaves all others as they were."""
    rng = Random(seed)
    sample = some_sample(rng, n_max=12)
    profile = sample.profile
    separator = profile.record_separator.encode()
    if not sample.records or not profile.end_mark or profile.encoding != "utf-8":
        return
    pieces = sample.data.split(separator)
    hurt = rng.randrange(1, len(pieces))
    at = rng.randrange(20)
    junk = rng.choice((b"\xff", b";", b"x", b"\x00", "错".encode()))
    pieces[hurt] = pieces[hurt][:at] + junk + pieces[hurt][at:]
    file = parsed(sample, separator.join(pieces))
    left = dict(zip(file.numbers, file.records, strict=True))
    for number, record in enumerate(sample.records, 1):
        if number != hurt:
            assert same(left[number], record)


def check_accounts(file: UploadFile) -> None:
    """Each record is decoded or refused, once, by name; nothing else is said."""
    refused = [r.record for r in file.refusals if r.where == "record" and not r.kept]
    assert sorted([*file.numbers, *refused]) == list(range(1, file.n_records + 1))
    for refusal in file.refusals:
        assert refusal.file == "f"
        assert re.fullmatch("[a-z_]+", refusal.reason)
        assert refusal.detail
        assert "\n" not in refusal.detail
        assert refusal.where in ("file", "header", "record")
        if refusal.where == "record":
            assert refusal.record >= 1
            assert refusal.kept <= (refusal.field in FIELDS[file.file_type])
    n_parts = len(file.records) + len(file.refusals) + (file.header is not None)
    assert n_parts > 0, "a file of which nothing is said"


def check_alike(slow: UploadFile, fast: ReadingFile) -> None:
    """Both ways through a CDSS file give the same."""
    assert fast.refusals == slow.refusals
    assert (fast.header, fast.mine) == (slow.header, slow.mine)
    assert (fast.n_records, fast.completeness) == (slow.n_records, slow.completeness)
    assert tuple(fast.numbers.tolist()) == slow.numbers
    readings = [record for record in slow.records if isinstance(record, Reading)]
    assert list(fast.codes) == [reading.code for reading in readings]
    values = np.array([reading.value for reading in readings], np.float64)
    assert np.array_equal(fast.value, values, equal_nan=True)
    assert fast.state.tolist() == [reading.state for reading in readings]
    times = [NO_TIME_US if r.at_us is None else r.at_us for r in readings]
    assert fast.at_us.tolist() == times


def campaign(seed: int, n_files: int) -> Counter[str]:
    """Read damaged files and check each; returns how often each reason came."""
    rng = Random(seed)
    reasons: Counter[str] = Counter()
    readers: dict[Profile, ReadingsReader] = {}
    for _ in range(n_files):
        sample = some_sample(rng)
        data = damaged(rng, sample.data)
        mine = MINE if rng.random() < 0.9 else None
        file = parse_file(data, sample.profile, sample.file_type, file="f", mine=mine)
        check_accounts(file)
        reasons.update(refusal.reason for refusal in file.refusals)
        reasons["decoded"] += len(file.records)
        if sample.file_type == "CDSS":
            reader = ReadingsReader(sample.profile, mine)
            if mine is not None:
                reader = readers.setdefault(sample.profile, reader)
            check_alike(file, reader.read(data, file="f"))
    return reasons


def check_reasons(reasons: Counter[str]) -> None:
    """The campaign met what it is about, and the page explains all of it."""
    page = PAGE.read_text("utf-8")
    told = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.M))
    assert set(reasons) - {"decoded"} <= told
    assert reasons["decoded"] > 0
    assert len(reasons) > 18, reasons


def test_damaged_files_are_decoded_or_refused_by_name() -> None:
    """3,000 accidents: no crash, no record lost in silence, both ways alike."""
    check_reasons(campaign(1, N_FILES))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_damaged_files() -> None:
    """The same at length: about a minute on a quiet core.

    `GASMON_FUZZ_FILES` and `GASMON_FUZZ_SEED` choose another number and another seed.
    """
    count = int(os.environ.get("GASMON_FUZZ_FILES", N_FILES_LONG))
    seed = int(os.environ.get("GASMON_FUZZ_SEED", "2"))
    print(f"GASMON_FUZZ_SEED={seed} GASMON_FUZZ_FILES={count}")
    check_reasons(campaign(seed, count))


@given(st.binary(max_size=300), SEEDS)
@examples(80)
def test_any_bytes_are_answered(data: bytes, seed: int) -> None:
    """Bytes that never were a file: refused by name, by both ways."""
    sample = some_sample(Random(seed))
    check_accounts(parsed(sample, data))
    fast = ReadingsReader(sample.profile, MINE).read(data, file="f")
    slow = parse_file(data, sample.profile, "CDSS", file="f", mine=MINE)
    check_alike(slow, fast)

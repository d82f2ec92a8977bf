"""Profiles: what is possible, and what samples show."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from gasmon.ingest.fields import PayloadError
from gasmon.ingest.upload.detect import Finding, Proposal, Sample, propose
from gasmon.ingest.upload.names import FileName, format_file_name, parse_file_name
from gasmon.ingest.upload.profile import (
    ORDINAL_STATES,
    POWER_FROM_ONE,
    POWER_STANDARD,
    POWER_UNTOLD,
    Profile,
    profile_from,
)
from gasmon.ingest.upload.records import (
    FILE_TYPES,
    Header,
    PointCode,
    Reading,
    Record,
    SubstationCode,
    SubstationState,
)
from gasmon.ingest.upload.write import write_file
from tests.upload_corpus import BEGIN_US, MINE, some_sample

CODE = PointCode(MINE, "01", "MN", "0001", "001A01")


@pytest.mark.parametrize(
    "settings",
    [
        {"encoding": "latin-1"},
        {"end_mark": "END"},
        {"record_separator": ""},
        {"record_separator": "~~"},
        {"field_separator": "|"},
        {"field_separator": "~"},
        {"field_separator": "5"},
        {"field_separator": "."},
        {"header_width": 1},
        {"state_reading": "words"},
        {"state_codes": [[0, 0], [0, 1]]},
        {"state_codes": [[3, 256]]},
        {"state_codes": [["0", 1]]},
        {"power_codes": [["1", "steam"]]},
        {"header_width": "3"},
        {"colour": "red"},
    ],
)
def test_an_impossible_setting_is_named(settings: dict[str, Any]) -> None:
    """The error holds the setting's name and value."""
    with pytest.raises(ValueError, match=f"{next(iter(settings))}|separated"):
        profile_from(settings)


def test_absent_settings_are_national() -> None:
    """A profile file holds only what differs."""
    assert profile_from({"encoding": "gbk"}) == Profile(encoding="gbk")


def test_a_state_without_a_number_is_not_written() -> None:
    """An enumeration has no word for alarm and calibration at once."""
    profile = Profile(state_reading="enumeration", state_codes=ORDINAL_STATES)
    assert profile.state_code(16) == 5
    with pytest.raises(ValueError, match="state 5 has no number"):
        profile.state_code(5)


def test_a_text_that_separates_is_not_written() -> None:
    """It would come back as two fields."""
    reading = Reading(CODE, place="a;b")
    with pytest.raises(ValueError, match="';', which separates"):
        write_file("CDSS", Header(MINE), [reading], Profile())


@pytest.mark.parametrize("file_type", FILE_TYPES)
@pytest.mark.parametrize("prefix", ["", "N"])
def test_a_name_is_read_back(file_type: str, prefix: str) -> None:
    """Prefix and extension as the mine writes them."""
    profile = Profile(type_prefix=prefix, extension=".TXT")
    name = format_file_name(MINE, file_type, BEGIN_US, profile)
    assert parse_file_name(name) == FileName(MINE, file_type, BEGIN_US, prefix, ".TXT")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "bad_file_name"),
        (f"{MINE}_CDSS_20260716110000.txt.tmp", "bad_file_name"),
        (f"{MINE}_CDSS_20261316110000.txt", "bad_file_name"),
        (f"{MINE[:-1]}_CDSS_20260716110000.txt", "bad_file_name"),
        (f"../{MINE}_CDSS_20260716110000.txt", "bad_file_name"),
        (f"{MINE}_RYSS_20260716110000.txt", "unknown_file_type"),
        (f"{MINE}_1CDSS_20260716110000.txt", "unknown_file_type"),
        (f"{MINE}_X_20260716110000.txt", "unknown_file_type"),
    ],
)
def test_a_bad_name_is_refused(name: str, reason: str) -> None:
    """A type that is not ours is told from a name that is none."""
    with pytest.raises(PayloadError, match=reason) as refused:
        parse_file_name(name)
    assert refused.value.reason == reason


def finding(proposal: Proposal, setting: str) -> Finding:
    """What was found about one setting."""
    return next(f for f in proposal.findings if f.setting == setting)


def samples_of(profile: Profile, **records: list[Record]) -> list[Sample]:
    """Files of one mine with these records by type."""
    found = []
    for file_type, rows in records.items():
        width = profile.header_width_of(file_type)
        header = Header(MINE, "示例煤矿", BEGIN_US, ("甲",) * (width - 3))
        name = format_file_name(MINE, file_type, BEGIN_US, profile)
        found.append(Sample(name, write_file(file_type, header, rows, profile)))
    return found


PLAIN = ("encoding", "record_separator", "end_mark", "type_prefix", "extension")


@pytest.mark.parametrize("seed", range(40))
def test_a_profile_is_found_in_its_samples(seed: int) -> None:
    """Six files of a random mine show everything but what states and power mean."""
    rng = Random(seed)
    profile = some_sample(rng).profile
    samples = []
    for file_type in FILE_TYPES:
        donor = some_sample(rng, file_type, n_max=8)
        while len(donor.records) < 3:
            donor = some_sample(rng, file_type, n_max=8)
        records = donor.records
        if file_type == "CDSS":
            records = tuple(Reading(CODE, place="采面") for _ in range(4))
        if file_type == "FZSS":
            code = SubstationCode(MINE, "001")
            records = tuple(SubstationState(code, power="ac") for _ in range(4))
        samples += samples_of(profile, **{file_type: list(records)})
    proposal = propose(samples)
    assert proposal.unused == ()
    for setting in (*PLAIN, "line_break", "header_width", "definition_header_width"):
        found = getattr(proposal.profile, setting)
        assert found == getattr(profile, setting), finding(proposal, setting)
    assert proposal.profile.power_codes == profile.power_codes
    assert proposal.confidence >= 0.5
    assert all(found.reason for found in proposal.findings)


def test_combined_states_show_bits() -> None:
    """132 is no number that anybody counts to."""
    rows: list[Record] = [Reading(CODE, value=0.1, state=s) for s in (0, 5, 132)]
    found = finding(propose(samples_of(Profile(), CDSS=rows)), "state_reading")
    assert found.value == "bits"
    assert found.confidence > 0.9


def test_counted_states_show_an_enumeration() -> None:
    """5 to 8 without any value: faults that somebody counted."""
    profile = Profile(state_reading="enumeration", state_codes=ORDINAL_STATES)
    rows: list[Record] = [Reading(CODE, value=0.1) for _ in range(5)]
    rows += [Reading(CODE, state=state) for state in (16, 32, 128)]
    proposal = propose(samples_of(profile, CDSS=rows))
    assert proposal.profile.state_reading == "enumeration"
    assert proposal.profile.state_codes == ORDINAL_STATES
    assert finding(proposal, "state_reading").confidence < 0.8


def test_quiet_samples_do_not_show_what_states_mean() -> None:
    """Only zeros: the default, and a confidence that says so."""
    rows: list[Record] = [Reading(CODE, value=0.1) for _ in range(5)]
    found = finding(propose(samples_of(Profile(), CDSS=rows)), "state_reading")
    assert found.value == "bits"
    assert found.confidence < 0.5
    assert "look alike" in found.reason


def test_the_usual_power_state_is_the_mains() -> None:
    """A mine whose substations all had a power fault would not be writing files."""
    code = SubstationCode(MINE, "001")
    rows: list[Record] = [SubstationState(code, power="ac") for _ in range(4)]
    profile = Profile(power_codes=POWER_FROM_ONE)
    proposal = propose(samples_of(profile, FZSS=rows))
    assert proposal.profile.power_codes == POWER_FROM_ONE


@pytest.mark.parametrize(
    ("powers", "codes"),
    [
        (["unknown"] * 4, POWER_UNTOLD),
        (["unknown"] * 2, POWER_STANDARD),
        (["unknown", "unknown", "unknown", "ac"], POWER_STANDARD),
    ],
)
def test_nothing_but_unknown_power_states_is_a_mine_that_never_tells(
    powers: list[str], codes: tuple[tuple[str, str], ...]
) -> None:
    """Two records are too few to say so, and one that is told says otherwise."""
    code = SubstationCode(MINE, "001")
    rows: list[Record] = [SubstationState(code, power=power) for power in powers]
    proposal = propose(samples_of(Profile(), FZSS=rows))
    assert proposal.profile.power_codes == codes


def test_useless_samples_are_named() -> None:
    """A bad name, an empty file; nothing is proposed with confidence."""
    good = f"{MINE}_CDSS_20260716110000.txt"
    proposal = propose([Sample("readme.md", b"x"), Sample(good, b" ")])
    assert len(proposal.unused) == 2
    assert proposal.confidence == 0
    assert proposal.profile == Profile()
    assert propose([]).confidence == 0


@pytest.mark.parametrize("seed", range(20))
def test_any_sample_gives_a_proposal(seed: int) -> None:
    """Noise raises nothing and is not believed."""
    rng = Random(seed)
    name = f"{MINE}_{rng.choice(FILE_TYPES)}_20260716110000.txt"
    propose([Sample(name, rng.randbytes(rng.randrange(400))) for _ in range(3)])

"""`gasmon mines profile`: how a mine writes, in force or read from samples."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from gasmon import cli
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.profiles import parse_profiles
from simulators.files import FileMine
from simulators.layout import build_city, choose_mines
from tests.fix_pipeline import START_US

(MINE,) = choose_mines(build_city(1), 1, ("zhenxiong",)).mines
ODD = Profile(encoding="gbk", record_separator="^", end_mark="]]]", type_prefix="N")


def samples(folder: Path, profile: Profile = ODD) -> list[str]:
    """Definitions and readings of a mine that writes in an odd way."""
    writer = FileMine(MINE, profile)
    n = len(MINE.points)
    files = {
        "CDDY": writer.definitions(START_US),
        "CDSS": writer.readings(START_US, [0.5] * n, [0, 5] * (n // 2) + [0] * (n % 2)),
    }
    return [
        str(writer.put(folder, file_type, START_US, data))
        for file_type, data in files.items()
    ]


def test_a_profile_is_proposed_as_a_section_of_the_sites_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it prints is read back as the profile that wrote the samples."""
    assert cli.main(["mines", "profile", "--detect", *samples(tmp_path)]) == 0
    text = capsys.readouterr().out
    proposed = parse_profiles(text, "proposed").of(MINE.code)
    assert proposed == ODD
    assert set(tomllib.loads(text)["mine"]) == {MINE.code}


def test_a_power_state_that_is_never_told_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of that mine, by the site's file; still TOML, and nothing of other mines."""
    file = tmp_path / "profiles.toml"
    file.write_text(
        f'[mine.{MINE.code}]\npower_codes = [["0", "dc"], ["9", "untold"]]\n', "utf-8"
    )
    told = []
    for mine in (MINE.code, "530627999999"):
        words = ["mines", "profile", mine, "--set", f"files.profiles_file={file}"]
        assert cli.main(words) == 0
        told.append(capsys.readouterr().out)
    assert "# 分站电源状态未上报" in told[0]
    assert "untold" not in told[1]
    assert tomllib.loads(told[0])["mine"][MINE.code]["power_codes"][1][1] == "untold"


def test_the_proposal_says_how_sure_it_is_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, setting by setting; what was no sample is named."""
    words = ["mines", "profile", "--json", "--detect", *samples(tmp_path)]
    other = tmp_path / "readme.txt"
    other.write_text("x", "utf-8")
    assert cli.main([*words, str(other)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["mine"], told["profile"]["encoding"]) == (MINE.code, "gbk")
    assert {f["setting"] for f in told["findings"]} == set(told["profile"])
    assert all(0 <= f["confidence"] <= 1 and f["reason"] for f in told["findings"])
    assert len(told["unused"]) == 1


def test_samples_that_show_nothing_are_refused(tmp_path: Path) -> None:
    """No usable one: 1; a file that is not there: 2; two mines: 2."""
    empty = tmp_path / f"{MINE.code}_CDSS_20260921221320.txt"
    empty.write_bytes(b"")
    assert cli.main(["mines", "profile", "--detect", str(empty)]) == 1
    assert cli.main(["mines", "profile", "--detect", str(tmp_path / "none.txt")]) == 2
    paths = samples(tmp_path)
    other = tmp_path / "530626000001_CDSS_20260921221320.txt"
    other.write_bytes(Path(paths[1]).read_bytes())
    assert cli.main(["mines", "profile", "--detect", *paths, str(other)]) == 2


def test_the_profile_in_force_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the site's file; a mine that it does not name writes as the nation."""
    site = tmp_path / "profiles.toml"
    site.write_text(f'[mine.{MINE.code}]\nencoding = "gbk"\n', "utf-8")
    setting = ["--set", f"files.profiles_file={site}"]
    assert cli.main(["mines", "profile", MINE.code, *setting]) == 0
    shown = parse_profiles(capsys.readouterr().out, "shown").of(MINE.code)
    assert shown == Profile(encoding="gbk")
    assert cli.main(["mines", "profile", "530626000001", "--json", *setting]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["profile"]["encoding"] == "utf-8"
    assert cli.main(["mines", "profile", "12", *setting]) == 2

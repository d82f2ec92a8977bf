"""Simulated mines that write upload files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gasmon.ingest.upload.names import parse_file_name
from gasmon.ingest.upload.parse import parse_file
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import Abnormal, PointRow, Reading
from simulators.cli import main
from simulators.files import FileMine
from simulators.layout import build_city, choose_mines
from tests.fix_pipeline import START_US

(MINE,) = choose_mines(build_city(1), 1, ("zhenxiong",)).mines


def test_everything_a_mine_shows_stands_in_its_files() -> None:
    """Points with limits, places and relations; values, states and times; events."""
    writer = FileMine(MINE, Profile(encoding="gbk"))
    n = len(MINE.points)
    value, state = [0.25 * i for i in range(n)], [i % 2 for i in range(n)]

    defined = parse_file(writer.definitions(START_US), writer.profile, "CDDY")
    assert defined.refusals == ()
    for row, point in zip(defined.records, MINE.points, strict=True):
        assert isinstance(row, PointRow)
        assert (row.code.no, row.place) == (point.no, point.place)
        assert row.relations == point.relations
        for name, limit in point.limits.items():
            assert getattr(row, name) == limit

    data = writer.readings(START_US, value, state)
    shown = parse_file(data, writer.profile, "CDSS")
    assert shown.refusals == ()
    readings = [r for r in shown.records if isinstance(r, Reading)]
    assert [r.value for r in readings] == value
    assert [r.state for r in readings] == state
    assert {r.at_us for r in readings} == {START_US}

    event = Abnormal(writer.code_of(MINE.points[0].no), "001", START_US, max=1.2)
    told = parse_file(writer.events(START_US, [event]), writer.profile, "YCBJ")
    assert [record.key for record in told.records if isinstance(record, Abnormal)] == [
        event.key
    ]


def test_the_command_fills_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Definitions once, readings each cycle, nothing half written; 2 without it."""
    words = ["files", "--out", str(tmp_path), "--mines", "3", "--cycle", "30"]
    assert main([*words, "--duration", "1", "--json", "--quiet"]) == 0
    report = json.loads(capsys.readouterr().out)
    names = [parse_file_name(path.name) for path in tmp_path.iterdir()]
    assert len(names) == report["files"] == 6
    assert sorted(name.file_type for name in names) == ["CDDY"] * 3 + ["CDSS"] * 3
    assert main(["files", "--out", str(tmp_path / "none"), "--mines", "1"]) == 2

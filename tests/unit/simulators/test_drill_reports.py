"""Reports of a drill: one page, one workbook, and what earlier drills were."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

from simulators import criteria
from simulators.cli import main
from simulators.criteria import load, parse
from simulators.drill_page import page
from simulators.drill_record import DrillRecord, write
from simulators.drill_workbook import workbook
from simulators.score import score
from simulators.trend import earlier, series
from tests.drill_records import GOOD, entry

STANDARD = load("standard")
PAGE = Path(__file__).parents[3] / "docs" / "drills.md"


def html_of(record: DrillRecord) -> str:
    """The page of a drill without earlier ones."""
    past = series([record], STANDARD)
    return page(record, score(record, STANDARD), STANDARD, past)


def parts_of(record: DrillRecord) -> dict[str, str]:
    """The XML inside of a drill's workbook."""
    data = workbook(record, score(record, STANDARD), series([record], STANDARD))
    with ZipFile(BytesIO(data)) as found:
        return {name: found.read(name).decode() for name in found.namelist()}


def test_the_page_is_marked_and_whole() -> None:
    """An exercise on every page; sheet, curve, timeline, journal, deliveries."""
    html = html_of(GOOD)
    assert "【演练】" in html
    assert "演练 EXERCISE" in html
    assert "合格 passed" in html
    assert "已下令撤人断电" in html
    assert "received +0.4 s" in html
    for criterion in STANDARD.criteria:
        assert criterion.zh in html
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(drawings) == 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    # A gap in the curve stays one: two stretches, though the second is one value.
    assert drawings[0].count("<polyline") == 2
    assert not re.search(r"(src|href)=", html)


def test_what_people_wrote_is_text_and_nothing_else() -> None:
    """Neither a tag on the page nor a formula in the workbook."""
    note = '=HYPERLINK("http://x") <script>alert(1)</script>'
    record = replace(
        GOOD,
        alarms=(
            replace(
                GOOD.alarms[0], entries=(entry("handled", 80.0, "mine", note=note),)
            ),
        ),
    )
    html = html_of(record)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    parts = parts_of(record)
    assert "=HYPERLINK(" in parts["xl/sharedStrings.xml"]
    assert not any("<f>" in text for name, text in parts.items() if "/sheet" in name)


def test_the_workbook_has_its_sheets_and_charts() -> None:
    """The curve, the timeline and the trend are drawn; each sheet prints its mark."""
    parts = parts_of(GOOD)
    sheets = [
        name for name in parts if re.fullmatch(r"xl/worksheets/sheet\d.xml", name)
    ]
    assert len(sheets) == 6
    assert all("【演练】" in parts[name] for name in sheets)
    charts = [text for name, text in parts.items() if "charts/chart" in name]
    assert len(charts) == 3
    assert "已下令撤人断电" in parts["xl/sharedStrings.xml"]


def test_the_same_drill_gives_the_same_bytes() -> None:
    """Reports can be compared."""
    assert html_of(GOOD) == html_of(GOOD)
    sheet, past = score(GOOD, STANDARD), series([GOOD], STANDARD)
    assert workbook(GOOD, sheet, past) == workbook(GOOD, sheet, past)


@pytest.mark.parametrize("empty", ["alarms", "curves", "truths", "calls", "mines"])
def test_a_poor_drill_has_reports_too(empty: str) -> None:
    """Whatever is missing."""
    record = replace(GOOD, **{empty: {} if empty == "mines" else ()})
    assert html_of(record)
    assert parts_of(record)


def test_scored_again_with_earlier_drills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``gasmon-sim score``: exit codes, the trend, and the same result each time."""
    before = replace(GOOD, run=6, begin_us=GOOD.begin_us - 86_400_000_000, alarms=())
    write(before, tmp_path / "drill-6-1.json")
    path = tmp_path / "drill-7-2.json"
    write(GOOD, path)
    words = ["score", str(path), "--out", str(tmp_path)]

    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["run"], told["passed"], told["points"]) == (7, True, 100)
    html = Path(told["html"]).read_text("utf-8")
    assert html.count("2026-09-2") >= 3
    assert "不合格 not passed" in html
    assert [record.run for record in earlier(tmp_path, GOOD)] == [6]

    assert main(words) == 0
    assert "✓ 1/1" in capsys.readouterr().out
    assert Path(told["html"]).read_text("utf-8") == html

    assert (
        main(["score", str(tmp_path / "drill-6-1.json"), "--out", str(tmp_path)]) == 4
    )
    broken = replace(GOOD, run=8, ended_by="real_alarm")
    write(broken, tmp_path / "drill-8-3.json")
    assert (
        main(["score", str(tmp_path / "drill-8-3.json"), "--out", str(tmp_path)]) == 1
    )
    assert "终止 broken off" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 1}', '{"version": 2}'], ids=str
)
def test_a_file_that_is_no_record_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Exit code 2."""
    path = tmp_path / "drill-1-1.json"
    path.write_text(text, "utf-8")
    assert main(["score", str(path), "--out", str(tmp_path)]) == 2
    assert "drill-1-1.json" in capsys.readouterr().err


def test_the_page_about_drills_tells_the_truth() -> None:
    """Measures, events, steps, keys as the code has them; the file shown is right."""
    text = PAGE.read_text("utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    assert parse(shown, "shown.toml", "shown").criteria
    told = set(re.findall(r"`([\w_]+)`", text))
    assert {*criteria.MEASURES, *criteria.EVENTS, *criteria.STEPS} <= told
    assert {*criteria.SCOPES, *criteria.TIERS, *criteria.ROLES} <= told
    keys = {key for c in tomllib.loads(shown)["criterion"] for key in c}
    assert keys <= told

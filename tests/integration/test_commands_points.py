"""``gasmon points`` on real databases: files in and out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gasmon import cli
from gasmon.commands.points_csv import COLUMNS

MINE = "530627004499"
HEAD = "mine,mine_name,mine_kind,unit_id,unit_kind,no,type,place,place_class,uom,"
LIMITS = "alarm_high,clear_high,cut_high,restore_high"
CSV = f"""\
{HEAD}{LIMITS}
{MINE},示范煤矿,outburst,11121,face,001A01,1,回风隅角,FACE_T0,%,1.0,1.0,1.5,1.0
{MINE},,,11121,,002A01,0001,回风巷,FACE_T2,%,0.8,0.8,1.0,0.8
"""


class Files:
    """The command against one database, in one folder."""

    def __init__(
        self, dsn: str, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.dsn, self.folder, self._capsys = dsn, folder, capsys
        self.err = ""

    def write(
        self, text: str, name: str = "points.csv", encoding: str = "utf-8"
    ) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode(encoding))
        return path

    def run(self, *arguments: str | Path) -> int:
        flags = ["--set", f"database.url={self.dsn}"]
        return cli.main(["points", *map(str, arguments), *flags])

    def take(self, path: Path, *flags: str) -> dict[str, Any]:
        """Import with --json; returns what it told."""
        code = self.run("import", path, "--json", *flags)
        captured = self._capsys.readouterr()
        self.err = captured.err
        assert code == 0, captured.err
        told: dict[str, Any] = json.loads(captured.out)
        return told

    def refuse(self, path: Path) -> str:
        """Import something wrong; returns the error."""
        assert self.run("import", path) == 2
        return self._capsys.readouterr().err

    def export(self, *flags: str) -> str:
        assert self.run("export", *flags) == 0
        return self._capsys.readouterr().out

    def printed(self) -> str:
        """What stands on standard output since the last look."""
        return self._capsys.readouterr().out

    def rows(self) -> list[dict[str, str]]:
        """Exported CSV as rows."""
        text = self.export().removeprefix("\ufeff")
        return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def files(
    migrated_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Files:
    """A fresh database and an empty folder."""
    return Files(migrated_dsn, tmp_path, capsys)


def changed(told: dict[str, Any]) -> list[tuple[str | None, str, str | None]]:
    """(point, attribute, new) of each change."""
    return [(c["point"], c["attribute"], c["new"]) for c in told["changes"]]


def test_import_is_idempotent_and_exact(files: Files) -> None:
    """A second import of the file, or of its own export, changes nothing."""
    path = files.write(CSV)
    told = files.take(path)
    assert (told["mines"], told["points"]) == (1, 2)
    assert (f"{MINE}-01-001A01", "defined", "001A01") in changed(told)
    assert files.take(path)["changes"] == []
    for name in ("all.csv", "all.jsonl"):
        assert files.run("export", files.folder / name) == 0
        exported = files.folder / name
        files._capsys.readouterr()
        assert files.take(exported)["changes"] == []
    assert (files.folder / "all.csv").read_bytes().startswith(b"\xef\xbb\xbfmine,")
    with psycopg.connect(files.dsn) as conn:
        rows = conn.execute(
            "SELECT sensor_type, quantity, value_kind, source, cut_high, unit_slug"
            " FROM point_version ORDER BY point_id"
        ).fetchall()
    assert rows == [
        ("0001", "CH4", "MN", "import", 1.5, "11121"),
        ("0001", "CH4", "MN", "import", 1.0, "11121"),
    ]


def test_a_dry_run_shows_old_and_new_and_changes_nothing(files: Files) -> None:
    """A stricter limit is shown as old → new; only the real run stores it."""
    files.take(files.write(CSV))
    path = files.write(CSV.replace("0.8,0.8,1.0,0.8", "0.7,0.7,1.0,0.7"))
    assert files.run("import", path, "--dry-run") == 0
    out = files._capsys.readouterr().out
    assert f"{MINE}-01-002A01  alarm_high: 0.8 → 0.7" in out
    assert "would change 3" in out
    assert len(files.take(path)["changes"]) == 3
    with psycopg.connect(files.dsn) as conn:
        logged = conn.execute(
            "SELECT old_value, new_value, source FROM point_change"
            " WHERE attribute = 'alarm_high' AND old_value IS NOT NULL"
        ).fetchall()
    assert logged == [("0.8", "0.7", "import")]


def test_contradicting_limits_refuse_the_file_by_line(files: Files) -> None:
    """Every fault is named with its line, point and numbers; nothing is stored."""
    path = files.write(
        CSV.replace("1.0,1.0,1.5,1.0", "1.0,1.0,0.5,1.0")
        + f"{MINE},,,,,003A01,0001,,,%,abc,,,\n"
        + f"{MINE},,,,,123456789,0001,,,%,,,,\n"
        + "123,,,,,004A01,0001,,,%,,,,\n"
        + "990000000001,,,,,004A01,0001,,,%,,,,\n"
    )
    error = files.refuse(path)
    assert "line 2: (01-001A01): cut_high 0.5 must be not below alarm_high 1" in error
    assert "line 4: (01-003A01): alarm_high is 'abc', no number" in error
    assert "line 5: no is '123456789'" in error
    assert "line 6: mine '123' is not twelve digits" in error
    assert "line 7: mine 990000000001: area 990000 is not one of ours" in error
    with psycopg.connect(files.dsn) as conn:
        assert conn.execute("SELECT count(*) FROM mine").fetchone() == (0,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mine,nr\n", "column no is missing; column 'nr' is unknown"),
        (f"mine,no\n{MINE},1,2\n", "line 2: it has more cells than the 2 columns"),
        (
            f"mine,mine_name,no\n{MINE},A,1\n{MINE},B,2\n",
            "line 3: mine_name 'B' is 'A' in line 2",
        ),
        (f"mine,no\n{MINE},1\n{MINE},1\n", "is defined before"),
        (
            f"mine,atmosphere_kpa,no\n{MINE},low,1\n",
            "line 2: atmosphere_kpa is 'low', no number",
        ),
    ],
)
def test_wrong_csv_is_named(files: Files, text: str, words: str) -> None:
    """Columns, cells and contradictions between rows are told in words."""
    assert words in files.refuse(files.write(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1: no JSON"),
        ("[]", "line 1: mine.code is missing"),
        (f'\n{{"mine":{{"code":"{MINE}"}}}}', "line 2: v is missing"),
        (
            f'{{"v":1,"rev":1,"ts":1,"mine":{{"code":"{MINE}"}},"points":'
            '[{"no":"1","unit_id":"x"}]}',
            f"({MINE}-01-1): unit x is not defined",
        ),
    ],
)
def test_wrong_json_is_named(files: Files, text: str, words: str) -> None:
    """The same parser as for a mine's own message, with the file's line."""
    assert words in files.refuse(files.write(text, "points.jsonl"))


def test_what_a_file_does_not_name_stays_unless_told(files: Files) -> None:
    """A part of a mine's points may be imported without losing the rest."""
    files.take(files.write(CSV))
    part = files.write("\n".join(CSV.splitlines()[:2]) + "\n", "part.csv")
    told = files.take(part)
    assert told["changes"] == []
    assert "does not name 1 points" in told["notes"][0]
    told = files.take(part, "--retire-missing")
    assert changed(told) == [(f"{MINE}-01-002A01", "retired", "true")]


def test_a_spreadsheets_file_is_read(files: Files) -> None:
    """GB18030, and numbers that lost their leading zeros."""
    told = files.take(files.write(CSV, encoding="gb18030"))
    assert told["points"] == 2
    row = files.rows()[0]
    assert (row["mine_name"], row["type"], row["system"]) == ("示范煤矿", "0001", "01")


def test_texts_that_begin_a_formula_are_guarded(files: Files) -> None:
    """What a spreadsheet would run is written with an apostrophe and read without."""
    nasty = "=cmd|' /C calc'!A0"
    path = files.write(CSV.replace("回风隅角", nasty).replace("回风巷", "'quoted"))
    files.take(path)
    places = [row["place"] for row in files.rows()]
    # A leading apostrophe in a file is a guard, so the second one is gone.
    assert places == ["'" + nasty, "quoted"]
    exported = files.write(files.export(), "out.csv")
    assert files.take(exported)["changes"] == []


def test_export_chooses_mines_and_keeps_empty_units(files: Files) -> None:
    """Areas and mines are chosen; a unit without points has a row of its own."""
    other = "530602000001"
    files.take(
        files.write(
            CSV + f"{MINE},,,11122,heading,,,,,,,,,\n" + f"{other},甲,,,,,,,,,,,,\n"
        )
    )
    assert [r["unit_id"] for r in files.rows()] == ["", "11121", "11121", "11122"]
    lines = files.export("--json", "--mine", MINE).splitlines()
    assert [json.loads(line)["mine"]["code"] for line in lines] == [MINE]
    assert len(files.export("--area", "530602").splitlines()) == 2
    assert files.run("export", "--mine", "530602000009") == 2
    assert files.export("--area", "530621").removeprefix("\ufeff").strip() == ",".join(
        COLUMNS
    )


def test_what_went_in_and_out_is_in_the_audit(files: Files) -> None:
    """Import and export by command are written down; a dry run is none."""
    path = files.write(CSV)
    files.take(path, "--dry-run")
    files.take(path)
    files.export()
    assert (
        cli.main(["audit", "ls", "--set", f"database.url={files.dsn}", "--json"]) == 0
    )
    rows = json.loads(files.printed())["items"]
    assert [(r["principal"], r["action"], r["subject"]) for r in rows] == [
        ("operator", "points.export", None),
        ("operator", "points.import", "points.csv"),
    ]


def test_a_mines_newer_revision_still_counts(files: Files) -> None:
    """An import does not take the mine's revision, so its next message is not lost."""
    files.take(files.write(CSV))
    with psycopg.connect(files.dsn) as conn:
        revs = conn.execute("SELECT definition_rev FROM mine").fetchall()
    assert revs == [(None,)]

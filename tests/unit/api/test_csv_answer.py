"""Tables as files for spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest

from gasmon.api.csv_answer import csv_answer
from gasmon.reports.sheet import cell


def test_a_file_opens_in_a_spreadsheet_with_its_chinese() -> None:
    """UTF-8 with a mark, one line a row, nothing where there is no value."""
    rows = [["坪上煤矿", 0.5, None], ["a,b", -1.5, 3]]
    answer = csv_answer("坪上 a/b.csv", ["mine", "min", "n"], rows)
    assert answer.body.startswith(b"\xef\xbb\xbf")
    text = bytes(answer.body).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["mine", "min", "n"],
        ["坪上煤矿", "0.5", ""],
        ["a,b", "-1.5", "3"],
    ]
    told = answer.headers["content-disposition"]
    assert told == 'attachment; filename="___a_b.csv"'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_name_cannot_be_a_formula(start: str) -> None:
    """What a mine calls itself is shown and never run; numbers stay numbers."""
    assert cell(f"{start}1+1") == f"'{start}1+1"
    assert cell(-1.5) == -1.5

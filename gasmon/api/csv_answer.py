"""Tables as files for spreadsheets: UTF-8 with a mark, and no cell that runs."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.responses import Response

from gasmon.reports.sheet import cell


def csv_answer(
    filename: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> Response:
    """A table as a file to keep.

    Args:
        filename: what the browser calls it; other characters than letters, digits and
            ``-_.`` become ``_``.
        columns: the first line.
        rows: None is an empty cell.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    safe = "".join(
        char if char.isascii() and (char.isalnum() or char in "-_.") else "_"
        for char in filename
    )
    return Response(
        # The mark tells a spreadsheet that it is UTF-8, or Chinese is unreadable.
        out.getvalue().encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{safe}"',
        },
    )

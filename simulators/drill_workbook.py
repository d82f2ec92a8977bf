"""The report of a drill as an Excel workbook, with its curve and timeline as charts.

Text is written as text: a note that begins with ``=`` is no formula.
"""

from collections.abc import Sequence
from io import BytesIO

import xlsxwriter
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from gasmon.units import to_datetime
from simulators.drill_record import DrillRecord
from simulators.drill_words import (
    EVENT_NAMES,
    FITS,
    LEVEL_NAMES,
    at_words,
    heads,
    limit_words,
    met_words,
    verdict_words,
)
from simulators.score import Sheet, words
from simulators.trend import Past

Cell = str | float | None
_SECONDS = "[s]"


def workbook(record: DrillRecord, sheet: Sheet, past: Sequence[Past]) -> bytes:
    """The whole report.

    Args:
        past: earlier drills and this one, the oldest first.

    Returns:
        The bytes of the ``.xlsx``, the same for the same drill.
    """
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties(
        {
            "title": f"演练报告 {record.zh}",
            "created": to_datetime(record.begin_us).replace(tzinfo=None),
        }
    )
    _scores(book, record, sheet)
    _events(book, record)
    _curves(book, record)
    _deliveries(book, record)
    _past(book, past)
    book.close()
    return out.getvalue()


def _page(book: Workbook, name: str, widths: Sequence[int]) -> Worksheet:
    """A page that says on paper too what it is."""
    page = book.add_worksheet(name)
    page.set_header("&C&14【演练】EXERCISE &A")
    page.set_footer("&C&P / &N")
    page.set_landscape()
    page.fit_to_pages(1, 0)
    for column, width in enumerate(widths):
        page.set_column(column, column, width)
    return page


def _rows(
    book: Workbook,
    page: Worksheet,
    first: int,
    head: Sequence[str],
    rows: Sequence[Sequence[Cell]],
) -> None:
    """A table from a row on; its head is bold, long text is wrapped."""
    bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    for column, name in enumerate(head):
        page.write_string(first, column, name, bold)
    for number, row in enumerate(rows, first + 1):
        for column, value in enumerate(row):
            if isinstance(value, str):
                page.write_string(number, column, value, wrap)
            elif value is not None:
                page.write_number(number, column, value, wrap)


def _scores(book: Workbook, record: DrillRecord, sheet: Sheet) -> None:
    page = _page(book, "评分 Score", (44, 14, 14, 18, 10, 10))
    top = heads(record, sheet)
    _rows(book, page, 0, ("【演练】演练报告 Drill report",), top)
    first = len(top) + 2
    head = (
        "要求 criterion",
        "时限 within",
        f"用时 took {_SECONDS}",
        "达标 met",
        "得分 points",
        "满分 of",
    )
    _rows(
        book,
        page,
        first,
        head,
        [
            (
                f"{r.criterion.zh} {r.criterion.en}"
                + (" （必达 must）" if r.criterion.must else ""),
                limit_words(r.criterion),
                r.took_s,
                met_words(r),
                r.points,
                r.criterion.points,
            )
            for r in sheet.results
        ],
    )
    items = [
        (r.criterion.zh, "✓" if i.is_met else "✗", i.took_s, i.what, i.by)
        for r in sheet.results
        for i in r.items
    ]
    page = _page(book, "逐项 Items", (36, 6, 14, 60, 20))
    columns = ("要求 criterion", "", f"用时 took {_SECONDS}", "对象 what", "何人 by")
    _rows(book, page, 0, columns, items)


LANES = (
    "险情 danger",
    "注入 inject",
    "报警 alarm",
    "煤矿 mine",
    "县级 county",
    "市级 city",
)


def events(record: DrillRecord) -> list[tuple[float, int, str, str]]:
    """Everything that happened in order: when [s], lane, what, and more of it."""
    tiers = {"mine": 3, "county": 4, "city": 5}
    found = [(t.at_s, 0, t.name, f"{t.where}: {t.kind}") for t in record.truths]
    found += [(c.at_s, 1, c.name, f"{c.to}: {c.zh} {c.en}") for c in record.calls]
    for alarm in record.alarms:
        told = f"{LEVEL_NAMES[alarm.rank]} {FITS[alarm.fits]} {alarm.zh}"
        found.append((alarm.told_s, 2, words(alarm), told))
        for entry in alarm.entries:
            name = f"{EVENT_NAMES.get(entry.event, entry.event)} {entry.by}"
            found.append((entry.at_s, tiers[entry.tier], name, entry.note))
    return sorted(found)


def _events(book: Workbook, record: DrillRecord) -> None:
    name = "时间线 Timeline"
    page = _page(book, name, (12, 16, 8, 50, 70))
    happened = events(record)
    _rows(
        book,
        page,
        0,
        (f"时刻 at {_SECONDS}", "行 lane", "", "事项 what", "内容 text"),
        [(at_s, LANES[lane], lane, what, more) for at_s, lane, what, more in happened],
    )
    if not happened:
        return
    chart = book.add_chart({"type": "scatter"})
    for lane, lane_name in enumerate(LANES):
        rows = [row for row, one in enumerate(happened, 1) if one[1] == lane]
        if rows:
            chart.add_series(
                {
                    "name": lane_name,
                    "categories": _cells(name, rows, "A"),
                    "values": _cells(name, rows, "C"),
                    "marker": {"type": "diamond", "size": 9},
                }
            )
    chart.set_title({"name": "时间线 timeline"})
    chart.set_x_axis({"name": f"演练时间 {_SECONDS}", "min": 0})
    chart.set_y_axis({"min": -1, "max": len(LANES), "visible": False})
    chart.set_size({"width": 900, "height": 320})
    page.insert_chart(1, 6, chart)


def _cells(page: str, rows: Sequence[int], column: str) -> str:
    """Cells of a column that need not stand together, as a chart wants them."""
    cells = ",".join(f"'{page}'!${column}${row + 1}" for row in rows)
    return f"=({cells})"


def _curves(book: Workbook, record: DrillRecord) -> None:
    name = "曲线 Curve"
    page = _page(book, name, (12, 20, 20, 20, 20))
    if not record.curves:
        return
    chart = book.add_chart({"type": "scatter", "subtype": "straight"})
    for k, curve in enumerate(record.curves):
        column = 2 * k
        title = f"{curve.mine} {curve.no} {curve.place} [{curve.uom}]"
        rows = list(zip(curve.at_s, curve.value, strict=True))
        page.write_string(0, column, f"时刻 at {_SECONDS}")
        page.write_string(0, column + 1, title)
        for row, (at_s, value) in enumerate(rows, 1):
            page.write_number(row, column, at_s)
            if value is not None:
                page.write_number(row, column + 1, value)
        chart.add_series(
            {
                "name": title,
                "categories": [name, 1, column, len(rows), column],
                "values": [name, 1, column + 1, len(rows), column + 1],
            }
        )
    # A gap stays one.
    chart.show_blanks_as("gap")
    chart.set_title({"name": "曲线 curve"})
    chart.set_x_axis({"name": f"演练时间 {_SECONDS}", "min": 0})
    chart.set_size({"width": 900, "height": 380})
    page.insert_chart(1, 2 * len(record.curves) + 1, chart)


def _deliveries(book: Workbook, record: DrillRecord) -> None:
    page = _page(book, "送达 Delivery", (50, 30, 14, 14))
    head = (
        "报警 alarm",
        "平台、值班室 platform, room",
        "步骤 step",
        f"用时 took {_SECONDS}",
    )
    rows = [
        (words(alarm), way.recipient, step, round(at_s - alarm.told_s, 3))
        for alarm in record.alarms
        for way in alarm.deliveries
        for step, at_s in way.steps.items()
    ]
    _rows(book, page, 0, head, rows)


def _past(book: Workbook, past: Sequence[Past]) -> None:
    name = "历次 Trend"
    page = _page(book, name, (22, 10, 30, 14, 18, 12, 12))
    head = (
        "开始 begin",
        "批次 run",
        "场景 scenario",
        "县区 county",
        "结果 result",
        "得分 points",
        "得分率 share",
    )
    rows = [
        (
            at_words(one.record.begin_us),
            float(one.record.run),
            one.record.zh,
            one.record.county,
            verdict_words(one.record, one.sheet),
            one.sheet.points,
            round(one.sheet.share, 4),
        )
        for one in past
    ]
    _rows(book, page, 0, head, rows)
    chart = book.add_chart({"type": "line"})
    chart.add_series(
        {
            "name": "得分率 share",
            "categories": [name, 1, 0, len(rows), 0],
            "values": [name, 1, 6, len(rows), 6],
            "marker": {"type": "circle"},
        }
    )
    chart.set_y_axis({"min": 0, "max": 1, "num_format": "0%"})
    page.insert_chart(len(rows) + 2, 0, chart)

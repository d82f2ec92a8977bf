"""The report of a drill as one HTML file that needs nothing beside it. Pure."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from simulators import drill_charts
from simulators.criteria import SheetFile
from simulators.drill_record import DrillRecord
from simulators.drill_words import (
    EVENT_NAMES,
    FITS,
    LEVEL_NAMES,
    at_words,
    heads,
    limit_words,
    met_words,
    seconds_words,
    verdict_words,
)
from simulators.score import Sheet, words
from simulators.trend import Past, picture

_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif;
  color: #22262A; background: #ECEDEE; margin: 0; border: 6px dashed #5B636B; }
main { max-width: 1000px; margin: 0 auto; padding: 16px 24px; background: #fff; }
main::before { content: "演练 EXERCISE"; position: fixed; top: 40%; left: 8%; right: 8%;
  text-align: center; font-size: 110px; color: #22262A; opacity: .05;
  transform: rotate(-20deg); pointer-events: none; }
h1 { font-size: 24px; } h2 { font-size: 18px; margin-top: 28px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: 4px 8px; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
td.n { text-align: right; white-space: nowrap; }
table:first-of-type td.n { text-align: left; }
.verdict { font-size: 28px; padding: 8px 16px; border: 3px solid;
  display: inline-block; }
.legend { list-style: none; padding: 0; font-size: 13px; }
details { color: #5B636B; } svg { width: 100%; height: auto; }
@media print { body { background: #fff; } h2 { break-after: avoid; }
  tr, svg { break-inside: avoid; } }
"""

_TIME = re.compile(r"-?\d+:\d\d\.\d")


def page(
    record: DrillRecord, sheet: Sheet, sheet_file: SheetFile, past: Sequence[Past]
) -> str:
    """The whole report.

    Args:
        past: earlier drills and this one, the oldest first.
    """
    title = f"演练报告 Drill report · {record.zh} {record.en}"
    parts = [
        f"<h1>【演练】 {escape(title)}</h1>",
        f"<p class=verdict>{escape(verdict_words(record, sheet))}</p>",
        _table((), heads(record, sheet)),
        _h2(f"评分 {sheet_file.zh} · {sheet_file.en}"),
        _sheet(sheet),
        _h2("曲线 Curve"),
        drill_charts.curves(record),
        _h2("时间线 Timeline"),
        drill_charts.timeline(record),
        _h2("险情与注入 What was injected"),
        _injected(record),
        _h2("报警与处置 Alarms and what was done"),
        _alarms(record),
        _h2("送达 Deliveries"),
        _deliveries(record),
    ]
    if record.real_alarms:
        parts += [_h2("期间的真实报警 Real alarms meanwhile"), _real(record)]
    parts += [
        _h2("历次演练 Earlier drills"),
        picture(past, sheet.pass_share),
        _past(past),
    ]
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _h2(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers stand to the right, and times in one piece."""

    def cell(value: object) -> str:
        short = isinstance(value, int | float) or _TIME.fullmatch(str(value))
        kind = " class=n" if short else ""
        return f"<td{kind}>{escape(str(value))}</td>"

    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(cell(v) for v in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _sheet(sheet: Sheet) -> str:
    rows = []
    for result in sheet.results:
        criterion = result.criterion
        must = " （必达 must）" if criterion.must else ""
        rows.append(
            (
                f"{criterion.zh} {criterion.en}{must}",
                limit_words(criterion),
                seconds_words(result.took_s),
                met_words(result),
                result.points,
                criterion.points,
            )
        )
    head = (
        "要求 criterion",
        "时限 within",
        "用时 took",
        "达标 met",
        "得分 points",
        "满分 of",
    )
    items = [
        (
            result.criterion.zh,
            item.what,
            seconds_words(item.took_s),
            item.by,
            "✓✗"[not item.is_met],
        )
        for result in sheet.results
        for item in result.items
    ]
    each = _table(("要求 criterion", "对象 what", "用时 took", "何人 by", ""), items)
    details = f"<details><summary>逐项 item by item</summary>{each}</details>"
    return _table(head, rows) + details


def _injected(record: DrillRecord) -> str:
    rows = [
        (seconds_words(t.at_s), "险情 danger", t.where, f"{t.name}: {t.kind}")
        for t in record.truths
    ]
    names = {"call": "来电 call", "false_report": "不实报告 false report"}
    rows += [
        (seconds_words(c.at_s), names[c.kind], c.to, f"{c.zh} {c.en}")
        for c in record.calls
    ]
    return _table(("时刻 at", "类别 kind", "何处 where, to", "内容 what"), rows)


def _alarms(record: DrillRecord) -> str:
    rows: list[tuple[object, ...]] = []
    for alarm in sorted(record.alarms, key=lambda a: (a.told_s, a.alarm_id)):
        rows.append(
            (
                seconds_words(alarm.told_s),
                LEVEL_NAMES[alarm.rank],
                words(alarm),
                FITS[alarm.fits],
                f"{alarm.zh} {alarm.en}",
            )
        )
        rows += [
            (
                seconds_words(entry.at_s),
                EVENT_NAMES.get(entry.event, entry.event),
                f"{entry.by} ({entry.tier})",
                "" if entry.stands else "已撤回 withdrawn",
                entry.note,
            )
            for entry in alarm.entries
        ]
    head = ("时刻 at", "级别、动作", "报警、人员 alarm, who", "", "内容 text")
    return _table(head, rows)


def _deliveries(record: DrillRecord) -> str:
    rows = [
        (
            words(alarm),
            way.recipient,
            " · ".join(
                f"{step} +{at_s - alarm.told_s:.1f} s"
                for step, at_s in way.steps.items()
            )
            or "—",
        )
        for alarm in record.alarms
        for way in alarm.deliveries
    ]
    return _table(("报警 alarm", "平台、值班室 platform, room", "步骤 steps"), rows)


def _real(record: DrillRecord) -> str:
    rows = [
        (seconds_words(r.at_s), LEVEL_NAMES[r.rank], f"{r.kind} {r.mine}", r.alarm_id)
        for r in record.real_alarms
    ]
    return _table(("时刻 at", "级别 level", "报警 alarm", "编号 number"), rows)


def _past(past: Sequence[Past]) -> str:
    rows = [
        (
            at_words(one.record.begin_us),
            one.record.run,
            one.record.zh,
            one.record.county,
            verdict_words(one.record, one.sheet),
            one.sheet.points,
            *(seconds_words(r.took_s) for r in one.sheet.results if r.criterion.must),
        )
        for one in past
    ]
    musts = [r.criterion.zh for r in past[-1].sheet.results if r.criterion.must]
    head = (
        "开始 begin",
        "批次 run",
        "场景 scenario",
        "县区 county",
        "结果 result",
        "得分 points",
    )
    return _table((*head, *musts), rows)

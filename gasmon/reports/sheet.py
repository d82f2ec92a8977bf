"""Reports as CSV, for spreadsheets. Pure."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gasmon import domain
from gasmon.alarms.events import RANK_NAMES, RANK_NAMES_ZH
from gasmon.alarms.lifecycle import TIERS

BOM = "﻿"
"""Without it spreadsheets take Chinese for another code page."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula; a mine chooses its own names."""

Column = tuple[str, Callable[[Mapping[str, Any]], Any]]

TIER_WORDS = {"mine": "煤矿 mine", "county": "县级 county", "city": "市级 city"}


def sheet(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> bytes:
    """A header and a line for each row, in UTF-8."""
    out = io.StringIO()
    out.write(BOM)
    writer = csv.writer(out)
    writer.writerow([title for title, _ in columns])
    for row in rows:
        writer.writerow([cell(value(row)) for _, value in columns])
    return out.getvalue().encode()


def cell(value: Any) -> Any:
    """A value that a spreadsheet shows and does not run: texts are quoted if needed."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _at(*path: str) -> Callable[[Mapping[str, Any]], Any]:
    """What stands at a path of a row; empty where it ends before."""

    def value(row: Mapping[str, Any]) -> Any:
        found: Any = row
        for name in path:
            found = None if found is None else found[name]
        return found

    return value


def _grade(number: int) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: row["over_limit"]["by_grade"][number]


def _rank(number: int) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: row["by_rank"][number]


def area_name(code: str) -> str:
    """An area's Chinese name; its code where it is none of ours."""
    try:
        return domain.area_by(code).name_zh
    except KeyError:
        return code


def level_name(rank: int) -> str:
    """A level in both languages."""
    return f"{RANK_NAMES_ZH[rank]} {RANK_NAMES[rank]}"


def _timely(tier: str, what: str, words: str) -> tuple[Column, ...]:
    at = ("handling", tier, what)
    who = TIER_WORDS[tier]
    return (
        (f"{who} {words} 应 asked", _at(*at, "asked")),
        (f"{who} {words} 及时 in time", _at(*at, "in_time")),
        (f"{who} {words} 及时率 %", _at(*at, "pct")),
        (f"{who} {words} 用时中位 median s", _at(*at, "median_s")),
    )


def _pair(name: str, words: str) -> tuple[Column, ...]:
    return ((words, _at(name, "n")), (f"{words} s", _at(name, "s")))


TABLE_COLUMNS: tuple[Column, ...] = (
    ("代码 code", _at("name")),
    ("名称 name", lambda row: row["label"] or area_name(row["area"])),
    ("县区 area", lambda row: area_name(row["area"])),
    ("报警 alarms", _at("alarms")),
    ("上期 before", _at("before", "alarms")),
    ("环比 change %", _at("change_pct", "alarms")),
    ("报备 planned", _at("planned")),
    *((level_name(rank), _rank(rank)) for rank in (4, 3, 2, 1, 0)),
    ("跨入 carried in", _at("carried_in")),
    ("未解除 on at the end", _at("on_at_end")),
    ("补传发现 late", _at("late")),
    ("超限次数 over-limits", _at("over_limit", "n")),
    ("上期超限 before", _at("before", "over_limit")),
    ("超限环比 change %", _at("change_pct", "over_limit")),
    ("报备超限 planned over-limits", _at("over_limit", "n_planned")),
    ("超限时长 over s", _at("over_limit", "s")),
    ("上期时长 before s", _at("before", "over_s")),
    ("时长环比 change %", _at("change_pct", "over_s")),
    ("报备时长 planned s", _at("over_limit", "s_planned")),
    ("最长 longest s", _at("over_limit", "longest_s")),
    ("超限中 ongoing", _at("over_limit", "ongoing")),
    ("<2 %", _grade(0)),
    ("2–3 %", _grade(1)),
    ("≥3 %", _grade(2)),
    ("最大值 max CH4 %", _at("peak", "value")),
    ("最大值时间 at", _at("peak", "at")),
    ("最大值地点 where", _at("peak", "place")),
    ("在线率 online %", _at("online", "pct")),
    ("上期在线率 before %", _at("before", "online_pct")),
    ("登记 registered", _at("online", "registered")),
    ("联网 linked", _at("online", "linked")),
    ("长期离线 long offline", _at("online", "long_offline")),
    ("从未上线 never heard", _at("online", "never_heard")),
    ("中断次数 breaks", _at("online", "breaks")),
    ("中断时长 break s", _at("online", "break_s")),
    *_timely("mine", "confirmed", "确认 confirmed"),
    *_timely("mine", "handled", "处置 handled"),
    *_timely("county", "confirmed", "确认 confirmed"),
    *_timely("county", "handled", "处置 handled"),
)
"""Columns of a table of statistics."""

MINE_COLUMNS: tuple[Column, ...] = (
    ("测点 point", _at("subject")),
    ("地点 place", _at("place")),
    ("类型 type", _at("type_zh")),
    ("单位 unit", _at("uom")),
    ("报警门限 alarm", _at("alarm")),
    ("断电门限 cut-off", _at("cut_off")),
    ("复电门限 restore", _at("restore")),
    ("平均值 mean", _at("mean")),
    ("最小值 min", _at("min")),
    ("最大值 max", _at("max")),
    ("最大值时间 at", _at("max_at")),
    ("读数 readings", _at("n")),
    ("无效读数 not counted", _at("n_bad")),
    ("数据完整率 coverage %", _at("coverage_pct")),
    *_pair("alarms", "报警 alarms"),
    *_pair("cut_offs", "断电 cut-offs"),
    *_pair("feeds", "馈电异常 feed abnormalities"),
    *_pair("planned", "报备 planned"),
)
"""Columns of a mine's daily monitoring report."""

LIST_COLUMNS: tuple[Column, ...] = (
    ("编号 id", _at("alarm_id")),
    ("等级 level", lambda row: level_name(row["rank"])),
    ("县区 area", lambda row: area_name(row["area"])),
    ("煤矿 mine", lambda row: row["mine_name"] or row["mine"]),
    ("类型 kind", _at("kind")),
    ("地点 place", lambda row: row["place"] or row["subject"]),
    ("监测量 quantity", _at("quantity")),
    ("最大值 max", _at("peak")),
    ("单位 unit", _at("uom")),
    ("最大值时间 at", _at("peak_at")),
    ("原因 cause", _at("cause_code")),
    ("开始 start", _at("raised_at")),
    ("结束 end", lambda row: row["cleared_at"] or "未解除 ongoing"),
    ("时长 lasted s", _at("lasted_s")),
    ("本日内 within s", _at("in_period_s")),
    ("报备 planned", lambda row: "是 yes" if row["planned"] else "否 no"),
    ("补传发现 late", lambda row: "是 yes" if row["late"] else "否 no"),
    *((f"{TIER_WORDS[t]} 确认 confirmed", _at("confirmed", t)) for t in TIERS),
    *((f"{TIER_WORDS[t]} 处置 handled", _at("handled", t)) for t in TIERS),
)
"""Columns of a list of alarms."""


def _mark(tier: str, name: str) -> Column:
    words = {"at": "确认 confirmed", "by": "确认人 by"}[name]
    return f"{TIER_WORDS[tier]} {words}", _at("confirmations", tier, name)


ALARM_COLUMNS: tuple[Column, ...] = (
    ("编号 id", _at("alarm_id")),
    ("等级 level", lambda row: level_name(row["rank"])),
    ("县区 area", lambda row: area_name(row["area"])),
    ("煤矿 mine", lambda row: row["mine_name"] or row["mine"]),
    ("类型 kind", _at("kind")),
    ("测点 point", _at("point")),
    ("地点 place", lambda row: row["place"] or row["subject"]),
    ("监测量 quantity", _at("quantity")),
    ("当前值 value", _at("value")),
    ("门限 limit", _at("limit")),
    ("最大值 max", _at("peak")),
    ("单位 unit", _at("uom")),
    ("最大值时间 at", _at("peak_at")),
    ("开始 start", _at("raised_at")),
    ("结束 end", lambda row: row["cleared_at"] or "未解除 ongoing"),
    ("状态 state", _at("state")),
    ("报备 planned", lambda row: "是 yes" if row["planned"] else "否 no"),
    ("补传发现 late", lambda row: "是 yes" if row["late"] else "否 no"),
    *(_mark(tier, name) for tier in TIERS for name in ("at", "by")),
    ("演练 drill", lambda row: "演练 drill" if row["drill"] else ""),
)
"""Columns of alarms as the alarm table shows them."""

"""Statistics as text, in Chinese and English."""

from typing import Any

from gasmon.alarms.events import RANK_NAMES_ZH
from gasmon.reports.sheet import area_name


def print_table(told: dict[str, Any]) -> None:
    """A table of statistics for people."""
    print(_heading(told))
    _rows(told["items"], told["by"])


def print_daily(told: dict[str, Any]) -> None:
    """The daily report for people."""
    print(f"报警日报 daily alarm report  {_heading(told)}")
    _rows([told["total"]], "all")
    for title, by, name in (
        ("县区 counties", "area", "areas"),
        ("煤矿排名 mines", "mine", "mines"),
        ("测点排名 points", "point", "points"),
        ("类型 kinds", "kind", "kinds"),
        ("原因 causes", "cause", "causes"),
    ):
        if told[name]:
            print(f"\n{title}")
            _rows(told[name], by)
    print(f"\n超限 over-limits: {told['over_limits_all']}")
    for row in told["over_limits"]:
        print(_alarm(row))
    print(f"\n通信中断 breaks: {told['breaks_all']}")
    for row in told["breaks"]:
        print(_alarm(row))


def print_mine(told: dict[str, Any]) -> None:
    """A mine's daily monitoring report for people."""
    print(f"监测日报 daily monitoring report  {told['name']} {_heading(told)}")
    print(
        f"{'mean':>9}{'max':>9}{'at':>10}{'alarms':>8}{'time':>10}"
        f"{'cut-offs':>10}{'time':>10}{'feed':>6}{'time':>10}"
    )
    for row in told["items"]:
        at = row["max_at"][11:19] if row["max_at"] else "-"
        times = [_times(row[name]) for name in ("alarms", "cut_offs", "feeds")]
        print(
            f"{_number(row['mean'], 3):>9}{_number(row['max'], 3):>9}{at:>10}"
            f"{times[0][0]:>8}{times[0][1]:>10}{times[1][0]:>10}{times[1][1]:>10}"
            f"{times[2][0]:>6}{times[2][1]:>10}"
            f"  {row['subject'][13:]} {row['place']} {row['type_zh']} {row['uom']}"
            f"{_planned(row['planned']['n'])}"
        )


def _planned(n: int) -> str:
    return f"  报备 planned {n}" if n else ""


def _times(pair: dict[str, Any]) -> tuple[str, str]:
    mark = "+" if pair["ongoing"] else ""
    return str(pair["n"]), _length(pair["s"]) + mark


def _heading(told: dict[str, Any]) -> str:
    note = "" if told["until"] == told["to"] else f", 截至 until {told['until'][:19]}"
    return f"{told['from'][:16]} – {told['to'][:16]}{note}"


def _rows(rows: list[dict[str, Any]], by: str) -> None:
    print(
        f"{'alarms':>8}{'change %':>10}{'planned':>9}{'over':>6}{'time':>11}"
        f"{'longest':>11}{'max %':>7}{'online %':>10}{'in time %':>11}"
    )
    for row in rows:
        over, peak, online = row["over_limit"], row["peak"], row["online"]
        in_time = row["handling"]["county"]["confirmed"]["pct"]
        mark = "+" if over["ongoing"] else ""
        print(
            f"{row['alarms']:>8}{_number(row['change_pct']['alarms']):>10}"
            f"{row['planned']:>9}{over['n']:>6}{_length(over['s']) + mark:>11}"
            f"{_length(over['longest_s']):>11}"
            f"{_number(peak['value'] if peak else None, 2):>7}"
            f"{_number(online['pct'] if online else None, 2):>10}"
            f"{_number(in_time):>11}  {_name(row, by)}"
        )


def _name(row: dict[str, Any], by: str) -> str:
    if by == "all":
        return "合计 total"
    if by == "area":
        return area_name(row["name"])
    return f"{row['name']} {row['label']}".strip()


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _alarm(row: dict[str, Any]) -> str:
    end = row["cleared_at"][:19] if row["cleared_at"] else "未解除 ongoing"
    peak = "" if row["peak"] is None else f"  {row['peak']:g} {row['uom']}"
    planned = "  报备 planned" if row["planned"] else ""
    place = row["place"] or row["subject"]
    return (
        f"#{row['alarm_id']} {RANK_NAMES_ZH[row['rank']]} {row['mine_name']} {place}"
        f"  {row['raised_at'][:19]} – {end}  {_length(row['lasted_s'])}{peak}{planned}"
    )

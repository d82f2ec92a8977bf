"""How reports say what a drill was, the same words on page and in tables. Pure."""

from gasmon.units import BEIJING, to_datetime
from simulators.criteria import Criterion
from simulators.drill_record import BROKEN_OFF, DrillRecord
from simulators.score import Result, Sheet

LEVEL_NAMES = ("未分级 ungraded", "蓝● blue", "黄■ yellow", "橙▲ orange", "红◆ red")
ENDED = {
    "done": "全部要求完成，自动结束 ended by itself: all that was asked for was done",
    "time": "时间到，自动结束 ended by itself: its time was over",
    "stopped": "人工终止 stopped by hand",
    "real_alarm": "出现真实报警，演练终止 stopped: a real alarm came",
    "cut_off": "演练程序中断，成绩计至中断时 cut off: its program died; "
    "scored as far as it came",
}
FITS = {
    "expected": "应报 expected",
    "allowed": "可报 allowed",
    "unexpected": "意外 unexpected",
}
EVENT_NAMES = {
    "confirmed": "确认 confirmed",
    "commented": "备注 commented",
    "assigned": "指派 assigned",
    "verified": "核实 verified",
    "handled": "处置 handled",
    "status_requested": "要求反馈 status requested",
    "fed_back": "反馈 fed back",
    "withdrawn": "撤回 withdrawn",
    "corrected": "更正 corrected",
    "closed": "结束 closed",
}


def verdict_words(record: DrillRecord, sheet: Sheet) -> str:
    """Passed, not passed, or broken off."""
    if record.ended_by == "cut_off":
        return "中断 cut off"
    if record.ended_by in BROKEN_OFF:
        return "终止 broken off"
    return "合格 passed" if sheet.is_passed else "不合格 not passed"


def heads(record: DrillRecord, sheet: Sheet) -> list[tuple[str, str]]:
    """What stands above a sheet."""
    everybody = "全部 everybody"
    return [
        ("结果 result", verdict_words(record, sheet)),
        ("得分 points", f"{sheet.points:g} / {sheet.of_points:g} ({sheet.share:.0%})"),
        ("场景 scenario", f"{record.zh} {record.en} ({record.scenario})"),
        ("县区 county", record.county),
        ("煤矿 mines", "、".join(f"{n} {c}" for c, n in record.mines.items())),
        ("参演人员 participants", "、".join(record.participants) or everybody),
        ("参演平台 platforms", "、".join(record.platforms) or everybody),
        ("预先通知 announced", "是 yes" if record.announced else "否 no"),
        ("开始 begin", at_words(record.begin_us)),
        ("历时 lasted", seconds_words(record.ended_s)),
        ("结束 end", ENDED[record.ended_by]),
        ("批次、种子 run, seed", f"{record.run}, {record.seed}"),
    ]


def at_words(time_us: int) -> str:
    """A time in Beijing to the second."""
    return f"{to_datetime(time_us).astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"


def seconds_words(took_s: float | None) -> str:
    """A duration as minutes and seconds; a dash for what did not happen."""
    if took_s is None:
        return "—"
    minutes, seconds = divmod(abs(took_s), 60)
    sign = "-" if took_s < 0 else ""
    return f"{sign}{int(minutes)}:{seconds:04.1f}"


def limit_words(criterion: Criterion) -> str:
    """What a criterion allows."""
    return "—" if criterion.measure == "alarms" else seconds_words(criterion.within_s)


def met_words(result: Result) -> str:
    """How a criterion went."""
    if not result.items:
        return "无对象 nothing to look at"
    n = sum(item.is_met for item in result.items)
    mark = "✓" if result.is_met else "✗"
    return f"{mark} {n}/{len(result.items)}"

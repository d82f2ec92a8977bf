"""Shifts, hand-overs and loads as lines for people."""

from collections.abc import Sequence
from typing import Any

from gasmon.alarms.events import RANK_NAMES_ZH

Row = dict[str, Any]

_STATES = {
    "open": "未签字 open",
    "signed": "交班人已签 signed",
    "refused": "已退回 refused",
    "accepted": "已交接 accepted",
}
_GRADES = {
    "acceptable": "可接受 acceptable",
    "manageable": "可应付 manageable",
    "over": "过多 over",
}
_EVENTS = {
    "noted": "备注 noted",
    "signed": "交班签字 signed",
    "accepted": "接班签字 accepted",
    "refused": "退回 refused",
    "reminded": "催签 reminded",
}


def shift_text(shift: Row | None) -> str:
    """One shift: its day, name and times."""
    if shift is None:
        return "无班次 no shift"
    name = shift["name"]
    english = "" if shift["name_en"] == name else f" {shift['name_en']}"
    times = f"{_clock(shift['from'])}–{_clock(shift['until'])}"
    return f"{shift['day']} {name}{english} {times}"


def print_posts(posts: Sequence[Row]) -> None:
    """Each post with its shift, who is there, and who is to come."""
    for post in posts:
        print(f"{post['tier']}/{post['place']}  {shift_text(post['now'])}")
        there = [f"{o['name']} {_clock(o['since'])}" for o in post["signed_on"]]
        print(f"    在岗 signed on: {', '.join(there) or '无人 nobody'}")
        print(f"    应到 assigned: {', '.join(post['assigned']) or '–'}")
        then = ", ".join(post["assigned_next"]) or "–"
        print(f"    下一班 next: {shift_text(post['next'])}: {then}")
    if not posts:
        print("无班次设置 no post has a calendar")


def print_calendar(page: Row) -> None:
    """Shifts of days, then what is assigned."""
    for shift in page["shifts"]:
        print(f"{shift_text(shift)}  {', '.join(shift['assigned'])}")
    if not page["shifts"]:
        print("无班次 no shifts")
    for row in page["assignments"]:
        until = row["until_day"] or ""
        instead = f" 代 for {row['instead_of']}" if row["instead_of"] else ""
        print(
            f"  #{row['assignment_id']} {row['name']} {row['shift']}"
            f" {row['from_day']}–{until}{instead} {row['reason']}".rstrip()
        )


def print_load(items: Sequence[Row]) -> None:
    """One line per shift with its figures."""
    for item in items:
        print(f"{shift_text(item['shift'])}  {_load(item['load'])}")
    if not items:
        print("无班次 no shifts")


def print_heads(items: Sequence[Row]) -> None:
    """Hand-overs, one a line."""
    for head in items:
        who = [_signer(head["outgoing"]), _signer(head["incoming"])]
        mark = "  !" if head["unsigned"] else ""
        print(
            f"{head['handover_id']:>6}  {head['tier']}/{head['place']}"
            f"  {shift_text(head['shift'])}  {_STATES[head['state']]}"
            f"  {' → '.join(who)}{mark}"
        )


def print_handover(found: Row) -> None:
    """A hand-over with its summary, load and records."""
    print_heads([found])
    counts = found["summary"]["counts"]
    ranks = " ".join(
        f"{RANK_NAMES_ZH[rank]} {n}"
        for rank, n in reversed(list(enumerate(counts["open_by_rank"])))
        if n
    )
    print(f"  未解除 open {counts['open']}: {ranks or '–'}")
    print(
        f"  未确认 unconfirmed {counts['unconfirmed']}, 超时 overdue"
        f" {counts['overdue']}, 搁置 shelved {counts['shelved']}, 报备 planned"
        f" {counts['planned']}, 演练 drills {counts['drills']},"
        f" 中断煤矿 silent mines {counts['silent_mines']},"
        f" 故障通道 failing channels {counts['failing_channels']}"
    )
    for plan in found["summary"]["planned"]:
        print(f"  {_plan(plan)}")
    for alarm in found["summary"]["drills"]:
        place = alarm["place"] or alarm["subject_id"]
        print(f"  演练 drill {alarm['run']}: {place} {alarm['kind']}")
    print(f"  {_load(found['load'])}")
    print(f"  当班 on duty: {', '.join(found['on_duty']) or '无人 nobody'}")
    for row in found["records"]:
        who = row["by"] or "gasmon"
        print(f"  {row['at'][:19]}  {_EVENTS[row['event']]}  {who}  {row['note']}")


def _plan(plan: Row) -> str:
    name = "报备 plan" if plan["plan_id"] is None else f"报备 plan #{plan['plan_id']}"
    return (
        f"{name} {plan['work'] or ''} {', '.join(plan['subjects'])}: {plan['reason']},"
        f" {plan['owner']}, 至 until {plan['until'][:16]}, 静默 quiet"
        f" {plan['quiet_alarms']}"
    )


def _load(load: Row) -> str:
    flood = ", 泛滥 flooded" if load["flooded"] else ""
    return (
        f"报警 alarms {load['alarms']}, {load['mean_per_10min']:.2f}/10 min"
        f" ({_GRADES[load['grade']]}{flood}), 峰值 peak {load['peak_10min']}/10 min,"
        f" >10: {load['flood_share_pct']:g} %, 未解除 standing {load['standing']},"
        f" 未确认 unconfirmed {load['unconfirmed']}"
    )


def _signer(signature: Row | None) -> str:
    return f"{signature['by']} {_clock(signature['at'])}" if signature else "–"


def _clock(time: str) -> str:
    return time[11:16]

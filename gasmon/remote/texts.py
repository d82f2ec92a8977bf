"""An alarm event as one line for people, Chinese first, English beside it.

Level, place, what was measured, how it stands to its limit, what it means. Numbers
have the decimals that people are used to for the unit, because a column of ``1.6`` and
``1.60`` reads like two instruments.
"""

from dataclasses import dataclass

from gasmon import domain
from gasmon.alarms.events import RANK_NAMES, RANK_NAMES_ZH


@dataclass(frozen=True, slots=True)
class Told:
    """What a sentence is made of.

    Attributes:
        value: at this event, in ``uom``; None when there was none.
        limit: what it was compared with; None when no limit is involved.
        tier: who confirmed (``mine``, ``county``, ``city``) and ``by`` whom; empty for
            every other event.
        to: the tier that must act, ``without`` what, of an event ``escalated``; the
            one whose status is asked for, of ``status_requested``.
    """

    event: str
    kind: str
    rank: int
    area: str
    mine_name: str
    place: str
    quantity: str
    value: float | None
    limit: float | None
    uom: str
    drill: bool = False
    by: str = ""
    tier: str = ""
    to: str = ""
    without: str = ""


KINDS = {
    "over_limit": ("超限报警", "over limit"),
    "cut_off": ("断电报警", "cut-off limit reached"),
    "low_limit": ("低限报警", "below limit"),
    "low_cut_off": ("低限断电", "low cut-off limit reached"),
    "over_range": ("超量程", "over range"),
    "sensor_break": ("传感器断线", "sensor break"),
    "substation_not_reachable": ("分站不通", "substation not reachable"),
    "substation_power_loss": ("分站停电", "substation without mains"),
    "calibration": ("标校", "calibration"),
    "no_data": ("测点无数据", "no data from the sensor"),
    "substation_break": ("分站通讯中断", "substation silent"),
    "link_break": ("联网中断", "link broken"),
    "clock_wrong": ("煤矿时钟错误", "the mine's clock is wrong"),
    "definitions_missing": ("测点定义缺失", "point definitions are missing"),
    "limits_looser": ("限值低于标准要求", "limits looser than the law"),
    "limits_changed": (
        "报警期间修改限值",
        "limits changed while an alarm was open",
    ),
    "message_flood": ("消息洪泛", "the mine sends a flood of messages"),
    "our_clock": ("平台时钟异常", "the platform's clock is in doubt"),
    "spool_filling": (
        "数据库断开，缓存占用中",
        "the database is away, readings are spooled",
    ),
    "high_pre_warning": ("超限预警", "high pre-warning"),
    "low_pre_warning": ("低限预警", "low pre-warning"),
    "rapid_rise": ("快速上升", "rising fast"),
    "suspicious_data": ("疑似伪数据", "suspicious data"),
    "evasion": ("上升时数据中断或标校，疑似规避", "hidden while rising near its limit"),
    "on_off_alarm": ("开关量报警", "switch alarm"),
    "local_fan_stopped": ("局部通风机停", "local fan stopped"),
    "main_fan_stopped": ("主通风机停", "main fan stopped"),
    "air_reversed": ("风向逆转", "air goes the wrong way"),
    "feed_lost": ("馈电无电", "load side without power"),
    "breaker_open": ("断电器断电", "breaker has cut the power"),
    "feed_abnormal": ("馈电异常", "feed abnormality"),
    "extent_over_limit": ("多点超限", "several points over their limits"),
    "door_pair_open": ("风门同时打开", "both doors of a pair open"),
    "duct_without_air": ("风筒无风", "the fan runs, the duct has no air"),
    "main_fans_stopped": ("主通风机全停", "all main fans stopped"),
    "mine_without_power": ("全矿停电", "the whole mine without power"),
    "downstream_below_upstream": (
        "下风侧甲烷偏低",
        "less methane downstream than upstream",
    ),
    "fan_without_wind": ("风机运行无风", "the fan runs, no air moves"),
    "producing_but_flat": (
        "生产时甲烷数据不变",
        "methane stands still while coal is won",
    ),
    "pump_stopped": ("抽采泵停运", "drainage pumps stopped"),
    "suction_lost": ("抽采负压丢失", "drainage suction lost"),
    "pipe_co_rising": ("管道一氧化碳上升", "carbon monoxide rising in the pipe"),
    "pipe_temperature_rising": ("管道温度上升", "temperature rising in the pipe"),
    "smoke": ("烟雾报警", "smoke"),
    "trend": ("趋势预警", "trend pre-warning"),
    "forecast": (
        "预测预警：预计10分钟内达到报警限",
        "pre-warning: limit within 10 min",
    ),
    "forecast_advisory": (
        "预测效果不佳，预警仅供参考",
        "forecast worse than a running mean, advisory only",
    ),
}
"""Words for each kind (docs/alarm-rules.md); a kind that is absent shows its name."""

QUANTITIES = {
    "CH4": ("瓦斯", "methane"),
    "CH4_PIPE": ("管道瓦斯", "pipe methane"),
    "CO": ("一氧化碳", "carbon monoxide"),
    "O2": ("氧气", "oxygen"),
    "CO2": ("二氧化碳", "carbon dioxide"),
    "H2S": ("硫化氢", "hydrogen sulphide"),
    "TEMP": ("温度", "temperature"),
    "TEMP_CHAMBER": ("硐室温度", "chamber temperature"),
    "AIR_VELOCITY": ("风速", "air velocity"),
    "AIR_QUANTITY": ("风量", "air quantity"),
    "PRESSURE_DIFF": ("压差", "pressure difference"),
    "SUCTION": ("负压", "suction"),
    "PIPE_TEMP": ("管道温度", "pipe temperature"),
    "PIPE_PRESSURE": ("管道压力", "pipe pressure"),
    "PIPE_CO": ("管道一氧化碳", "pipe carbon monoxide"),
    "PIPE_FLOW": ("管道流量", "pipe flow"),
    "PIPE_FLOW_PURE": ("管道纯流量", "pipe pure flow"),
    "FAN_LOCAL": ("局部通风机", "local fan"),
    "FAN_MAIN": ("主通风机", "main fan"),
    "DOOR": ("风门", "air door"),
    "DUCT": ("风筒", "air duct"),
    "EQUIPMENT": ("设备开停", "equipment"),
    "SMOKE": ("烟雾", "smoke"),
    "AIR_DIRECTION": ("风向", "air direction"),
    "BREAKER": ("断电器", "breaker"),
    "FEED": ("馈电", "feed"),
    "POWER": ("供电", "power"),
}

_EVENTS = {
    "raised": ("", ""),
    "level": ("级别升高", "level raised"),
    "cleared": ("已解除", "cleared"),
    "unknown": ("数据中断，报警保持", "no data now, the alarm stands"),
    "known": ("数据恢复，仍在报警", "data is back, still in alarm"),
    "broke_through": ("突破报备，恢复报警", "breaks through its plan"),
}
_DONE = {
    "confirmed": ("确认", "confirmed"),
    "commented": ("备注", "commented"),
    "assigned": ("指派", "assigned"),
    "verified": ("核实", "verified"),
    "handled": ("处置", "handled"),
    "status_requested": ("要求反馈", "status asked for"),
    "fed_back": ("反馈", "fed back"),
    "shelved": ("搁置", "shelved"),
    "unshelved": ("恢复报警", "shelf ended"),
    "withdrawn": ("撤回记录", "record withdrawn"),
    "corrected": ("更正记录", "record corrected"),
    "closed": ("结束", "closed"),
}
"""What people (and rules) do with an alarm: each event of ``lifecycle.ACTIONS``."""

_MISSING = {
    "confirmed": ("无人确认", "nobody confirmed"),
    "handled": ("无人处置", "nobody handled it"),
    "delivered": ("报警未送达", "it did not get there"),
}
"""What an event ``escalated`` says is missing."""

_TIERS = {
    "mine": ("煤矿", "mine"),
    "county": ("县级", "county"),
    "city": ("市级", "city"),
}
_DECIMALS = {"%": 2, "ppm": 0, "m/s": 2, "kPa": 2, "MPa": 3, "C": 1, "℃": 1}
_LOW_KINDS = ("low_limit", "low_cut_off")
_MEASURED_KINDS = ("over_limit", "cut_off", "low_limit", "low_cut_off")
_SHOWN_UNIT = {"C": "℃"}


def number(value: float, uom: str) -> str:
    """``1.6`` and ``%`` as ``1.60%``."""
    decimals = _DECIMALS.get(uom, 1)
    unit = _SHOWN_UNIT.get(uom, uom)
    gap = " " if unit and unit[0].isascii() and unit != "%" else ""
    return f"{value:.{decimals}f}{gap}{unit}"


def sentence(told: Told) -> dict[str, str]:
    """The event as ``{"zh": …, "en": …}``."""
    area = {area.code: area for area in domain.areas()}.get(told.area)
    kind = KINDS.get(told.kind, (told.kind, told.kind.replace("_", " ")))
    quantity = QUANTITIES.get(told.quantity, ("", ""))
    out: dict[str, str] = {}
    for at, language in enumerate(("zh", "en")):
        drill = ("【演练】", "[DRILL]")[at] if told.drill else ""
        level = (RANK_NAMES_ZH, RANK_NAMES)[at][told.rank]
        place = told.area if area is None else (area.name_zh, area.name_en)[at]
        parts = [
            drill,
            level,
            place,
            told.mine_name,
            told.place,
            quantity[at],
            _measured(told),
            kind[at],
            _happened(told, at),
        ]
        out[language] = " ".join(part for part in parts if part)
    return out


def _measured(told: Told) -> str:
    """The value beside its limit."""
    if told.value is None:
        return ""
    value = number(told.value, told.uom)
    if told.limit is None or told.kind not in _MEASURED_KINDS:
        return value
    # A cleared alarm's value has passed the limit the other way; comparing it with
    # the limit that raised it would print a falsehood.
    if told.event in ("cleared", "known"):
        return value
    low = told.kind in _LOW_KINDS
    if (told.value > told.limit) if low else (told.value < told.limit):
        return value
    return f"{value} {'≤' if low else '≥'} {number(told.limit, told.uom)}"


def _happened(told: Told, at: int) -> str:
    if told.event == "escalated":
        missing = _MISSING.get(told.without, ("", ""))[at]
        to = _TIERS.get(told.to, (told.to, told.to))[at]
        return f"{missing}，升级至{to}" if at == 0 else f"{missing}: the {to} must act"
    done = _DONE.get(told.event)
    if done is None:
        return _EVENTS.get(told.event, (told.event, told.event))[at]
    tier = _TIERS.get(told.tier, ("", ""))[at]
    by = " ".join(part for part in (tier, told.by) if part)
    if told.event == "status_requested" and told.to:
        to = _TIERS.get(told.to, (told.to, told.to))[at]
        asked = f"已由{by} 要求{to}反馈", f"status asked of the {to} by {by}"
        return asked[at]
    return f"已由{by} {done[0]}" if at == 0 else f"{done[1]} by {by}"

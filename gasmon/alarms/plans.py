"""Planned work (报备): what may be planned, and its life as a table. Pure.

The mine files a plan, an upper tier approves or refuses it, and either side may take it
back. A plan's state is derived from its records and the time, never stored; ``ACTIONS``
is the table, which tests walk completely and docs/planned-work.md is drawn from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gasmon.alarms.deciding import Action, No, Step, decide, step_of
from gasmon.alarms.lifecycle import DUTY_ROLES, UPPER_ROLES, Words

FILED = "filed"
APPROVED = "approved"
RUNNING = "running"
ENDED = "ended"
REFUSED = "refused"
WITHDRAWN = "withdrawn"
LAPSED = "lapsed"

PLAN_STATES = {
    FILED: Words("待审批", "waits for a decision"),
    APPROVED: Words("已批准", "approved, not begun"),
    RUNNING: Words("进行中", "within its window"),
    ENDED: Words("已结束", "over"),
    REFUSED: Words("已驳回", "refused"),
    WITHDRAWN: Words("已撤回", "withdrawn before it began"),
    LAPSED: Words("已过期", "its window passed without a decision"),
}
"""States with their words."""

CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work.

    Attributes:
        kinds: alarms that such work makes, when a plan does not name its own.
    """

    words: Words
    kinds: tuple[str, ...] = ()


_GAS = ("over_limit", "cut_off", "rapid_rise", "extent_over_limit")
_DEAD = (
    *("sensor_break", "no_data", "substation_not_reachable"),
    "substation_break",
)

WORKS: Mapping[str, Work] = {
    CALIBRATION: Work(
        Words("传感器标校", "sensor calibration"),
        (
            *("over_limit", "cut_off", "rapid_rise", "calibration"),
            *("sensor_break", "no_data", "suspicious_data"),
        ),
    ),
    "blasting": Work(Words("放炮作业", "blasting"), _GAS),
    "gas_discharge": Work(Words("排放瓦斯", "discharge of gas"), _GAS),
    "fan_changeover": Work(
        Words("主要通风机切换", "change of main fans"),
        ("main_fans_stopped", "fan_without_wind", "low_limit"),
    ),
    "power_outage": Work(
        Words("计划停电", "power outage"),
        (*_DEAD, "link_break", "mine_without_power", "duct_without_air"),
    ),
    "maintenance": Work(Words("检修作业", "maintenance"), (*_DEAD, "calibration")),
    "other": Work(Words("其他", "other work")),
}
"""Work that may be planned, and the alarms that it is taken to make. Ours."""

PLANNABLE = (
    *("over_limit", "cut_off", "low_limit", "low_cut_off", "over_range"),
    *("rapid_rise", "suspicious_data", "sensor_break", "substation_not_reachable"),
    *("calibration", "unknown_state", "no_data", "link_break", "extent_over_limit"),
    "substation_break",
    *("door_pair_open", "duct_without_air", "main_fans_stopped"),
    *("mine_without_power", "fan_without_wind", "pump_stopped", "suction_lost"),
)
"""Kinds of alarm that work can make. What says that limits or clocks are not to be
trusted is none of them, and neither is a pre-warning, which wakes nobody."""

CALIBRATION_ONLY = ("suspicious_data",)
"""Kinds that no other work makes: a value that jumps there and back is test gas."""


@dataclass(frozen=True, slots=True)
class Window:
    """A plan as its life depends on it.

    Attributes:
        from_us: first moment [µs UTC].
        until_us: first moment that it is over [µs UTC].
        steps: its records, in order.
    """

    from_us: int
    until_us: int
    steps: tuple[Step, ...]

    def step(self, event: str) -> Step | None:
        """The record of an event; each happens once at most."""
        return step_of(self.steps, event)


def plan_state(plan: Window, now_us: int) -> str:
    """The state of a plan at a moment."""
    approved, withdrawn = plan.step(APPROVED), plan.step(WITHDRAWN)
    if plan.step(REFUSED):
        return REFUSED
    if withdrawn:
        begun = approved and withdrawn.at_us >= max(plan.from_us, approved.at_us)
        return ENDED if begun else WITHDRAWN
    if approved is None:
        return LAPSED if now_us >= plan.until_us else FILED
    if now_us < plan.from_us:
        return APPROVED
    return RUNNING if now_us < plan.until_us else ENDED


_DECIDED = Words("报备已批准", "it was approved already")
_OVER = Words("报备时间已过", "its window is over")
_REFUSED = Words("报备已驳回", "it was refused")
_WITHDRAWN = Words("报备已撤回", "it was withdrawn")
_OWN = Words("不得审批本人提交的报备", "nobody decides on a plan of his own")

_GONE = {REFUSED: _REFUSED, WITHDRAWN: _WITHDRAWN, LAPSED: _OVER, ENDED: _OVER}
_TAKEN = {APPROVED: _DECIDED, RUNNING: _DECIDED}

PLAN_ACTIONS = {
    action.name: action
    for action in (
        # A county without a platform falls to its city.
        Action(
            "approve", APPROVED, UPPER_ROLES, {FILED: APPROVED}, _GONE | _TAKEN, True
        ),
        Action("refuse", REFUSED, UPPER_ROLES, {FILED: REFUSED}, _GONE | _TAKEN, True),
        Action(
            "withdraw",
            WITHDRAWN,
            DUTY_ROLES,
            {FILED: WITHDRAWN, APPROVED: WITHDRAWN, RUNNING: ENDED},
            _GONE,
        ),
    )
}
"""The table, by the action's name. What is approved within its window runs at once."""

FILING_ROLES = ("mine_dispatcher",)
"""Who files: whoever does the work, for a mine of his own."""


def decide_plan(
    plan: Window, action: str, *, role: str, name: str, now_us: int
) -> str | No:
    """One cell of the table: the event to record, or why there is none.

    Args:
        name: who asks; nobody decides on a plan of his own.
    """
    filed = plan.step(FILED)
    assert filed is not None, "every plan was filed"
    state, found = plan_state(plan, now_us), PLAN_ACTIONS[action]
    return decide(found, state, filed, role=role, name=name, own=_OWN)


def unknown_kinds(work: str, kinds: Iterable[str]) -> list[str]:
    """Those that cannot be planned for such work."""
    barred = () if work == CALIBRATION else CALIBRATION_ONLY
    return [kind for kind in kinds if kind not in PLANNABLE or kind in barred]

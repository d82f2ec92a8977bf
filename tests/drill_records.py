"""Records of drills for tests, made by hand."""

from __future__ import annotations

from dataclasses import replace

from simulators.drill_record import (
    Call,
    Curve,
    Delivery,
    DrillAlarm,
    DrillRecord,
    Entry,
    Truth,
)

ALARM = DrillAlarm(
    alarm_id=1,
    mine="演练一号煤矿",
    kind="over_limit",
    place="11121掘进工作面T1",
    zh="【演练】红色 11121掘进工作面T1 瓦斯 3.20% ≥ 1.00% 超限报警",
    en="[DRILL] red 11121 methane 3.20% ≥ 1.00% over limit",
    rank=4,
    raised_s=65.0,
    told_s=66.0,
    cleared_s=400.0,
    cause="bursts",
    cause_s=60.0,
    fits="expected",
)


def entry(
    event: str,
    at_s: float,
    tier: str,
    by: str = "",
    note: str = "",
    stands: bool = True,
) -> Entry:
    """A record of somebody of a tier."""
    return Entry(event, at_s, by or f"{tier}-duty", tier, note, stands)


GOOD_ENTRIES = (
    entry("confirmed", 90.0, "mine"),
    entry("confirmed", 100.0, "county"),
    entry("confirmed", 120.0, "city"),
    entry("verified", 150.0, "county", note="电话核实：工作面突出"),
    entry("handled", 160.0, "mine", note="已下令撤人断电"),
    entry("fed_back", 340.0, "county", note="12 人全部升井"),
    entry("commented", 460.0, "county", note="来电不实，井口无烟"),
)
GOOD = DrillRecord(
    run=7,
    scenario="outburst",
    zh="煤与瓦斯突出",
    en="an outburst",
    county="zhenxiong",
    seed=1,
    announced=True,
    participants=(),
    platforms=("zhenxiong",),
    mines={"530627004499": "演练一号煤矿"},
    begin_us=1_790_042_400_000_000,
    ended_s=720.0,
    ended_by="done",
    truths=(Truth("bursts", "outburst", 60.0, 720.0, "演练一号煤矿 heading"),),
    calls=(
        Call("status-call", "call", 310.0, "县级值班室", "来电", "a call"),
        Call("false-smoke", "false_report", 440.0, "县级值班室", "冒烟", "smoke"),
    ),
    alarms=(
        replace(
            ALARM,
            entries=GOOD_ENTRIES,
            deliveries=(
                Delivery("zhenxiong", "platform", {"sent": 66.2, "received": 66.4}),
                Delivery("county/530627", "room", {"drawn": 67.0}),
            ),
        ),
    ),
    curves=(
        Curve(
            "演练一号煤矿",
            "001A01",
            "11121掘进工作面T1",
            "%",
            1.0,
            (0.0, 60.0, 65.0, 70.0, 75.0),
            (0.3, 0.4, 3.2, None, 4.0),
        ),
    ),
)
"""Everything went well: the standard sheet gives all of its points."""

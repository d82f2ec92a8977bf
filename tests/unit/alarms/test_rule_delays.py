"""Delays of one rule: how long a value must stay beyond its limit, or be back."""

from __future__ import annotations

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.errors import ConfigError
from tests.engine_world import START_US, Reading, World, at, feed, live, mark, point
from tests.rule_texts import NO_PRE_WARNING

NEAR, FAR = "530627000001", "530627000002"


def delayed(kind: str, match: str, on: str, off: str, top: str = "") -> RuleSet:
    """The shipped rules, with delays of one kind for some."""
    return parse_rules(
        f"""{top}
{NO_PRE_WARNING}
[[rule]]
kind = "{kind}"
match = {{ {match} }}
with = {{ on_delay = "{on}", off_delay = "{off}" }}
""",
        "site.toml",
    )


def told(said: list[AlarmEvent]) -> list[tuple[str, str, str, int]]:
    """Kind, mine, event and second of each."""
    return [
        (e.kind, e.mine, e.event, (e.happened_at_us - START_US) // 1_000_000)
        for e in said
    ]


def test_each_kind_waits_for_its_own_time() -> None:
    """A cut-off at once, its over-limit after ten seconds, both in one series."""
    rules = delayed("over_limit", "quantity = ['CH4']", "10s", "20s")
    engine = World.of(point(), rules=rules).engine()
    series = [(0, 1.6), (5, 1.6), (12, 1.6), (15, 0.5), (34, 0.5), (36, 0.5)]
    said = feed(engine, [live(0, value, second) for second, value in series])
    assert told(said) == [
        ("cut_off", NEAR, "raised", 0),
        ("over_limit", NEAR, "raised", 10),
        ("cut_off", NEAR, "cleared", 15),
        ("over_limit", NEAR, "cleared", 35),
    ]
    assert {e.kind: e.explain["on_delay_s"] for e in said} == {
        "cut_off": 0.0,
        "over_limit": 10.0,
    }


def test_a_rule_for_one_mine_is_for_one_mine() -> None:
    """The others wait as [delays] say."""
    whom = f"mine = ['{FAR}']"
    rules = delayed("over_limit", whom, "0s", "0s", "[delays]\non = '7s'\n")
    engine = World.of(point(), point(mine=FAR), rules=rules).engine()
    said = feed(engine, [live(0, 1.2, 0), live(1, 1.2, 0), mark(7)])
    assert told(said) == [
        ("over_limit", FAR, "raised", 0),
        ("over_limit", NEAR, "raised", 7),
    ]


@pytest.mark.parametrize("second", [4, 9])
def test_a_pending_delay_of_a_rule_survives_a_restart(second: int) -> None:
    """From a snapshot, and under rules that made it shorter meanwhile."""
    match = "quantity = ['CH4']"
    world = World.of(point(), rules=delayed("over_limit", match, "10s", "0s"))
    engine = world.engine()
    assert feed(engine, [live(0, 1.2, 0), live(0, 1.2, 3)]) == []
    shorter = World.of(
        point(), rules=delayed("over_limit", match, f"{second}s", "0s")
    ).engine()
    load(shorter, dump(engine))
    assert told(feed(shorter, [live(0, 1.2, 12)])) == [
        ("over_limit", NEAR, "raised", second)
    ]


def test_rules_that_change_only_delays_count_from_their_time() -> None:
    """A pending delay is as long as the rules of the newest reading say."""
    match = "quantity = ['CH4']"
    engine = World.of(point(), rules=delayed("over_limit", match, "10s", "0s")).engine()
    feed(engine, [live(0, 1.2, 0)])
    engine.change_rules(delayed("over_limit", match, "30s", "0s"), at(5))
    said = feed(engine, [live(0, 1.2, 6), live(0, 1.2, 20), live(0, 1.2, 31)])
    assert told(said) == [("over_limit", NEAR, "raised", 30)]


def test_a_late_stretch_is_judged_with_the_delays_of_its_rule() -> None:
    """Too short for its delay is no alarm; long enough is recorded with it."""
    rules = delayed("over_limit", "quantity = ['CH4']", "10s", "5s")
    engine = World.of(point(), rules=rules).engine()
    feed(engine, [live(0, 0.1, 0), live(0, 0.1, 300), mark(300)])

    def late(second: int, value: float) -> Reading:
        return Reading(0, value, at(second), at(301))

    short = [late(50, 1.2), late(55, 0.1)]
    long = [late(100, 1.2), late(115, 1.2), late(120, 0.1), late(126, 0.1)]
    said = feed(engine, [*short, *long, mark(302), live(0, 0.1, 430), mark(430)])
    record = [event for event in said if event.kind == "over_limit"]
    assert told(record) == [
        ("over_limit", NEAR, "raised", 110),
        ("over_limit", NEAR, "cleared", 125),
    ]
    assert all(event.late for event in record)


@pytest.mark.parametrize("text", ["-1s", "25h"])
def test_a_delay_that_cannot_be_meant_is_refused(text: str) -> None:
    """Longer than a day, or before the value."""
    with pytest.raises(ConfigError, match=r"site\.toml:10: rule 2: on_delay"):
        delayed("over_limit", "quantity = ['CH4']", text, "0s")

"""What a rule is called reaches every alarm that it grades."""

from __future__ import annotations

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rule_match import Subject
from gasmon.alarms.rules import RuleSet, default_rules
from gasmon.alarms.snapshot import fingerprint
from gasmon.alarms.standing import Condition, StandingAlarms
from gasmon.points import UnitDef
from tests.engine_world import Entry, World, at, feed, live, mark, point
from tests.rule_texts import rule_set

UNIT = (UnitDef("11", "face"),)
DOORS = [
    point(f"00{n}D01", quantity="DOOR", value_kind="KG", place_class=None,
          unit_slug="11")
    for n in (2, 3)
]  # fmt: skip
GAS = point(unit_slug="11")


def worded(kind: str, match: str = "", word: str = "字") -> RuleSet:
    """The shipped rules and one that gives nothing but words."""
    return rule_set(
        f"[[rule]]\nkind = '{kind}'\nmatch = {{ {match} }}\n"
        f"text = {{ zh = '{word}', en = 'words' }}\n"
    )


LOG: list[Entry] = [
    live(0, 1.2, 0), live(1, 1.0, 0), live(2, 1.0, 0),
    live(0, None, 15), live(1, 1.0, 15), live(2, 1.0, 15),
    live(0, 0.1, 40), live(1, 1.0, 40), live(2, 0.0, 40), mark(200),
    live(0, 0.1, 201),
]  # fmt: skip


def said(rules: RuleSet, kind: str) -> list[AlarmEvent]:
    """Events of a kind about a methane point, two doors and their mine."""
    world = World.of(GAS, *DOORS, rules=rules, units=UNIT)
    return [event for event in feed(world.engine(), LOG) if event.kind == kind]


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("over_limit", "quantity = ['CH4']"),
        ("over_limit", "unit_kind = ['face'], quantity = ['CH4']"),
        ("door_pair_open", "unit_kind = ['face']"),
        ("link_break", "mine = ['530627000001']"),
    ],
)
def test_each_event_has_the_words_of_the_most_specific_rule(
    kind: str, match: str
) -> None:
    """At its begin, on its way and at its end."""
    events = said(worded(kind, match), kind)
    assert {event.event for event in events} >= {"raised", "cleared"}
    for event in events:
        assert event.explain["text"] == {"zh": "字", "en": "words"}


def test_a_break_after_a_rise_has_words_of_its_own() -> None:
    """The shipped ones say that it is taken for gas."""
    (begun, _) = said(default_rules(), "sensor_break")
    assert begun.explain["text"]["en"] == "sensor break right after a rise"
    steady = [live(0, 0.1, 0), live(0, None, 15)]
    (plain,) = feed(World.of(GAS, rules=default_rules()).engine(), steady)
    assert plain.explain["text"]["en"] == "sensor break"


def test_what_is_decided_outside_the_engine_has_words_too() -> None:
    """Of the mine's rule, if there is one."""
    rules = worded("clock_wrong", "mine = ['530627000001']")
    alarms = StandingAlarms(rules)
    for code, word in (("530627000001", "字"), ("530627000002", "煤矿时钟错误")):
        clock = Condition("clock_wrong", "mine", code, "530627", code, who=who(code))
        events = [e for s in range(200) for e in alarms.judge([clock], at(s))]
        assert events[0].explain["text"]["zh"] == word


def who(code: str) -> Subject:
    """By what rules select a mine."""
    return Subject(area=code[:6], mine=code)


def test_levels_of_a_mine_may_be_its_own() -> None:
    """A link that matters more is worse at once; others stay as shipped."""
    levels = "levels = [{ factor = 1.0, steps = [['0s', 'orange']] }]"
    rules = rule_set(
        "[[rule]]\nkind = 'link_break'\nmatch = { mine = ['530627000001'] }\n"
        f"{levels}\n[[rule]]\nkind = 'definitions_missing'\n"
        f"match = {{ mine_kind = ['low_gas'] }}\n{levels}\n"
    )
    world = World.of(GAS, point(mine="530627000002"), rules=rules)
    silent = feed(world.engine(), [mark(0), mark(61)])
    assert {e.mine: e.level for e in silent if e.kind == "link_break"} == {
        "530627000001": "orange",
        "530627000002": "ungraded",
    }
    for kind, level in (("low_gas", 3), ("outburst", 2)):
        alarms = StandingAlarms(rules)
        subject = Subject(mine_kind=kind, mine="530627000001")
        missing = Condition(
            "definitions_missing", "mine", "530627000001", "530627", who=subject
        )
        told = [e for s in range(400) for e in alarms.judge([missing], at(s))]
        assert [(e.event, e.rank) for e in told] == [("raised", level)]


def test_other_words_are_other_rules() -> None:
    """They count from the next alarm on, although nothing is judged otherwise."""
    match = "quantity = ['CH4']"
    old, new = (worded("over_limit", match, word) for word in ("旧", "新"))
    assert fingerprint(old) != fingerprint(new)
    engine = World.of(GAS, rules=old).engine()
    events = feed(engine, [live(0, 1.2, 0)])
    engine.change_rules(new, at(10))
    events += feed(engine, [live(0, 0.1, 20), live(0, 1.2, 30)])
    over = [event for event in events if event.kind == "over_limit"]
    words = [(event.event, event.explain["text"]["zh"]) for event in over]
    assert words == [("raised", "旧"), ("cleared", "旧"), ("raised", "新")]

"""What is explained is what the engine uses."""

from __future__ import annotations

from dataclasses import replace
from math import nan

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.kinds import N_SLOTS, POINT_KINDS
from gasmon.alarms.rule_explain import KindStory, explain, explain_mine, limit_lines
from gasmon.alarms.rule_match import MINE_KINDS
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef, UnitDef
from tests.engine_world import point

MINE = MineDef("530627000001", "530627", kind="low_gas", units=(UnitDef("11", "face"),))
SELECTORS = {
    "quantity": ("CH4", "CO"),
    "place_class": ("FACE_T1", "FACE_T3"),
    "unit_kind": ("face", "heading"),
    "mine_kind": MINE_KINDS,
    "area": ("zhenxiong", "ludian"),
    "mine": ("530627000001", "530627000002"),
    "point": ("530627000001-01-001A01",),
}


@st.composite
def rule_texts(draw: st.DrawFn) -> str:
    """Up to six rules of two kinds with any selectors."""
    texts = []
    for number in range(draw(st.integers(0, 6))):
        names = draw(st.lists(st.sampled_from(sorted(SELECTORS)), unique=True))
        kind = draw(st.sampled_from(["over_limit", "cut_off"]))
        limit = "alarm_high" if kind == "over_limit" else "cut_high"
        match = ", ".join(
            f"{n} = [{', '.join(map(repr, chosen))}]"
            for n in names
            if (chosen := draw(st.lists(st.sampled_from(SELECTORS[n]), min_size=1)))
        )
        text = f"[[rule]]\nname = 'r{number}'\nkind = '{kind}'\nmatch = {{ {match} }}\n"
        if draw(st.booleans()):
            text += "levels = [{ factor = 1.0, steps = [['0s', 'red']] }]\n"
        if {"quantity", "point"} & set(names) and draw(st.booleans()):
            value = draw(st.sampled_from([0.3, 0.4, 0.45]))
            text += f"with = {{ {limit} = {value} }}\n"
        texts.append(text)
    return "".join(texts)


@st.composite
def points(draw: st.DrawFn) -> PointDef:
    """A point of the mine, with or without place, unit and own limits."""
    return point(
        draw(st.sampled_from(["001A01", "001A02"])),
        quantity=draw(st.sampled_from(["CH4", "CO", "AIR_VELOCITY"])),
        place_class=draw(st.sampled_from([None, "FACE_T1", "FACE_T3"])),
        unit_slug=draw(st.sampled_from([None, "11"])),
        alarm_high=draw(st.sampled_from([nan, 0.35, 0.8])),
    )


@given(rule_texts(), points())
def test_what_is_explained_is_what_the_engine_uses(text: str, of: PointDef) -> None:
    """Limits, level rows and where they come from are those of the engine's line."""
    try:
        rules = parse_rules(text, "site.toml")
    except ConfigError:
        return
    table = RuleTable(rules)
    table.add_all([0], [of], [MINE])
    story = explain(rules, of, MINE)
    line = table.head[0]
    used = dict(zip(LIMIT_FIELDS, table.lines.limits[line], strict=True))
    assert {name: value for name, value, _ in limit_lines(story.limits)} == {
        name: value for name, value in used.items() if value == value
    }
    assert story.limits.rule == table.rule[line]
    by_kind = {kind.kind: kind for kind in story.kinds}
    for slot, name in enumerate(POINT_KINDS):
        params = by_kind[name].params
        if params is not None:
            assert table.lines.level[line, slot] == params.level
    after = by_kind["sensor_break/after_rise"].params
    if after is not None:
        assert table.lines.level[line, N_SLOTS] == after.level


@given(rule_texts(), points())
def test_each_rule_of_a_kind_is_used_or_has_a_reason(text: str, of: PointDef) -> None:
    """Nothing is left out, and no rule is told to be both."""
    try:
        rules = parse_rules(text, "site.toml")
    except ConfigError:
        return
    for kind in explain(rules, of, MINE).kinds:
        told = [id(r) for r in kind.used] + [id(lost.rule) for lost in kind.lost]
        assert sorted(told) == sorted(map(id, rules.book.of_kind(kind.kind)))
        assert all(lost.why_zh and lost.why_en for lost in kind.lost)


def reasons(rules: RuleSet, of: PointDef) -> dict[str, str]:
    """Why each rule of an over-limit that lost did so, by its name."""
    stories = explain(rules, of, MINE).kinds
    kind = next(story for story in stories if story.kind == "over_limit")
    return {lost.rule.name: lost.why_en for lost in kind.lost}


def test_why_a_rule_lost() -> None:
    """Another place, a more specific rule, a stricter limit of the mine."""
    rule = (
        "[[rule]]\nname = '%s'\nkind = 'over_limit'\nmatch = { %s }\n"
        "with = { alarm_high = 0.4 }\n"
    )
    text = "".join(
        (
            rule % ("place", "quantity = ['CH4'], place_class = ['FACE_T3']"),
            rule % ("gas", "quantity = ['CH4']"),
            rule % ("county", "quantity = ['CH4'], area = ['zhenxiong']"),
        )
    )
    why = reasons(parse_rules(text, "site.toml"), point(alarm_high=0.3))
    assert why["place"] == "place_class is FACE_T1, it selects FACE_T3"
    assert why["gas"] == "alarm_high comes from the more specific site.toml:15"
    assert why["county"] == "alarm_high 0.4 gives way to 0.3, mine"
    assert why["over a limit"].startswith("levels come from the more specific default_")


def test_a_rule_that_gives_nothing_says_so() -> None:
    """It is not an error: it may name a source."""
    text = "[[rule]]\nname = 'x'\nkind = 'over_limit'\nmatch = { quantity = ['CH4'] }\n"
    assert reasons(parse_rules(text, "site.toml"), point())["x"] == "it gives nothing"


DOORS = [
    point(f"001D0{n}", quantity="DOOR", unit_slug="11", value_kind="KG") for n in (1, 2)
]


def of_kind(
    kind: str, text: str = "", unit: str | None = "11", *more: PointDef
) -> KindStory:
    """The story of a kind at the unit of the mine, or at the mine."""
    rules = parse_rules(text, "site.toml")
    stories = explain_mine(rules, MINE, [*DOORS, *more], unit).kinds
    return next(story for story in stories if story.kind == kind)


def test_a_unit_is_explained_with_the_points_that_a_relation_looks_at() -> None:
    """Parameters from the most specific rule, and who takes part in what."""
    text = """[[rule]]
kind = "door_pair_open"
match = { mine = ["530627000001"] }
with = { on_delay = "10s" }
"""
    story = of_kind("door_pair_open", text)
    assert story.params is not None
    assert story.params.duration_us("on_delay") == 10_000_000
    assert story.params.given_by == {"on_delay": "site.toml:4"}
    assert [(p.role, p.points) for p in story.parts or ()] == [
        ("door", ("001D01", "001D02"))
    ]
    assert [rule.file for rule in story.used] == ["site.toml", "default_rules.toml"]


def test_a_relation_without_its_points_is_said_to_look_at_none() -> None:
    """So that nobody waits for an alarm that cannot come; a retired point is none."""
    assert of_kind("duct_without_air").parts == ()
    gone = [replace(door, retired=True) for door in DOORS]
    stories = explain_mine(parse_rules("", "site.toml"), MINE, gone, "11").kinds
    assert all(story.parts == () for story in stories)


def test_a_mine_is_explained_with_what_is_judged_of_all_of_it() -> None:
    """Its link and its clock are no relations; its fans are one."""
    fan = point("001D09", quantity="FAN_MAIN", value_kind="KG", place_class=None)
    text = """[[rule]]
kind = "link_break"
match = { area = ["zhenxiong"] }
levels = [{ factor = 1.0, steps = [["0s", "red"]] }]
[[rule]]
kind = "link_break"
match = { area = ["ludian"] }
levels = [{ factor = 1.0, steps = [["0s", "blue"]] }]
"""
    link = of_kind("link_break", text, None)
    assert link.levels is not None
    assert (link.levels.where, link.parts) == ("site.toml:1", None)
    why = {lost.rule.where: lost.why_en for lost in link.lost}
    assert why["site.toml:5"] == "area is 530627, it selects 530621"
    # Who gives levels and no words is called what the shipped rule is called.
    assert [rule.file for rule in link.used] == ["site.toml", "default_rules.toml"]
    fans = of_kind("main_fans_stopped", "", None, fan)
    assert [p.points for p in fans.parts or ()] == [("001D09",)]


def test_a_kind_that_is_off_at_a_unit_is_said_to_be_off() -> None:
    """With the rule that turned it off."""
    text = "[[rule]]\nkind = 'door_pair_open'\nenabled = false\n"
    story = of_kind("door_pair_open", text)
    assert (story.params, story.levels) == (None, None)
    assert [rule.where for rule in story.used][:1] == ["site.toml:1"]


def test_a_rule_may_give_nothing_but_words() -> None:
    """They are used; those of a more general rule give way to them."""
    text = """[[rule]]
name = "words"
kind = "over_limit"
match = { area = ["zhenxiong"] }
text = { zh = "本县超限", en = "over in this county" }
"""
    rules = parse_rules(text, "site.toml")
    over = next(
        s for s in explain(rules, point(), MINE).kinds if s.kind == "over_limit"
    )
    assert over.params is not None
    assert over.params.text == ("本县超限", "over in this county")
    assert [rule.name for rule in over.used] == ["words", "methane over its limit"]
    assert "the text comes from" in reasons(rules, point())["over a limit"]

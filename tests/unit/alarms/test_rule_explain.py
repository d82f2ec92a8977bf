"""What is explained is what the engine uses."""

from __future__ import annotations

from math import nan

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.kinds import N_SLOTS, POINT_KINDS
from gasmon.alarms.rule_explain import explain, limit_lines
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

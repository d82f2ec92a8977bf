"""Parameters of kinds: their types, and what a rule must not leave out."""

from __future__ import annotations

from typing import Any

import pytest

from gasmon import domain
from gasmon.alarms.rule_book import RuleBook, check
from gasmon.alarms.rule_entries import Rule, read_param
from gasmon.alarms.rule_kinds import KIND_SPECS, KINDS
from gasmon.alarms.rule_match import Match, Subject
from gasmon.alarms.rule_spec import KindSpec, ParamSpec
from gasmon.alarms.rules import default_rules, parse_rules
from gasmon.errors import ConfigError
from gasmon.points import MineDef
from tests.engine_world import point

PARAMS = (
    ParamSpec("rise_pct", "number", least=0.0, most=5.0),
    ParamSpec("window", "duration", 60_000_000, 1_000_000, 3_600_000_000),
    ParamSpec("how", "name", "mean", choices=frozenset({"mean", "worst"})),
    ParamSpec("parts", "names", ("a",)),
)
MINE = MineDef("530627000001", "530627")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> KindSpec:
    """A kind with parameters of each type, the first of them required."""
    spec = KindSpec("made_up", "point", PARAMS)
    monkeypatch.setitem(KIND_SPECS, spec.name, spec)
    return spec


def rule(**given: Any) -> Rule:
    """A rule of the made-up kind without selectors."""
    return next(iter(rules_of("", **given)))


def rules_of(more: str, **given: Any) -> tuple[Rule, ...]:
    """The rules of a file with one of the made-up kind."""
    texts = ", ".join(f"{name} = {value}" for name, value in given.items())
    text = f"""[[rule]]
kind = "made_up"
levels = [{{ factor = 1.0, steps = [["0s", "blue"]] }}]
with = {{ {texts} }}
{more}"""
    own = parse_rules(text, "site.toml").rules
    return tuple(one for one in own if one.kind == "made_up")


def test_each_type_is_read(made_up: KindSpec) -> None:
    """A number, microseconds, a name and names; what is not given is the default."""
    written = rule(rise_pct="0.5", window="'5min'", how="'worst'", parts="['x', 'y']")
    params = RuleBook([written]).params("made_up", Subject())
    assert params is not None
    assert params.number("rise_pct") == 0.5
    assert params.duration_us("window") == 300_000_000
    assert (params.name("how"), params.names("parts")) == ("worst", ("x", "y"))
    assert params.given_by["window"] == "site.toml:4"
    bare = RuleBook([rule(rise_pct=1)]).params("made_up", Subject())
    assert bare is not None
    assert (bare.duration_us("window"), bare.name("how")) == (60_000_000, "mean")
    assert "window" not in bare.given_by
    assert made_up.param("how") is PARAMS[2]
    assert made_up.param("who") is None


@pytest.mark.parametrize(
    ("param", "value", "says"),
    [
        (0, 9.0, "rise_pct = 9 is not within 0 to 5"),
        (0, "x", "rise_pct = 'x' is not a number"),
        (1, "2h", "window = '2h' is not within 1e+06 to 3.6e+09 us"),
        (1, 5, "window: 5 is not a duration"),
        (2, "sum", "how: unknown name 'sum'; known: mean, worst"),
        (3, [4], "parts: unknown name 4"),
        (3, "a", "parts = 'a' is not a list"),
    ],
)
def test_a_wrong_parameter_is_named(param: int, value: Any, says: str) -> None:
    """With its range or the names that are known."""
    spec = PARAMS[param]
    with pytest.raises(ConfigError) as refused:
        read_param(spec, {spec.name: value}, "site.toml:4: rule 1")
    assert f"site.toml:4: rule 1: {says}" in str(refused.value)


@pytest.mark.usefixtures("made_up")
def test_what_nothing_gives_is_refused() -> None:
    """A required parameter and levels come from the rule or from a more general one."""
    with pytest.raises(ConfigError, match=r"site\.toml:1: .* gives rise_pct"):
        rules_of("", window="'1min'")
    special = '[[rule]]\nkind = "made_up"\nmatch = { quantity = ["CH4"] }\n'
    assert len(rules_of(special, rise_pct=1)) == 2
    with pytest.raises(ConfigError, match=r"site\.toml:1: .* has levels"):
        parse_rules(f"{special}with = {{ rise_pct = 1 }}\n", "site.toml")


@pytest.mark.usefixtures("made_up")
def test_a_kind_is_off_where_a_rule_turns_it_off() -> None:
    """For those it selects; the others keep it. Nothing else is wanted of it."""
    off = '[[rule]]\nkind = "made_up"\nmatch = { quantity = ["CO"] }\nenabled = false\n'
    book = RuleBook(rules_of(off, rise_pct=1))
    assert book.params("made_up", Subject(quantity="CO")) is None
    assert book.params("made_up", Subject(quantity="CH4")) is not None
    again = RuleBook(rules_of(off.replace("false", "true"), rise_pct=1))
    assert again.params("made_up", Subject(quantity="CO")) is not None


def test_a_kind_without_any_rule_is_off() -> None:
    """No levels, no alarms."""
    assert RuleBook([]).params("over_limit", Subject()) is None
    with pytest.raises(ConfigError, match="no rule of kind over_limit"):
        check([])


def test_every_kind_that_is_never_off_is_graded_at_any_point() -> None:
    """Whatever the point measures and wherever it hangs."""
    rules = default_rules()
    for spec in KINDS:
        if spec.always and spec.subject == "point":
            assert rules.params(spec.name, point(quantity="OTHER"), MINE) is not None


def test_the_city_is_all_its_counties() -> None:
    """Mines belong to counties; a rule for the city is for each of them."""
    text = """[[rule]]
kind = "over_limit"
match = { quantity = ["CH4"], area = ["zhaotong"] }
with = { alarm_high = 0.9 }
"""
    match: Match = parse_rules(text, "site.toml").rules[-1].match
    assert match.area == frozenset(area.code for area in domain.areas())

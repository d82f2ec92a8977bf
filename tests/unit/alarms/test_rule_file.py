"""What is refused in a rule file, each with the line in which it stands."""

from __future__ import annotations

import pytest

from gasmon.alarms.kinds import STANDING_KINDS
from gasmon.alarms.rule_match import Subject
from gasmon.alarms.rules import default_rules, parse_rules
from gasmon.errors import ConfigError
from tests.rule_texts import DEFAULT

RULES = default_rules()
LEVEL = """[[rule]]
kind = "over_limit"
levels = [{ factor = 1.0, steps = [["0s", "red"]] }]
"""
CH4 = """[[rule]]
name = "own"
kind = "over_limit"
match = { quantity = ["CH4"], place_class = ["FACE_T1"] }
with = { alarm_high = 0.9 }
"""


def changed(old: str, new: str, of: str = LEVEL) -> str:
    """The text with a part of it replaced."""
    assert old in of
    return of.replace(old, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "site.toml:1: Invalid value"),
        ("\n[a]\nb = 1 2\n", "site.toml:3: Expected newline"),
        ("\nwhat = 1\n", "site.toml:2: unknown key 'what'"),
        ("[[limit]]\n", "site.toml:1: unknown key 'limit'"),
        ("\n\n[levels]\n", "site.toml:3: unknown key 'levels'"),
        ("delays = 3\n", "site.toml:1: [delays]: 3 is not a table"),
        ("[delays]\nof = '1s'\n", "site.toml:2: [delays]: unknown key 'of'"),
        ("[delays]\non = 5\n", "site.toml:2: [delays] on: 5 is not a duration"),
        ("[delays]\n\noff = 'soon'\n", "site.toml:3: [delays] off: 'soon' is not"),
        ("[own_limits]\nstricter = 'CH4'\n", "site.toml:2: [own_limits]: stricter ="),
        ("[own_limits]\nstricter = ['CH5']\n", "unknown stricter 'CH5'"),
        ("[own_limits]\nstricter = [['CH4']]\n", "unknown stricter ['CH4']"),
        ("[after_rise]\nfraction = 'x'\n", "site.toml:2: [after_rise]: fraction = 'x'"),
        ("[after_rise]\nfraction = true\n", "fraction = True is not a number"),
        ("[after_rise]\nfraction = inf\n", "fraction = inf is not finite"),
        ("replace = ['over']\n", "site.toml:1: unknown replace 'over'"),
        ("replace = ['over_limit']\n", "site.toml: no rule of kind over_limit with"),
        ("rule = 3\n", "site.toml:1: [[rule]]: 3 is not an array of tables"),
        ("rule = [3]\n", "site.toml:1: rule 1: 3 is not a table"),
        (changed("over_limit", "over"), "site.toml:2: rule 1: unknown kind 'over'"),
        (changed('"over_limit"', "[1]"), "site.toml:2: rule 1: unknown kind [1]"),
        (LEVEL + "colour = 1\n", "site.toml:4: rule 1: unknown key 'colour'"),
        (LEVEL + "name = 4\n", "site.toml:4: rule 1: name = 4 is not a text"),
        (LEVEL + "source = 4\n", "site.toml:4: rule 1: source = 4 is not a text"),
        (LEVEL + "source = { zh = '令' }\n", "site.toml:4: rule 1: source needs both"),
        (LEVEL + "text = { zh = '超限' }\n", "site.toml:4: rule 1: text needs both"),
        (LEVEL + "text = 'x'\n", "site.toml:4: rule 1: 'x' is not a table"),
        (LEVEL + "enabled = 0\n", "site.toml:4: rule 1: enabled = 0 is no bool"),
        (LEVEL + "enabled = false\n", "over_limit cannot be turned off"),
        (LEVEL + "after_rise = true\n", "after_rise = True is for sensor_break"),
        (LEVEL + "match = 3\n", "site.toml:4: rule 1: 3 is not a table"),
        (LEVEL + "match = { gas = ['CH4'] }\n", "unknown key 'gas'"),
        (LEVEL + "match = { quantity = 'CH4' }\n", "quantity = 'CH4' is not a list"),
        (LEVEL + "match = { quantity = [3] }\n", "quantity: 3 is not a name"),
        (LEVEL + "match = { quantity = ['CH5'] }\n", "quantity: unknown name 'CH5'"),
        (LEVEL + "match = { quantity = [] }\n", "0 quantity; 1 to 10000 are possible"),
        (LEVEL + "match = { place_class = ['FACE_T33'] }\n", "unknown name 'FACE_T33'"),
        (LEVEL + "match = { mine_kind = ['unknown'] }\n", "unknown name 'unknown'"),
        (LEVEL + "match = { unit_kind = ['shaft'] }\n", "unknown name 'shaft'"),
        (LEVEL + "match = { area = ['530699'] }\n", "unknown area '530699'"),
        (LEVEL + "match = { mine = ['5306'] }\n", "mine: '5306' is not 12 digits"),
        (LEVEL + "match = { point = ['001A01'] }\n", "is not mine-system-number"),
        (
            LEVEL + "match = { area = ['530621'], mine = ['530627000001'] }\n",
            "site.toml:4: rule 1: mine 530627000001 is in none of the rule's areas",
        ),
        (
            LEVEL
            + "match = { mine = ['530621000001'], point = ['530627000001-01-1'] }\n",
            "point 530627000001-01-1 is in none of the rule's mines",
        ),
        (
            LEVEL + "match = { area = ['530621'], point = ['530627000001-01-1'] }\n",
            "point 530627000001-01-1 is in none of the rule's areas",
        ),
        (
            changed("over_limit", "our_clock") + "match = { area = ['530621'] }\n",
            "site.toml:4: rule 1: a rule of this kind cannot select by area",
        ),
        (changed("factor", "faktor"), "site.toml:3: rule 1: unknown key 'faktor'"),
        (changed("1.0", "1.5"), "the first band begins at the limit"),
        (changed("factor", "at_least"), "the first band begins at the limit"),
        (
            changed("factor = 1.0", "factor = 1.0, at_least = 2"),
            "a band needs either factor or at_least",
        ),
        (changed('"red"', '"purple"'), "unknown level 'purple'"),
        (changed('["0s", "red"]', '["0s"]'), "['0s'] is not [duration, level]"),
        (changed('["0s", "red"]', "7"), "7 is not [duration, level]"),
        (changed('["0s", "red"]', ""), "0 steps; 1 to 4 are possible"),
        (changed('[["0s", "red"]]', '"red"'), "steps = 'red' is not a list"),
        (changed("{ factor", "3, { factor"), "site.toml:3: rule 1: 3 is not a table"),
        (
            changed('["0s", "red"]', '["5s", "blue"], ["1s", "red"]'),
            "durations and levels of a band must rise",
        ),
        (
            changed('["0s", "red"]', '["1s", "red"], ["5s", "blue"]'),
            "durations and levels of a band must rise",
        ),
        (
            changed("] }]", '] }, { factor = 2.0, steps = [["0s", "blue"]] }]'),
            "levels do not rise: a higher band earns at most blue, the one below",
        ),
        (
            changed(
                "] }]",
                '] }, { factor = 2.0, steps = [["0s", "red"]] }, '
                '{ factor = 1.5, steps = [["0s", "red"]] }]',
            ),
            "a band from factor 1.5 after one from 2",
        ),
        (
            changed("over_limit", "cut_off").replace(
                "] }]", "] }, { factor = 2.0, steps = [] }]"
            ),
            "2 levels; 1 to 1 are possible",
        ),
        (changed("0.9", "'x'", CH4), "site.toml:5: rule own: alarm_high = 'x' is not"),
        (changed("alarm_high", "alarm", CH4), "rule own: unknown key 'alarm'"),
        (
            changed("{ alarm_high = 0.9 }", "3", CH4),
            "site.toml:5: rule own: 3 is not a table",
        ),
        (
            changed("0.9", "0.9, clear_high = 0.95", CH4),
            "site.toml:5: rule own: clear_high 0.95 is above alarm_high 0.9",
        ),
        (
            CH4
            + changed("over_limit", "cut_off", CH4).replace(
                "alarm_high = 0.9", "restore_high = 1.0"
            ),
            "site.toml:10: rule own: restore_high 1 is above alarm_high 0.9",
        ),
        (
            CH4
            + changed("over_limit", "cut_off", CH4).replace(
                "alarm_high = 0.9", "cut_high = 0.8"
            ),
            "site.toml:10: rule own: alarm_high 0.9 is above cut_high 0.8",
        ),
        (
            changed("0.9", "1.1", CH4),
            "site.toml:5: rule own: alarm_high 1.1 is looser than the law's 1 at "
            "FACE_T1 of a mine that is high_gas",
        ),
        (
            changed(', place_class = ["FACE_T1"]', "", CH4).replace("0.9", "1.6"),
            "alarm_high 1.6 is looser than the law's 1.5 for CH4 at any place",
        ),
        (
            changed("match = { quantity", "match = { unit_kind = ['face'] }\n#", CH4),
            "site.toml:6: rule own: limits need a quantity or a point in match",
        ),
        (
            CH4 + changed("own", "again", CH4),
            "site.toml:6: rule again and the one in line 1 (own) are as specific and "
            "fit the same quantity CH4, place_class FACE_T1",
        ),
        (LEVEL + LEVEL, "fit the same subjects: neither selects anything"),
    ],
)
def test_what_is_wrong_with_a_rule_file_is_named(text: str, says: str) -> None:
    """Nothing mistyped or contradictory is silently ignored."""
    with pytest.raises(ConfigError) as refused:
        parse_rules(text, "site.toml")
    assert says in str(refused.value)


def test_what_is_looser_only_for_a_kind_of_mine_is_refused() -> None:
    """1.0 in front of a heading is the law for low gas and too much for outburst."""
    text = CH4.replace("FACE_T1", "HEADING_T4").replace("0.9", "1.0")
    with pytest.raises(ConfigError, match=r"law's 0\.5 at HEADING_T4 .* outburst"):
        parse_rules(text, "site.toml")
    low = text.replace("match = {", 'match = { mine_kind = ["low_gas", "high_gas"],')
    assert parse_rules(low, "site.toml").rules[-1].given == {"alarm_high": 1.0}


def test_keys_of_subtables_have_lines_too() -> None:
    """[rule.match] and [rule.with] belong to the rule above them."""
    text = f"{LEVEL}\n[[rule]]\nkind = 'over_limit'\n[rule.match]\nquantity = ['X']\n"
    with pytest.raises(ConfigError, match=r"site\.toml:7: rule 2: quantity: unknown"):
        parse_rules(text, "site.toml")


def test_lines_are_counted_past_texts_and_arrays() -> None:
    """What looks like a header or a key inside a text or an array is none."""
    text = (
        '[[rule]]\nkind = "over_limit"\nsource = """\n[[rule]]\nkind = 1\n"""\n'
        'levels = [  # [\n  { factor = 1.0, steps = [["0s", "red"]] },\n]\n'
        "[[rule]]\nkind = 'over'\n"
    )
    with pytest.raises(ConfigError, match=r"site\.toml:11: rule 2: unknown kind"):
        parse_rules(text, "site.toml")


def test_a_copy_of_the_shipped_file_is_the_shipped_file() -> None:
    """A site may begin from a copy; its rules count, not the same shipped ones."""
    copy = parse_rules(DEFAULT, "site.toml")
    n = len(RULES.rules)
    for kind in STANDING_KINDS:
        nobody = Subject()
        assert copy.book.level(kind, nobody) == RULES.book.level(kind, nobody) + n


def test_a_rule_says_only_what_is_different() -> None:
    """What the file does not speak of is as shipped."""
    mine = 'match = { mine = ["530627000001"] }'
    rules = parse_rules(LEVEL + mine, "site.toml")
    assert rules.rules[:-1] == RULES.rules
    assert (rules.on_delay_us, rules.off_delay_us) == (0, 0)
    assert (rules.rise_fraction, rules.rise_within_us) == (0.8, 300_000_000)
    assert rules.stricter == RULES.stricter


def test_a_source_in_one_language_stands_for_both() -> None:
    """Shipped ones are in both; a site need not."""
    assert all(len(set(rule.source)) == 2 for rule in RULES.rules)
    for said, means in (
        ("", ()),
        ("source = 'order 7'\n", ("order 7", "order 7")),
        ("source = { zh = '县令', en = 'order' }\n", ("县令", "order")),
    ):
        assert parse_rules(LEVEL + said, "site.toml").rules[-1].source == means


def test_shipped_rules_of_a_kind_can_be_replaced() -> None:
    """Then the file's own grade everything of the kind."""
    rules = parse_rules(f"replace = ['over_limit']\n{LEVEL}", "site.toml")
    level = rules.levels[rules.book.level("over_limit", Subject("CO"))]
    assert level.bands[0].steps == ((0, 4),)
    assert level.where == "site.toml:2"

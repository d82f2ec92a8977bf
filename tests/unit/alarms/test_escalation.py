"""Escalation of one alarm: when which tier must act, and what stops it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.alarms.escalation import (
    NEVER_US,
    Answer,
    Due,
    History,
    acting_tier,
    came,
    dues,
    next_due,
    overdue_tiers,
)
from gasmon.alarms.escalation_rules import (
    default_escalation,
    load_escalation,
    parse_escalation,
)
from gasmon.errors import ConfigError
from gasmon.units import US_PER_MIN as MIN

RULES = default_escalation()
ALL = frozenset({"mine", "county", "city"})
YELLOW = History("over_limit", "530627", False, False, levels=((0, 2),))
ORANGE = replace(YELLOW, levels=((0, 3),))


def told(
    history: History, now_min: float = 60, present: frozenset[str] = ALL
) -> list[tuple[str, str, int, float]]:
    """(what is missing, who must act, level, minute) of what came by a minute."""
    found = came(dues(RULES, history, present), round(now_min * MIN))
    return [(d.without, d.tier, d.rank, d.due_us / MIN) for d in found]


def test_the_county_must_act_after_three_minutes_and_the_city_after_ten() -> None:
    """The times of the domain, and not a moment earlier."""
    assert told(YELLOW, 3 - 1e-6) == []
    assert told(YELLOW, 3) == [("confirmed", "county", 2, 3)]
    assert told(YELLOW) == [
        ("confirmed", "county", 2, 3),
        ("confirmed", "city", 2, 10),
    ]


def test_a_severe_alarm_must_be_handled_too() -> None:
    """Confirmed is not enough; handled is."""
    seen = replace(ORANGE, confirmed=(Answer(MIN, tier="mine", rank=3),))
    at_work = replace(seen, handled=(Answer(15 * MIN, tier="mine"),))
    assert told(seen) == [("handled", "county", 3, 20), ("handled", "city", 3, 40)]
    assert told(at_work, 44) == []


@pytest.mark.parametrize(
    ("tier", "left"),
    [("mine", []), ("county", []), ("city", ["county"]), (None, [])],
)
def test_an_upper_tier_never_answers_for_a_lower_one(
    tier: str | None, left: list[str]
) -> None:
    """The city's mark leaves the county's duty; a lower tier's ends both."""
    seen = replace(YELLOW, confirmed=(Answer(MIN, tier=tier, rank=2),))
    assert [who for _, who, _, _ in told(seen)] == left


def test_an_answer_at_the_very_moment_is_in_time() -> None:
    """Nobody is called for what was answered just then."""
    assert told(replace(YELLOW, confirmed=(Answer(3 * MIN, tier="mine"),))) == []


def test_a_level_above_the_confirmed_one_begins_anew() -> None:
    """Confirmed at yellow; orange is owed from its own begin."""
    risen = replace(
        YELLOW,
        levels=((0, 2), (30 * MIN, 3)),
        confirmed=(Answer(MIN, tier="mine", rank=2),),
        handled=(Answer(2 * MIN, tier="mine"),),
    )
    found = [d for d in dues(RULES, risen, ALL) if d.without == "confirmed"]
    assert [(d.tier, d.rank, d.due_us / MIN) for d in found] == [
        ("county", 3, 33),
        ("city", 3, 40),
    ]
    assert {d.since_us for d in found} == {30 * MIN}


def test_a_level_that_rises_while_nobody_answers_calls_again_at_once() -> None:
    """The county was called at yellow; it is called at orange as orange comes."""
    risen = replace(YELLOW, levels=((0, 2), (5 * MIN, 3)))
    assert told(risen, 10) == [
        ("confirmed", "county", 2, 3),
        ("confirmed", "county", 3, 5),
        ("confirmed", "city", 3, 10),
    ]


def test_a_shelf_holds_steps_back_and_its_end_begins_anew() -> None:
    """Up to its level only: what is worse breaks through."""
    shelf = Answer(2 * MIN, 32 * MIN, rank=2)
    assert told(replace(YELLOW, quiet=(shelf,))) == [
        ("confirmed", "county", 2, 35),
        ("confirmed", "city", 2, 42),
    ]
    worse = replace(YELLOW, levels=((0, 2), (20 * MIN, 3)), quiet=(shelf,))
    assert told(worse, 24) == [("confirmed", "county", 3, 23)]


def test_two_answers_that_overlap_leave_no_gap() -> None:
    """A shelf inside of another, and one that ends before the alarm."""
    quiet = (
        Answer(-9 * MIN, -MIN),
        Answer(MIN, 30 * MIN),
        Answer(2 * MIN, 9 * MIN),
        Answer(29 * MIN, 31 * MIN),
    )
    assert [at for *_, at in told(replace(YELLOW, quiet=quiet))] == [34, 41]


def test_what_is_over_calls_nobody_unless_it_is_severe() -> None:
    """Yellow ends with its value, orange goes on until somebody answers."""
    assert told(replace(YELLOW, cleared_us=2 * MIN)) == []
    assert len(told(replace(ORANGE, cleared_us=2 * MIN))) == 4
    found_late = replace(ORANGE, cleared_us=0, late=True)
    assert told(found_late) == []
    assert told(replace(ORANGE, cleared_us=MIN, closed_us=2 * MIN)) == []


def test_planned_and_ungraded_alarms_call_nobody() -> None:
    """Rows of the shipped file without steps."""
    assert told(replace(ORANGE, planned=True)) == []
    assert told(replace(YELLOW, levels=((0, 0),))) == []


@pytest.mark.parametrize(
    ("present", "who"),
    [
        ({"mine", "city"}, ["city", "city"]),
        ({"mine", "county"}, ["county", "city"]),
        (set(), ["city", "city"]),
    ],
)
def test_a_missing_tier_falls_to_the_next(present: set[str], who: list[str]) -> None:
    """Where nobody is at all it stands with the highest."""
    assert [w for _, w, _, _ in told(YELLOW, present=frozenset(present))] == who
    assert acting_tier("mine", frozenset({"county"})) == "county"


def test_a_missing_county_is_answered_for_by_the_city() -> None:
    """Who must act is who answers."""
    seen = replace(YELLOW, confirmed=(Answer(MIN, tier="city", rank=2),))
    assert told(seen, present=frozenset({"city"})) == []


def test_who_is_overdue_and_what_is_next() -> None:
    """Counters: nobody, then the county, then both; an answer ends it."""
    steps = dues(RULES, YELLOW, ALL)
    following = next_due(steps, 0)
    assert following is not None
    assert (following.tier, following.due_us) == ("county", 3 * MIN)
    assert overdue_tiers(steps, 0) == ()
    assert overdue_tiers(steps, 4 * MIN) == ("county",)
    assert overdue_tiers(steps, 11 * MIN) == ("county", "city")
    assert next_due(steps, 11 * MIN) is None
    seen = dues(RULES, replace(YELLOW, confirmed=(Answer(5 * MIN, tier="mine"),)), ALL)
    assert overdue_tiers(seen, 4 * MIN) == ("county",)
    assert overdue_tiers(seen, 5 * MIN) == ()


def reports(history: History) -> list[Due]:
    """Status reports alone."""
    return [d for d in dues(RULES, history, ALL) if d.without == "report"]


def test_a_report_is_due_half_an_hour_after_the_last_word_while_handling() -> None:
    """Each tier for itself; a word in time moves it, the end of the alarm ends it."""
    busy = replace(
        ORANGE,
        levels=((0, 2), (20 * MIN, 3)),
        handled=(
            Answer(5 * MIN, tier="mine"),
            Answer(25 * MIN, tier="mine"),
            Answer(10 * MIN, tier="county"),
        ),
    )
    found = [(d.tier, d.due_us / MIN, d.rank, d.until_us) for d in reports(busy)]
    assert found == [("county", 40, 3, NEVER_US), ("mine", 55, 3, NEVER_US)]
    assert {d.channels for d in reports(busy)} == {("webhook", "mail", "sms")}
    assert [d.tier for d in reports(replace(busy, cleared_us=50 * MIN))] == ["county"]
    assert reports(replace(busy, cleared_us=MIN, closed_us=30 * MIN)) == []


def test_a_withdrawn_record_asks_for_no_report_and_answers_no_longer() -> None:
    """Handling that was taken back is missing from then on."""
    gone = replace(ORANGE, handled=(Answer(5 * MIN, 12 * MIN, tier="mine"),))
    assert reports(gone) == []
    handled = [d for d in dues(RULES, gone, ALL) if d.without == "handled"]
    assert [(d.due_us / MIN, d.since_us / MIN) for d in handled] == [(32, 12), (52, 12)]


def test_no_report_is_due_where_the_rules_ask_for_none() -> None:
    """``status_report = "0s"``."""
    busy = replace(ORANGE, handled=(Answer(5 * MIN, tier="mine"),))
    never = replace(RULES, report_us=0)
    assert [d for d in dues(never, busy, ALL) if d.without == "report"] == []
    # A word from before the alarm was told: the level is the first one.
    early = replace(ORANGE, levels=((40 * MIN, 3),), handled=(Answer(0, tier="mine"),))
    assert [d.rank for d in reports(early)] == [3]


TOP = 'nearly_due = "1min"\nfold = "10min"\nstatus_report = "0s"\n'
LAST = '[[escalate]]\nname = "rest"\n'
STEP = '[[escalate.step]]\nwithout = "confirmed"\nafter = "3min"\ntier = "county"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = [", "e.toml: "),
        (TOP, "must fit every alarm"),
        (TOP + '[[escalate]]\nname = "a"\nkinds = ["smoke"]\n', "e.toml:4: [[escala"),
        (TOP + LAST + LAST, "e.toml:4: [[escalate]] 1: hides the rows"),
        (TOP + "rules = 1\n" + LAST, "e.toml:4: unknown key 'rules'"),
        ('nearly_due = "1min"\n' + LAST, "fold is missing"),
        (TOP.replace("10min", "soon") + LAST, "e.toml:2: fold: 'soon' is not a dur"),
        (TOP + "escalate = 3", "e.toml:4: [[escalate]] is not an array"),
        (TOP + "escalate = [3]", "3 is not a table"),
        (TOP + LAST + "colour = 1\n", "e.toml:6: [[escalate]] 1: unknown key"),
        (TOP + '[[escalate]]\nname = ""\n', "e.toml:5: [[escalate]] 1: name = ''"),
        (TOP + LAST + "kinds = [1]\n", "e.toml:6: [[escalate]] 1: kinds = [1]"),
        (TOP + LAST + 'ranks = ["pink"]\n', "unknown ranks 'pink'"),
        (TOP + LAST + 'areas = ["atlantis"]\n', "unknown areas 'atlantis'"),
        (TOP + LAST + "source = 3\n", "source = 3 is no text"),
        (TOP + LAST + "planned = 1\n", "planned = 1 is not true or false"),
        (TOP + LAST + "goes_on = 1\n", "goes_on = 1 is not true or false"),
        (TOP + LAST + "step = 1\n", "step is not an array of tables"),
        (TOP + LAST + "step = [1]\n", "1 is not a table"),
        (TOP + LAST + STEP * 21, "21 steps; at most 20"),
        (TOP + LAST + STEP + "until = 1\n", "e.toml:10: [[escalate.step]] 1: unknown"),
        (TOP + LAST + STEP + STEP.replace("county", "moon"), "e.toml:13: [[escalate.s"),
        (TOP + LAST + STEP.replace("confirmed", "seen"), "is none of confirmed, hand"),
        (TOP + LAST + STEP.replace('"3min"', "3"), "after: 3 is not a duration"),
        (TOP + LAST + STEP + 'channels = "sms"\n', "channels = 'sms' is no list"),
        (TOP + "report_channels = 3\n" + LAST, "e.toml:4: report_channels = 3 is no"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(text: str, says: str) -> None:
    """File, line, entry and value."""
    with pytest.raises(ConfigError) as caught:
        parse_escalation(text, "e.toml")
    assert says in str(caught.value)


def test_the_file_of_a_site_is_read_or_named(tmp_path: Path) -> None:
    """None is the shipped one; a file that cannot be read is named."""
    assert load_escalation(None) == RULES
    file = tmp_path / "own.toml"
    with pytest.raises(ConfigError, match=r"own\.toml"):
        load_escalation(file)
    file.write_text(TOP + LAST, "utf-8")
    assert load_escalation(file).rows[0].name == "rest"


def test_rows_select_by_kind_level_and_area() -> None:
    """A prefecture's code covers its counties; steps of equal form are told apart."""
    text = (
        f'{TOP}[[escalate]]\nname = "smoke"\nkinds = ["smoke"]\nareas = ["zhaotong"]\n'
        f"{STEP}{STEP.replace('3min', '6min')}"
        f'[[escalate]]\nname = "weixin"\nranks = ["red"]\nareas = ["weixin"]\n{LAST}'
    )
    rules = parse_escalation(text, "e.toml")
    smoke = rules.row_for("smoke", "530627", 1, False)
    assert [step.key for step in smoke.steps] == [
        "confirmed/county/1",
        "confirmed/county/2",
    ]
    assert rules.row_for("smoke", "110101", 1, False).name == "rest"
    assert rules.row_for("over_limit", "530629", 4, False).name == "weixin"
    assert rules.row_for("over_limit", "530629", 3, False).name == "rest"
    assert rules.row_for("over_limit", "530627", 4, False).name == "rest"

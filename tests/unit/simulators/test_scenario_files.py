"""Scenario files: what is read, what is refused and where it says that is."""

from __future__ import annotations

from itertools import combinations

import pytest

from gasmon.errors import ConfigError
from simulators.causes import KINDS
from simulators.places import find_places
from simulators.scenario import load, parse, shipped

HEAD = """[scenario]
zh = "试验"
en = "a trial"
about = "nothing much"
duration = "5min"

[[mines]]
name = "mine"
county = "zhenxiong"
"""
CAUSE = """
[[cause]]
kind = "pocket"
mines = "mine"
unit = "face"
at = "1min"
ch4_pct = 1.9
"""
EXPECT = """
[[expect]]
kind = "over_limit"
mines = "mine"
cause = "pocket"
within = "30s"
"""


def test_a_small_scenario_is_read() -> None:
    """Defaults, durations and the begin that an expectation takes from its cause."""
    scenario = parse(HEAD + CAUSE + EXPECT, "trial.toml", "trial")

    assert (scenario.duration_s, scenario.cycle_s, scenario.speed) == (300, 15, 10)
    assert scenario.causes[0].until_s == 300
    expected = scenario.expected[0]
    assert (expected.from_s, expected.to_s) == (60, 90)
    assert (expected.least, expected.most, expected.levels) == (1, 1, ())


FAULTS = [
    ("no TOML", "[scenario\n", "trial.toml: "),
    ("a table nobody knows", HEAD + "[[causes]]\n", "trial.toml:10: unknown table"),
    ("no scenario", '[[mines]]\nname = "a"\n', r"trial.toml: one table \[scenario\]"),
    ("no mines", HEAD[: HEAD.index("[[mines]]")], "trial.toml:1: no .*mines"),
    (
        "a key nobody knows",
        HEAD + "wolves = 3\n",
        "trial.toml:10: unknown key 'wolves'",
    ),
    ("a missing key", HEAD + '[[cause]]\nkind = "pocket"\n', "trial.toml:10: mines is"),
    (
        "a cause nobody knows",
        HEAD + CAUSE.replace("pocket", "ghosts"),
        "trial.toml:12: kind = 'ghosts': one of more_gas",
    ),
    (
        "mines nobody chose",
        HEAD + CAUSE.replace('mines = "mine"', 'mines = "yours"'),
        r"trial.toml:13: no \[\[mines\]\] is called 'yours'",
    ),
    (
        "a unit nobody knows",
        HEAD + CAUSE.replace("face", "roof"),
        "trial.toml:14: unit = 'roof'",
    ),
    (
        "a place where a unit is enough",
        HEAD + CAUSE + 'place = "FACE_T0"\n',
        "trial.toml:11: it acts on a working: mines and unit are wanted",
    ),
    (
        "no duration",
        HEAD + CAUSE.replace("1min", "soon"),
        "trial.toml:15: at = 'soon': such as",
    ),
    (
        "a cause after the end",
        HEAD + CAUSE.replace("1min", "6min"),
        "trial.toml:15: at: the scenario is over",
    ),
    (
        "a missing parameter",
        HEAD + CAUSE.replace("ch4_pct = 1.9\n", ""),
        "trial.toml:11: ch4_pct is missing",
    ),
    (
        "a number that is none",
        HEAD + CAUSE.replace("1.9", '"much"'),
        "trial.toml:16: ch4_pct = 'much': a number",
    ),
    (
        "an expectation of no cause",
        HEAD + CAUSE + EXPECT.replace('"pocket"', '"moon"'),
        "trial.toml:21: no cause is called 'moon'",
    ),
    (
        "a level nobody knows",
        HEAD + CAUSE + EXPECT + 'level = "pink"\n',
        "trial.toml:23: level 'pink': one of ungraded, blue",
    ),
    (
        "an end before the begin",
        HEAD + CAUSE + EXPECT + 'after = "40s"\n',
        "trial.toml:22: within: it ends before it begins",
    ),
    (
        "fewer than none",
        HEAD + CAUSE + EXPECT + "least = 3\nmost = 2\n",
        "trial.toml:23: least: 1 or more",
    ),
    (
        "a may without a why",
        HEAD + '[[may]]\nkind = "over_limit"\nmines = "mine"\n',
        "trial.toml:10: why is missing",
    ),
    (
        "too fast",
        HEAD.replace('about = "nothing much"', 'about = "x"\nspeed = 1000'),
        "trial.toml:5: speed: 1 to 100",
    ),
]


@pytest.mark.parametrize(
    ("text", "says"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_named_with_file_and_line(text: str, says: str) -> None:
    """One clear sentence, and where to look."""
    with pytest.raises(ConfigError, match=says):
        parse(text, "trial.toml", "trial")


def test_a_scenario_that_is_not_there_is_named() -> None:
    """By name with those that are there, by file with the reason."""
    with pytest.raises(ConfigError, match=r"no scenario 'doom'; there are .*outburst"):
        load("doom")
    with pytest.raises(ConfigError, match=r"/nonexistent/doom\.toml: .*No such file"):
        load("/nonexistent/doom.toml")


def test_shipped_scenarios_take_place_in_mines_of_their_own() -> None:
    """So that all of them can play on one platform at the same time."""
    codes = {
        name: {mine.code for mine in find_places(load(name)).plan.mines}
        for name in shipped()
    }
    for a, b in combinations(sorted(codes), 2):
        assert not codes[a] & codes[b], f"{a} and {b}"


def test_every_kind_of_cause_is_used_by_a_shipped_scenario() -> None:
    """A cause that nothing plays would be a cause that nobody tried."""
    used = {cause.kind for name in shipped() for cause in load(name).causes}
    assert used == set(KINDS)


def test_a_mine_without_the_unit_is_named() -> None:
    """A low-gas mine has no drainage station."""
    text = HEAD + 'kind = "low_gas"\n'
    text += CAUSE.replace('unit = "face"', 'unit = "drainage"')
    scenario = parse(text, "trial.toml", "trial")
    places = find_places(scenario)
    with pytest.raises(ConfigError, match=r"mine 530627\d+ has no drainage"):
        places.indices(scenario.causes[0].target, "working")


def test_more_mines_than_there_are_is_refused() -> None:
    """Shuifu has two."""
    text = HEAD.replace("zhenxiong", "shuifu") + "count = 3\n"
    scenario = parse(text, "trial.toml", "trial")
    with pytest.raises(ConfigError, match="3 mines of kind any wanted in shuifu"):
        find_places(scenario)

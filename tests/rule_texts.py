"""Rule files for tests, made from the shipped one or standing alone."""

from __future__ import annotations

import re
from importlib.resources import files

from gasmon.alarms.rules import RuleSet, parse_rules

DEFAULT = files("gasmon.alarms").joinpath("default_rules.toml").read_text("utf-8")

NO_PRE_WARNING = """[[rule]]
kind = "high_pre_warning"
match = { quantity = ["CH4"] }
enabled = false
"""
"""For a file of rules: without what comes with each over-limit of methane where no
forecast is, as at points whose place nobody knows."""


LIMITS_ALONE = NO_PRE_WARNING + "".join(
    f'[[rule]]\nkind = "{kind}"\nmatch = {{ quantity = ["CH4"] }}\nenabled = false\n'
    for kind in ("rapid_rise", "suspicious_data", "evasion")
)
"""For a file of rules: of methane nothing but limits. Tests of the way that alarms go
send within milliseconds what takes a mine minutes, so how it moves means nothing."""


def delayed(on: str, off: str = "0s") -> RuleSet:
    """The shipped rules with other delays, and without pre-warnings."""
    text = f'[delays]\non = "{on}"\noff = "{off}"\n{NO_PRE_WARNING}'
    return parse_rules(text, "delayed.toml")


def alone(text: str) -> str:
    """A file of whose kinds the shipped rules do not count."""
    kinds = sorted(set(re.findall(r'(?m)^kind = ["\'](\w+)["\']', text)))
    return f"replace = {kinds}\n{text}"


def rule_set(text: str) -> RuleSet:
    """A file over the shipped rules."""
    return parse_rules(text, "given.toml")

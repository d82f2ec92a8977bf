"""Rule files for tests, made from the shipped one."""

from __future__ import annotations

from importlib.resources import files

from gasmon.alarms.rules import RuleSet, parse_rules

DEFAULT = files("gasmon.alarms").joinpath("default_rules.toml").read_text("utf-8")


def delayed(on: str, off: str = "0s") -> RuleSet:
    """The shipped rules with other delays."""
    text = DEFAULT.replace('on = "0s"', f'on = "{on}"')
    return parse_rules(text.replace('off = "0s"', f'off = "{off}"'), "delayed.toml")

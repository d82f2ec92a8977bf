"""Rule files for tests, made from the shipped one or standing alone."""

from __future__ import annotations

import re
from importlib.resources import files

from gasmon.alarms.rules import RuleSet, parse_rules

DEFAULT = files("gasmon.alarms").joinpath("default_rules.toml").read_text("utf-8")


def delayed(on: str, off: str = "0s") -> RuleSet:
    """The shipped rules with other delays."""
    return parse_rules(f'[delays]\non = "{on}"\noff = "{off}"\n', "delayed.toml")


def alone(text: str) -> str:
    """A file of whose kinds the shipped rules do not count."""
    kinds = sorted(set(re.findall(r'(?m)^kind = ["\'](\w+)["\']', text)))
    return f"replace = {kinds}\n{text}"

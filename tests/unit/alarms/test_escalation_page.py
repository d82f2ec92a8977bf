"""docs/escalation.md says what an escalation file may hold, and what is shipped."""

from __future__ import annotations

import re
from pathlib import Path

from gasmon.alarms.escalation_rules import (
    RULE_KEYS,
    STEP_KEYS,
    TOP_KEYS,
    WITHOUT,
    default_escalation,
)
from gasmon.duty.channel_file import COMMON_KEYS, KEYS_OF_KIND, PLACEHOLDERS
from gasmon.store.deliveries import BACKOFF_S
from gasmon.units import US_PER_MIN

PAGE = (Path(__file__).parents[3] / "docs" / "escalation.md").read_text("utf-8")


def test_every_key_of_the_rule_file_stands_on_its_page() -> None:
    """Keys of the file, of its rows and of their steps, and no key that is gone."""
    (table,) = re.findall(r"^\| key \| meaning \|\n\|-.*\n((?:\|.*\n)+)", PAGE, re.M)
    told = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert told == {*TOP_KEYS, *RULE_KEYS, *STEP_KEYS}
    assert all(f"`{name}`" in PAGE for name in WITHOUT)


def test_every_key_of_a_channel_stands_on_its_page() -> None:
    """Keys of all kinds of channel, and no key that is gone."""
    (table,) = re.findall(r"^\| channel key .*\n\|-.*\n((?:\|.*\n)+)", PAGE, re.M)
    told = {
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    wanted = {*COMMON_KEYS, *(key for keys in KEYS_OF_KIND.values() for key in keys)}
    assert told == wanted
    assert all(f"{{{name}}}" in PAGE for name in PLACEHOLDERS)
    waits = ", ".join(str(wait_s) for wait_s in BACKOFF_S[:-1])
    assert f"After {waits} s, then each {BACKOFF_S[-1]} s" in PAGE


def test_the_shipped_times_stand_on_its_page() -> None:
    """County and city, unconfirmed and unhandled, per row of the shipped file."""
    for row in default_escalation().rows:
        for step in row.steps:
            words = {
                "confirmed": "unconfirmed",
                "handled": "not handled",
                "delivered": "not delivered",
            }[step.without]
            assert f"{words} {step.after_us / US_PER_MIN:g} min" in PAGE

"""Copies are found and originals are not; speed and causes against evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.causes import CAUSES
from gasmon.alarms.doubts import (
    FASTEST_US,
    NOT_GAS,
    WORDS,
    Evidence,
    Saying,
    doubts_of,
    told_doubts,
    words_of,
)
from gasmon.units import US_PER_MIN

TOLD = 1_000 * US_PER_MIN
EVIDENCE = Evidence("over_limit", TOLD)
TEXT = "11121工作面推进过快，已停止割煤并加大配风，浓度 0.6 %"
SAID = Saying("handled", TEXT, TOLD + 30 * US_PER_MIN)


def test_a_copy_is_found_though_numbers_and_signs_differ() -> None:
    """Another face, another value, other commas: the same words."""
    copy = "11305 工作面推进过快,已停止割煤并加大配风。浓度0.4%"

    assert doubts_of(replace(SAID, text=copy), EVIDENCE, {words_of(TEXT)}) == (
        "copied",
    )


def test_an_original_and_a_set_phrase_are_none() -> None:
    """Nothing like it before; and two words that everybody writes."""
    assert doubts_of(SAID, EVIDENCE, {words_of("主扇检修期间风量不足，已恢复")}) == ()
    short = replace(SAID, text="已派人检查")
    assert doubts_of(short, EVIDENCE, {words_of("已派人检查")}) == ()


@pytest.mark.parametrize("event", sorted(FASTEST_US))
def test_what_was_faster_than_it_can_be_done(event: str) -> None:
    """Up to the limit it is too fast; from it on it is not."""
    limit_us = FASTEST_US[event]
    said = replace(SAID, event=event)

    assert doubts_of(replace(said, at_us=TOLD + limit_us - 1), EVIDENCE, ()) == (
        "too_fast",
    )
    assert doubts_of(replace(said, at_us=TOLD + limit_us), EVIDENCE, ()) == ()


def test_a_telephone_call_may_be_at_once() -> None:
    """Verifying is a call; other records say nothing that could be doubted."""
    for event in ("verified", "commented", "confirmed"):
        assert doubts_of(replace(SAID, event=event, at_us=TOLD), EVIDENCE, ()) == ()
    copied = replace(SAID, event="commented")
    assert doubts_of(copied, EVIDENCE, {words_of(TEXT)}) == ()


@pytest.mark.parametrize("cause", NOT_GAS)
def test_no_gas_though_the_neighbour_rose(cause: str) -> None:
    """Two sensors do not break at once; a cause of gas is believed."""
    rose = replace(EVIDENCE, neighbour_rose=True)

    assert cause in CAUSES
    assert doubts_of(replace(SAID, cause_code=cause), rose, ()) == ("neighbour_rose",)
    assert doubts_of(replace(SAID, cause_code=cause), EVIDENCE, ()) == ()
    assert doubts_of(replace(SAID, cause_code="gas_emission"), rose, ()) == ()
    other = replace(rose, kind="sensor_break")
    assert doubts_of(replace(SAID, cause_code=cause), other, ()) == ()


def test_a_calibration_without_its_state() -> None:
    """Readings are there and none has the bit; without readings nobody knows."""
    said = replace(SAID, cause_code="calibration")

    for known, wanted in ((False, ("no_calibration",)), (True, ()), (None, ())):
        assert doubts_of(said, replace(EVIDENCE, was_calibrated=known), ()) == wanted
    fault = replace(SAID, cause_code="sensor_fault")
    assert doubts_of(fault, replace(EVIDENCE, was_calibrated=False), ()) == ()


def test_doubts_are_told_in_both_languages() -> None:
    """Each has its words."""
    for name in WORDS:
        (told,) = told_doubts((name,))
        assert told["doubt"] == name
        assert all(told[lang] for lang in ("zh", "en"))

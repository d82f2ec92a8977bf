"""Which steps of a delivery are missing."""

from __future__ import annotations

import pytest

from gasmon.alarms.receipts import MISSING_AFTER_US, PROMISED, STEPS, missing


@pytest.mark.parametrize(
    ("done", "promised", "lacks"),
    [
        ((), (), ("sent", "stored")),
        (("sent",), (), ("stored",)),
        (("stored",), (), ()),
        (("drawn",), (), ()),
        (("sent", "stored"), ("drawn", "sounded"), ("drawn", "sounded")),
        (("sent", "sounded"), ("drawn", "sounded"), ("drawn",)),
        (STEPS, PROMISED, ()),
    ],
)
def test_a_later_step_proves_the_earlier_ones(
    done: tuple[str, ...], promised: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    """But whether it was drawn or sounded, only the recipient's own word says."""
    assert missing(done, promised, MISSING_AFTER_US) == lacks


def test_nothing_is_missing_at_once() -> None:
    """A line may be dead for a moment."""
    assert missing((), PROMISED, MISSING_AFTER_US - 1) == ()

"""Pages that are open for long hold no more at the end than at the beginning."""

from __future__ import annotations

import pytest

from benchmarks.soak import QUICK, soaked

LEAST_LOOKS = 12
"""Fewer say nothing about a trend: the machine had no time for it."""


@pytest.mark.timeout(600)
@pytest.mark.long
def test_pages_that_stay_open_stay_as_they_are() -> None:
    """Three minutes at twenty times the speed: heap, nodes and listeners are flat."""
    looked = soaked(QUICK)
    assert sorted(looked) == ["city", "room", "wall"]
    grew = {name: seen.grew() for name, seen in looked.items()}
    for name, seen in looked.items():
        assert len(seen.told) >= LEAST_LOOKS
        assert not grew[name], (grew, [one["nodes"] for one in seen.told])

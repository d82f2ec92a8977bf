"""The engine's promises with more inputs; a file of its own, so that another worker
runs it."""

from __future__ import annotations

import pytest

from tests.fix_more_examples import run_again

ENGINE = "tests/property/test_engine"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_times_as_many_examples_of_the_engine() -> None:
    """Cuts, orders, clocks, late frames, reloads, restarts, shapes, forecasts."""
    run_again(lambda file: file.startswith(ENGINE))

"""Every promise that holds for any input, but the engine's, with more inputs."""

from __future__ import annotations

import pytest

from tests.fix_more_examples import run_again

ENGINE = "tests/property/test_engine"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_times_as_many_examples() -> None:
    """Of everything that ``test_examples_of_the_engine`` does not run."""
    run_again(lambda file: not file.startswith(ENGINE))

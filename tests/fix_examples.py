"""How many examples Hypothesis tries: few here, many in ``make test-long``."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = int(os.environ.get("GASMON_EXAMPLES_TIMES", "1"))
"""``tests/long/test_examples.py`` sets it for a run of its own."""


def examples(n: int) -> settings:
    """So many in ``make test``, and no deadline: machines are busy."""
    return settings(max_examples=n * TIMES, deadline=None)

"""How many examples Hypothesis tries: few here, many in ``make test-long``."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = int(os.environ.get("GASMON_EXAMPLES_TIMES", "1"))
"""``tests/fix_more_examples.py`` sets it for a run of its own."""


def examples(n: int, more: int = 1) -> settings:
    """So many in ``make test``, and no deadline: machines are busy.

    Args:
        n: examples in ``make test``.
        more: by what the long run's factor is multiplied, for promises whose examples
            cost so much that only a few are tried here.
    """
    times = 1 if TIMES == 1 else TIMES * more
    return settings(max_examples=n * times, deadline=None)

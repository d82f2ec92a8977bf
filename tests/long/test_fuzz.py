"""A million mutated frames and topics through decode and judge.

`GASMON_FUZZ_COUNT` and `GASMON_FUZZ_SEED` choose another number and another seed; a
failure names its world as `seed/number`, which `fuzz_frames.world` makes again.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.fuzz_frames import campaign


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_million_mutants_cost_nobody_anything() -> None:
    """No exception, each refusal named, and neighbours as if nothing had come."""
    count = int(os.environ.get("GASMON_FUZZ_COUNT", "1000000"))
    seed = int(os.environ.get("GASMON_FUZZ_SEED", time.time_ns() % 10**9))
    print(f"GASMON_FUZZ_SEED={seed} GASMON_FUZZ_COUNT={count}")
    assert campaign(seed, count) > count // 2

"""A million mutated frames and topics through decode and judge.

`GASMON_FUZZ_COUNT` and `GASMON_FUZZ_SEED` choose another number and another seed. In CI
the seed is fixed: what is red there is red again, and new mutants do not stop a change
that has nothing to do with them; elsewhere each run has a seed of its own. A failure
names its world as `seed/number`, which `fuzz_frames.world` makes again.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.fuzz_frames import campaign

CI_SEED = 20261127


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_million_mutants_cost_nobody_anything() -> None:
    """No exception, each refusal named, and neighbours as if nothing had come."""
    count = int(os.environ.get("GASMON_FUZZ_COUNT", "1000000"))
    in_ci = os.environ.get("CI", "").lower() == "true"
    own = CI_SEED if in_ci else time.time_ns() % 10**9
    seed = int(os.environ.get("GASMON_FUZZ_SEED", own))
    print(f"GASMON_FUZZ_SEED={seed} GASMON_FUZZ_COUNT={count}")
    assert campaign(seed, count) > count // 2

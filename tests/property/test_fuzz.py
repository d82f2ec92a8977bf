"""Mutated frames and topics, a small number of them; tests/long has the million."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gasmon.batch import Packet
from tests.fix_examples import examples
from tests.fix_pipeline import Live, at, defined, frame
from tests.fuzz_frames import (
    AREA,
    NEIGHBOURS,
    ODD,
    POINTS,
    VICTIM,
    campaign,
    check_rejects,
    check_spool,
    dumps,
    of_neighbours,
)

SEED = 20261126


def test_five_thousand_mutants_cost_nobody_anything() -> None:
    """No exception, each refusal named, and neighbours as if nothing had come."""
    assert campaign(SEED, 5_000) > 2_500


LEAVES = st.sampled_from([x for x in ODD if not isinstance(x, list | dict)])
NONSENSE = st.recursive(
    LEAVES | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["no", "v", "type", "range", "alarm_high", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
ITEM = st.lists(NONSENSE, min_size=2, max_size=5) | st.tuples(
    st.sampled_from(["001A01", "002A01", "x", "530627000001010001001A01"]),
    NONSENSE,
    st.sampled_from([0, 4, 1.0, None]) | NONSENSE,
)
POINT = st.fixed_dictionaries(
    {"no": st.sampled_from(["001A01", "9"]) | NONSENSE},
    optional=dict.fromkeys(
        (
            *("system", "type", "kind", "unit_id", "place", "place_class", "uom"),
            *("range", "alarm_high", "clear_high", "cut_high", "restore_high"),
            *("alarm_low", "relations"),
        ),
        NONSENSE,
    ),
)
DEFINITIONS = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "rev": st.integers(0, 3),
        "ts": st.integers(0, 2**60),
        "points": st.lists(POINT, max_size=4),
    },
    optional={"mine": NONSENSE, "units": st.lists(NONSENSE, max_size=3)},
)
MESSAGES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "data": st.fixed_dictionaries(
        {"v": st.just(1), "boot": st.sampled_from("bbbc") | NONSENSE,
         "seq": st.integers(0, 5) | NONSENSE, "ts": st.integers(0, 2**60) | NONSENSE,
         "d": st.lists(ITEM, max_size=6)},
        optional={"mine": NONSENSE},
    ),
    "points": DEFINITIONS,
    "state": st.fixed_dictionaries(
        {"v": st.just(1), "s": st.sampled_from(["online", "offline"]) | NONSENSE,
         "boot": st.just("b") | NONSENSE, "ts": NONSENSE},
        optional={"ver": NONSENSE},
    ),
    "event": st.fixed_dictionaries(
        {"v": st.just(1), "eid": st.just("e") | NONSENSE,
         "no": st.just("001A01") | NONSENSE, "code": st.just("001") | NONSENSE,
         "start": NONSENSE},
        optional={"end": NONSENSE, "max": NONSENSE, "max_ts": NONSENSE},
    ),
    "cmd/res": st.fixed_dictionaries(
        {"v": st.just(1), "id": NONSENSE, "ok": st.booleans() | NONSENSE},
        optional={"error": NONSENSE},
    ),
}  # fmt: skip


@st.composite
def nonsense(draw: st.DrawFn) -> Packet:
    """A message of the right outline whose parts may be anything."""
    channel = draw(st.sampled_from([*MESSAGES, "data", "data", "backfill"]))
    obj = draw(MESSAGES["data" if channel == "backfill" else channel])
    payload = dumps(obj)
    return Packet(f"gasmon/v1/{AREA}/{VICTIM}/{channel}", payload, at(2))


@examples(20, more=2)
@given(st.lists(nonsense(), min_size=1, max_size=8))
def test_structured_nonsense_costs_nobody_anything(bad: list[Packet]) -> None:
    """Right outlines with any contents, between a neighbour's frames."""
    with_, without = Live(), Live()
    neighbour = NEIGHBOURS[0]
    d: list[Any] = [(p.no, 1.7, 0) for p in POINTS]
    before = [defined(*POINTS, mine=neighbour), frame(1, d, mine=neighbour)]
    after = [frame(3, d, mine=VICTIM, boot="own"), frame(4, d, mine=neighbour)]
    judged = with_.take(*before, *bad, *after, marks=[5])
    expected = without.take(*before, after[1], marks=[5])
    assert of_neighbours(with_, judged) == of_neighbours(without, expected)
    check_rejects(judged)
    check_spool(with_, judged)
    # The victim's own healthy frame is taken as well, and judged.
    assert any(f.key.boot == "own" for b in judged.batches for f in b.frames)

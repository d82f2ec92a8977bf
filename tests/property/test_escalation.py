"""Escalation does not depend on who looks when: any looks, any restart, the same steps.

A life of an alarm is drawn as a list of things that happen in wall time. Duty looks at
drawn moments, knowing only what happened until then; between two looks it forgets
everything but what the database holds: the keys of what it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.escalation import (
    NEVER_US,
    Answer,
    Due,
    History,
    came,
    dues,
    next_due,
    overdue_tiers,
)
from gasmon.alarms.escalation_rules import default_escalation
from gasmon.alarms.lifecycle import TIERS
from gasmon.alarms.receipts import Gap
from gasmon.units import US_PER_MIN, US_PER_S

RULES = default_escalation()
Happening = tuple[int, str, str, int]
"""(when [µs], what, tier, rank or minutes)"""

HAPPENINGS = st.lists(
    st.tuples(
        st.integers(1, 7200).map(lambda s: s * US_PER_S),
        st.sampled_from(
            (
                *("level", "confirm", "handle", "withdraw", "shelve", "clear", "close"),
                *("tell", "arrive"),
            )
        ),
        st.sampled_from(TIERS),
        st.integers(1, 60),
    ),
    max_size=14,
).map(sorted)
LOOKS = st.lists(st.integers(0, 9000).map(lambda s: s * US_PER_S), max_size=20)
PRESENT = st.frozensets(st.sampled_from(TIERS))


def history(rank: int, happened: Sequence[Happening], now_us: int) -> History:
    """What is known at a time."""
    levels, confirmed, quiet = [(0, rank)], list[Answer](), list[Answer]()
    handled = list[Answer]()
    gaps = list[Gap]()
    cleared_us = closed_us = None
    for at_us, what, tier, number in happened:
        if at_us > now_us or closed_us is not None:
            break
        present_rank = levels[-1][1]
        if what == "level" and present_rank < 4 and cleared_us is None:
            levels.append((at_us, present_rank + 1))
        elif what == "confirm":
            confirmed.append(Answer(at_us, tier=tier, rank=present_rank))
        elif what == "handle":
            handled.append(Answer(at_us, tier=tier))
        elif what == "withdraw" and handled and handled[-1].until_us == NEVER_US:
            handled[-1] = replace(handled[-1], until_us=at_us)
        elif what == "shelve" and present_rank < 4:
            until_us = at_us + number * US_PER_MIN
            quiet.append(Answer(at_us, until_us, rank=present_rank))
        elif what == "tell":
            from_us = at_us + 30 * US_PER_S
            gaps.append(Gap(tier, present_rank, at_us, from_us, None))
        elif what == "arrive":
            # What comes in time was never missing.
            gaps = [
                gap if gap.until_us else replace(gap, until_us=at_us)
                for gap in gaps
                if gap.until_us or gap.from_us < at_us
            ]
        elif what == "clear" and cleared_us is None:
            cleared_us = at_us
        elif what == "close" and cleared_us is not None:
            closed_us = at_us
    return History(
        kind="over_limit",
        area="530627",
        planned=False,
        late=False,
        levels=tuple(levels),
        confirmed=tuple(confirmed),
        handled=tuple(handled),
        quiet=tuple(quiet),
        cleared_us=cleared_us,
        closed_us=closed_us,
        gaps=tuple(gaps),
    )


def name(due: Due) -> tuple[str, int, int]:
    """What happens once."""
    return due.key, due.rank, due.since_us


@given(st.integers(0, 4), HAPPENINGS, LOOKS, PRESENT)
def test_any_looks_find_the_steps_of_one_uninterrupted_run(
    rank: int, happened: list[Happening], looks: list[int], present: frozenset[str]
) -> None:
    """Nothing before its time, nothing twice, nothing lost, whoever looks when."""
    end_us = 9001 * US_PER_S
    done: dict[tuple[str, int, int], Due] = {}
    for now_us in [*sorted(looks), end_us]:
        steps = came(dues(RULES, history(rank, happened, now_us), present), now_us)
        names = [name(due) for due in steps]
        assert len(set(names)) == len(names)
        for due in steps:
            assert due.due_us <= now_us
            known = done.setdefault(name(due), due)
            assert (known.due_us, known.tier) == (due.due_us, due.tier)
        assert set(done) == set(names)


@given(st.integers(0, 4), HAPPENINGS, st.integers(0, 9000), PRESENT)
def test_overdue_is_what_came_and_was_not_answered(
    rank: int, happened: list[Happening], now_s: int, present: frozenset[str]
) -> None:
    """Who has confirmed and handled the present level is not overdue for them."""
    now_us = now_s * US_PER_S
    known = history(rank, happened, now_us)
    steps = dues(RULES, known, present)
    late = overdue_tiers(steps, now_us)
    own = {a.tier for a in known.confirmed if a.rank >= known.levels[-1][1]}
    at_work = {a.tier for a in known.handled if a.until_us > now_us}
    owing = {d.tier for d in came(steps, now_us) if d.without == "report"}
    assert set(late) <= {d.tier for d in came(steps, now_us)}
    assert not (set(late) - owing) & own & at_work
    following = next_due(steps, now_us)
    assert following is None or following.due_us > now_us

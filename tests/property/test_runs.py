"""Runs do not see one another: a mixture is judged as each of its parts alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.batch import Packet
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.topics import parse_topic, root_of
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from tests.engine_world import PLAIN_RULES
from tests.fix_pipeline import CH4, at, defined, frame

RUNS = (0, 1, 7)
LIMITS = {0: 1.0, 1: 0.5, 7: 0.3}
"""Each run's own limit of the same point: whoever mixes them up, alarms wrongly."""


def of_run(packet: Packet, run: int) -> Packet:
    """The same message in the tree of a run."""
    return replace(packet, topic=packet.topic.replace(root_of(0), root_of(run), 1))


def evaluator(run: int) -> Evaluator:
    """One that judges a run and knows nothing yet."""
    engine = AlarmEngine(PLAIN_RULES, Patience(), run=run)
    return Evaluator(PointBook(), engine, SeenFrames())


def definitions(run: int) -> Packet:
    """The same point with the run's own limit."""
    limit = LIMITS[run]
    point = replace(
        CH4, alarm_high=limit, clear_high=limit, cut_high=None, restore_high=None
    )
    return of_run(defined(point), run)


def judge(run: int, turns: list[list[Packet]]) -> list[Judged]:
    """Judge turns one after the other."""
    judging = evaluator(run)
    return [
        judging.evaluate(turn, now_us=at(100 + nr), marks=[at(100 + nr)])
        for nr, turn in enumerate(turns)
    ]


@st.composite
def mixtures(draw: st.DrawFn) -> list[list[Packet]]:
    """Turns of frames of all runs with values around their limits."""
    n = draw(st.integers(1, 20))
    runs = draw(st.lists(st.sampled_from(RUNS), min_size=n, max_size=n))
    values = draw(
        st.lists(st.sampled_from((0.2, 0.4, 0.7, 1.2)), min_size=n, max_size=n)
    )
    seq = dict.fromkeys(RUNS, 0)
    packets = [definitions(run) for run in RUNS]
    for run, value in zip(runs, values, strict=True):
        seq[run] += 1
        packets.append(of_run(frame(seq[run], [("001A01", value, 0)]), run))
    cuts = sorted(draw(st.sets(st.integers(1, len(packets)), max_size=5)))
    edges = [0, *cuts, len(packets)]
    return [packets[a:b] for a, b in pairwise(edges) if a < b]


@settings(max_examples=20, deadline=None)
@given(mixtures())
def test_each_run_is_judged_as_if_it_were_alone(turns: list[list[Packet]]) -> None:
    """The events of a run follow from its own frames; everything else is refused."""
    for run in RUNS:
        own = [[p for p in turn if parse_topic(p.topic).run == run] for turn in turns]
        mixed, alone = judge(run, turns), judge(run, own)
        assert [j.events for j in mixed] == [j.events for j in alone]
        assert all(event.run == run for j in mixed for event in j.events)
        assert all(event.key.startswith(f"{run}/") for j in mixed for event in j.events)
        foreign = sum(map(len, turns)) - sum(map(len, own))
        refused = [reject for j in mixed for reject in j.rejects]
        assert [reject.reason for reject in refused] == ["other_run"] * foreign
        assert not [reject for j in alone for reject in j.rejects]


def test_the_runs_limits_differ_so_that_a_mixture_would_show() -> None:
    """One value, three verdicts: the property above cannot hold by chance."""
    raised = {}
    for run in RUNS:
        turn = [definitions(run), of_run(frame(1, [("001A01", 0.7, 0)]), run)]
        (judged,) = judge(run, [turn])
        raised[run] = [event.kind for event in judged.events]
    assert raised == {0: [], 1: ["over_limit"], 7: ["over_limit"]}

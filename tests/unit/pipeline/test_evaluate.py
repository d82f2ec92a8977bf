"""Evaluate: the order between definitions, states and data, and signs of life."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gasmon.batch import Packet
from gasmon.domain import states
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.evaluate import stretches
from gasmon.points import PointKey
from tests.fix_pipeline import (
    AREA,
    BOOT,
    CH4,
    MINE,
    Live,
    at,
    defined,
    frame,
    spoken,
    told_state,
)

HIGH = [("001A01", 1.6, 0)]
ZERO = [("001A01", 0.0, 0)]
LOW = [("001A01", 0.2, 0)]


def test_stretches_keep_order_and_lose_nothing() -> None:
    """Control and data alternate as they came."""
    packets = [
        defined(),
        told_state("online", 0),
        frame(1, LOW),
        frame(2, LOW),
        told_state("offline", 3),
        frame(4, LOW),
    ]
    cut = list(stretches(packets))
    assert [(len(c), len(d)) for c, d in cut] == [(2, 2), (1, 1)]
    assert [p for c, d in cut for p in (*c, *d)] == packets


def test_a_definition_before_data_in_one_batch_counts() -> None:
    """The first value of a new point is judged by the limits that came just before."""
    judged = Live().take(defined(), frame(1, HIGH))
    assert spoken(judged) == [("over_limit", "raised"), ("cut_off", "raised")]
    assert judged.unknown == []
    assert judged.events[0].limit == 1.0
    assert [p.key.no for _, points in judged.definitions for p in points] == ["001A01"]


def test_a_frame_that_overtakes_its_definition_is_judged_when_it_comes() -> None:
    """Topics have no order among each other: the value counts under its limits."""
    live = Live()
    judged = live.take(frame(1, HIGH), defined(second=2))
    assert judged.unknown == [PointKey(MINE, "01", "001A01")]
    assert spoken(judged) == [("over_limit", "raised"), ("cut_off", "raised")]
    assert {e.raised_at_us for e in judged.events} == {at(1)}
    assert [len(step.redefined) for step in judged.steps] == [0, 1]
    assert live.take(frame(3, HIGH)).events == []


def test_what_came_before_the_newest_reading_is_not_judged_again() -> None:
    """Only the newest value counts: what was over before is history."""
    live = Live()
    assert live.take(frame(1, HIGH), frame(2, LOW), defined(second=3)).events == []


def test_a_backlog_behind_its_definition_is_judged_by_it() -> None:
    """After an outage old frames follow: they must not go by "nothing is known"."""
    live = Live()
    live.take(frame(1, LOW, second=-100), defined(second=2))
    judged = live.take(frame(2, HIGH, second=-90), frame(3, LOW, second=-80))
    assert [e.kind for e in judged.events if e.event == "raised"] == [
        "over_limit",
        "cut_off",
    ]


def test_a_drainage_point_that_sends_before_its_definition_keeps_its_value() -> None:
    """A short number was taken for system 01; the definition says which it was."""
    live = Live()
    live.take(frame(1, HIGH), marks=[2])
    drainage = replace(CH4, system="02")
    judged = live.take(defined(drainage, second=3))
    assert spoken(judged) == [("over_limit", "raised"), ("cut_off", "raised")]
    assert {(e.system, e.raised_at_us) for e in judged.events} == {("02", at(1))}
    assert judged.n_readings == 1
    row = live.book.table.index[PointKey(MINE, "02", "001A01")]
    assert live.book.rows(MINE, ("001A01",)).tolist() == [row]
    judged = live.take(frame(4, LOW), marks=[5])
    assert [e.event for e in judged.events] == ["cleared", "cleared"]
    shadow = live.book.table.current[
        live.book.table.index[PointKey(MINE, "01", "001A01")]
    ]
    assert (shadow.retired, shadow.source) == (True, "provisional")
    frames = [frame(second, LOW) for second in range(10, 300, 10)]
    assert live.take(*frames, marks=[300]).events == []


def test_an_alarm_under_a_mistaken_number_ends_and_lives_under_the_right_one() -> None:
    """The mine's own alarm bit raised it before anybody knew what it measures."""
    live = Live()
    dead = [("001A01", None, states.ALARM | states.SENSOR_FAULT)]
    live.take(frame(1, dead))
    judged = live.take(defined(replace(CH4, system="02"), second=2), marks=[3])
    told = {(e.system, e.kind, e.event) for e in judged.events}
    assert {row for row in told if row[0] == "01"} == {
        ("01", "over_limit", "cleared"),
        ("01", "sensor_break", "cleared"),
    }
    assert ("02", "over_limit", "raised") in told
    assert ("02", "sensor_break", "raised") in told


def test_a_mistaken_number_of_a_silent_mine_gives_no_sign_of_life() -> None:
    """Definitions are no data: the link stays broken, the next frame tells the rest."""
    live = Live()
    live.take(frame(1, HIGH), marks=[2])
    live.take(told_state("offline", 3))
    judged = live.take(defined(replace(CH4, system="02"), second=4))
    assert (judged.events, judged.n_readings) == ([], 0)
    assert ("link_break", "cleared") in spoken(live.take(frame(5, HIGH)))


def test_a_point_that_is_not_named_any_more_is_retired() -> None:
    """It has no value now, and is no part of what the mine still has."""
    live = Live()
    other = replace(CH4, no="002A02")
    both = [("001A01", 0.2, 0), ("002A02", 0.3, 0)]
    live.take(defined(CH4, other), frame(1, both))
    judged = live.take(defined(CH4, rev=2, second=2), frame(3, LOW))
    assert [points.value.tolist() for points in judged.latest] == [[0.2]]
    ((_, standing),) = judged.definitions
    assert [(p.key.no, p.retired) for p in standing] == [
        ("001A01", False),
        ("002A02", True),
    ]
    judged = live.take(frame(4, both))
    assert sorted(judged.latest[0].value.tolist()) == [0.2, 0.3]
    live.take(defined(CH4, other, rev=3, second=5))
    assert live.book.retired_us == {}


def test_a_definition_with_a_row_that_nobody_can_read_retires_nothing() -> None:
    """The row may have been the very point that seems to be missing."""
    live = Live()
    other = replace(CH4, no="002A02")
    live.take(defined(CH4, other))
    judged = live.take(defined(CH4, replace(other, no="00 2"), rev=2, second=1))
    assert len(judged.rejects) == 1
    assert live.book.retired_us == {}
    ((_, standing),) = judged.definitions
    assert [p.key.no for p in standing] == ["001A01", "002A02"]


def test_a_last_will_falls_between_frames() -> None:
    """Good data, goodbye, data again: the link broke and was mended, in that order."""
    live = Live()
    judged = live.take(
        defined(),
        told_state("online", 0),
        frame(1, LOW),
        told_state("offline", 2),
        frame(3, LOW),
    )
    assert spoken(judged) == [("link_break", "raised"), ("link_break", "cleared")]
    assert [e.happened_at_us for e in judged.events] == [at(2), at(3)]
    assert judged.online == {MINE: True}


def test_the_last_word_of_a_turn_counts() -> None:
    """A mine whose will came last is offline at the end of the turn."""
    live = Live()
    judged = live.take(defined(), frame(1, LOW), told_state("offline", 2))
    assert judged.online == {MINE: False}
    assert judged.latest[0].value.tolist() == [0.2]


def test_a_will_of_another_boot_is_old() -> None:
    """The broker's late will of a dead connection does not silence the new one."""
    live = Live()
    live.take(defined(), told_state("online", 0, boot="old"), frame(1, LOW, boot="old"))
    live.take(told_state("online", 2, boot="new"))
    judged = live.take(told_state("offline", 3, boot="old"))
    assert spoken(judged) == []
    assert judged.online == {}
    assert spoken(live.take(told_state("offline", 4, boot="new"))) == [
        ("link_break", "raised")
    ]


def test_a_frame_tells_the_boot_as_well() -> None:
    """A mine that never said hello is known by its frames."""
    live = Live()
    live.take(defined(), frame(1, LOW, boot="new"))
    assert spoken(live.take(told_state("offline", 2, boot="old"))) == []


def test_backfill_does_not_tell_the_boot() -> None:
    """Old frames sent again carry their own boot; the present one stays."""
    live = Live()
    live.take(defined(), told_state("online", 0), frame(1, LOW))
    live.take(frame(7, LOW, second=-50, boot="old", backfill=True))
    assert live.evaluator.boots[MINE] == BOOT


def test_a_retained_birth_is_no_proof_of_life() -> None:
    """The broker kept it since who knows when; silence still counts."""
    live = Live()
    judged = live.take(defined(), told_state("online", 0, retained=True))
    assert judged.online == {}
    assert spoken(live.take(marks=[61])) == [("link_break", "raised")]
    assert spoken(live.take(told_state("online", 70, retained=True))) == []
    assert spoken(live.take(told_state("online", 80))) == [("link_break", "cleared")]


def test_a_retained_will_still_counts() -> None:
    """A mine that is known to be gone is gone, however long ago that was told."""
    live = Live()
    judged = live.take(defined(), told_state("offline", 0, retained=True))
    assert spoken(judged) == [("link_break", "raised")]


def test_a_frame_without_readings_is_a_sign_of_life() -> None:
    """Every value may be refused or absent; the line works all the same."""
    live = Live()
    live.take(defined(), told_state("offline", 0))
    judged = live.take(frame(1, []))
    assert spoken(judged) == [("link_break", "cleared")]
    assert judged.online == {MINE: True}
    assert [f.key.seq for b in judged.batches for f in b.frames] == [1]


def test_a_state_of_an_unknown_mine_is_nothing() -> None:
    """Nobody defined it and it sent no value: there is nothing to watch."""
    judged = Live().take(told_state("offline", 0))
    assert (judged.events, judged.online, judged.rejects) == ([], {}, [])


def test_provisional_points_have_rows_and_verdicts() -> None:
    """An undefined point's state bits alarm, and its readings are stored."""
    judged = Live().take(frame(1, [("009A09", 0.1, 1)]))
    assert judged.n_readings == 1
    assert judged.unknown == [PointKey(MINE, "01", "009A09")]
    assert len(judged.events) == 1
    assert judged.online == {MINE: True}


def test_a_repeat_is_counted_and_not_judged() -> None:
    """A redelivered frame changes nothing and is known by its key."""
    live = Live()
    live.take(defined(), frame(1, HIGH))
    judged = live.take(frame(1, HIGH))
    assert (judged.events, judged.n_readings) == ([], 0)
    assert [key.seq for key in judged.repeated] == [1]


def test_bad_packets_do_not_cost_good_ones() -> None:
    """Between every kind of bad input the good frame is judged."""
    topic = data_topic(AREA, MINE)
    bad = [
        Packet("gasmon/v1/elsewhere", b"{}", at(1)),
        Packet(topic, b"", at(1)),
        Packet(topic, b"\xff\xfe", at(1)),
        Packet(topic, b"{", at(1)),
        Packet(topic, b"[1]", at(1)),
        Packet(topic, b'{"v":2}', at(1)),
        Packet(topic, b'{"v":1,"boot":"b","seq":1,"ts":1}', at(1)),
    ]
    judged = Live().take(defined(), *bad, frame(2, HIGH), *bad)
    assert ("over_limit", "raised") in spoken(judged)
    assert len(judged.rejects) == 2 * len(bad)
    assert {r.mine for r in judged.rejects} == {None, MINE}


def test_marks_come_after_the_packets() -> None:
    """Time is looked at once everything that arrived before it was judged."""
    live = Live()
    live.take(defined(), frame(1, LOW))
    judged = live.take(frame(100, LOW), marks=[101])
    assert spoken(judged) == []
    assert judged.marks == [at(101)]


def test_a_silent_mine_is_offline() -> None:
    """Silence tells persist that the mine is not heard any more."""
    live = Live()
    live.take(defined(), frame(1, LOW))
    judged = live.take(marks=[90])
    assert spoken(judged) == [("link_break", "raised")]
    assert judged.online == {MINE: False}
    assert [points.mine for points in judged.latest] == [MINE]


def test_latest_values_are_a_copy() -> None:
    """What waits for the disk must not change under the next turn."""
    live = Live()
    first = live.take(defined(), frame(1, LOW)).latest[0]
    live.take(frame(2, HIGH))
    assert first.value.tolist() == [0.2]
    assert first.at_us.tolist() == [at(1)]
    assert not np.shares_memory(first.value, live.engine.state.last_value)


def test_a_new_revision_is_adopted_within_the_batch() -> None:
    """A stricter limit counts for the next frame, and for the newest value so far."""
    strict = replace(CH4, alarm_high=0.1, clear_high=0.1)
    told = defined(strict, rev=2, second=2)
    judged = Live().take(defined(), frame(1, LOW), told, frame(3, LOW))
    assert spoken(judged) == [("over_limit", "raised")]
    assert judged.events[0].happened_at_us == at(1)
    judged = Live().take(defined(), frame(1, ZERO), told, frame(3, LOW))
    assert [e.happened_at_us for e in judged.events] == [at(3)]

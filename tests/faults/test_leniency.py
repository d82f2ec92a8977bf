"""What the checker lets pass is bounded: each excuse needs its reason beside it."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest

from gasmon.errors import StateConflict
from gasmon.store.owners import require_same
from gasmon.units import US_PER_S
from tests.faults.check import ends_explained
from tests.faults.check_alarms import (
    alarms_true,
    is_dimmed,
    judged_late,
    silences_real,
)
from tests.faults.delays import Delays
from tests.faults.facts import Facts, Lost, StoredFrame
from tests.faults.finding import Finding, Span
from tests.faults.forgetting import forgotten
from tests.faults.gateways import Frame
from tests.faults.times import Judged
from tests.faults.truth import Alarm, AlarmKey

MINE = "530627000001"
T0 = 1_790_000_000 * US_PER_S


def alarm(begin_s: float, end_s: float | None, rank: int = 2) -> Alarm:
    """An over-limit alarm that lives between two seconds."""
    key = AlarmKey(f"point:{MINE}-01-001A01", "over_limit", at(begin_s))
    return Alarm(key, None if end_s is None else at(end_s), rank, 1.5)


def at(second: float) -> int:
    """A moment [µs UTC]."""
    return T0 + round(second * US_PER_S)


def delays(*cancelled: Alarm, trouble: tuple[float, float] = (0, 100)) -> Delays:
    """Cancelled delays, and a time in which a way was broken."""
    span = Span(at(trouble[0]), at(trouble[1]), MINE)
    return Delays(frozenset(a.key for a in cancelled), [span])


def test_an_alarm_too_many_needs_a_cancelled_delay_and_a_broken_way() -> None:
    """Either alone excuses nothing, and the beginning must be that of the delay."""
    extra = alarm(50, 55)

    assert delays(extra).may_exist(extra)
    assert not delays().may_exist(extra)
    assert not delays(alarm(50.001, 55)).may_exist(extra)
    assert not delays(extra, trouble=(56, 60)).may_exist(extra)
    assert not delays(extra, trouble=(0, 29)).may_exist(extra)


def test_an_end_may_come_later_and_never_earlier() -> None:
    """And a level may be higher, never lower, where a way was broken."""
    truth = alarm(50, 55)

    assert delays().may_differ(truth, alarm(50, 58, rank=3))
    assert delays().may_differ(truth, alarm(50, None))
    assert not delays().may_differ(truth, alarm(50, 54))
    assert not delays().may_differ(truth, alarm(50, 58, rank=1))
    assert not delays(trouble=(90, 95)).may_differ(truth, alarm(50, 58))
    assert not delays().may_differ(alarm(50, None), alarm(50, 58))


def test_a_missing_alarm_must_be_part_of_another() -> None:
    """One that was told before and lived when it should have begun."""
    missing = alarm(50, 55)

    assert delays().may_be_missing(missing, [alarm(45, 55)])
    assert not delays().may_be_missing(missing, [alarm(45, 49)])
    assert not delays().may_be_missing(missing, [alarm(51, 55)])
    assert not delays().may_be_missing(missing, [])
    assert not delays(trouble=(90, 95)).may_be_missing(missing, [alarm(45, 55)])


def test_one_that_should_never_have_been_may_outlive_the_broken_way() -> None:
    """Its end is interrupted again and again; only the way at its beginning counts."""
    extra, missing = alarm(50, 90), alarm(85, 90)

    assert delays(extra, trouble=(45, 55)).may_be_missing(missing, [extra])
    assert not delays(trouble=(45, 55)).may_be_missing(missing, [extra])
    assert not delays(extra, trouble=(51, 55)).may_be_missing(missing, [extra])
    assert not delays(extra, trouble=(45, 55)).may_be_missing(missing, [alarm(50, 84)])


def test_only_level_and_peak_may_be_forgotten_across_a_full_disk() -> None:
    """Lower, never higher; its times stay; and frames were given up at that time."""
    truth, forgot = alarm(50, 55), {MINE: [at(52)]}
    lower = replace(truth, rank=1, peak=1.2)

    assert is_dimmed(truth, lower, forgot)
    assert not is_dimmed(truth, lower, {})
    assert not is_dimmed(truth, lower, {MINE: [at(56)]})
    assert not is_dimmed(truth, replace(truth, rank=3), forgot)
    assert not is_dimmed(truth, alarm(50, 56), forgot)


def test_what_begins_late_may_be_told_as_several() -> None:
    """Each within the one of the truth, and that one near the late frame."""
    truth, late = alarm(50, 70), {MINE: [at(49)]}
    several = [(1, alarm(53, 55)), (2, alarm(63, 70))]

    def found(
        stored: list[tuple[int, Alarm]], blurred: dict[str, list[int]]
    ) -> list[Finding]:
        facts = Facts(alarms=stored)
        return alarms_true({truth.key: truth}, facts, blurred)[0]

    assert found(several, late) == []
    assert len(found(several, {})) == 2
    assert len(found([*several, (3, alarm(75, 80))], late)) == 1
    assert len(found([], late)) == 1


def test_what_a_live_value_ended_may_be_part_of_the_next_alarm() -> None:
    """Begun by a late frame, ended by one that was live, and soon followed."""
    truth, after = alarm(50, 52), alarm(54, 60)
    all_of_it = {each.key: each for each in (truth, after)}

    def n_found(
        stored: list[Alarm], late_s: list[float], lenient: Delays | None = None
    ) -> int:
        facts = Facts(alarms=list(enumerate(stored)))
        wanted = all_of_it if after in stored else {truth.key: truth}
        blurred = {MINE: [at(each) for each in late_s]}
        return len(alarms_true(wanted, facts, blurred, lenient)[0])

    assert n_found([after], [50, 51]) == 0
    # Its end is known, it did not begin late, or nothing follows.
    assert n_found([after], [50, 51, 52]) == 1
    assert n_found([after], [51]) == 1
    assert n_found([], [50, 51]) == 1
    # With delays it is raised 2.5 s after its first value, and over 1.5 s after one.
    calm = delays(trouble=(0, 1))
    assert n_found([after], [47.5, 48.5], calm) == 0
    assert n_found([after], [47.5, 50.5], calm) == 1
    assert n_found([after], [48.5, 49.5], calm) == 1


def test_a_break_may_not_know_of_a_rise_that_came_late() -> None:
    """Its level is lower then, and nothing else; a value's level has no such excuse."""
    key = AlarmKey(f"point:{MINE}-01-001A01", "sensor_break", at(50))
    truth = Alarm(key, at(55), 4, None)

    def n_found(kind: str, rank: int, late_s: float) -> int:
        wanted = replace(truth, key=replace(key, kind=kind))
        stored = [(1, replace(wanted, rank=rank))]
        blurred = {MINE: [at(late_s)]}
        found = alarms_true({wanted.key: wanted}, Facts(alarms=stored), blurred)
        return len(found[0])

    assert n_found("sensor_break", 1, 30) == 0
    assert n_found("sensor_break", 1, -300) == 1
    assert n_found("sensor_break", 5, 30) == 1
    assert n_found("over_limit", 1, 30) == 1


def test_a_delay_that_was_pending_in_what_was_forgotten_may_not_mature() -> None:
    """With delays only, and only where the beginning of the delay was forgotten."""
    truth = alarm(50, 55)

    def n_found(forgot_s: float, lenient: Delays | None) -> int:
        forgot = {MINE: [at(forgot_s)]}
        wanted = {truth.key: truth}
        return len(alarms_true(wanted, Facts(), {}, lenient, forgot)[0])

    assert n_found(48, delays()) == 0
    assert n_found(48, None) == 1
    assert n_found(46, delays()) == 1
    assert n_found(51, delays()) == 1


def test_only_what_a_full_disk_gave_up_before_an_end_is_forgotten() -> None:
    """Named by a reject, and shortly before ingest ended; no other frame."""
    frames = [Frame(MINE, "b", seq, at(seq), T0 // 1000 + seq * 1000, ())
              for seq in (1, 2, 9)]  # fmt: skip
    judged = {MINE: [Judged(frame, frame.true_us) for frame in frames]}
    facts = Facts(lost=[Lost(MINE, "b", 1, 2, at(2)), Lost(MINE, "b", 8, 8, at(8))])

    assert forgotten(judged, facts, [at(3)]) == {MINE: [at(1), at(2)]}
    assert forgotten(judged, facts, [at(9)]) == {}
    assert forgotten(judged, facts, [at(1)]) == {}
    assert forgotten(judged, facts, [at(20)]) == {}
    assert forgotten(judged, facts, []) == {}


def test_of_a_start_without_a_past_what_is_older_is_late() -> None:
    """Its first frame to come was a newer one; with a past the hold covers it."""
    frames = [Frame(MINE, "b", seq, at(seq), T0 // 1000 + seq * 1000, ())
              for seq in (1, 2, 3)]  # fmt: skip

    def late(*arrived_s: float) -> list[int]:
        came = zip(frames, arrived_s, strict=True)
        rows = {f.key: [StoredFrame(f.true_us, at(s), 5, backfill=False)]
                for f, s in came}  # fmt: skip
        return judged_late(frames, Facts(frames=rows), 12 * US_PER_S).get(MINE, [])

    assert late(20, 20.1, 20.2) == []
    assert late(20.1, 20.2, 20) == [at(2), at(1)]
    assert late(1, 20.2, 20) == []
    assert late(1, 33, 20) == [at(2)]


def test_a_mine_is_silent_only_while_no_frame_is_made() -> None:
    """A pause that takes long on a busy machine makes silence true, and no other."""

    def found(raised_s: float, cause: str = "silence") -> list[Finding]:
        facts = Facts(silences=[(MINE, "link_break", at(raised_s), None, cause)])
        return silences_real([], facts, {}, 20 * US_PER_S, 0, paused_us=at(100))

    assert found(121) == []
    assert len(found(99)) == 1
    assert len(found(121, "last_will")) == 1


def test_an_ingest_may_end_because_another_one_owns_its_areas() -> None:
    """And for nothing else; what it says is what the product says."""
    with pytest.raises(StateConflict) as overtaken:
        require_same([("*", "them", 2)], {"*": 1})
    sources = files("gasmon.pipeline").joinpath("line.py").read_text("utf-8")
    assert "another process took our areas over" in sources
    fine = [
        f"ingest stopped: {overtaken.value}",
        "ingest stopped: another process took our areas over: * by us",
        f"not ready: a thread ended: {overtaken.value!r}",
    ]
    bad = "ingest stopped: KeyError('001A01')"
    assert ends_explained({"ingest": "\n".join(fine)}) == []
    [found] = ends_explained({"ingest": "\n".join([*fine, bad])})
    assert "KeyError" in str(found)

"""What a mine (or its credentials in other hands) cannot do to hide or to flood.

Each test is an attack that once worked, written as it was made.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import orjson

from gasmon.ingest.definitions import MAX_POINTS, MAX_ROWS, REV_MAX
from gasmon.ingest.frame import MAX_READINGS, MAX_SAMPLES
from gasmon.ingest.payloads import Item, PointInfo
from gasmon.pipeline.book import NEW_MINES_PER_AREA, ROWS_PER_MINE, PointBook
from gasmon.units import US_PER_MS
from tests.fix_pipeline import AREA, CH4, MINE, Live, at, defined, frame, spoken


def test_old_sample_times_do_not_keep_a_point_alive() -> None:
    """Methane sent with yesterday's sample time is late; its point is then silent."""
    live = Live()
    live.take(
        defined(CH4, PointInfo("002A01", type="0001")), frame(1, [("001A01", 0.1, 0)])
    )
    old_ms = at(-3600) // US_PER_MS
    said = []
    for second in range(5, 130, 5):
        d: list[Item] = [("001A01", 5.0, 0, old_ms), ("002A01", 0.1, 0)]
        said += live.take(frame(second, d), marks=[second]).events
    loud = [(e.kind, e.no) for e in said if not e.late and e.event == "raised"]
    assert loud == [("no_data", "001A01")]


def test_a_time_ahead_does_not_make_true_frames_look_repeated() -> None:
    """Numbers sent in advance with a time of next week do not swallow what follows."""
    live = Live()
    live.take(defined())
    for seq in range(1, 20):
        ahead = frame(seq, [("001A01", 0.1, 0)], second=7 * 86_400)
        live.take(replace(ahead, arrived_us=at(seq / 100)))
    judged = live.take(frame(5, [("001A01", 2.0, 0)], second=60))
    assert judged.repeated == []
    assert judged.n_readings == 1
    loud = [e.kind for e in judged.events if e.event == "raised" and not e.late]
    assert loud == ["over_limit", "cut_off"]


def test_a_huge_definition_is_cut() -> None:
    """Points beyond the allowance are refused and counted, the others are taken."""
    live = Live()
    names = [{"no": f"{i:06d}"} for i in range(MAX_POINTS + 500)]
    payload = orjson.dumps({"v": 1, "rev": 1, "ts": 0, "points": names})
    judged = live.take(replace(defined(), payload=payload))
    assert live.book.table.n == MAX_POINTS
    assert sum(r.n for r in judged.rejects if r.reason == "too_many_points") == 500


def test_new_names_in_each_definition_end_somewhere() -> None:
    """A mine that names other points each time fills its own allowance only."""
    live = Live()
    for rev in range(1, 6):
        names = [{"no": f"{rev}{i:05d}"} for i in range(MAX_POINTS)]
        payload = orjson.dumps({"v": 1, "rev": rev, "ts": 0, "points": names})
        judged = live.take(replace(defined(), payload=payload))
    assert live.book.table.n == ROWS_PER_MINE
    assert [r.reason for r in judged.rejects] == ["too_many_points"]
    assert "2000 points beyond" in judged.rejects[0].detail


def test_made_up_mines_end_somewhere() -> None:
    """New codes of an area are taken up to an allowance; known mines always are."""
    book = PointBook()
    assert book.admits(MINE)
    codes = [f"{AREA}{i:06d}" for i in range(100_000, 100_000 + NEW_MINES_PER_AREA)]
    assert sum(book.admits(code) for code in codes) == NEW_MINES_PER_AREA - 1
    assert book.admits(MINE)
    assert not book.admits(f"{AREA}999999")
    assert book.admits("530602000001")


def test_a_revision_beyond_all_reason_is_refused_by_name() -> None:
    """It would stand above every revision that can follow."""
    judged = Live().take(defined(CH4, rev=2**63 - 1))
    assert [r.reason for r in judged.rejects] == ["out_of_range"]
    assert "rev is 9223372036854775807" in judged.rejects[0].detail


def test_a_revision_far_ahead_does_not_block_those_after_it() -> None:
    """What is written after it had come counts; what is older is refused by name."""
    live = Live()
    ahead = defined(CH4, rev=REV_MAX, second=5)
    live.take(ahead)
    old = live.take(replace(defined(replace(CH4, place="x"), rev=5), arrived_us=at(6)))
    assert [r.reason for r in old.rejects] == ["older_definition"]
    assert "not above 9007199254740991" in old.rejects[0].detail
    assert live.take(ahead).rejects == []
    assert live.take(defined(CH4, rev=1, second=7)).rejects == []
    assert live.book.rev_of(MINE) == 1
    kept = live.take(replace(ahead, arrived_us=at(8)))
    assert [r.reason for r in kept.rejects] == ["older_definition"]
    assert live.book.rev_of(MINE) == 1
    assert spoken(live.take(frame(9, [("001A01", 1.0, 0)]))) != []


def test_an_empty_definition_retires_nothing() -> None:
    """No point at all is a mistake: the known points stay and go on being judged."""
    live = Live()
    live.take(defined(CH4, rev=1))
    nothing = orjson.dumps({"v": 1, "rev": 2, "ts": 0, "points": []})
    judged = live.take(replace(defined(CH4), payload=nothing))
    assert [r.reason for r in judged.rejects] == ["empty_definition"]
    assert judged.definitions == []
    assert live.take(defined(replace(CH4, place="x"), rev=2)).definitions != []
    assert spoken(live.take(frame(1, [("001A01", 1.0, 0)]))) != []


def test_a_frame_full_of_samples_of_one_point_is_cut() -> None:
    """15,000 readings of one point, judged one by one, held up a city for 10 s."""
    live = Live()
    live.take(defined())
    ms = at(100) // US_PER_MS
    d: list[Item] = [("001A01", 0.1, 0, ms - 1000 + i) for i in range(1000)]
    judged = live.take(frame(1, [*d, ("002A01", 0.2, 0)], second=100))
    assert judged.n_readings == MAX_SAMPLES + 1
    assert sum(r.n for r in judged.rejects) == 1000 - MAX_SAMPLES
    assert {r.reason for r in judged.rejects} == {"too_many_samples"}


def test_a_frame_full_of_nothing_is_cut() -> None:
    """250,000 readings that are none cost as much as the first 10,000."""
    live = Live()
    live.take(defined())
    d: list[Any] = [("001A01", 0.1, 0), *[1] * 50_000]
    judged = live.take(frame(1, d))
    assert judged.n_readings == 1
    by_reason = Counter[str]()
    for reject in judged.rejects:
        by_reason[reject.reason] += reject.n
    assert by_reason == {
        "too_many_readings": 50_001 - MAX_READINGS,
        "reading_shape": MAX_READINGS - 1,
    }


def test_a_definition_full_of_nothing_is_cut() -> None:
    """250,000 rows that are no points took two seconds."""
    live = Live()
    rows = [{"no": "001A01"}, *[1] * 50_000]
    payload = orjson.dumps({"v": 1, "rev": 1, "ts": 0, "points": rows})
    judged = live.take(replace(defined(), payload=payload))
    assert live.book.table.n == 1
    assert sum(r.n for r in judged.rejects) == MAX_ROWS
    assert {r.reason for r in judged.rejects} == {"too_many_points", "wrong_type"}


def test_a_sample_time_beyond_every_calendar_is_judged_with_its_frame() -> None:
    """1e308 ms overflowed on its way to microseconds."""
    live = Live()
    live.take(defined())
    judged = live.take(frame(1, [("001A01", 0.2, 0, 1e308), ("002A01", 0.1, 0)]))
    assert judged.batches[0].at_us.tolist() == [at(1), at(1)]


def test_half_a_character_costs_its_reading_only() -> None:
    """A lone surrogate in one text made the whole frame unreadable."""
    live = Live()
    live.take(defined())
    healthy = frame(1, [("001A01", 1.2, 0), ("odd", 0.1, 0)])
    payload = healthy.payload.replace(b"odd", rb"\ud800")
    judged = live.take(replace(healthy, payload=payload))
    assert judged.n_readings == 1
    assert [r.reason for r in judged.rejects] == ["bad_point_number"]
    assert ("over_limit", "raised") in spoken(judged)

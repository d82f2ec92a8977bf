"""The invariants: what must be true after a round, whatever was broken in it.

Each check returns findings that name the invariant and the keys concerned; no finding
means that it holds. docs/faults.md says the same in words, with every tolerance.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gasmon.units import US_PER_MS
from tests.faults.facts import Facts, Held, StoredFrame
from tests.faults.gateways import Frame, by_mine, seconds
from tests.faults.truth import SILENT_KINDS, Alarm, AlarmKey

SHOWN = 12
"""Keys of one sort that are named; the rest is counted."""


@dataclass(frozen=True)
class Finding:
    """Something that should not be."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


@dataclass(frozen=True)
class Span:
    """A time in which something was broken; ``mine`` None concerns all mines."""

    begin_us: int
    end_us: int
    mine: str | None = None

    def touches(self, mine: str, begin_us: int, end_us: int) -> bool:
        """Whether it concerns a mine within a stretch of time."""
        concerned = self.mine in (None, mine)
        return concerned and self.begin_us < end_us and begin_us < self.end_us


def _findings(invariant: str, what: str, keys: Iterable[object]) -> list[Finding]:
    found = sorted(str(key) for key in keys)
    if not found:
        return []
    shown = ", ".join(found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [Finding(invariant, f"{len(found)} {what}: {shown}{more}")]


# I1: every acknowledged frame is stored once, with all its readings


def frames_stored(made: Sequence[Frame], facts: Facts) -> list[Finding]:
    """I1 for the table ``frame`` and the table ``reading``."""
    acked = {frame.key: frame for frame in made if frame.acked}
    all_keys = {frame.key for frame in made}
    lost = {key for key in acked if is_lost(key, facts)}
    stored = facts.frames
    out = _findings("I1", "acknowledged frames are missing",
                    acked.keys() - stored.keys() - lost)  # fmt: skip
    out += _findings(
        "I1",
        "frames are stored twice",
        [k for k, rows in stored.items() if len(rows) > 1],
    )
    out += _findings("I1", "stored frames were never made", stored.keys() - all_keys)
    wrong, missing, twice, seen = [], [], [], set()
    for key, rows in stored.items():
        frame = acked.get(key)
        if frame is None:
            continue
        if rows[0].n_readings != len(frame.samples):
            wrong.append(key)
        for no, sample in frame.samples:
            place = key[0], no, rows[0].judged_us
            seen.add(place)
            found = facts.readings.get(place, [])
            if len(found) > 1:
                twice.append(place)
            elif not found:
                missing.append(place)
            elif found[0] != sample:
                wrong.append((place, found[0], sample))
    out += _findings("I1", "readings of stored frames are missing", missing)
    out += _findings("I1", "readings are stored twice", twice)
    out += _findings("I1", "frames or readings differ from what was sent", wrong)
    out += _findings("I1", "readings were never sent", facts.readings.keys() - seen)
    return out


def is_lost(key: tuple[str, str, int], facts: Facts) -> bool:
    """Whether a reject names this frame's readings as lost."""
    return any(
        key[:2] == (mine, boot) and first <= key[2] <= last
        for mine, boot, first, last in facts.lost
    )


def times_kept(made: Sequence[Frame], facts: Facts, stepped: set[str]) -> list[Finding]:
    """I1 for the clocks: a true time is kept, a wrong one never goes back."""
    moved, back = [], []
    for mine, frames in by_mine(made).items():
        before = 0
        for frame in frames:
            rows = facts.frames.get(frame.key)
            if not rows:
                continue
            judged = rows[0].judged_us
            if mine not in stepped and judged != frame.sent_ms * US_PER_MS:
                moved.append((frame.key, seconds(judged), seconds(frame.true_us)))
            if judged <= before:
                back.append((frame.key, seconds(judged), seconds(before)))
            before = max(before, judged)
    return [
        *_findings("I1", "frames of right clocks were judged at another time", moved),
        *_findings("I1", "frames were judged at or before an older one's time", back),
    ]


def refused_rightly(facts: Facts, garbage: Iterable[str]) -> list[Finding]:
    """I1: nothing was refused of mines that sent no garbage."""
    shouting = set(garbage)
    return _findings(
        "I1",
        "refusals of mines that sent no garbage",
        [
            (mine, reason, n)
            for (mine, reason), n in facts.rejects.items()
            if mine not in shouting and reason != "readings_lost"
        ],
    )


def lost_rightly(
    made: Sequence[Frame], facts: Facts, full: Sequence[tuple[int, int]]
) -> list[Finding]:
    """I1: readings were given up only while the spool's disk was full.

    Args:
        full: when it was [µs UTC].
    """
    return _findings(
        "I1",
        "frames were given up although there was room for them",
        [
            (frame.key, seconds(frame.true_us))
            for frame in made
            if frame.key not in facts.frames
            and is_lost(frame.key, facts)
            and not any(a - LONGEST_WAY_US < frame.true_us < b for a, b in full)
        ],
    )


LONGEST_WAY_US = 30_000_000
"""Longest time from a frame to its verdict when lines are broken [µs]."""


# I2: every alarm of the truth once, with its times, and no other


class Leniency(Protocol):
    """What may differ where rules have delays; ``delays.Delays`` says why."""

    def may_exist(self, extra: Alarm) -> bool:
        """Though the truth has no such alarm."""

    def may_differ(self, truth: Alarm, stored: Alarm) -> bool:
        """In its end or level."""

    def may_be_missing(self, missing: Alarm, stored: Sequence[Alarm]) -> bool:
        """Because it is part of one of those that are stored."""


def alarms_true(
    truth: dict[AlarmKey, Alarm],
    facts: Facts,
    blurred: dict[str, list[int]],
    delays: Leniency | None = None,
    given_up: dict[str, list[int]] | None = None,
) -> tuple[list[Finding], int]:
    """I2 for everything that readings decide.

    Args:
        truth: what must exist.
        blurred: times of frames that were judged late, by mine [µs].
        delays: what may differ besides; None where rules have no delays.
        given_up: times of frames that a full disk did not take, by mine [µs].

    Returns:
        Findings, and how many alarms were excused as blurred.
    """
    stored: dict[AlarmKey, Alarm] = {}
    twice = []
    for _, alarm in facts.alarms:
        if alarm.key.kind in SILENT_KINDS:
            continue
        if alarm.key in stored:
            twice.append(alarm.key)
        stored[alarm.key] = alarm
    out = _findings("I2", "alarms exist twice", twice)
    wrong = [
        (truth[key], stored[key])
        for key in truth.keys() & stored.keys()
        if _differs(truth[key], stored[key])
    ]
    n_excused = len(wrong)
    wrong = [pair for pair in wrong if not _is_dimmed(*pair, given_up or {})]
    n_excused -= len(wrong)
    missing = [truth[key] for key in truth.keys() - stored.keys()]
    extra = [stored[key] for key in stored.keys() - truth.keys()]
    by_sort = _by_sort(truth.values()), _by_sort(stored.values())
    if delays is not None:
        n_excused += len(wrong) + len(missing) + len(extra)
        wrong = [pair for pair in wrong if not delays.may_differ(*pair)]
        extra = [alarm for alarm in extra if not delays.may_exist(alarm)]
        missing = [a for a in missing
                   if not delays.may_be_missing(a, by_sort[1][_sort(a)])]  # fmt: skip
        n_excused -= len(wrong) + len(missing) + len(extra)

    # What a late frame should have begun is raised a delay after the next one.
    blur_us = BLUR_US + (0 if delays is None else DELAY_US)

    def excused(alarm: Alarm, others: dict[tuple[str, str], list[Alarm]]) -> bool:
        if not _is_blurred(alarm, blurred, blur_us):
            return False
        if alarm.key.kind not in VALUE_KINDS:
            return True
        return any(alarm.overlaps(other) for other in others[_sort(alarm)])

    for what, alarms, others in (
        ("alarms are missing", missing, by_sort[1]),
        ("alarms were invented", extra, by_sort[0]),
    ):
        left = [alarm for alarm in alarms if not excused(alarm, others)]
        n_excused += len(alarms) - len(left)
        out += _findings("I2", what, map(_shown, left))
    left_wrong = [
        pair
        for pair in wrong
        if not any(_is_blurred(a, blurred, blur_us) for a in pair)
    ]
    n_excused += len(wrong) - len(left_wrong)
    out += _findings(
        "I2",
        "alarms differ from the truth",
        [f"[{_shown(t)} is stored as {_shown(s)}]" for t, s in left_wrong],
    )
    return out, n_excused


def _is_dimmed(truth: Alarm, stored: Alarm, given_up: dict[str, list[int]]) -> bool:
    """Whether only level or peak are lower, and a restart may have forgotten why."""
    if truth.cleared_us != stored.cleared_us or stored.rank > truth.rank:
        return False
    mine = truth.key.subject.split(":")[1][:12]
    begin = truth.key.raised_us - REMEMBERED_US
    end = 2**63 if truth.cleared_us is None else truth.cleared_us
    return any(begin <= at <= end for at in given_up.get(mine, ()))


REMEMBERED_US = 300_000_000
"""What came shortly before makes a broken sensor worse: ``after_rise`` [µs]."""


def _differs(truth: Alarm, stored: Alarm) -> bool:
    if (truth.cleared_us, truth.rank) != (stored.cleared_us, stored.rank):
        return True
    # While it lives, the row has the worst value of its last event.
    return truth.cleared_us is not None and truth.peak != stored.peak


BLUR_US = 2_500_000
"""The frame after a late one carries what the late one should have begun [µs]: two
cycles of the slowest gateway."""

DELAY_US = 3_000_000
"""Above the on-delay of campaigns that have one (``delays.RULES``) [µs]."""

VALUE_KINDS = ("over_limit", "cut_off", "low_limit", "low_cut_off")


def _sort(alarm: Alarm) -> tuple[str, str]:
    return alarm.key.subject, alarm.key.kind


def _by_sort(alarms: Iterable[Alarm]) -> dict[tuple[str, str], list[Alarm]]:
    out: dict[tuple[str, str], list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        out[_sort(alarm)].append(alarm)
    return out


def _is_blurred(alarm: Alarm, blurred: dict[str, list[int]], blur_us: int) -> bool:
    mine = alarm.key.subject.split(":")[1][:12]
    begin = alarm.key.raised_us - blur_us
    end = 2**63 if alarm.cleared_us is None else alarm.cleared_us + blur_us
    return any(begin <= at <= end for at in blurred.get(mine, ()))


def _shown(alarm: Alarm) -> str:
    end = "open" if alarm.cleared_us is None else seconds(alarm.cleared_us)
    return (
        f"{alarm.key.subject} {alarm.key.kind} {seconds(alarm.key.raised_us)}–{end}"
        f" rank {alarm.rank} peak {alarm.peak}"
    )


def judged_late(
    made: Sequence[Frame], facts: Facts, hold_us: int
) -> dict[str, list[int]]:
    """Times of frames that came so late after a newer one that no hold covers it."""
    out: dict[str, list[int]] = defaultdict(list)
    for mine, frames in by_mine(made).items():
        newer_us, newer_boot = 2**63, ""
        for frame in reversed(frames):
            rows = facts.frames.get(frame.key)
            if not rows:
                continue
            if _is_late(rows[0], newer_us, frame.boot != newer_boot, hold_us):
                out[mine].append(rows[0].judged_us)
            if rows[0].arrived_us < newer_us:
                newer_us, newer_boot = rows[0].arrived_us, frame.boot
    return out


def _is_late(row: StoredFrame, newer_us: int, other_boot: bool, hold_us: int) -> bool:
    behind_us = row.arrived_us - newer_us
    return behind_us > (0 if other_boot else hold_us) or (
        row.backfill and behind_us > 0
    )


def silences_real(
    made: Sequence[Frame],
    facts: Facts,
    lost: dict[str, list[int]],
    mine_us: int,
    slack_us: int,
) -> list[Finding]:
    """I2 for what is judged by arrival: over now, and true while it lasted.

    Args:
        lost: when each mine's own connection was lost [µs].
        mine_us: how long a mine may be silent [µs].
        slack_us: how far our look at the clock and theirs may differ [µs].
    """
    arrivals: dict[str, list[int]] = defaultdict(list)
    for frame in made:
        for row in facts.frames.get(frame.key, []):
            arrivals[frame.mine].append(row.arrived_us)
    is_open, false = [], []
    for mine, kind, raised, cleared, cause in facts.silences:
        shown = f"{mine} {kind} {cause} {seconds(raised)}"
        if cleared is None:
            is_open.append(shown)
            continue
        if kind == "no_data":
            false.append(shown)
            continue
        begin = raised - mine_us if cause == "silence" else raised
        inside = [
            at for at in arrivals[mine] if begin + slack_us < at < cleared - slack_us
        ]
        if inside:
            false.append(f"{shown}–{seconds(cleared)}, heard {seconds(inside[0])}")
        if cause == "last_will" and not any(
            at - slack_us <= raised <= at + mine_us * 6 for at in lost.get(mine, ())
        ):
            false.append(f"{shown}, its connection was not lost")
    return [
        *_findings("I2", "silences are open at the end", is_open),
        *_findings("I2", "silences that were none", false),
    ]


# I3: the outbox


def outbox_complete(facts: Facts, seen: Sequence[int]) -> list[Finding]:
    """I3: one row per journal event, no number hidden, and each alarm's order."""
    ids = [told.id for told in facts.outbox]
    seqs = [told.seq for told in facts.outbox]
    out = _findings(
        "I3", "journal events were not told", facts.journal.keys() - set(ids)
    )
    out += _findings(
        "I3", "told events are in no journal", set(ids) - facts.journal.keys()
    )
    out += _findings("I3", "events were told twice", _repeated(ids))
    out += _findings("I3", "numbers were hidden from a reader", set(seqs) - set(seen))
    out += _findings(
        "I3", "numbers vanished after they were read", set(seen) - set(seqs)
    )
    raised: set[int] = set()
    cleared: set[int] = set()
    disorder = []
    for told in facts.outbox:
        if told.event == "cleared":
            if told.alarm_id in cleared or told.alarm_id not in raised:
                disorder.append(told.id)
            cleared.add(told.alarm_id)
        elif told.event == "raised":
            if told.alarm_id in cleared or told.alarm_id in raised:
                disorder.append(told.id)
            raised.add(told.alarm_id)
    return out + _findings("I3", "events out of their alarm's order", disorder)


def _repeated(ids: Sequence[object]) -> Iterator[object]:
    seen = set()
    for each in ids:
        if each in seen:
            yield each
        seen.add(each)


# I4: the receivers


def receiver_equals(
    name: str, area: str | None, held: Sequence[Held], facts: Facts
) -> list[Finding]:
    """I4: what a receiver keeps is the outbox of its area, in order, once."""
    wanted = [t for t in facts.outbox if area is None or t.area == area]
    mine, theirs = [t.seq for t in wanted], [h.seq for h in held]
    out = _findings("I4", f"events never reached {name}", set(mine) - set(theirs))
    out += _findings("I4", f"events of {name} are not the outbox's",
                     {s for s in theirs if s not in set(mine)})  # fmt: skip
    if not out and mine != theirs:
        out.append(Finding("I4", f"the order of {name} is not the outbox's"))
    bodies = {told.seq: told.body for told in wanted}
    out += _findings(
        "I4",
        f"bodies of {name} differ",
        [h.id for h in held if h.seq in bodies and h.body != bodies[h.seq]],
    )
    return out


def events_printed(
    name: str, lines: Sequence[str], held: Sequence[Held]
) -> list[Finding]:
    """I4: everything that is kept was also printed, once at least."""
    printed = set(lines)
    return _findings(
        "I4", f"events of {name} were never printed",
        [h.id for h in held if h.body not in printed],
    )  # fmt: skip


# I5: the mines' relays


def annunciator_true(
    told: dict[str, set[str]], mines: Iterable[str], facts: Facts
) -> list[Finding]:
    """I5: the relay of each mine shows exactly what is open.

    Args:
        told: ids of the newest message of each mine.
    """
    is_open: dict[str, set[str]] = {mine: set() for mine in mines}
    for _, alarm in facts.alarms:
        if alarm.cleared_us is None:
            mine = alarm.key.subject.split(":")[1][:12]
            key = f"0/{alarm.key.subject}/{alarm.key.kind}/{alarm.key.raised_us}"
            is_open[mine].add(key)
    out = _findings("I5", "relays never heard anything", is_open.keys() - told.keys())
    for mine, keys in is_open.items():
        shown = told.get(mine, set())
        out += _findings("I5", f"open alarms that the relay of {mine} does not show",
                         keys - shown)  # fmt: skip
        out += _findings("I5", f"alarms that the relay of {mine} shows and are over",
                         shown - keys)  # fmt: skip
    return out


def ends_explained(logs: dict[str, str]) -> list[Finding]:
    """I5: no process ended by an error of its own.

    An ingest that finds its area owned by the one that was just killed ends and is
    started again; that is how it should be (decision 0011).

    Args:
        logs: what each process wrote to standard error.
    """
    out = []
    for name, log in logs.items():
        ends = re.findall(r"(?:stopped|ended|crashed): (?!StateConflict)(\w.*)", log)
        out += _findings("I5", f"errors that ended {name}", ends)
    return out


# I6: judging goes on without the database


def sounded_without_database(
    truth: Iterable[Alarm],
    first_us: dict[str, int],
    away: Sequence[Span],
    trouble: Sequence[Span],
) -> tuple[list[Finding], int]:
    """I6: while only the database is away, relays sound as quickly as ever.

    Args:
        first_us: when each alarm was first told to a relay [µs UTC].
        away: when the database was away.
        trouble: when the way from a mine to its relay was broken, too.

    Returns:
        Findings, and how many alarms were looked at.
    """
    late, n = [], 0
    for alarm in truth:
        raised, mine = alarm.key.raised_us, alarm.key.subject.split(":")[1][:12]
        due = raised + SOUND_US
        if alarm.key.kind not in VALUE_KINDS:
            continue
        if not any(s.begin_us < raised and due < s.end_us for s in away):
            continue
        if any(s.touches(mine, raised - AFTER_US, due) for s in trouble):
            continue
        n += 1
        key = f"0/{alarm.key.subject}/{alarm.key.kind}/{raised}"
        told = first_us.get(key)
        if told is None or told > due:
            when = "never" if told is None else f"{(told - raised) / 1e6:.1f} s later"
            late.append(f"{_shown(alarm)}, told {when}")
    return _findings("I6", "alarms sounded late while the database was away", late), n


SOUND_US = 3_000_000
"""From a reading to its relay, on a busy machine [µs]."""

AFTER_US = 20_000_000
"""After a broken line is whole again, order is waited for so long [µs]."""

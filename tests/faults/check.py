"""The invariants: what must be true after a round, whatever was broken in it.

Each check returns findings that name the invariant and the keys concerned; no finding
means that it holds. docs/faults.md says the same in words, with every tolerance; I2,
the alarms, is in ``check_alarms.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gasmon.units import US_PER_MS
from tests.faults.check_alarms import VALUE_KINDS, described
from tests.faults.facts import Facts, Held
from tests.faults.finding import Finding, Span, findings
from tests.faults.gateways import Frame, by_mine, seconds
from tests.faults.truth import Alarm

# I1: every acknowledged frame is stored once, with all its readings


def frames_stored(made: Sequence[Frame], facts: Facts) -> list[Finding]:
    """I1 for the table ``frame`` and the table ``reading``."""
    acked = {frame.key: frame for frame in made if frame.acked}
    all_keys = {frame.key for frame in made}
    lost = {key for key in acked if is_lost(key, facts)}
    stored = facts.frames
    out = findings("I1", "acknowledged frames are missing",
                    acked.keys() - stored.keys() - lost)  # fmt: skip
    out += findings(
        "I1",
        "frames are stored twice",
        [k for k, rows in stored.items() if len(rows) > 1],
    )
    out += findings("I1", "stored frames were never made", stored.keys() - all_keys)
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
    out += findings("I1", "readings of stored frames are missing", missing)
    out += findings("I1", "readings are stored twice", twice)
    out += findings("I1", "frames or readings differ from what was sent", wrong)
    out += findings("I1", "readings were never sent", facts.readings.keys() - seen)
    return out


def is_lost(key: tuple[str, str, int], facts: Facts) -> bool:
    """Whether a reject names this frame's readings as lost."""
    return any(lost.names(key) for lost in facts.lost)


def times_kept(made: Sequence[Frame], facts: Facts, stepped: set[str]) -> list[Finding]:
    """I1 for the clocks: a true time is kept, a wrong one never goes back.

    But for frames that came again, given up or asked for: of a former start of the
    gateway, and after a restart of ingest, no earlier correction is known any more.
    """
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
            comes_again = mine in stepped and (
                rows[0].backfill or is_lost(frame.key, facts)
            )
            if comes_again:
                continue
            if judged <= before:
                back.append((frame.key, seconds(judged), seconds(before)))
            before = max(before, judged)
    return [
        *findings("I1", "frames of right clocks were judged at another time", moved),
        *findings("I1", "frames were judged at or before an older one's time", back),
    ]


def refused_rightly(facts: Facts, garbage: Iterable[str]) -> list[Finding]:
    """I1: nothing was refused of mines that sent no garbage.

    What is told to be lost is looked for among the frames.
    """
    shouting = set(garbage)
    return findings(
        "I1",
        "refusals of mines that sent no garbage",
        [
            (mine, reason, n)
            for (mine, reason), n in facts.rejects.items()
            if mine not in shouting
            and reason not in ("readings_lost", "frames_missing")
        ],
    )


def lost_rightly(
    made: Sequence[Frame], facts: Facts, full: Sequence[tuple[int, int]]
) -> list[Finding]:
    """I1: readings were given up only while the spool's disk was full.

    Args:
        full: when it was [µs UTC].
    """
    return findings(
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


# I3: the outbox


def outbox_complete(facts: Facts, seen: Sequence[int]) -> list[Finding]:
    """I3: one row per journal event, no number hidden, and each alarm's order."""
    ids = [told.id for told in facts.outbox]
    seqs = [told.seq for told in facts.outbox]
    out = findings(
        "I3", "journal events were not told", facts.journal.keys() - set(ids)
    )
    out += findings(
        "I3", "told events are in no journal", set(ids) - facts.journal.keys()
    )
    out += findings("I3", "events were told twice", _repeated(ids))
    out += findings("I3", "numbers were hidden from a reader", set(seqs) - set(seen))
    out += findings(
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
    return out + findings("I3", "events out of their alarm's order", disorder)


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
    out = findings("I4", f"events never reached {name}", set(mine) - set(theirs))
    out += findings("I4", f"events of {name} are not the outbox's",
                     {s for s in theirs if s not in set(mine)})  # fmt: skip
    if not out and mine != theirs:
        out.append(Finding("I4", f"the order of {name} is not the outbox's"))
    bodies = {told.seq: told.body for told in wanted}
    out += findings(
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
    return findings(
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
    out = findings("I5", "relays never heard anything", is_open.keys() - told.keys())
    for mine, keys in is_open.items():
        shown = told.get(mine, set())
        out += findings("I5", f"open alarms that the relay of {mine} does not show",
                         keys - shown)  # fmt: skip
        out += findings("I5", f"alarms that the relay of {mine} shows and are over",
                         shown - keys)  # fmt: skip
    return out


OVERTAKEN = r"StateConflict|another process |area \S+ (?:belongs to|has an owner)"
"""How an ingest says that another one owns its areas: in words, or a thread's error."""


def ends_explained(logs: dict[str, str]) -> list[Finding]:
    """I5: no process ended by an error of its own.

    An ingest that finds its area owned by the one that was just killed ends and is
    started again; that is how it should be (decision 0011).

    Args:
        logs: what each process wrote to standard error.
    """
    out = []
    for name, log in logs.items():
        ends = re.findall(rf"(?:stopped|ended|crashed): (?!{OVERTAKEN})(\w.*)", log)
        out += findings("I5", f"errors that ended {name}", ends)
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
            late.append(f"{described(alarm)}, told {when}")
    return findings("I6", "alarms sounded late while the database was away", late), n


SOUND_US = 3_000_000
"""From a reading to its relay, on a busy machine [µs]."""

AFTER_US = 20_000_000
"""After a broken line is whole again, order is waited for so long [µs]."""

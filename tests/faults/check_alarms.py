"""I2: every alarm of the truth exists once, with its times, and no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from gasmon.units import US_PER_MS
from tests.faults.delays import OFF_MS, ON_MS
from tests.faults.facts import Facts, StoredFrame
from tests.faults.finding import Finding, findings
from tests.faults.gateways import Frame, by_mine, seconds
from tests.faults.truth import SILENT_KINDS, Alarm, AlarmKey


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
    forgot: dict[str, list[int]] | None = None,
    guessed: dict[str, list[int]] | None = None,
) -> tuple[list[Finding], int]:
    """I2 for everything that readings decide.

    Args:
        truth: what must exist.
        blurred: times of frames that were judged late, by mine [µs].
        delays: what may differ besides; None where rules have no delays.
        forgot: times of frames that a restart may not know of, by mine [µs].
        guessed: times of frames of which they are not known, by mine [µs].

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
    out = findings("I2", "alarms exist twice", twice)
    wrong = [
        (truth[key], stored[key])
        for key in truth.keys() & stored.keys()
        if _differs(truth[key], stored[key])
    ]
    n_excused = len(wrong)
    late = {mine: set(times) for mine, times in blurred.items()}
    wrong = [pair for pair in wrong if not _is_dimmed(pair, forgot or {}, blurred)]
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

    blurred = _together(blurred, forgot or {}, guessed or {})
    # What a late frame should have begun is raised a delay after the next one.
    blur_us = BLUR_US + (0 if delays is None else DELAY_US)

    def excused(
        alarm: Alarm, others: dict[tuple[str, str], list[Alarm]], is_missing: bool
    ) -> bool:
        if alarm.key.kind not in VALUE_KINDS:
            return _is_blurred(alarm, blurred, blur_us)
        # What begins later may have an end on its way that one before it had not:
        # then it is told as several, of which only the first is near a late frame.
        same = [other for other in others[_sort(alarm)] if alarm.overlaps(other)]
        if is_missing:
            waits_us = (0, 0) if delays is None else DELAYS_US
            same += _goes_on_in(alarm, others[_sort(alarm)], late, waits_us)
        if is_missing and delays is not None and _began_in(alarm, forgot or {}):
            return True
        near = [alarm, *same] if same else []
        return any(_is_blurred(each, blurred, blur_us) for each in near)

    for what, alarms, others, is_missing in (
        ("alarms are missing", missing, by_sort[1], True),
        ("alarms were invented", extra, by_sort[0], False),
    ):
        left = [alarm for alarm in alarms if not excused(alarm, others, is_missing)]
        n_excused += len(alarms) - len(left)
        out += findings("I2", what, map(described, left))
    left_wrong = [
        pair
        for pair in wrong
        if not any(_is_blurred(a, blurred, blur_us) for a in pair)
    ]
    n_excused += len(wrong) - len(left_wrong)
    out += findings(
        "I2",
        "alarms differ from the truth",
        [f"[{described(t)} is stored as {described(s)}]" for t, s in left_wrong],
    )
    return out, n_excused


def _goes_on_in(
    alarm: Alarm,
    stored: Iterable[Alarm],
    late: dict[str, set[int]],
    waits_us: tuple[int, int],
) -> list[Alarm]:
    """The alarm of which a late one that is over became a part.

    A live good value is known again only after a longer gap (``docs/alarm-rules.md``).
    So what late readings began and a live one ended belongs to the next alarm.

    Args:
        waits_us: on- and off-delay [µs].
    """
    times = late.get(alarm.key.subject.split(":")[1][:12], set())
    cleared_us = alarm.cleared_us
    if cleared_us is None or cleared_us - waits_us[1] in times:
        return []
    if alarm.key.raised_us - waits_us[0] not in times:
        return []
    later = [a for a in stored if 0 <= a.key.raised_us - cleared_us < KNOWN_AGAIN_US]
    return sorted(later, key=lambda other: other.key.raised_us)[:1]


def _began_in(alarm: Alarm, forgot: dict[str, list[int]]) -> bool:
    """Whether a restart may have forgotten that its delay was pending.

    Then what is left of it may be too short, and late data is judged without the live
    values beside it.
    """
    raised_us = alarm.key.raised_us
    times = forgot.get(alarm.key.subject.split(":")[1][:12], ())
    return any(raised_us - DELAY_US <= at <= raised_us for at in times)


def _together(*times: dict[str, list[int]]) -> dict[str, list[int]]:
    out: dict[str, list[int]] = defaultdict(list)
    for each in times:
        for mine, at_us in each.items():
            out[mine] += at_us
    return out


def _is_dimmed(
    pair: tuple[Alarm, Alarm],
    forgot: dict[str, list[int]],
    late: dict[str, list[int]],
) -> bool:
    """The same for what came late: only of live values a break knows the rise."""
    if pair[0].key.kind not in VALUE_KINDS:
        forgot = _together(forgot, late)
    return is_dimmed(*pair, forgot)


def is_dimmed(truth: Alarm, stored: Alarm, forgot: dict[str, list[int]]) -> bool:
    """Whether only level or peak are lower, and a restart may have forgotten why."""
    if truth.cleared_us != stored.cleared_us or stored.rank > truth.rank:
        return False
    mine = truth.key.subject.split(":")[1][:12]
    begin = truth.key.raised_us - REMEMBERED_US
    end = 2**63 if truth.cleared_us is None else truth.cleared_us
    return any(begin <= at <= end for at in forgot.get(mine, ()))


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

DELAYS_US = ON_MS * US_PER_MS, OFF_MS * US_PER_MS

DELAY_US = 3_000_000
"""Above the on-delay of campaigns that have one (``delays.RULES``) [µs]."""

KNOWN_AGAIN_US = 25_000_000
"""Live good values after a longer gap than this are known to late ones [µs]."""

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


def described(alarm: Alarm) -> str:
    """One line for a finding."""
    end = "open" if alarm.cleared_us is None else seconds(alarm.cleared_us)
    return (
        f"{alarm.key.subject} {alarm.key.kind} {seconds(alarm.key.raised_us)}–{end}"
        f" rank {alarm.rank} peak {alarm.peak}"
    )


def judged_late(
    made: Sequence[Frame], facts: Facts, hold_us: int
) -> dict[str, list[int]]:
    """Times of frames that came so late after a newer one that no hold covers it.

    Nothing is held of a start of a gateway of which nothing came before: what of it is
    older than its first frame to come is late, however soon it came.
    """
    out: dict[str, list[int]] = defaultdict(list)
    for mine, frames in by_mine(made).items():
        newer_us, newer_boot = 2**63, ""
        first = _first_to_come(frames, facts)
        for frame in reversed(frames):
            rows = facts.frames.get(frame.key)
            if not rows:
                continue
            has_no_past = frame.boot != newer_boot or frame.seq < first[frame.boot][1]
            if _is_late(rows[0], newer_us, has_no_past, hold_us):
                out[mine].append(rows[0].judged_us)
            if rows[0].arrived_us < newer_us:
                newer_us, newer_boot = rows[0].arrived_us, frame.boot
    return out


def _first_to_come(frames: Iterable[Frame], facts: Facts) -> dict[str, tuple[int, int]]:
    """Of each start of a gateway the arrival and number of its first frame."""
    first: dict[str, tuple[int, int]] = {}
    for frame in frames:
        for row in facts.frames.get(frame.key, [])[:1]:
            came = row.arrived_us, frame.seq
            first[frame.boot] = min(came, first.get(frame.boot, came))
    return first


def _is_late(row: StoredFrame, newer_us: int, has_no_past: bool, hold_us: int) -> bool:
    behind_us = row.arrived_us - newer_us
    return behind_us > (0 if has_no_past else hold_us) or (
        row.backfill and behind_us > 0
    )


def silences_real(
    made: Sequence[Frame],
    facts: Facts,
    lost: dict[str, list[int]],
    mine_us: int,
    slack_us: int,
    paused_us: int = 2**63,
) -> list[Finding]:
    """I2 for what is judged by arrival: over now, and true while it lasted.

    Args:
        lost: when each mine's own connection was lost [µs].
        mine_us: how long a mine may be silent [µs].
        slack_us: how far our look at the clock and theirs may differ [µs].
        paused_us: since when no frame is made [µs UTC]; a mine may be silent then.
    """
    arrivals: dict[str, list[int]] = defaultdict(list)
    for frame in made:
        for row in facts.frames.get(frame.key, []):
            arrivals[frame.mine].append(row.arrived_us)
    is_open, false = [], []
    for mine, kind, raised, cleared, cause in facts.silences:
        shown = f"{mine} {kind} {cause} {seconds(raised)}"
        if cleared is None:
            if cause != "silence" or raised < paused_us:
                is_open.append(shown)
            continue
        if kind in ("no_data", "substation_break"):
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
        *findings("I2", "silences are open at the end", is_open),
        *findings("I2", "silences that were none", false),
    ]

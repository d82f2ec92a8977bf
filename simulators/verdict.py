"""Expected against seen: what is missing, and what nobody expected. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gasmon.units import US_PER_S
from simulators.places import Places
from simulators.platform import SeenAlarm
from simulators.scenario import LEVELS, Expected, Scenario

PRE_WARNINGS = ("forecast", "forecast_advisory")
"""Kinds that look ahead: help for the mine, and no alarms. How many of them a platform
says depends on its budget and on what it learned, so only a scenario that names them
judges them."""

SLACK_S = 0.5
"""Times go over the wire in milliseconds, and a frame's in whole ones [s]."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How times of a run belong to seconds of its scenario.

    Attributes:
        begin_us: simulated time of its begin [µs UTC].
        real_begin_us: the server's time then [µs UTC].
        speed: simulated seconds per real second.
    """

    begin_us: int
    real_begin_us: int
    speed: float

    def raised_s(self, seen: SeenAlarm) -> float:
        """When an alarm began in the time of its mine [s since the begin]."""
        return (seen.raised_us - self.begin_us) / US_PER_S

    def decided_s(self, seen: SeenAlarm) -> float:
        """When the platform decided so [s of the scenario since the begin]."""
        return (seen.decided_us - self.real_begin_us) / US_PER_S * self.speed


@dataclass(frozen=True, slots=True)
class Line:
    """One expectation and what came of it."""

    expected: Expected
    seen: tuple[SeenAlarm, ...]

    @property
    def is_met(self) -> bool:
        """Whether as many came as must."""
        return len(self.seen) >= self.expected.least


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run showed.

    Attributes:
        lines: every expectation.
        allowed: what might come, and did.
        unexpected: everything else, with why it does not fit where it nearly does.
    """

    scenario: Scenario
    clock: Clock
    lines: tuple[Line, ...]
    allowed: tuple[SeenAlarm, ...]
    unexpected: tuple[tuple[SeenAlarm, str], ...]

    @property
    def is_met(self) -> bool:
        """All expected alarms came, and nothing else."""
        return all(line.is_met for line in self.lines) and not self.unexpected


def judge(
    scenario: Scenario, places: Places, clock: Clock, seen: Sequence[SeenAlarm]
) -> Verdict:
    """Deal the alarms out to the expectations, the earliest first."""
    taken: list[list[SeenAlarm]] = [[] for _ in scenario.expected]
    allowed: list[SeenAlarm] = []
    unexpected: list[tuple[SeenAlarm, str]] = []
    for alarm in sorted(seen, key=lambda a: (a.raised_us, a.alarm_id)):
        reasons = []
        for expected, mine in zip(scenario.expected, taken, strict=True):
            why = misfit(expected, places, clock, alarm)
            if not why and len(mine) >= expected.most:
                why = f"more than {expected.most}"
            if not why:
                mine.append(alarm)
                break
            if why != _ELSEWHERE:
                reasons.append(why)
        else:
            may = any(not misfit(m, places, clock, alarm) for m in scenario.allowed)
            if may or (alarm.kind in PRE_WARNINGS and not reasons):
                allowed.append(alarm)
            else:
                unexpected.append((alarm, "; ".join(reasons)))
    lines = tuple(
        Line(expected, tuple(mine))
        for expected, mine in zip(scenario.expected, taken, strict=True)
    )
    return Verdict(scenario, clock, lines, tuple(allowed), tuple(unexpected))


_ELSEWHERE = "elsewhere"


def misfit(expected: Expected, places: Places, clock: Clock, seen: SeenAlarm) -> str:
    """Why an alarm is not the expected one; empty when it is."""
    if seen.kind not in expected.kinds or not _is_there(expected, places, seen):
        return _ELSEWHERE
    at_s = clock.decided_s(seen) if expected.by_arrival else clock.raised_s(seen)
    if not expected.from_s - SLACK_S <= at_s <= expected.to_s + SLACK_S:
        return f"at {at_s:.1f} s, not {expected.from_s:g} to {expected.to_s:g} s"
    if expected.levels and seen.rank not in expected.levels:
        wanted = " or ".join(LEVELS[rank] for rank in expected.levels)
        return f"{LEVELS[seen.rank]}, not {wanted}"
    if expected.planned not in (None, seen.is_planned):
        return "planned" if seen.is_planned else "not planned"
    if expected.late not in (None, seen.is_late):
        return "late" if seen.is_late else "not late"
    return ""


def _is_there(expected: Expected, places: Places, seen: SeenAlarm) -> bool:
    target = expected.target
    for i in places.mines(target):
        mine = places.plan.mines[i]
        if mine.code != seen.mine:
            continue
        if target.places:
            numbers = {mine.points[k].no for k in places.points(mine, target)}
            return seen.point in numbers
        if target.unit:
            return seen.unit == places.unit(mine, target.unit).unit_id
        return True
    return False


def as_lines(verdict: Verdict) -> list[str]:
    """For people: what was expected and seen, then everything that was not."""
    scenario, clock = verdict.scenario, verdict.clock
    out = [f"{scenario.name}  {scenario.zh}  {scenario.en}"]
    for line in verdict.lines:
        expected = line.expected
        mark = "✓" if line.is_met else "✗ 缺少 missing"
        wanted = f"{expected.from_s:g}–{expected.to_s:g} s"
        target = " ".join(
            (expected.target.mines, expected.target.unit, *expected.target.places)
        )
        levels = "/".join(LEVELS[rank] for rank in expected.levels) or "*"
        kinds = "|".join(expected.kinds)
        got = ", ".join(_when(clock, expected, seen) for seen in line.seen[:4])
        more = f" … ({len(line.seen)})" if len(line.seen) > 4 else ""
        out.append(f"  {mark} {kinds} {target} {levels} {wanted}: {got or '–'}{more}")
    for seen, why in verdict.unexpected:
        out.append(
            f"  ✗ 意外 unexpected {seen.kind} {seen.subject} {seen.place} "
            f"{LEVELS[seen.rank]} at {clock.raised_s(seen):.1f} s"
            + (f" ({why})" if why else "")
        )
    out.append(f"  {len(verdict.allowed)} others that may come 其他允许的报警")
    return out


def _when(clock: Clock, expected: Expected, seen: SeenAlarm) -> str:
    at_s = clock.decided_s(seen) if expected.by_arrival else clock.raised_s(seen)
    return f"{at_s:.1f} s {LEVELS[seen.rank]}"


def as_dict(verdict: Verdict) -> dict[str, object]:
    """The same as plain values."""
    clock = verdict.clock

    def one(seen: SeenAlarm) -> dict[str, object]:
        return {
            "alarm_id": seen.alarm_id,
            "kind": seen.kind,
            "subject": seen.subject,
            "level": LEVELS[seen.rank],
            "raised_s": round(clock.raised_s(seen), 3),
            "decided_s": round(clock.decided_s(seen), 3),
            "late": seen.is_late,
            "planned": seen.is_planned,
        }

    return {
        "scenario": verdict.scenario.name,
        "met": verdict.is_met,
        "expected": [
            {
                "kinds": list(line.expected.kinds),
                "line": line.expected.line,
                "least": line.expected.least,
                "met": line.is_met,
                "seen": [one(seen) for seen in line.seen],
            }
            for line in verdict.lines
        ],
        "allowed": [one(seen) for seen in verdict.allowed],
        "unexpected": [{**one(seen), "why": why} for seen, why in verdict.unexpected],
    }

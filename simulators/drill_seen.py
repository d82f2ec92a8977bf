"""From the platform's words about a drill to a record of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gasmon.units import US_PER_S
from simulators.causes import KINDS
from simulators.drill_record import (
    Call,
    Curve,
    Delivery,
    DrillAlarm,
    DrillRecord,
    Entry,
    Missing,
    RealAlarm,
    Truth,
)
from simulators.places import Places
from simulators.platform import SeenAlarm, seen_of, time_us
from simulators.scenario import Cause, Scenario, Target
from simulators.verdict import Clock, Verdict, judge

ENDED_BY = {
    "announced_end": "time",
    "real_alarm": "real_alarm",
    "player_gone": "cut_off",
}
"""How a drill ended that the platform ended, by its ``end_cause``; else ``stopped``."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a drill was set up.

    Attributes:
        clock: of its scenario, in real time.
    """

    run: int
    scenario: Scenario
    places: Places
    county: str
    seed: int
    announced: bool
    participants: tuple[str, ...]
    platforms: tuple[str, ...]
    clock: Clock

    def drill_s(self, real_us: int) -> float:
        """A time by the platform's clock as seconds of the drill."""
        return round((real_us - self.clock.real_begin_us) / US_PER_S, 3)


def record_of(
    setup: Setup,
    alarms: Sequence[Mapping[str, Any]],
    *,
    ended_s: float,
    ended_by: str,
    played_s: float | None = None,
    calls: Sequence[Call] = (),
    curves: Sequence[Curve] = (),
    real_alarms: Sequence[RealAlarm] = (),
) -> DrillRecord:
    """Put together what was done and what the platform says of it.

    Args:
        alarms: as ``/drills/{run}/record`` gives them.
        played_s: how far the scenario came [s]; as far as the drill if not said. What
            would have come later is not missing, and what came then (silent mines)
            was promised by nobody.
    """
    scenario, places = setup.scenario, setup.places
    if played_s is None:
        played_s = ended_s
    promised_s = min(played_s, scenario.duration_s)
    seen = [seen_of(dict(alarm)) for alarm in alarms]
    verdict = judge(scenario, places, setup.clock, seen)
    return DrillRecord(
        run=setup.run,
        scenario=scenario.name,
        zh=scenario.zh,
        en=scenario.en,
        county=setup.county,
        seed=setup.seed,
        announced=setup.announced,
        participants=setup.participants,
        platforms=setup.platforms,
        mines={mine.code: mine.name for mine in places.plan.mines},
        begin_us=setup.clock.real_begin_us,
        ended_s=ended_s,
        ended_by=ended_by,
        truths=tuple(_truth(places, cause) for cause in scenario.causes),
        calls=tuple(calls),
        alarms=tuple(
            _alarm(setup, verdict, said, one, promised_s)
            for said, one in zip(alarms, seen, strict=True)
        ),
        missing=tuple(_missing(places, verdict, played_s)),
        curves=tuple(curves),
        real_alarms=tuple(real_alarms),
    )


def _truth(places: Places, cause: Cause) -> Truth:
    where = place_words(places, cause.target)
    return Truth(cause.name, KINDS[cause.kind].what, cause.at_s, cause.until_s, where)


def place_words(places: Places, target: Target) -> str:
    """Mines, working and places of a target."""
    mines = [places.plan.mines[i].name for i in places.mines(target)]
    shown = "、".join(mines[:3]) + (f" … ({len(mines)})" if len(mines) > 3 else "")
    return " ".join(part for part in (shown, target.unit, *target.places) if part)


def _alarm(
    setup: Setup,
    verdict: Verdict,
    said: Mapping[str, Any],
    seen: SeenAlarm,
    promised_s: float,
) -> DrillAlarm:
    fits, cause = "unexpected", None
    for line in verdict.lines:
        if seen in line.seen:
            fits, cause = "expected", _cause(setup.scenario, line.expected.cause)
    raised_s = round(setup.clock.raised_s(seen), 3)
    if seen in verdict.allowed or raised_s > promised_s:
        # Behind its end the scenario promises nothing.
        fits = "allowed"
    own = [row for row in said["records"] if row["by"] is None]
    told_us = min(time_us(row["recorded_at"]) for row in own)
    cleared = said["cleared_at"]
    return DrillAlarm(
        alarm_id=seen.alarm_id,
        mine=said["mine_name"] or seen.mine,
        kind=seen.kind,
        place=seen.place,
        zh=said["text"]["zh"],
        en=said["text"]["en"],
        rank=said["peak_rank"],
        raised_s=raised_s,
        told_s=setup.drill_s(told_us),
        cleared_s=None
        if cleared is None
        else round((time_us(cleared) - setup.clock.begin_us) / US_PER_S, 3),
        cause="" if cause is None else cause.name,
        cause_s=raised_s if cause is None else cause.at_s,
        fits=fits,
        entries=tuple(_entries(setup, said["records"])),
        deliveries=tuple(_deliveries(setup, said["ledger"])),
    )


def _cause(scenario: Scenario, name: str) -> Cause:
    return next(cause for cause in scenario.causes if cause.name == name)


def _entries(setup: Setup, rows: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """What people did; what the engine or a rule did is none of it."""
    return [
        Entry(
            event=row["event"],
            at_s=setup.drill_s(time_us(row["recorded_at"])),
            by=row["by"],
            tier=row["tier"] or "",
            note=row["note"] or "",
            stands=row["stands"],
        )
        for row in rows
        if row["by"] is not None and row["tier"] is not None
    ]


def _deliveries(setup: Setup, events: Sequence[Mapping[str, Any]]) -> list[Delivery]:
    """How far the first word of an alarm came."""
    return [
        Delivery(
            recipient=way["recipient"],
            role="room" if way["role"] == "room" else "platform",
            steps={
                step: setup.drill_s(time_us(at))
                for step, at in way["steps"].items()
                if at is not None
            },
        )
        for event in events
        if event["event"] == "raised"
        for way in event["recipients"]
        if way["role"] in ("room", "platform")
    ]


def _missing(places: Places, verdict: Verdict, played_s: float) -> list[Missing]:
    return [
        Missing(
            kinds=line.expected.kinds,
            where=place_words(places, line.expected.target),
            cause=line.expected.cause,
            levels=line.expected.levels,
            n=line.expected.least - len(line.seen),
        )
        for line in verdict.lines
        if not line.is_met and line.expected.to_s <= played_s
    ]

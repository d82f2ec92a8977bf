"""Relations between points once more, slowly: one frame, one relation, plain ``if``s.

The reference for stage 2. It shares with the engine which points play which part
(``relation_roles``, which has tests of its own) and stage 1's scalar twin; how a frame
becomes moments, what a term says, delays, levels and doubt are written anew from
docs/alarm-rules.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, isnan, nan

from gasmon.alarms.relation_roles import ALL, Member, Relation, relations_of
from gasmon.alarms.relation_terms import Term
from gasmon.alarms.rule_asked import Asked
from gasmon.points import PointTable
from tests.scalar_engine import Said, ScalarEngine

DAY = 86_400_000_000
BUCKETS = 6


@dataclass
class Held:
    """What a point last said, as of the moment that is judged."""

    at: float = -inf
    value: float = nan
    state: int = 0
    good: bool = False
    good_at: float = -inf
    good_value: float = nan
    same: bool | None = None
    seen: list[tuple[int, float]] = field(default_factory=list)


@dataclass
class Alarm:
    """One relation and its alarm."""

    relation: Relation
    mine: int
    phase: str = "idle"
    since: int = 0
    raised: int = 0
    ended: int = -(10**18)
    rank: int = 0
    unknown: bool = False
    was_true: dict[tuple[int, int], bool] = field(default_factory=dict)

    @property
    def living(self) -> bool:
        return self.phase in ("active", "clearing")


def _standbys(table: PointTable, rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Main fans of a mine with each one that stands by for it, both ways round."""
    fans = [row for row in rows if table.current[row].quantity == "FAN_MAIN"]
    for own in fans:
        for other in fans:
            told = {
                text.split("-")[1]
                for one, partner in ((own, other), (other, own))
                for text in table.current[one].relations
                if text.startswith("Z-")
                and text.split("-")[1] == table.keys[partner].no
            }
            if told and own != other:
                yield own, other


class ScalarRelations:
    """Frames and marks one by one; events go to the point engine's ``said``."""

    def __init__(self, points: ScalarEngine) -> None:
        self.points = points
        table, asked = (
            points.table,
            Asked(points.rules, range(len(points.rules.levels))),
        )
        self.held = [Held() for _ in range(table.n)]
        self.watermark: list[float] = [-inf] * len(table.mines)
        self.lag = [0] * len(table.mines)
        self.mark_at: float = -inf
        self.alarms = [
            Alarm(relation, mine)
            for mine, told in enumerate(table.mines)
            for relation in relations_of(
                told, [Member(r, table.current[r]) for r in table.rows[mine]], asked
            )
        ]
        self.fans = {
            mine: list(_standbys(table, rows)) for mine, rows in enumerate(table.rows)
        }

    # What comes

    def frame(
        self, mine: int, readings: Sequence[tuple[int, float, int, int, int]]
    ) -> None:
        """A frame: (row, value, at, arrived, state) of each reading."""
        moments: dict[float, list[tuple[int, float, int, int, bool]]] = {}
        arrived = readings[0][3]
        rows = {row for row, *_ in readings}
        fans = [pair for pair in self.fans[mine] if rows & set(pair)]
        self._look_ahead(fans, readings)
        for row, value, at, came, state in readings:
            point = self.points.points[row]
            is_new = at > point.last_at
            self.points.reading(row, value, at, came, state)
            if is_new:
                moment = max(at, self.watermark[mine])
                said = (row, value, at, state, point.last_was_good)
                moments.setdefault(moment, []).append(said)
        for own, other in fans:
            self._change_over(own, other, arrived)
        for moment in sorted(moments):
            for row, value, at, state, good in sorted(
                moments[moment], key=lambda one: one[2]
            ):
                self._hold(self.held[row], value, at, state, good)
            self.watermark[mine] = moment
            self.lag[mine] = int(max(arrived, self.mark_at)) - int(moment)
            for alarm in self._of(mine, one_up=False):
                self._advance(alarm, int(moment), arrived)
        if self.watermark[mine] > -inf:
            for alarm in self._of(mine, one_up=True):
                self._advance(alarm, int(self.watermark[mine]), arrived)

    def _look_ahead(
        self,
        fans: list[tuple[int, int]],
        readings: Sequence[tuple[int, float, int, int, int]],
    ) -> None:
        """Which standby fans run by the end of a frame."""
        self.points.standby = {}
        for own, other in fans:
            told, when = self._runs(other), self.points.points[other].last_at
            for row, value, at, _, state in readings:
                if row == other and at > when:
                    when = at
                    told = value == 1.0 and not state & (4 | 16 | 32 | 64 | 128)
            self.points.standby.setdefault(own, []).append((told, when))

    def _runs(self, row: int) -> bool:
        fan = self.points.points[row]
        return fan.last_was_good and fan.last_value == 1.0 and not fan.silent

    def _change_over(self, own: int, other: int, arrived: int) -> None:
        """The alarm of a fan that stopped ends when its standby runs."""
        fan, standby = self.points.points[own], self.points.points[other]
        life = fan.lives["switch"]
        if not life.living or life.kind != "main_fan_stopped":
            return
        apart = abs(fan.last_at - standby.last_at)
        near = apart <= self.points.patience.point_us
        if fan.last_was_good and self._runs(other) and near:
            at = int(max(fan.last_at, standby.last_at))
            self.points.clear(fan, life, at, arrived, fan.last_value)

    def mark(self, at: int) -> None:
        """A clock mark."""
        before, patience = self.points.mark_us, self.points.patience
        if before != -inf and not 0 <= at - before <= patience.gap_us:
            self.lag = [lag + int(at - before) for lag in self.lag]
        n_said = len(self.points.said)
        self.points.mark(at)
        self.mark_at = at
        changed = {
            said.subject.removeprefix("point:")
            for said in self.points.said[n_said:]
            if said.kind == "over_limit"
        }
        for alarm in self.alarms:
            reached = self._reached(alarm, at)
            waits = alarm.phase == "pending" and alarm.relation.impatient
            if waits and self._verdict(alarm, reached) == (False, False):
                alarm.phase = "idle"
            self._mature(alarm, reached, at)
            if alarm.living and not alarm.unknown:
                true, false = self._verdict(alarm, self._reached(alarm, at))
                if not true and not false:
                    alarm.phase, alarm.unknown = "active", True
                    self._say("unknown", alarm, at, at)
        # A mark alone proves no end: only what became of points by it counts.
        for alarm in self.alarms:
            rows = [term.row for term in alarm.relation.clauses[0].terms]
            keys = {str(self.points.table.keys[row]) for row in rows}
            if alarm.relation.one_up and keys & changed:
                self._advance(alarm, self._reached(alarm, at), at)

    def _reached(self, alarm: Alarm, at: int) -> int:
        lag = self.lag[alarm.mine]
        broken = self.points.links[alarm.mine].raised is not None
        return at - (min(lag, 0) if broken else lag)

    def _of(self, mine: int, *, one_up: bool) -> list[Alarm]:
        return [
            alarm
            for alarm in self.alarms
            if alarm.mine == mine and alarm.relation.one_up == one_up
        ]

    def _hold(self, held: Held, value: float, at: int, state: int, good: bool) -> None:
        held.at, held.value, held.state, held.good = at, value, state, good
        if good:
            first = held.good_at == -inf
            held.same = None if first else held.good_value == value
            held.good_at, held.good_value = at, value
            held.seen.append((at, value))

    # What terms say

    def _known(self, row: int, at: int) -> bool:
        held, point = self.held[row], self.points.points[row]
        return (
            held.good
            and at - held.at <= self.points.patience.point_us
            and not point.silent
            and self.points.links[point.mine].raised is None
        )

    def _term(self, term: Term, at: int) -> bool | None:
        held, lives = self.held[term.row], self.points.points[term.row].lives
        if term.role == "over_limit":
            if not lives["over_limit"].living:
                return False
            return None if lives["over_limit"].unknown else True
        known = self._known(term.row, at)
        if term.role in ("cut_off", "breaker"):
            due = True if lives["cut_off"].living else None
            if known and due is None:
                due = bool(held.state & 2)
                if term.role == "breaker":
                    due = held.value == 0.0
            live = self.held[term.other].value == 1.0
            if due is False or (self._known(term.other, at) and not live):
                return False
            return True if due and self._known(term.other, at) else None
        if term.role == "door":
            other_known = self._known(term.other, at)
            first, second = held.value, self.held[term.other].value
            if (known and first != 1.0) or (other_known and second != 1.0):
                return False
            return True if known and other_known else None
        if not known:
            return None
        if term.role == "downstream":
            if not self._known(term.other, at):
                return None
            return held.value < self.held[term.other].value - term.bound
        if term.role == "velocity":
            return held.value < term.bound
        if term.role == "suction":
            return abs(held.value) < term.bound
        if term.role == "methane":
            return held.same
        if term.role == "pipe":
            part = term.window_us // BUCKETS
            oldest = held.good_at // part - BUCKETS
            lowest = min(v for when, v in held.seen if when // part > oldest)
            return held.value - lowest >= term.bound
        return held.value == term.bound

    def _verdict(self, alarm: Alarm, at: int) -> tuple[bool, bool]:
        answers = []
        for place, clause in enumerate(alarm.relation.clauses):
            n_true = n_open = n_there = 0
            for number, term in enumerate(clause.terms):
                said, was = self._term(term, at), alarm.was_true
                if said is not None:
                    was[place, number] = said
                rows = [row for row in (term.row, term.other) if row >= 0]
                heard = min(self.held[row].good_at for row in rows)
                is_gone = said is None and at - heard > DAY
                if is_gone and not was.get((place, number), False):
                    continue
                n_there += 1
                n_true += said is True
                n_open += said is not False
            need, all_gone = clause.need, False
            if need == ALL:
                need, all_gone = max(n_there, 1), n_there == 0
            answers.append((n_true >= need, n_open < need and not all_gone))
        return all(true for true, _ in answers), any(false for _, false in answers)

    # One step

    def _advance(self, alarm: Alarm, at: int, arrived: int) -> None:
        params = alarm.relation.params
        on, off = params.duration_us("on_delay"), params.duration_us("off_delay")
        self._mature(alarm, at, arrived)
        true, false = self._verdict(alarm, at)
        if alarm.phase == "idle":
            if true:
                alarm.phase, alarm.since = "pending", at
                if on == 0:
                    self._raise(alarm, at, arrived)
            return
        if alarm.phase == "pending":
            if not true and (false or alarm.relation.impatient):
                alarm.phase = "idle"
            return
        if false:
            if alarm.phase == "active":
                alarm.phase, alarm.since = "clearing", at
        else:
            alarm.phase = "active"
        if false and at - alarm.since >= off:
            alarm.ended = max(alarm.since + off, alarm.raised)
            alarm.phase = "idle"
            self._say("cleared", alarm, alarm.ended, arrived)
            alarm.rank, alarm.unknown = 0, False
            return
        doubted = not true and not false
        if alarm.unknown != doubted:
            alarm.unknown = doubted
            self._say("unknown" if doubted else "known", alarm, at, arrived)
        self._rise(alarm, at, arrived)

    def _mature(self, alarm: Alarm, until: int, arrived: int) -> None:
        on = alarm.relation.params.duration_us("on_delay")
        if alarm.phase == "pending" and alarm.since + on <= until:
            self._raise(alarm, alarm.since + on, arrived)
        while alarm.living:
            due = min(
                (alarm.raised + after for after, rank in self._steps(alarm)
                 if rank > alarm.rank),
                default=until + 1,
            )  # fmt: skip
            if due > until:
                return
            self._rise(alarm, due, arrived)

    def _steps(self, alarm: Alarm) -> tuple[tuple[int, int], ...]:
        row = self.points.rules.levels[alarm.relation.params.level]
        return row.bands[0].steps

    def _raise(self, alarm: Alarm, at: int, arrived: int) -> None:
        alarm.raised = max(at, alarm.ended + 1)
        alarm.phase, alarm.rank, alarm.unknown = "active", 0, False
        alarm.rank = self._rank(alarm, alarm.raised)
        self._say("raised", alarm, alarm.raised, arrived)

    def _rise(self, alarm: Alarm, at: int, arrived: int) -> None:
        rank = self._rank(alarm, at)
        if rank > alarm.rank:
            alarm.rank = rank
            self._say("level", alarm, max(at, alarm.raised), arrived)

    def _rank(self, alarm: Alarm, at: int) -> int:
        earned = [r for after, r in self._steps(alarm) if alarm.raised + after <= at]
        if alarm.relation.one_up:
            lives = [
                self.points.points[term.row].lives["over_limit"]
                for term in alarm.relation.clauses[0].terms
            ]
            worst = max((life.rank for life in lives if life.living), default=0)
            earned.append(min(worst + 1, 4))
        return max([alarm.rank, *earned])

    def _say(self, event: str, alarm: Alarm, happened: int, arrived: int) -> None:
        relation = alarm.relation
        assert not isnan(happened)
        self.points.said.append(
            Said(
                event=event,
                kind=relation.kind,
                subject=relation.key[0],
                rule=relation.params.rule,
                raised_at=alarm.raised,
                happened_at=max(happened, alarm.raised),
                arrived_at=arrived,
                rank=alarm.rank,
                value=None,
                limit=None,
                peak=None,
                peak_at=None,
                late=False,
            )
        )

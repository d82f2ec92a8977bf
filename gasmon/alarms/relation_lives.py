"""RelationLives: how alarms of relations begin, rise, are doubted and end.

``Relations`` decides which relations are looked at, and at which moments; here their
verdict is formed from their terms and their state changes. Works on arrays of relation
numbers, each with a moment of its own.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce, relation_terms
from gasmon.alarms.conditions import Bool
from gasmon.alarms.events import RED
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.alarms.levels import NEVER_US, LevelTable
from gasmon.alarms.relation_roles import ALL
from gasmon.alarms.relation_speak import explain
from gasmon.alarms.relation_table import RelationTable, Rows
from gasmon.alarms.relation_terms import Scene
from gasmon.alarms.rules import MAX_BANDS
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import PointState
from gasmon.batch import Int64

Int8 = NDArray[np.int8]


class RelationLives:
    """The state of relations and what they live by."""

    def __init__(
        self,
        table: RelationTable,
        state: PointState,
        levels: LevelTable,
        scene: Callable[[], Scene],
        is_recorded: Callable[[int, int], bool],
    ) -> None:
        """Nothing lives.

        Args:
            is_recorded: lets a relation that begins at a moment live as it is recorded,
                where that is another moment; then nothing is said of it.
        """
        self.table = table
        self._state = state
        self._levels = levels
        self._scene = scene
        self._is_recorded = is_recorded

    def advance(
        self, numbers: Rows, at_us: Int64, arrived_us: Int64, speech: Speech
    ) -> None:
        """Take relations one step on, at one moment each.

        Args:
            numbers: intp[k]; ``at_us``: int64[k] [µs UTC]; ``arrived_us``: of the
                frame or mark behind it, int64[k] [µs UTC].
        """
        s, own = self.table.state, self.table.own
        self.mature(numbers, at_us, arrived_us, speech)
        true, false = self._verdict(numbers, at_us)
        idle = s["phase"][numbers] == debounce.IDLE
        # What nobody defines any more ends, and does not begin again.
        true &= ~(own["lost"][numbers] & idle)
        busy = (true | ~idle).nonzero()[0]
        if len(busy) == 0:
            return
        numbers, at_us, arrived_us = numbers[busy], at_us[busy], arrived_us[busy]
        true, false = true[busy], false[busy]
        on_us = own["on_us"][numbers]
        step = debounce.step(
            s["phase"][numbers],
            s["since_us"][numbers],
            at_us,
            true,
            false,
            true | false | own["impatient"][numbers],
            on_us,
            own["off_us"][numbers],
        )
        s["phase"][numbers] = step.phase
        s["since_us"][numbers] = step.since_us
        pending = step.phase == debounce.PENDING
        idle = step.phase == debounce.IDLE
        due_us = np.where(pending, step.since_us + on_us, s["due_us"][numbers])
        s["due_us"][numbers] = np.where(idle, NEVER_US, due_us)
        living = (step.phase >= debounce.ACTIVE) & ~step.raised
        self._note_doubt(numbers, ~true & ~false, living, at_us, arrived_us, speech)
        new, old = step.raised.nonzero()[0], living.nonzero()[0]
        if len(new):
            self._begin(numbers[new], at_us[new], arrived_us[new], speech)
        if len(old):
            self._rise(numbers[old], at_us[old], arrived_us[old], speech)
        ended = step.cleared_us.nonzero()[0]
        if len(ended):
            self.end(numbers[ended], step.cleared_us[ended], arrived_us[ended], speech)

    def _verdict(self, numbers: Rows, at_us: Int64) -> tuple[Bool, Bool]:
        """Whether relations hold, and whether it is known that they do not."""
        table = self.table
        at, owner, terms = table.gather(numbers)
        truth = relation_terms.judge(terms, at_us[owner], self._scene())
        # A point that is gone for a day keeps an alarm only if it was its reason.
        was = (table.terms["was_true"][at] | truth.true) & ~truth.false
        table.terms["was_true"][at] = was
        there = ~truth.gone | was
        slot = 2 * owner + table.terms["second"][at]
        n = 2 * len(numbers)
        n_true = np.bincount(slot[truth.true], minlength=n)
        n_open = np.bincount(slot[~truth.false & there], minlength=n)
        n_there = np.bincount(slot[there], minlength=n)
        need = np.empty(n, np.int64)
        need[0::2] = table.own["need"][numbers]
        need[1::2] = table.own["need_second"][numbers]
        all_of = need == ALL
        need[all_of] = np.maximum(n_there[all_of], 1)
        holds = np.logical_and.reduce((n_true >= need).reshape(-1, 2), axis=1)
        # With every point of a clause gone nothing is known.
        fails = (n_open < need) & ~(all_of & (n_there == 0))
        return holds, np.logical_or.reduce(fails.reshape(-1, 2), axis=1)

    def mature(
        self, numbers: Rows, until_us: Int64, arrived_us: Int64, speech: Speech
    ) -> None:
        """Let delays and levels mature that are due by their relation's time."""
        s = self.table.state
        while True:
            due_us = s["due_us"][numbers]
            hit = (due_us <= until_us).nonzero()[0]
            if len(hit) == 0:
                return
            own, due_us, arrived = numbers[hit], due_us[hit], arrived_us[hit]
            pending = s["phase"][own] == debounce.PENDING
            new, old = pending.nonzero()[0], (~pending).nonzero()[0]
            if len(new):
                self._begin(own[new], due_us[new], arrived[new], speech)
            if len(old):
                self._rise(own[old], due_us[old], arrived[old], speech)

    def _begin(
        self, numbers: Rows, raised_us: Int64, arrived_us: Int64, speech: Speech
    ) -> None:
        s = self.table.state
        pairs = zip(numbers.tolist(), raised_us.tolist(), strict=True)
        new = [not self._is_recorded(*pair) for pair in pairs]
        numbers, raised_us, arrived_us = numbers[new], raised_us[new], arrived_us[new]
        # Two of one relation must not have one key.
        raised_us = np.maximum(raised_us, s["ended_us"][numbers] + 1)
        s["phase"][numbers] = debounce.ACTIVE
        s["raised_us"][numbers] = raised_us
        s["rank"][numbers] = 0
        s["unknown"][numbers] = False
        s["rank"][numbers], s["due_us"][numbers] = self._level(numbers, raised_us)
        self._say("raised", numbers, raised_us, arrived_us, speech)

    def _rise(
        self, numbers: Rows, at_us: Int64, arrived_us: Int64, speech: Speech
    ) -> None:
        s = self.table.state
        before = s["rank"][numbers]
        rank, due_us = self._level(numbers, at_us)
        s["rank"][numbers], s["due_us"][numbers] = rank, due_us
        up = (rank > before).nonzero()[0]
        if len(up):
            times = np.maximum(at_us[up], s["raised_us"][numbers[up]])
            self._say("level", numbers[up], times, arrived_us[up], speech)

    def _level(self, numbers: Rows, at_us: Int64) -> tuple[Int8, Int64]:
        """Levels at a moment, and when they rise next by themselves."""
        s, own = self.table.state, self.table.own
        since_us = np.full((len(numbers), MAX_BANDS), NEVER_US)
        since_us[:, 0] = s["raised_us"][numbers]
        rank, due_us = self._levels.judge(
            own["level"][numbers], since_us, at_us, s["rank"][numbers]
        )
        one_up = own["one_up"][numbers]
        if one_up.any():
            points, (_, owner, terms) = self._state, self.table.gather(numbers)
            lives = points.phase[terms.row, OVER_LIMIT] >= debounce.ACTIVE
            worst = np.zeros(len(numbers), np.int8)
            np.maximum.at(
                worst, owner, np.where(lives, points.rank[terms.row, OVER_LIMIT], 0)
            )
            above = np.minimum(worst + 1, RED)
            rank = np.where(one_up, np.maximum(rank, above), rank).astype(np.int8)
        return rank, due_us

    def end(
        self, numbers: Rows, at_us: Int64, arrived_us: Int64, speech: Speech
    ) -> None:
        """Living ones that are over since then."""
        s = self.table.state
        # A delay may have matured on our clock before an older frame proves the end.
        at_us = np.maximum(at_us, s["raised_us"][numbers])
        self._say("cleared", numbers, at_us, arrived_us, speech)
        self.forget(numbers)
        s["ended_us"][numbers] = at_us

    def forget(self, numbers: Rows) -> None:
        """As if they had never been raised; the next frame judges anew."""
        s = self.table.state
        for name in ("raised_us", "due_us", "since_us"):
            s[name][numbers] = NEVER_US
        s["phase"][numbers] = debounce.IDLE
        s["rank"][numbers] = 0
        s["unknown"][numbers] = False

    def lose_patience(self, numbers: Rows, at_us: Int64) -> None:
        """Delays of impatient relations of whose points nothing is known now end.

        With no frame nothing else would: half an hour of a broken link would become
        half an hour of methane that stands still.

        Args:
            numbers: intp[k]; ``at_us``: how far the time of each has come [µs UTC].
        """
        s, own = self.table.state, self.table.own
        waits = (s["phase"][numbers] == debounce.PENDING) & own["impatient"][numbers]
        numbers, at_us = numbers[waits], at_us[waits]
        if len(numbers) == 0:
            return
        true, false = self._verdict(numbers, at_us)
        self.forget(numbers[~true & ~false])

    def doubt(self, numbers: Rows, at_us: Int64, mark_us: int, speech: Speech) -> None:
        """Living ones of whose points nothing is known now: they hold, and say so."""
        s = self.table.state
        lives = (s["phase"][numbers] >= debounce.ACTIVE) & ~s["unknown"][numbers]
        numbers, at_us = numbers[lives], at_us[lives]
        if len(numbers) == 0:
            return
        true, false = self._verdict(numbers, at_us)
        lost = numbers[~true & ~false]
        # As with an unknown reading, an end that was under way begins anew.
        s["phase"][lost] = debounce.ACTIVE
        marks = np.full(len(lost), mark_us, np.int64)
        everything = np.ones(len(lost), np.bool_)
        self._note_doubt(lost, everything, everything, marks, marks, speech)

    def _note_doubt(
        self,
        numbers: Rows,
        doubted: Bool,
        living: Bool,
        at_us: Int64,
        arrived_us: Int64,
        speech: Speech,
    ) -> None:
        unknown = self.table.state["unknown"]
        changed = living & (unknown[numbers] != doubted)
        unknown[numbers[changed]] = doubted[changed]
        for word, which in (("unknown", doubted), ("known", ~doubted)):
            hit = (changed & which).nonzero()[0]
            self._say(word, numbers[hit], at_us[hit], arrived_us[hit], speech)

    def _say(
        self,
        event: str,
        numbers: Rows,
        happened_us: Int64,
        arrived_us: Int64,
        speech: Speech,
    ) -> None:
        s = self.table.state
        for k, number in enumerate(numbers.tolist()):
            relation = self.table.relations[number]
            raised_us = int(s["raised_us"][number])
            # A delay may have matured on our clock before an older frame came.
            moment = max(int(happened_us[k]), raised_us)
            speech.about(
                event,
                (relation.kind, relation.params.rule),
                (relation.subject_type, relation.subject_id),
                relation.mine,
                (raised_us, moment, int(arrived_us[k])),
                int(s["rank"][number]),
                explain(relation, self._state, speech.table, raised_us, moment),
                relation.unit,
            )

"""Stage 2: relations between the points of a unit or a mine.

Stage 1 judges each point by itself. When it is through with a frame, the relations of
the frame's mine are judged at each distinct moment in it, never in between: a frame is
atomic, and a relation judged value by value would invent alarms while half of its
points are new and half are old. So the log may be cut between frames as one likes.

A moment is that of the readings; what is older than the newest one judged for its mine
(the watermark) counts from there. Delays and levels mature at their own time, on the
next frame or clock mark, as those of points do. What is not known neither begins nor
ends anything.
"""

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.changeover import Changeovers
from gasmon.alarms.conditions import Bool
from gasmon.alarms.kinds import OVER_LIMIT, POINT_KINDS
from gasmon.alarms.levels import NEVER_US, LevelTable
from gasmon.alarms.moments import (
    Came,
    differs,
    is_distinct,
    is_one,
    joined,
    nth,
    parts_of,
)
from gasmon.alarms.relation_lives import RelationLives
from gasmon.alarms.relation_memory import PointMemory
from gasmon.alarms.relation_owing import OwedRelations
from gasmon.alarms.relation_roles import Member, relations_of
from gasmon.alarms.relation_rules import RelationRules
from gasmon.alarms.relation_table import RelationTable
from gasmon.alarms.relation_terms import Scene
from gasmon.alarms.silence import MineLinks
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.batch import Index, Int32, Int64, ReadingBatch
from gasmon.points import PointTable

_REWOUND = ("last_value", "last_at_us", "last_state", "good_at_us", "good_value")


class Relations:
    """What is remembered of relations, and how it changes.

    Attributes:
        table: the relations; ``memory`` what some of their points said before.
        lives: changes their state.
        rules: what says which relations a mine has.
        changeovers: pairs of main fans, of which one may stop while the other runs.
        watermark_us: newest moment judged for each mine, int64[m].
        lag_us: how far the time of each mine is behind ours, int64[m].
        mark_us: the newest clock mark.
        owed: what the record knows more of them after a restart.
    """

    def __init__(
        self, state: PointState, levels: LevelTable, links: MineLinks, fresh_us: int
    ) -> None:
        """Know no relation yet.

        Args:
            state: of points, as stage 1 leaves it; ``links``: of mines.
            fresh_us: a value says something for this long [µs].
        """
        self.table = RelationTable()
        self.memory = PointMemory()
        self.lives = RelationLives(
            self.table, state, levels, self._scene, self._is_recorded
        )
        self.rules = RelationRules()
        self.changeovers = Changeovers(state, fresh_us)
        self.watermark_us: Int64 = np.empty(0, np.int64)
        self.lag_us: Int64 = np.empty(0, np.int64)
        self.mark_us = LONG_AGO_US
        self.owed = OwedRelations()
        self._state = state
        self._links = links
        self._fresh_us = fresh_us
        self._points = PointTable()
        self._mine_of: Int32 = np.empty(0, np.int32)
        self._came: list[Came] = []
        self._before: tuple[Index, dict[str, NDArray[np.generic]]] | None = None
        self._alone: Index | None = None

    def _is_recorded(self, number: int, raised_us: int) -> bool:
        return bool(self.owed) and self.owed.begun(self, number, raised_us)

    def _scene(self) -> Scene:
        broken_us = self._links.raised_us
        return Scene(self._state, self.memory, broken_us, self._mine_of, self._fresh_us)

    def define(self, table: PointTable, changed: Iterable[int]) -> None:
        """Know the points of some mines anew; what is remembered goes on.

        Args:
            table: all points.
            changed: indices of mines with new versions of points; those that say
                something else of themselves are found here.
        """
        mines = {*changed, *_told_anew(self._points, table)}
        self.memory.grow(table.n)
        self._points = table
        self._mine_of = table.mine_of
        more = len(table.mines) - len(self.watermark_us)
        if more > 0:
            long_ago = np.full(more, LONG_AGO_US, np.int64)
            self.watermark_us = np.r_[self.watermark_us, long_ago]
            self.lag_us = np.r_[self.lag_us, np.zeros(more, np.int64)]
            self.rules.grow(len(table.mines))
        self._make(mines)
        self.changeovers.lay_out(table.n)

    def _make(self, mines: Iterable[int]) -> None:
        """Make the relations of some mines anew."""
        table, blocks = self._points, {}
        for mine in sorted(mines):
            told = table.mines[mine]
            members = [
                Member(row, table.current[row])
                for row in table.rows[mine]
                if not table.current[row].retired
            ]
            blocks[mine] = relations_of(told, members, self.rules.asked(mine))
            self.changeovers.define(mine, members)
        if blocks:
            self.table.define(blocks, self.memory)

    # Frames

    def frames(
        self, batch: ReadingBatch, mine: Index, speech: Speech
    ) -> Iterator[ReadingBatch]:
        """A batch in parts that hold at most one frame of each mine, in order.

        A frame is what came of one mine at one moment. After each part, stage 1 judges
        its readings and ``judge`` the relations; so it makes no difference whether two
        frames come in one batch.

        Args:
            mine: of each reading, intp[n].
        """
        for part, own in parts_of(batch, mine):
            self._begin_part(part, own)
            n_said = len(speech.said)
            yield part
            self._judge(speech)
            self._judge_one_up(part, over_limit_units(speech, n_said), speech)

    def _begin_part(self, part: ReadingBatch, mine: Index) -> None:
        """Keep what stage 1 will overwrite where a frame holds several moments."""
        self._came.clear()
        self._before = None
        self.changeovers.look(part)
        single = is_one(mine)
        self._alone = mine[:1] if single and is_one(part.at_us) else None
        if self._alone is not None:
            return
        first = (differs(mine) | differs(part.at_us)).nonzero()[0]
        if not single and is_distinct(mine[first]):
            return
        rows = np.unique(part.index)
        self._before = (rows, {n: getattr(self._state, n)[rows] for n in _REWOUND})

    def take(self, batch: ReadingBatch, good: Bool) -> None:
        """Readings of the present part that stage 1 found newer than what it knew."""
        self._came.append((batch, good))

    def _judge(self, speech: Speech) -> None:
        """Judge each moment of the part's frames, mine by mine."""
        if not self._came:
            return
        batch, good = joined(self._came)
        if self._alone is not None:
            # One frame with one time, as nearly all are.
            mine = self._alone
            at_us = np.maximum(batch.at_us[:1], self.watermark_us[mine])
            self._remember(batch, good)
            self._moment(mine, at_us, batch.arrived_us[:1], speech)
            return
        mine = self._mine_of[batch.index].astype(np.intp)
        at_us = np.maximum(batch.at_us, self.watermark_us[mine])
        first = (differs(mine) | differs(at_us)).nonzero()[0]
        if self._before is None or is_distinct(mine[first]):
            self._remember(batch, good)
            head = batch.arrived_us[first]
            self._moment(mine[first], at_us[first], head, speech)
            return
        rows, columns = self._before
        for name, column in columns.items():
            getattr(self._state, name)[rows] = column
        order = np.lexsort((at_us, mine))
        number = nth(mine[order], at_us[order])
        for n in range(int(number.max()) + 1):
            index = order[number == n]
            self._put(batch.select(index), good[index])
            head = index[differs(mine[index])]
            self._moment(mine[head], at_us[head], batch.arrived_us[head], speech)

    def _judge_one_up(
        self, part: ReadingBatch, changed: Collection[tuple[int, str]], speech: Speech
    ) -> None:
        """What depends on alarms of points: it can only change when they do."""
        mines, head = self._alone, np.zeros(1, np.intp)
        if mines is None:
            mines, head = np.unique(self._mine_of[part.index], return_index=True)
        numbers, n_of = self.table.of_mines(mines, one_up=True)
        is_busy = self.table.state["phase"][numbers] != debounce.IDLE
        if changed:
            is_busy |= self.table.is_of(numbers, changed)
        if not np.count_nonzero(is_busy):
            return
        at_us = np.repeat(self.watermark_us[mines], n_of)[is_busy]
        arrived_us = np.repeat(part.arrived_us[head], n_of)[is_busy]
        self.lives.advance(numbers[is_busy], at_us, arrived_us, speech)

    def _put(self, batch: ReadingBatch, good: Bool) -> None:
        """Bring the points to one moment, again as stage 1 left them in the end."""
        s, rows, known = self._state, batch.index, batch.index[good]
        s.last_value[rows], s.last_at_us[rows] = batch.value, batch.at_us
        s.last_state[rows] = batch.state
        s.good_value[known], s.good_at_us[known] = batch.value[good], batch.at_us[good]
        self._remember(batch, good)

    def _remember(self, batch: ReadingBatch, good: Bool) -> None:
        if self.memory.n == 0:
            return
        place = self.memory.place_of[batch.index]
        known = (good & (place >= 0)).nonzero()[0]
        if len(known):
            own = place[known].astype(np.intp)
            self.memory.put(own, batch.value[known], batch.at_us[known])

    def _moment(
        self, mines: Index, at_us: Int64, arrived_us: Int64, speech: Speech
    ) -> None:
        """All relations of these mines at one moment of each."""
        self._make(self.rules.turn(mines, at_us))
        if self.owed:
            self.owed.before(self, mines, at_us, arrived_us, speech)
        self.watermark_us[mines] = at_us
        # What is judged after a mark cannot have arrived before it.
        self.lag_us[mines] = np.maximum(arrived_us, self.mark_us) - at_us
        numbers, n_of = self.table.of_mines(mines)
        if len(numbers):
            times, arrived = np.repeat(at_us, n_of), np.repeat(arrived_us, n_of)
            self.lives.advance(numbers, times, arrived, speech)

    # Restarts

    def catch_up(self) -> None:
        """Have the relations that the newest moment judged for each mine had."""
        mines = np.arange(len(self.watermark_us))
        self._make(self.rules.turn(mines, self.watermark_us))

    def follow_points(self) -> None:
        """Take over from the points how far the time of each mine has come."""
        s, n = self._state, self._state.n
        newest = np.argsort(s.last_at_us[:n], kind="stable")
        newest = newest[s.last_at_us[newest] > LONG_AGO_US]
        mines, last_us = self._mine_of[newest], s.last_at_us[newest]
        behind = last_us > self.watermark_us[mines]
        # Of several the newest, which is the last, counts.
        self.watermark_us[mines[behind]] = last_us[behind]
        self.lag_us[mines[behind]] = s.lag_us[newest[behind]]

    def forget(self, subject: str, kind: str) -> None:
        """As if it had never been raised; the next frame judges anew."""
        self.lives.forget(np.asarray([self.number_of(subject, kind)]))

    def resume(
        self, subject: str, kind: str, raised_us: int, rank: int, unknown: bool
    ) -> None:
        """Go on with an alarm that was told already.

        One whose relation the definitions do not have any more stays open for people.
        """
        number = self.number_of(subject, kind)
        if number < 0:
            return
        s = self.table.state
        self.lives.forget(np.asarray([number]))
        s["phase"][number] = debounce.ACTIVE
        s["raised_us"][number] = s["due_us"][number] = raised_us
        s["rank"][number], s["unknown"][number] = rank, unknown
        # Which of its points were its reason is not known: all may have been.
        self.table.terms["was_true"][self.table.terms_of(number)] = True
        mine = int(self.table.own["mine"][number])
        # What is sent again from before it began must not end it.
        self.watermark_us[mine] = max(int(self.watermark_us[mine]), raised_us)

    def living(self) -> dict[tuple[str, str], int]:
        """Everything that is raised: (kind, subject) → since when [µs UTC]."""
        numbers, s = self.table.numbers(), self.table.state
        numbers = numbers[s["phase"][numbers] >= debounce.ACTIVE]
        keys = (self.table.relations[n].key for n in numbers.tolist())
        since = s["raised_us"][numbers].tolist()
        return {
            (kind, subject): raised_us
            for (subject, kind), raised_us in zip(keys, since, strict=True)
        }

    def number_of(self, subject: str, kind: str) -> int:
        """The relation of a kind at ``unit:…`` or ``mine:…``; -1 without."""
        code = subject.partition(":")[2][:12]
        mine = self._points.mine_index.get(code, -1)
        return self.table.find(mine, (subject, kind))

    # Clock marks

    def mark(
        self, mark_us: int, changed: Collection[tuple[int, str]], speech: Speech
    ) -> None:
        """The clock says ``mark_us``: what is due matures, what is silent is doubted.

        Args:
            changed: mine and unit of points whose over-limit alarms changed by time.
        """
        self.mark_us = mark_us
        if self.owed:
            self.owed.mark(self, mark_us, speech)
        state, mine_of = self.table.state, self.table.own["mine"]
        waits = np.flatnonzero(
            (state["due_us"] != NEVER_US) | (state["phase"] >= debounce.ACTIVE)
        )
        waits = waits[self.table.stands(waits)]
        if len(waits):
            reached = self._reached(mine_of[waits], mark_us)
            marks = np.full(len(waits), mark_us, np.int64)
            self.lives.lose_patience(waits, reached)
            self.lives.mature(waits, reached, marks, speech)
            if self.owed:
                # Whether these still live is not known yet.
                sure = ~np.isin(waits, self.owed.numbers(self))
                waits, reached = waits[sure], reached[sure]
            self.lives.doubt(waits, reached, mark_us, speech)
        self.follow(changed, mark_us, speech)

    def follow(
        self, changed: Collection[tuple[int, str]], mark_us: int, speech: Speech
    ) -> None:
        """Judge what depends on alarms that changed without a frame.

        Args:
            changed: mine and unit of points whose over-limit alarms changed.
            mark_us: what the clock says [µs UTC].
        """
        if not changed:
            return
        mines = np.unique([mine for mine, _ in changed])
        numbers, _ = self.table.of_mines(mines, one_up=True)
        numbers = numbers[self.table.is_of(numbers, changed)]
        reached = self._reached(self.table.own["mine"][numbers], mark_us)
        marks = np.full(len(numbers), mark_us, np.int64)
        self.lives.advance(numbers, reached, marks, speech)

    def _reached(self, mines: Index, mark_us: int) -> Int64:
        """How far the time of these mines has come [µs UTC].

        It goes on as ours does between two frames; once nothing comes, ours counts.
        """
        lag = self.lag_us[mines]
        silent = self._links.raised_us[mines] != NEVER_US
        return mark_us - np.where(silent, np.minimum(lag, 0), lag)

    def pass_over(self, passed_us: int) -> None:
        """Our clock moved without as much time passing."""
        self.lag_us += passed_us


def _told_anew(before: PointTable, after: PointTable) -> Iterator[int]:
    """Mines that say something else of themselves or their units than before."""
    for mine, (old, new) in enumerate(zip(before.mines, after.mines, strict=False)):
        if old is not new and old != new:
            yield mine


def over_limit_units(speech: Speech, n_before: int) -> set[tuple[int, str]]:
    """Mine and unit of points of whose over-limit alarms something was said.

    Args:
        n_before: events that do not count because they were said before.
    """
    name = POINT_KINDS[OVER_LIMIT]
    return {
        (speech.table.mine_index[event.mine], event.unit)
        for event in speech.said[n_before:]
        if event.kind == name and event.unit is not None
    }

"""RelationTable: all relations of all mines as arrays, and what is remembered of each.

A mine's relations lie beside one another. New definitions of a mine append its block
anew and leave the former one behind, which is cleared away when half of everything is
such rubble; so knowing one mine anew costs no more with a million points.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.conditions import Bool
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.relation_memory import PointMemory
from gasmon.alarms.relation_roles import Relation
from gasmon.alarms.relation_terms import ROSE, SAME, TermArrays
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import Int64

Rows = NDArray[np.intp]

RELATION_STATE: dict[str, tuple[Any, Any]] = {
    "phase": (np.int8, debounce.IDLE),
    "since_us": (np.int64, NEVER_US),
    "due_us": (np.int64, NEVER_US),
    "raised_us": (np.int64, NEVER_US),
    "ended_us": (np.int64, LONG_AGO_US),
    "rank": (np.int8, 0),
    "unknown": (np.bool_, False),
}
"""Dtype and starting value of what is remembered of a relation."""

_FIXED: dict[str, Any] = {
    "mine": np.int32,
    "begin": np.int64,
    "end": np.int64,
    "need": np.int16,
    "need_second": np.int16,
    "on_us": np.int64,
    "off_us": np.int64,
    "level": np.int16,
    "impatient": np.bool_,
    "one_up": np.bool_,
    "lost": np.bool_,
}
_OF_TERM: dict[str, Any] = {
    "op": np.int8,
    "row": np.int32,
    "other": np.int32,
    "bound": np.float64,
    "second": np.bool_,
    "was_true": np.bool_,
    "owner": np.int32,
}


class RelationTable:
    """By relation number, int or intp; terms by term number.

    Attributes:
        relations: what each is, by number.
        own: fixed columns: its mine, its terms [begin, end), needs of both clauses,
            delays, level row; ``lost``: it only waits for its alarm to end.
        state: columns of ``RELATION_STATE``.
        terms: columns of the terms, which lie in the order of their relations;
            ``second``: it is of the second clause; ``was_true``: so when it was last
            known; ``owner``: number of its relation.
        first, middle, stop: the relations of a mine are [first, stop), int64[m]; those
            from the middle on depend on the alarms of points.
    """

    def __init__(self) -> None:
        self.relations: list[Relation] = []
        self.own = {n: np.empty(0, d) for n, d in _FIXED.items()}
        self.state = {n: np.empty(0, d) for n, (d, _) in RELATION_STATE.items()}
        self.terms = {n: np.empty(0, d) for n, d in _OF_TERM.items()}
        self.first: Int64 = np.empty(0, np.int64)
        self.middle: Int64 = np.empty(0, np.int64)
        self.stop: Int64 = np.empty(0, np.int64)
        self._n_used = 0

    @property
    def n(self) -> int:
        """Number of relations, with rubble."""
        return len(self.relations)

    def define(self, blocks: dict[int, list[Relation]], memory: PointMemory) -> None:
        """Know the relations of these mines anew; what they remember goes on.

        An alarm that lives goes on under its former definition where the new ones do
        not have it any more: taking a point away proves nothing.

        Args:
            blocks: relations by mine index.
        """
        self._make_room(max(blocks) + 1)
        added: list[Relation] = []
        carried: list[int] = []
        is_lost: list[bool] = []
        for mine, block in blocks.items():
            former = {self.relations[r].key: r for r in self._range(mine)}
            new = {relation.key for relation in block}
            lost = [r for key, r in former.items() if key not in new]
            alive = [r for r in lost if self.state["phase"][r] >= debounce.ACTIVE]
            whole = [*block, *(self.relations[r] for r in alive)]
            whole.sort(key=lambda relation: relation.one_up)
            n_one_up = sum(relation.one_up for relation in whole)
            self._n_used += len(whole) - len(former)
            self.first[mine] = self.n + len(added)
            self.stop[mine] = self.first[mine] + len(whole)
            self.middle[mine] = self.stop[mine] - n_one_up
            added += whole
            is_lost += [relation.key not in new for relation in whole]
            carried += [former.get(relation.key, -1) for relation in whole]
        sizes = self.stop - self.first
        mines = np.asarray(list(blocks), np.int32)
        self._append(np.repeat(mines, sizes[mines]), added, carried, memory)
        self.own["lost"][self.n - len(added) :] = is_lost
        if self.n > 2 * self._n_used + 1024:
            self._clear_rubble()

    def _range(self, mine: int) -> range:
        return range(int(self.first[mine]), int(self.stop[mine]))

    def _make_room(self, n_mines: int) -> None:
        more = n_mines - len(self.first)
        if more > 0:
            none = np.zeros(max(more, len(self.first)), np.int64)
            for name in ("first", "middle", "stop"):
                setattr(self, name, np.r_[getattr(self, name), none])

    def _append(
        self,
        mines: NDArray[np.int32],
        added: Sequence[Relation],
        carried: Sequence[int],
        memory: PointMemory,
    ) -> None:
        for relation in added:
            for clause in relation.clauses:
                for term in clause.terms:
                    if term.op in (SAME, ROSE):
                        memory.place(term.row, term.window_us)
        terms = _laid_out(added)
        sizes = np.asarray(
            [sum(len(c.terms) for c in r.clauses) for r in added], np.int64
        )
        end = len(self.terms["op"]) + np.cumsum(sizes)
        needs = [(*(c.need for c in r.clauses), 0)[:2] for r in added]
        needs_of = np.asarray(needs, np.int16).reshape(-1, 2)
        own: dict[str, Any] = {
            "mine": mines,
            "begin": end - sizes,
            "end": end,
            "need": needs_of[:, 0],
            "need_second": needs_of[:, 1],
            "on_us": [r.params.duration_us("on_delay") for r in added],
            "off_us": [r.params.duration_us("off_delay") for r in added],
            "level": [r.level for r in added],
            "impatient": [r.impatient for r in added],
            "one_up": [r.one_up for r in added],
            "lost": np.zeros(len(added), np.bool_),
        }
        before = np.asarray(carried, np.intp)
        known = before >= 0
        state = {}
        for name, (dtype, start) in RELATION_STATE.items():
            state[name] = np.full(len(added), start, dtype)
            state[name][known] = self.state[name][before[known]]
        n = self.n
        terms["owner"] = np.repeat(np.arange(n, n + len(added)), sizes)
        self.own = _joined(self.own, own)
        self.state = _joined(self.state, state)
        self.terms = _joined(self.terms, terms)
        self.relations += added
        for number, former in enumerate(carried, n):
            if former >= 0:
                self._carry_truth(former, number)

    def _carry_truth(self, former: int, number: int) -> None:
        """What was last true stays so where the terms are the same."""
        a, b = self.terms_of(former), self.terms_of(number)
        same = a.stop - a.start == b.stop - b.start and all(
            np.array_equal(self.terms[name][a], self.terms[name][b])
            for name in ("op", "row", "other")
        )
        if same:
            self.terms["was_true"][b] = self.terms["was_true"][a]
        else:
            # Which of the new terms was true when it was last known nobody knows.
            lives = self.state["phase"][number] >= debounce.ACTIVE
            self.terms["was_true"][b] = lives

    def terms_of(self, number: int) -> slice:
        """Where the terms of a relation lie."""
        return slice(int(self.own["begin"][number]), int(self.own["end"][number]))

    def _clear_rubble(self) -> None:
        mines = np.flatnonzero(self.stop > self.first)
        kept = ranges(self.first[mines], self.stop[mines])
        begin, end = self.own["begin"][kept], self.own["end"][kept]
        terms = ranges(begin, end)
        self.relations = [self.relations[r] for r in kept.tolist()]
        self.own = {name: column[kept] for name, column in self.own.items()}
        self.state = {name: column[kept] for name, column in self.state.items()}
        self.terms = {name: column[terms] for name, column in self.terms.items()}
        self.own["end"] = np.cumsum(end - begin)
        self.own["begin"] = self.own["end"] - (end - begin)
        self.terms["owner"] = np.repeat(np.arange(self.n, dtype=np.int32), end - begin)
        sizes = self.stop[mines] - self.first[mines]
        n_one_up = self.stop[mines] - self.middle[mines]
        self.stop[mines] = np.cumsum(sizes)
        self.first[mines] = self.stop[mines] - sizes
        self.middle[mines] = self.stop[mines] - n_one_up

    def numbers(self) -> Rows:
        """All relations but rubble, intp[k]."""
        mines = np.flatnonzero(self.stop > self.first)
        return ranges(self.first[mines], self.stop[mines])

    def of_mines(
        self, mines: NDArray[Any], *, one_up: bool = False
    ) -> tuple[Rows, Int64]:
        """Some relations of these mines, intp[k], and how many each has, int64[m].

        Args:
            one_up: those that depend on alarms of points; without it the others.
        """
        first, stop = self.first[mines], self.middle[mines]
        if one_up:
            first, stop = stop, self.stop[mines]
        if len(mines) == 1:
            return np.arange(first[0], stop[0]), stop - first
        return ranges(first, stop), stop - first

    def is_of(self, numbers: Rows, units: Collection[tuple[int, str]]) -> Bool:
        """Which of these relations are of one of the units (mine, slug), bool[k]."""
        mines = self.own["mine"][numbers].tolist()
        found = zip(mines, numbers.tolist(), strict=True)
        return np.asarray(
            [(mine, self.relations[n].unit) in units for mine, n in found], np.bool_
        )

    def stands(self, numbers: Rows) -> Bool:
        """Whether relations are in the present block of their mine, bool[k]."""
        mine = self.own["mine"][numbers]
        stands: Bool = numbers >= self.first[mine]
        return stands & (numbers < self.stop[mine])

    def find(self, mine: int, key: tuple[str, str]) -> int:
        """The number of a mine's relation, or -1."""
        if not 0 <= mine < len(self.first):
            return -1
        return next((r for r in self._range(mine) if self.relations[r].key == key), -1)

    def gather(self, numbers: Rows) -> tuple[Rows | slice, Rows, TermArrays]:
        """The terms of these relations.

        Returns:
            Where they lie, an index of t terms; whose each is, as a position in
            ``numbers``, intp[t]; and the terms.
        """
        at: Rows | slice
        if _is_run(numbers):
            first = numbers[0]
            at = slice(int(self.own["begin"][first]), int(self.own["end"][numbers[-1]]))
            owner = self.terms["owner"][at] - first
        else:
            begin, end = self.own["begin"][numbers], self.own["end"][numbers]
            at = ranges(begin, end)
            owner = np.repeat(np.arange(len(numbers)), end - begin)
        terms = self.terms
        return (
            at,
            owner,
            TermArrays(
                op=terms["op"][at],
                row=terms["row"][at].astype(np.intp),
                other=terms["other"][at].astype(np.intp),
                bound=terms["bound"][at],
            ),
        )


def _is_run(numbers: Rows) -> bool:
    """Whether each number is one above the one before, as those of a mine are."""
    steps = numbers[1:] - numbers[:-1]
    return len(numbers) > 0 and np.count_nonzero(steps == 1) == len(steps)


def ranges(begin: Int64, end: Int64) -> Rows:
    """The numbers of several ranges one after the other, intp[k]."""
    sizes = end - begin
    stops = np.cumsum(sizes)
    total = int(stops[-1]) if len(stops) else 0
    return np.repeat(begin - stops + sizes, sizes) + np.arange(total)


def _joined(
    old: dict[str, NDArray[Any]], more: dict[str, Any]
) -> dict[str, NDArray[Any]]:
    return {
        name: np.concatenate([column, np.asarray(more[name], column.dtype)])
        for name, column in old.items()
    }


def _laid_out(added: Sequence[Relation]) -> dict[str, Any]:
    listed = [
        (term, place == 1)
        for relation in added
        for place, clause in enumerate(relation.clauses)
        for term in clause.terms
    ]
    n = len(listed)
    second: Bool = np.fromiter((s for _, s in listed), np.bool_, n)
    return {
        "op": [term.op for term, _ in listed],
        "row": [term.row for term, _ in listed],
        "other": [term.other for term, _ in listed],
        "bound": [term.bound for term, _ in listed],
        "second": second,
        "was_true": np.zeros(n, np.bool_),
    }

"""PointBook: which row a point has, and how definitions change it.

It is the directory that decoding asks. Only the evaluating thread changes it; the
persisting thread fills in the database's numbers of points that are new.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isnan

import numpy as np

from gasmon import domain
from gasmon.batch import Int32
from gasmon.ingest.decode import Definition
from gasmon.pipeline.heeded import Heeded, heeded_of
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef, PointKey, PointTable, lay_out
from gasmon.units import US_PER_MS

PROVISIONAL_PER_MINE = 2000
"""Points that a mine may make up by sending them. Real mines have up to 250 (a large
one); beyond eight times that a gateway is sending noise, and each such point would
take memory for good."""

ROWS_PER_MINE = 6000
"""Points of a mine that are remembered, present and former. Ours: a mine of 250 points
may number all of them anew twenty times; definitions that name others each time would
take memory for good, and each name that then stays silent raises an alarm."""

NEW_MINES_PER_AREA = 500
"""Mines of an area that may turn up while we run. Ours: far above what a county has;
whoever publishes under made-up codes would else fill memory, tables and screens."""


def _unheard(row: int) -> int:
    """Nothing was judged yet."""
    return 0


class PointBook:
    """Every point by row, with the versions that nobody has adopted yet.

    Attributes:
        table: the points by row.
        point_id: the database's number by row, int32[n]; 0 until it is stored.
        retired_us: since when points are retired, by row.
        rulings: place classes that people decided, replaced as a whole by the thread
            that hears of them; they count from the next turn on.
    """

    def __init__(self, areas: Collection[str] = ()) -> None:
        """Begin empty.

        Args:
            areas: codes of the areas that are taken; empty takes all known ones.
        """
        self.table = PointTable()
        self.point_id: Int32 = np.empty(0, np.int32)
        self.retired_us: dict[int, int] = {}
        self.rulings: Mapping[PointKey, str | None] = {}
        self._ruled: Mapping[PointKey, str | None] = self.rulings
        self._heeded: dict[str, Heeded] = {}
        known = {area.code for area in domain.areas()}
        self._areas = frozenset(areas) or frozenset(known)
        self._fresh: list[PointDef] = []
        self._provisional: dict[str, int] = {}
        self._new_mines: dict[str, set[str]] = {}
        self._by_no: dict[str, dict[str, int]] = {}
        self._rows: dict[str, Int32] = {}

    def load(self, mines: Iterable[MineDef], versions: Iterable[PointDef]) -> None:
        """Begin with what the database knows, mine by mine."""
        versions = sorted(versions, key=lambda p: (p.key, p.effective_from_us))
        self.table = lay_out(mines, versions)
        self._fresh.extend(versions)
        self.point_id = np.asarray([p.point_id for p in self.table.current], np.int32)
        self._by_no.clear()
        self._rows.clear()
        self._note_retired(self.table.current)
        self._heeded = heeded_of(self.table.mines, versions)

    def fresh(self) -> list[PointDef]:
        """Versions that came since the last call, oldest first."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def rows_of_mine(self, mine: str) -> Int32:
        """All rows of a mine, int32[k]; empty when it is unknown."""
        rows = self._rows.get(mine)
        if rows is None:
            rows = self._rows[mine] = self.table.rows_of_mine(mine)
        return rows

    # What decoding asks

    def admits(self, mine: str) -> bool:
        """Whether frames of this mine are taken here; a new one counts from here."""
        area = mine[:6]
        if area not in self._areas:
            return False
        new = self._new_mines.setdefault(area, set())
        if mine in self.table.mine_index or mine in new:
            return True
        if len(new) >= NEW_MINES_PER_AREA:
            return False
        new.add(mine)
        return True

    def rows(self, mine: str, nos: tuple[str, ...]) -> Int32:
        """Rows of a mine's point numbers, int32[k]; -1 where one is unknown.

        A short number belongs to safety monitoring unless only drainage defines it;
        what is retired, or what nobody defined, yields to what is defined.
        """
        known = self._by_no.get(mine)
        if known is None:
            current = self._current(mine)
            current.sort(key=lambda p: (p.retired, p.source == "provisional", p.key))
            known = self._by_no[mine] = {}
            for point in current:
                known.setdefault(point.key.no, self.table.index[point.key])
        return np.asarray([known.get(no, -1) for no in nos], np.int32)

    def rows_by_key(self, keys: Sequence[PointKey]) -> Int32:
        """Rows of full identities, int32[k]; -1 where one is unknown."""
        return np.asarray([self.table.index.get(key, -1) for key in keys], np.int32)

    def quantity(self, row: int) -> str:
        """What the point in ``row`` measures."""
        return self.table.current[row].quantity

    def provision(
        self, keys: Sequence[PointKey], sensor_types: Sequence[str | None]
    ) -> Int32:
        """Make rows for points that nobody defined; they are judged at once.

        Returns:
            Rows, int32[k]; -1 for those beyond what a mine may make up.
        """
        made = []
        for key, sensor_type in zip(keys, sensor_types, strict=True):
            count = self._provisional.get(key.mine, 0)
            if key in self.table.index or count >= PROVISIONAL_PER_MINE:
                continue
            self._provisional[key.mine] = count + 1
            made.append(provisional(key, sensor_type))
        if made:
            self._extend((), made)
        return self.rows_by_key(keys)

    # What mines tell

    def rev_of(self, mine: str) -> int | None:
        """The revision of a mine's definitions that counts; None before any."""
        present = self._present(mine)
        return None if present is None else present.rev

    def _present(self, mine: str) -> MineDef | None:
        number = self.table.mine_index.get(mine)
        return None if number is None else self.table.mines[number]

    def heeded(self, mine: str) -> Heeded | None:
        """What counts of a mine's definitions so far; None before any."""
        return self._heeded.get(mine)

    def described(self, mine: str) -> tuple[MineDef | None, list[PointDef]]:
        """A mine, and its points as it defined them, for what a file leaves out."""
        points = [
            point
            for point in self._current(mine)
            if not point.retired and point.source != "provisional"
        ]
        return self._present(mine), points

    def define(
        self, definition: Definition, newest_us: Callable[[int], int] = _unheard
    ) -> list[PointDef]:
        """Take a mine's definitions.

        Args:
            definition: all points of one mine. One that is not newer than what is
                known (``Heeded.is_older``) changes nothing.
            newest_us: tells by row the event time of the newest reading that was
                judged [µs UTC].

        Returns:
            Every point as it stands now, without those beyond what a mine may have,
            and those that are retired now; or nothing when it is not newer.
        """
        mine = definition.mine
        known = self.heeded(mine.code)
        if not definition.points:
            # A mine without a single point is a mistake, and would retire them all.
            return []
        if not definition.amends:
            if known is not None and known.is_older(definition):
                return []
            self._heeded[mine.code] = Heeded.of(definition, known)
        is_same = self._present(mine.code) == mine
        changed, standing = [], []
        rulings = self.rulings
        n_free = ROWS_PER_MINE - len(self.rows_of_mine(mine.code))
        for told in definition.points:
            ruled = told.key in rulings
            point = replace(told, place_class=rulings[told.key]) if ruled else told
            row = self.table.index.get(point.key)
            if row is None:
                n_free -= 1
                if n_free < 0:
                    continue
            before = None if row is None else self.table.current[row]
            refused = definition.refused.get(point.key, ())
            since_us = definition.arrived_us
            if row is not None and self.table.current[row].source == "provisional":
                # It had no limits of its own that could have been in force: all that
                # is judged from now on is judged by these, backlogs too.
                since_us = min(since_us, newest_us(row) + 1)
            version = merged(point, before, refused, since_us)
            if version is not None:
                changed.append(version)
            standing.append(version or before)
        others = self._others(definition)
        if definition.whole:
            others = [_retired(point, definition) for point in others]
            changed += others
        if is_same and not changed:
            return []  # the same one again, as gateways send it at each connection
        self._extend((mine,), changed)
        return [*(point for point in standing if point is not None), *others]

    def rule(self, now_us: int) -> list[tuple[Definition, list[PointDef]]]:
        """Take what people decided of places since the last call.

        Args:
            now_us: from when it counts, and when it is told [µs UTC].

        Returns:
            As if each mine concerned had defined its points so: the definition, and
            every point as it stands now.
        """
        if self.rulings is self._ruled:
            return []
        rulings = self._ruled = self.rulings
        found = []
        for mine in sorted({key.mine for key in rulings} & set(self.table.mine_index)):
            described, points = self.described(mine)
            changed = [
                replace(
                    point,
                    place_class=rulings[point.key],
                    effective_from_us=max(now_us, point.effective_from_us + 1),
                )
                for point in points
                if rulings.get(point.key, point.place_class) != point.place_class
            ]
            if described is None or not changed:
                continue
            self._extend((), changed)
            points = self.described(mine)[1]
            rev, ms = described.rev or 0, now_us // US_PER_MS
            told = Definition(0, described, rev, ms, now_us, tuple(points), {})
            found.append((told, points))
        return found

    def _others(self, definition: Definition) -> list[PointDef]:
        """Points that a mine defined before and does not name now.

        One that nobody defined stays, unless the same number of the other system is
        what its frames meant.
        """
        told = {point.key for point in definition.points}
        nos = {key.no for key in told}
        return [
            point
            for point in self._current(definition.mine.code)
            if not point.retired
            and point.key not in told
            and (point.source != "provisional" or point.key.no in nos)
        ]

    def take(self, mine: MineDef, standing: Iterable[PointDef]) -> None:
        """Know what ``define`` made of a mine's definitions in a former process."""
        known = {p.key: p.effective_from_us for p in self._current(mine.code)}
        newer = [p for p in standing if known.get(p.key, -1) < p.effective_from_us]
        self._extend((mine,), newer)
        now = heeded_of((mine,), standing).get(mine.code)
        if now is not None:
            self._heeded[mine.code] = now.after(self.heeded(mine.code))

    def _current(self, mine: str) -> list[PointDef]:
        return [self.table.current[row] for row in self.rows_of_mine(mine)]

    def _extend(self, mines: Iterable[MineDef], points: list[PointDef]) -> None:
        self.table = self.table.extended(mines, points)
        self._fresh.extend(points)
        self._note_retired(points)
        missing = self.table.n - len(self.point_id)
        if missing:
            grown = np.r_[self.point_id, np.zeros(missing, np.int32)]
            self.point_id = grown.astype(np.int32)
        for point in points:
            self._by_no.pop(point.key.mine, None)
            self._rows.pop(point.key.mine, None)

    def _note_retired(self, points: Iterable[PointDef]) -> None:
        for point in points:
            row = self.table.index[point.key]
            if point.retired:
                self.retired_us[row] = point.effective_from_us
            else:
                self.retired_us.pop(row, None)

    # What the database tells

    def set_ids(self, ids: Mapping[PointKey, int]) -> None:
        """Remember the database's numbers of points that were new."""
        for key, point_id in ids.items():
            self.point_id[self.table.index[key]] = point_id

    def without_id(self, rows: Int32) -> list[PointDef]:
        """Points among these rows that the database has no number for yet."""
        missing = np.unique(rows[self.point_id[rows] == 0])
        return [self.table.current[row] for row in missing]


def provisional(key: PointKey, sensor_type: str | None) -> PointDef:
    """A definition for a point that only sends; its type decides, if it is known."""
    kind = domain.sensor_types().get(sensor_type or "")
    return PointDef(
        key=key,
        sensor_type=sensor_type or "0000",
        value_kind=kind.value_kind if kind else "MN",
        quantity=domain.quantity_of(sensor_type or ""),
        uom=kind.unit if kind else "",
        source="provisional",
    )


def merged(
    told: PointDef, known: PointDef | None, refused: Collection[str], since_us: int
) -> PointDef | None:
    """The version that a told definition makes, or None when it changes nothing.

    A limit that was refused (it contradicts another) keeps its last good value. The
    first definition counts for all times; a later one from ``since_us``, or from right
    after the one before.
    """
    if known is None:
        return replace(told, effective_from_us=0, point_id=0)
    kept = {name: getattr(known, name) for name in refused if name in LIMIT_FIELDS}
    version = replace(told, **kept)
    same = replace(
        version,
        effective_from_us=known.effective_from_us,
        rev=known.rev,
        source=known.source,
        point_id=known.point_id,
    )
    if known.source != "provisional" and _equal(same, known):
        return None
    since_us = max(since_us, known.effective_from_us + 1)
    return replace(version, effective_from_us=since_us, point_id=known.point_id)


def _retired(known: PointDef, definition: Definition) -> PointDef:
    """The version of a point that a definition does not name any more."""
    since_us = max(definition.arrived_us, known.effective_from_us + 1)
    return replace(known, retired=True, effective_from_us=since_us, rev=definition.rev)


def _equal(a: PointDef, b: PointDef) -> bool:
    """Equality in which NaN equals NaN."""
    return _comparable(a) == _comparable(b)


def _comparable(point: PointDef) -> tuple[object, ...]:
    values = (getattr(point, name) for name in point.__slots__)
    return tuple(None if isinstance(v, float) and isnan(v) else v for v in values)

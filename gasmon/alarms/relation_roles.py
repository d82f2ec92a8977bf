"""Which points play which part in which relation of a mine. Pure, plain Python.

Roles come from what a point measures, where it hangs and to which unit it belongs;
doors and feeds are also found by the relations that the mine tells (``G-<point>-…``
related door, ``D-<point>-…`` cut-off). It runs once for a mine's definitions, never
for readings; relation_table.py lays out what it finds as arrays.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from gasmon.alarms import relation_kinds as kinds
from gasmon.alarms import relation_terms as ops
from gasmon.alarms.relation_terms import Term
from gasmon.alarms.rule_asked import Asked
from gasmon.alarms.rule_match import subject_of
from gasmon.alarms.rule_spec import KindParams
from gasmon.points import MineDef, PointDef

ALL = -1
"""Instead of a number: every term of a clause that was heard within a day."""


@dataclass(frozen=True, slots=True)
class Clause:
    """Holds when at least ``need`` of its terms do."""

    terms: tuple[Term, ...]
    need: int = 1


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation at one subject: it holds when both of its clauses do.

    Attributes:
        subject_id: ``<mine>/u/<unit>`` of a unit, the code of a mine.
        clauses: one or two.
        params: its delays and where they come from.
        level: row of ``LevelTable`` that grades it.
        impatient: what is unknown cancels a pending delay. For what only readings
            can show: silence is no proof of a flat line.
        one_up: its level is one above the worst of its points' over-limit alarms.
    """

    kind: str
    subject_type: str
    subject_id: str
    unit: str | None
    clauses: tuple[Clause, ...]
    params: KindParams
    level: int
    impatient: bool = False
    one_up: bool = False

    @property
    def mine(self) -> str:
        """Code of its mine."""
        return self.subject_id[:12]

    @property
    def key(self) -> tuple[str, str]:
        """(subject, kind): at most one alarm of it is open."""
        return f"{self.subject_type}:{self.subject_id}", self.kind


@dataclass(frozen=True, slots=True)
class Member:
    """A point of a mine with its row."""

    row: int
    point: PointDef

    def other(self, letter: str) -> Iterable[str]:
        """Numbers of the points that it has a relation of this letter to."""
        for text in self.point.relations:
            found, _, rest = text.partition("-")
            if found == letter:
                no = rest.partition("-")[0]
                # A full code has 20 characters before the mine's own number.
                yield no[20:] if len(no) > 20 else no


Members = Sequence[Member]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit with its points, among all points of its mine."""

    slug: str
    kind: str
    own: Members
    whole: Members


Found = tuple[tuple[Clause, ...], dict[str, bool]]
"""Clauses of a relation, and what is special about it."""

FACE_RETURNS = ("FACE_T2", "FACE_T5", "FACE_T6", "FACE_RETURN_MID")
DOWNSTREAM_OF = {
    # Each place class and what the same air has passed before.
    "FACE_T1": ("FACE_T3",),
    **dict.fromkeys(FACE_RETURNS, ("FACE_T1", "FACE_T3")),
    "HEADING_T2": ("HEADING_T1",),
    "HEADING_RETURN_MID": ("HEADING_T1",),
}
MACHINES = ("采煤机", "掘进机", "综掘机")
PUMPS = ("泵",)
"""Words in the place of the equipment that is meant, where several hang there."""

KPA_IN = {"kPa": 1.0, "": 1.0, "MPa": 0.001, "Pa": 1000.0}
"""One kilopascal in the units that pressures come in."""

INTAKES = ("FACE_T3", "FACE_T4", "HEADING_T3", "HEADING_T4")
"""Where the reading may stand still for hours because there is no gas."""


def relations_of(mine: MineDef, members: Members, asked: Asked) -> list[Relation]:
    """All relations of a mine that its points and the rules make possible.

    Args:
        members: its points in the order of their rows.
    """
    units: dict[str, list[Member]] = {}
    for member in members:
        if member.point.unit_slug is not None:
            units.setdefault(member.point.unit_slug, []).append(member)
    out = []
    for slug, own in units.items():
        subject = subject_of(None, mine, slug)
        unit = Unit(slug, subject.unit_kind, own, members)
        for kind, find in _OF_UNIT.items():
            params = asked.params(kind, subject)
            found = params and find(unit, params)
            if params and found:
                name = f"{mine.code}/u/{slug}"
                level = int(asked.level_rows[params.level])
                out.append(_relation(kind, "unit", name, slug, found, params, level))
    subject = subject_of(None, mine)
    for kind, find_all in _OF_MINE.items():
        params = asked.params(kind, subject)
        found = params and find_all(members)
        if params and found:
            level = int(asked.level_rows[params.level])
            out.append(_relation(kind, "mine", mine.code, None, found, params, level))
    return out


def _relation(
    kind: str,
    subject_type: str,
    subject_id: str,
    unit: str | None,
    found: Found,
    params: KindParams,
    level: int,
) -> Relation:
    clauses, special = found
    return Relation(
        kind, subject_type, subject_id, unit, clauses, params, level, **special
    )


def _of(members: Members, *quantities: str) -> list[Member]:
    return [m for m in members if m.point.quantity in quantities]


def _equipment(members: Members, words: tuple[str, ...]) -> list[Member]:
    """Equipment whose place has one of these words; all of it where none has."""
    own = _of(members, "EQUIPMENT")
    return [m for m in own if any(word in m.point.place for word in words)] or own


def _equal(members: Members, bound: float, role: str) -> tuple[Term, ...]:
    return tuple(Term(ops.EQUALS, m.row, role, bound) for m in members)


def _both(*clauses: Clause) -> Found | None:
    """A relation of these clauses, if none of them is empty."""
    return (clauses, {}) if all(c.terms for c in clauses) else None


def _extent(unit: Unit, params: KindParams) -> Found | None:
    own = [m for m in unit.own if m.point.value_kind == "MN"]
    need = int(params.number("least_points"))
    if len(own) < need:
        return None
    terms = tuple(Term(ops.OVER, m.row, "over_limit") for m in own)
    return (Clause(terms, need),), {"one_up": True}


def _doors(unit: Unit, params: KindParams) -> Found | None:
    doors = sorted(_of(unit.own, "DOOR"), key=lambda m: m.point.key.no)
    pairs = set()
    for door in doors:
        told = set(door.other("G"))
        for partner in doors:
            if partner is not door and partner.point.key.no in told:
                pairs.add(tuple(sorted((door.row, partner.row))))
    if not pairs:
        pairs = set(_by_number(doors))
    terms = tuple(Term(ops.BOTH_EQUAL, a, "door", 1.0, b) for a, b in sorted(pairs))
    return _both(Clause(terms))


def _by_number(doors: Members) -> Iterable[tuple[int, ...]]:
    """Pairs where nobody told any: two by two in the order of their numbers.

    The last three of an odd number belong together: one airlock can have three.
    """
    begins = list(range(0, len(doors) - 1, 2))
    for begin in begins:
        end = len(doors) if begin == begins[-1] else begin + 2
        yield from combinations([door.row for door in doors[begin:end]], 2)


def _duct(unit: Unit, params: KindParams) -> Found | None:
    return _both(
        Clause(_equal(_of(unit.own, "FAN_LOCAL"), 1.0, "fan")),
        Clause(_equal(_of(unit.own, "DUCT"), 0.0, "duct")),
    )


def _no_wind(unit: Unit, params: KindParams) -> Found | None:
    least = params.number("least_m_s")
    winds = _of(unit.own, "AIR_VELOCITY")
    return _both(
        Clause(_equal(_of(unit.own, "FAN_LOCAL", "FAN_MAIN"), 1.0, "fan")),
        Clause(tuple(Term(ops.BELOW, m.row, "velocity", least) for m in winds), ALL),
    )


def _feed(unit: Unit, params: KindParams) -> Found | None:
    """Each point that cuts, with each load side that must be dead then.

    The load side may hang in another unit, as the switch of a whole section does: it
    is an alarm of the unit where the gas is.
    """
    feeds = _of(unit.own, "FEED")
    named = {no for m in _of(unit.own, "CH4") for no in m.other("D")}
    # Of several feeds those count that the methane points say they cut.
    usual = [m for m in feeds if m.point.key.no in named] or feeds
    terms = []
    for source in _of(unit.whole, *_CUTS):
        slug = source.point.unit_slug
        if slug not in (None, unit.slug):
            continue
        told = _cut_by(source, unit.whole)
        if slug is None and told:
            # What names no unit goes with what it cuts first.
            slug = told[0].point.unit_slug
        if slug == unit.slug:
            op, role = _CUTS[source.point.quantity]
            terms += [
                Term(op, source.row, role, 1.0, feed.row, other_role="feed")
                for feed in told or usual
            ]
    return _both(Clause(tuple(terms)))


_CUTS = {"CH4": (ops.CUT_BUT_LIVE, "cut_off"), "BREAKER": (ops.OFF_BUT_LIVE, "breaker")}
"""What cuts the power, and which part it plays."""


def _cut_by(source: Member, whole: Members) -> list[Member]:
    """The load sides that a point says it cuts, also by way of a breaker."""
    named = set(source.other("D"))
    found = [m for m in _of(whole, "FEED") if m.point.key.no in named]
    for breaker in _of(whole, "BREAKER"):
        if breaker.point.key.no in named and breaker is not source:
            told, slug = set(breaker.other("D")), breaker.point.unit_slug
            feeds = _of(whole, "FEED")
            own = [m for m in feeds if slug and m.point.unit_slug == slug]
            found += [m for m in feeds if m.point.key.no in told] or own
    return found


def _downstream(unit: Unit, params: KindParams) -> Found | None:
    tolerance = params.number("tolerance_pct")
    by_place: dict[str, list[Member]] = {}
    for member in _of(unit.own, "CH4"):
        by_place.setdefault(member.point.place_class or "", []).append(member)
    terms = tuple(
        Term(ops.LOWER, lower.row, "downstream", tolerance, upper.row)
        for place, before in DOWNSTREAM_OF.items()
        for lower in by_place.get(place, ())
        for upstream in before
        for upper in by_place.get(upstream, ())
    )
    return _both(Clause(terms))


def _flat(unit: Unit, params: KindParams) -> Found | None:
    if unit.kind not in ("face", "heading"):
        return None
    gas = [m for m in _of(unit.own, "CH4") if m.point.place_class not in INTAKES]
    found = _both(
        Clause(_equal(_equipment(unit.own, MACHINES), 1.0, "machine")),
        Clause(tuple(Term(ops.SAME, m.row, "methane") for m in gas), ALL),
    )
    return found and (found[0], {"impatient": True})


def _pump(unit: Unit, params: KindParams) -> Found | None:
    if unit.kind != "drainage":
        return None
    return _both(Clause(_equal(_equipment(unit.own, PUMPS), 0.0, "pump"), ALL))


def _suction(unit: Unit, params: KindParams) -> Found | None:
    if unit.kind != "drainage":
        return None
    least = params.number("least_kpa")
    terms = tuple(
        Term(ops.NEAR_ZERO, m.row, "suction", least * KPA_IN[m.point.uom])
        for m in _of(unit.own, "PIPE_PRESSURE", "SUCTION")
        if m.point.uom in KPA_IN
    )
    return _both(Clause(terms, ALL))


def _rising(quantity: str, param: str) -> Callable[..., Found | None]:
    def find(unit: Unit, params: KindParams) -> Found | None:
        window_us, bound = params.duration_us("window"), params.number(param)
        terms = tuple(
            Term(ops.ROSE, m.row, "pipe", bound, window_us=window_us)
            for m in _of(unit.own, quantity)
        )
        return _both(Clause(terms))

    return find


def _main_fans(members: Members) -> Found | None:
    return _both(Clause(_equal(_of(members, "FAN_MAIN"), 0.0, "fan"), ALL))


def _no_power(members: Members) -> Found | None:
    return _both(Clause(_equal(_of(members, "POWER"), 0.0, "power"), ALL))


_OF_UNIT: dict[str, Callable[[Unit, KindParams], Found | None]] = {
    kinds.EXTENT: _extent,
    kinds.DOORS: _doors,
    kinds.DUCT: _duct,
    kinds.FEED: _feed,
    kinds.DOWNSTREAM: _downstream,
    kinds.NO_WIND: _no_wind,
    kinds.FLAT: _flat,
    kinds.PUMP: _pump,
    kinds.SUCTION: _suction,
    kinds.PIPE_CO: _rising("PIPE_CO", "rise_ppm"),
    kinds.PIPE_TEMP: _rising("PIPE_TEMP", "rise_c"),
}
_OF_MINE: dict[str, Callable[[Members], Found | None]] = {
    kinds.MAIN_FANS: _main_fans,
    kinds.NO_POWER: _no_power,
}

"""What relations remember as arrays for a snapshot, and back.

Relations are written by identity (subject and kind), their points by row; snapshot.py
says which row that is now. Most relations never held: of them nothing is kept.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.packing import Array
from gasmon.alarms.relation_kinds import RELATION_NAMES
from gasmon.alarms.relation_memory import MEMORY_COLUMNS
from gasmon.alarms.relation_table import RELATION_STATE
from gasmon.alarms.relations import Relations
from gasmon.batch import Int32

PREFIX = "relation_"
"""Of the names of its arrays."""

_OF_TERM = ("row", "other", "was_true")


def layout() -> str:
    """What must be equal on both sides, as one text."""
    state = [(n, np.dtype(d).str) for n, (d, _) in RELATION_STATE.items()]
    memory = [(n, s, np.dtype(d).str) for n, (s, d, _) in MEMORY_COLUMNS.items()]
    return repr((RELATION_NAMES, state, memory))


def dump(relations: Relations) -> tuple[list[list[str]], dict[str, Array]]:
    """Keys of the relations that are not as in the beginning, and arrays."""
    table = relations.table
    numbers = table.numbers()
    differs = np.zeros(len(numbers), np.bool_)
    for name, (_, start) in RELATION_STATE.items():
        differs |= table.state[name][numbers] != start
    numbers = numbers[differs]
    arrays: dict[str, Array] = {
        f"{PREFIX}{name}": table.state[name][numbers] for name in RELATION_STATE
    }
    at, owner, _ = table.gather(numbers)
    arrays[f"{PREFIX}n_terms"] = np.bincount(owner, minlength=len(numbers))
    for name in _OF_TERM:
        arrays[f"{PREFIX}{name}"] = table.terms[name][at]
    for name in MEMORY_COLUMNS:
        arrays[f"{PREFIX}memory_{name}"] = getattr(relations.memory, name)
    arrays[f"{PREFIX}watermark_us"] = relations.watermark_us
    arrays[f"{PREFIX}lag_us"] = relations.lag_us
    return [list(table.relations[n].key) for n in numbers.tolist()], arrays


def load(
    relations: Relations,
    keys: Sequence[Sequence[str]],
    arrays: dict[str, Array],
    row_of: Int32,
    mine_of: Array,
    rules_changed: bool,
) -> None:
    """Go on from what ``dump`` gave.

    Args:
        relations: know their points already and have judged nothing.
        row_of: our row for each row of the snapshot, -1 for an unknown one.
        mine_of: our mine index for each of its mines, -1 for an unknown one.
        rules_changed: delays and levels are judged anew, as long as they can have
            been.
    """
    known_mines = np.flatnonzero(mine_of >= 0)
    for name in ("watermark_us", "lag_us"):
        column = arrays[f"{PREFIX}{name}"][known_mines]
        getattr(relations, name)[mine_of[known_mines]] = column
    relations.catch_up()
    table = relations.table
    found = np.asarray([relations.number_of(s, kind) for s, kind in keys], np.intp)
    known = np.flatnonzero(found >= 0)
    numbers = found[known]
    for name in RELATION_STATE:
        table.state[name][numbers] = arrays[f"{PREFIX}{name}"][known]
    _load_truth(relations, found, arrays, row_of)
    if rules_changed:
        s, on_us = table.state, table.own["on_us"][numbers]
        phase, raised = s["phase"][numbers], s["raised_us"][numbers]
        due = np.where(phase >= debounce.ACTIVE, raised, NEVER_US)
        pending = phase == debounce.PENDING
        since = np.where(pending, s["since_us"][numbers], 0)
        s["due_us"][numbers] = np.where(pending, since + on_us, due)
    _load_memory(relations, arrays, row_of)


def _load_truth(
    relations: Relations,
    found: NDArray[np.intp],
    arrays: dict[str, Array],
    row_of: Int32,
) -> None:
    """Which terms were last true; the order of a relation's points may be another."""
    terms = relations.table.terms
    row, other, was = (arrays[f"{PREFIX}{name}"].tolist() for name in _OF_TERM)
    # One more entry than points: where "no other point" is sent to.
    ours = [*row_of.tolist(), -1]
    end = 0
    for number, n in zip(
        found.tolist(), arrays[f"{PREFIX}n_terms"].tolist(), strict=True
    ):
        begin, end = end, end + n
        if number < 0:
            continue
        known = {
            frozenset((ours[row[k]], ours[other[k]])): was[k] for k in range(begin, end)
        }
        for k in range(*relations.table.terms_of(number).indices(len(terms["row"]))):
            key = frozenset((int(terms["row"][k]), int(terms["other"][k])))
            # Of what is new nobody knows it: it may have been.
            terms["was_true"][k] = known.get(key, True)


def _load_memory(relations: Relations, arrays: dict[str, Array], row_of: Int32) -> None:
    memory = relations.memory
    columns: dict[str, Any] = {
        name: arrays[f"{PREFIX}memory_{name}"] for name in MEMORY_COLUMNS
    }
    rows = row_of[columns["row"]]
    # Points that no relation looks at any more have no place.
    place = np.where(rows >= 0, memory.place_of[rows], -1)
    kept = np.flatnonzero(place >= 0)
    same = columns["window_us"][kept] == memory.window_us[place[kept]]
    for name in MEMORY_COLUMNS.keys() - {"row", "window_us"}:
        own = kept if name in ("value", "same", "moved") else kept[same]
        getattr(memory, name)[place[own]] = columns[name][own]

"""The facts of a turn as plain JSON values and back (pure).

They are named, not numbered, where a later version may add something with a default:
it can still drain what an earlier one spooled.
"""

from base64 import b85decode, b85encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.again import Redefined
from gasmon.alarms.crossings import Crossing
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_speak import Warned
from gasmon.alarms.silence import Sign
from gasmon.alarms.steps import Step, rare_as_list, rare_of
from gasmon.batch import Frame, FrameKey, GatewayClock, ReadingBatch, Reject
from gasmon.ingest.decode import Definition, MineEvent, MineStatistic
from gasmon.ingest.payloads import EventPayload
from gasmon.ingest.records import StatisticPayload
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.record import Header
from gasmon.points import MineDef, PointDef, PointKey, PointTable, UnitDef

_EVENT_FIELDS = tuple(field.name for field in fields(AlarmEvent))
_POINT_FIELDS = tuple(field.name for field in fields(PointDef))


def to_header(judged: Judged, table: PointTable) -> Header:
    """Everything of a turn but the readings themselves.

    Args:
        table: says which point and which mine a row and an index mean.
    """
    return {
        "has_readings": bool(judged.batches or judged.latest),
        "batches": [
            [batch.n, [_frame(frame) for frame in batch.frames]]
            for batch in judged.batches
        ],
        "events": [_event(event) for event in judged.events],
        "rejects": [
            {**asdict(r), "first_bytes": b85encode(r.first_bytes).decode()}
            for r in judged.rejects
        ],
        "definitions": [
            [_definition(told), [point_fields(point) for point in standing]]
            for told, standing in judged.definitions
        ],
        "unknown": judged.unknown,
        "mine_events": [asdict(event) for event in judged.mine_events],
        "statistics": [asdict(told) for told in judged.statistics],
        "repeated": [_frame_key(key) for key in judged.repeated],
        "marks": list(judged.marks),
        "newest": {mine: _frame(frame) for mine, frame in judged.newest.items()},
        "online": judged.online,
        "clocks": [asdict(clock) for clock in judged.clocks],
        "crossed": [[table.keys[c.row], asdict(c)] for c in judged.crossed],
        "warned": [[table.keys[w.row], asdict(w)] for w in judged.warned],
        "steps": list(_steps(judged, table)),
    }


def frames_of(facts: Header) -> list[list[Frame]]:
    """The frames of each batch."""
    return [[_to_frame(frame) for frame in told] for _, told in facts["batches"]]


def newest_of(facts: Header) -> dict[str, Frame]:
    """The newest frame of each mine that sent one."""
    return {mine: _to_frame(frame) for mine, frame in facts["newest"].items()}


def definitions_of(facts: Header) -> list[tuple[Definition, list[PointDef]]]:
    """What mines told, with their points as they stood then."""
    return [
        (_to_definition(told), [point_of(point) for point in standing])
        for told, standing in facts["definitions"]
    ]


def steps_of(
    facts: Header,
    batches: Sequence[ReadingBatch],
    kept: Sequence[NDArray[np.intp]],
    table: PointTable,
) -> Iterator[Step]:
    """What the engine was given; without readings where they are missing.

    Args:
        batches: those of the turn, empty when its readings are missing.
        kept: which readings of each batch have a row here.
    """
    for number, place, signs, marks, *more in facts.get("steps", ()):
        known, batch = np.empty(0, np.intp), ReadingBatch.empty()
        if place >= 0 and batches:
            known, batch = kept[place], batches[place]
        told = tuple(
            Sign(int(np.searchsorted(known, at)), table.mine_index[mine], online, us)
            for at, mine, online, us in signs
            if mine in table.mine_index
        )
        # A turn of an older version says nothing of points judged again.
        again = (
            (PointKey(*key), from_us) for key, from_us in (more[0] if more else ())
        )
        redefined = tuple(
            Redefined(table.index[key], from_us)
            for key, from_us in again
            if key in table.index
        )
        rules, owed = rare_of(
            more[1:], lambda told: table.index.get(PointKey(*told), -1)
        )
        yield Step(number, batch, told, tuple(marks), redefined, rules, owed)


def _steps(judged: Judged, table: PointTable) -> Iterator[list[Any]]:
    place = {id(batch): number for number, batch in enumerate(judged.batches)}
    for step in judged.steps:
        signs = [
            [sign.position, table.mines[sign.mine].code, sign.online, sign.arrived_us]
            for sign in step.signs
        ]
        marks = [int(mark_us) for mark_us in step.marks]
        again = [[table.keys[p.row], p.from_us] for p in step.redefined]
        rare = rare_as_list(step, lambda row: table.keys[row])
        at = place.get(id(step.batch), -1)
        yield [step.number, at, signs, marks, again, *rare]


def add_facts(judged: Judged, facts: Header, book: PointBook) -> None:
    """Fill a turn with everything but its readings and frames."""
    judged.events = [_to_event(told, book) for told in facts["events"]]
    judged.rejects += [
        Reject(**{**told, "first_bytes": b85decode(told["first_bytes"])})
        for told in facts["rejects"]
    ]
    judged.definitions = definitions_of(facts)
    judged.unknown = [PointKey(*key) for key in facts["unknown"]]
    judged.mine_events = [
        MineEvent(**{**told, "event": EventPayload(**told["event"])})
        for told in facts["mine_events"]
    ]
    judged.statistics = [
        MineStatistic(**{**told, "statistic": StatisticPayload(**told["statistic"])})
        for told in facts.get("statistics", ())
    ]
    judged.repeated = [FrameKey(*key) for key in facts["repeated"]]
    judged.marks = facts["marks"]
    judged.online = facts["online"]
    judged.clocks = [GatewayClock.from_told(told) for told in facts.get("clocks", ())]
    # A turn of an older version says nothing of crossings.
    for row, told in _of_points(facts.get("crossed", ()), book):
        judged.crossed.append(Crossing(**{**told, "row": row}))
    for row, told in _of_points(facts.get("warned", ()), book):
        judged.warned.append(Warned(**{**told, "row": row}))


def _of_points(
    told: Iterable[tuple[list[str], dict[str, Any]]], book: PointBook
) -> Iterator[tuple[int, dict[str, Any]]]:
    """What is told of points, by their rows here; unheard-of ones are passed over."""
    for key, values in told:
        row = int(book.rows_by_key([PointKey(*key)])[0])
        if row >= 0:
            yield row, values


def _frame_key(key: FrameKey) -> list[Any]:
    return [key.run, key.mine, key.boot, key.seq]


def _frame(frame: Frame) -> list[Any]:
    return [
        *_frame_key(frame.key),
        frame.channel,
        frame.device_ms,
        frame.arrived_us,
        frame.judged_us,
        frame.n_readings,
        frame.first,
    ]


def _to_frame(told: list[Any]) -> Frame:
    return Frame(FrameKey(*told[:4]), *told[4:])


def _event(event: AlarmEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _EVENT_FIELDS}


def _to_event(told: dict[str, Any], book: PointBook) -> AlarmEvent:
    row = -1
    if told["row"] >= 0 and told["system"] is not None:
        key = PointKey(told["mine"], told["system"], told["no"])
        row = int(book.rows_by_key([key])[0])
    return AlarmEvent(**{**told, "row": row})


def point_fields(point: PointDef) -> dict[str, Any]:
    """A version of a point as plain values."""
    return {name: getattr(point, name) for name in _POINT_FIELDS}


def point_of(told: dict[str, Any]) -> PointDef:
    """The version that ``point_fields`` wrote."""
    key, relations = PointKey(*told["key"]), tuple(told["relations"])
    return PointDef(**{**told, "key": key, "relations": relations})


def _definition(told: Definition) -> dict[str, Any]:
    return {
        "run": told.run,
        "mine": asdict(told.mine),
        "rev": told.rev,
        "ts_ms": told.ts_ms,
        "arrived_us": told.arrived_us,
        "points": [point_fields(point) for point in told.points],
        "whole": told.whole,
        "refused": [[key, names] for key, names in told.refused.items()],
    }


def mine_of(told: dict[str, Any]) -> MineDef:
    """The mine that ``asdict`` wrote."""
    return MineDef(**{**told, "units": tuple(UnitDef(**u) for u in told["units"])})


def _to_definition(told: dict[str, Any]) -> Definition:
    refused = {PointKey(*key): tuple(names) for key, names in told["refused"]}
    return Definition(
        **{
            **told,
            "mine": mine_of(told["mine"]),
            "points": tuple(point_of(point) for point in told["points"]),
            "refused": refused,
        }
    )

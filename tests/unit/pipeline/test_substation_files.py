"""FZDY and FZSS: a substation is a point that its own files define and read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gasmon.batch import Packet
from gasmon.ingest.topics import file_topic
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.profiles import Profiles
from gasmon.ingest.upload.records import (
    Header,
    PointCode,
    PointRow,
    Reading,
    Record,
    Substation,
    SubstationCode,
    SubstationState,
)
from gasmon.ingest.upload.substations import UNTOLD
from gasmon.ingest.upload.write import write_file
from gasmon.points import PointKey
from tests.fix_pipeline import AREA, MINE, Live, at, spoken

GAS = PointCode(MINE, "01", "MN", "0001", "001A01")
KEY = PointKey(MINE, "01", "FZ001")


def packet(
    file_type: str, second: float, *records: Record, profile: Profile | None = None
) -> Packet:
    """A whole file that arrives when it was uploaded."""
    header = Header(MINE, "示范煤矿", at(second))
    data = write_file(file_type, header, records, profile or Profile())
    return Packet(file_topic(AREA, MINE, file_type), data, at(second))


def station(no: str = "001", place: str = "11121采煤工作面分站") -> Substation:
    """A row of FZDY."""
    return Substation(SubstationCode(MINE, no), place, at_us=at(1))


def told(second: float, run: str = "normal", power: str = "ac") -> Packet:
    """An FZSS file of one substation."""
    state = SubstationState(SubstationCode(MINE, "001"), run, power, at(second))
    return packet("FZSS", second, state)


def points(second: float) -> Packet:
    """A CDDY file with one methane sensor."""
    row = PointRow(GAS, place="11121采煤工作面", uom="%", alarm_high=1.0, at_us=at(1))
    return packet("CDDY", second, row)


def names(live: Live) -> dict[str, bool]:
    """Numbers of the mine's points, and whether each is retired."""
    return {p.key.no: p.retired for p in live.book.table.current}


@pytest.mark.parametrize("second", [(1, 1), (1, 2), (2, 1)])
def test_neither_file_takes_away_what_the_other_defines(
    second: tuple[int, int],
) -> None:
    """Whichever came first, also with the same upload time, and both again."""
    live = Live()
    for _ in range(2):
        live.take(points(second[0]))
        live.take(packet("FZDY", second[1], station()))
        live.take(points(second[0] + 10))
    assert names(live) == {"001A01": False, "FZ001": False}
    point = live.book.table.current[live.book.table.index[KEY]]
    assert (point.sensor_type, point.quantity) == ("4002", "POWER")
    assert (point.place, point.unit_slug) == ("11121采煤工作面分站", "11121")
    # The definitions' revision is the points', whatever substations were told.
    assert live.book.rev_of(MINE) == at(second[0] + 10) // 1000


def test_a_substation_that_is_told_no_more_is_retired() -> None:
    """By a whole file of substations, and not by a damaged one."""
    live = Live()
    live.take(points(1))
    live.take(packet("FZDY", 2, station(), station("002")))
    whole = packet("FZDY", 3, station(place="另一处"))
    live.take(replace(whole, payload=whole.payload[:-2]))
    assert names(live) == {"001A01": False, "FZ001": False, "FZ002": False}
    live.take(packet("FZDY", 4, station()))
    assert names(live) == {"001A01": False, "FZ001": False, "FZ002": True}


def test_power_and_reach_are_alarms_of_the_substation() -> None:
    """On its battery, back; not reachable, back; unknown is no data and no end."""
    live = Live()
    live.take(points(1))
    live.take(packet("FZDY", 2, station()))
    assert spoken(live.take(told(10))) == []
    lost = live.take(told(20, power="dc"))
    assert spoken(lost) == [("substation_power_loss", "raised")]
    assert lost.events[0].subject_id == str(KEY)
    unknown = spoken(live.take(told(30, power="unknown")))
    assert unknown == [("no_data", "raised"), ("substation_power_loss", "unknown")]
    back = spoken(live.take(told(40)))
    assert set(back) >= {("no_data", "cleared"), ("substation_power_loss", "cleared")}
    gone = spoken(live.take(told(50, run="communication_break", power="unknown")))
    assert ("substation_not_reachable", "raised") in gone
    back = spoken(live.take(told(60)))
    assert ("substation_not_reachable", "cleared") in back


@pytest.mark.parametrize("code", ["9", ""])
def test_a_power_state_that_is_never_told_is_no_alarm(code: str) -> None:
    """Its run state alone is judged, by the profile; a power state told all the same
    counts, and of one that tells neither there is no data."""
    codes = (("0", "dc"), ("1", "ac"), ("2", "fault"), (code, "untold"))
    by_mine = {MINE: Profile(power_codes=codes)}
    live = Live(profiles=Profiles(by_mine=by_mine))
    live.take(points(1))
    live.take(packet("FZDY", 2, station()))

    def untold(second: float, run: str = "normal", power: str = "untold") -> Packet:
        state = SubstationState(SubstationCode(MINE, "001"), run, power, at(second))
        return packet("FZSS", second, state, profile=by_mine[MINE])

    quiet = live.take(untold(10))
    assert spoken(quiet) == []
    assert quiet.batches[0].value.tolist() == [UNTOLD]
    lost = spoken(live.take(untold(20, "communication_break")))
    assert lost == [("substation_not_reachable", "raised")]
    back = spoken(live.take(untold(30)))
    assert back == [("substation_not_reachable", "cleared")]
    assert spoken(live.take(untold(40, "unknown"))) == [("no_data", "raised")]
    assert spoken(live.take(untold(50))) == [("no_data", "cleared")]
    dark = spoken(live.take(untold(60, power="fault")))
    assert dark == [("substation_power_loss", "raised")]
    over = spoken(live.take(untold(70)))
    assert over == [("substation_power_loss", "cleared")]


def test_a_file_of_states_is_a_frame_beside_readings() -> None:
    """In order with CDSS files, stored as readings with the value's meaning."""
    live = Live()
    live.take(points(1))
    live.take(packet("FZDY", 2, station()))
    reading = Reading(GAS, value=0.4, at_us=at(9))
    judged = live.take(packet("CDSS", 10, reading), told(10, power="fault"))
    (batch,) = judged.batches
    assert [frame.key.boot for frame in batch.frames] == ["file", "file"]
    assert sorted(batch.value.tolist()) == [0.0, 0.4]
    assert judged.rejects == []
    assert np.all(batch.state == 0)


def test_states_of_a_substation_that_nobody_defined_are_judged() -> None:
    """As any point that only sends."""
    live = Live()
    live.take(points(1))
    assert spoken(live.take(told(10, power="dc"))) == [
        ("substation_power_loss", "raised")
    ]

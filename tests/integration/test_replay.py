"""``gasmon replay``: a made-up series offline, and over MQTT to a running system."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gasmon import cli
from gasmon.alarms.rules import default_rules
from gasmon.embedded.process import free_port
from gasmon.units import iso_us, parse_iso_us
from tests.integration.test_pipeline import Plant, paired

__all__ = ["paired"]

START = "2026-03-01T08:00:00+08:00"
START_US = parse_iso_us(START)
STEP_S = 15
MINE = "530627004499"

Rows = Sequence[tuple[object, ...]]

LIMITS = ("over_limit", "cut_off")
"""The kinds that these series are about; how values move has tests of its own."""


def ramp(n: int, first_high: int, n_high: int, high: float = 1.2) -> list[float]:
    """A quiet series that is above the limit for a while."""
    return [high if first_high <= i < first_high + n_high else 0.2 for i in range(n)]


class Replay:
    """Runs the command on a series and keeps what it told."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.summary: dict[str, Any] = {}
        self.err = ""

    def write(self, header: str, rows: Rows, name: str = "series.csv") -> Path:
        path = self.folder / name
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def series(self, *columns: Sequence[object], step_s: float = STEP_S) -> Path:
        """Columns A, B, … with the seconds since the start."""
        names = ",".join("ABC"[: len(columns)])
        rows = [
            (i * step_s, *cells) for i, cells in enumerate(zip(*columns, strict=True))
        ]
        return self.write(f"t,{names}", rows)

    def code(self, path: Path, *flags: str, start: bool = True) -> int:
        """Exit code of the command with the usual flags."""
        begin = ("--start", START) if start else ()
        return cli.main(["replay", str(path), "--time-column", "t", *begin, *flags])

    def events(self, path: Path, *flags: str, start: bool = True) -> list[Any]:
        """Events of a replay that must succeed."""
        code = self.code(path, *(flags or ("--point", "A=CH4:FACE_T2")), start=start)
        captured = self._capsys.readouterr()
        assert code == 0, captured.err
        self.summary = json.loads(captured.err)
        return [json.loads(line) for line in captured.out.splitlines()]

    def refused(self, path: Path, *flags: str, start: bool = True) -> str:
        """The error of a replay that must be refused as wrong usage."""
        assert self.code(path, *flags, start=start) == 2
        return self._capsys.readouterr().err


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Replay:
    """The command in a folder of its own."""
    return Replay(tmp_path, capsys)


def of_limits(events: Sequence[Any]) -> list[Any]:
    """Those of the kinds that compare a value with a limit."""
    return [e for e in events if e["kind"] in LIMITS]


def told(events: Sequence[Any]) -> list[tuple[str, str, float]]:
    """(kind, event, seconds since the start) of each event."""
    return [
        (e["kind"], e["event"], (parse_iso_us(e["happened_at"]) - START_US) / 1e6)
        for e in events
    ]


def test_events_are_those_of_a_live_system(replay: Replay) -> None:
    """Crossings are found at their own times, in the words of the stream."""
    path = replay.series(ramp(40, 10, 4))
    everything = replay.events(path)
    events = of_limits(everything)
    assert told(events) == [
        ("over_limit", "raised", 150),
        ("cut_off", "raised", 150),
        ("over_limit", "cleared", 210),
        ("cut_off", "cleared", 210),
    ]
    raised = events[0]
    assert raised["run"] == 0
    assert raised["value"] == 1.2
    assert raised["limit"] == 1.0
    assert raised["quantity"] == "CH4"
    assert raised["text"]["zh"]
    assert raised["text"]["en"]
    assert raised["decided_at"] == raised["arrived_at"] == raised["happened_at"]
    ids = {(e["kind"], e["alarm_id"]) for e in events}
    assert ids == {("over_limit", 1), ("cut_off", 2)}
    assert len({e["id"] for e in everything}) == len(everything)


def test_the_summary_counts_everything(replay: Replay) -> None:
    """Rows, readings, span, events and refusals, on stderr, as one JSON object."""
    values: list[object] = list(ramp(40, 10, 4))
    values[3:6] = ["abc", -3, "NaN"]
    path = replay.series(values)
    replay.events(path)
    summary = replay.summary
    assert (summary["rows"], summary["readings"]) == (40, 40)
    assert summary["from"] == iso_us(START_US)
    assert summary["to"] == iso_us(START_US + 39 * STEP_S * 1_000_000)
    kinds = (*LIMITS, "sensor_break")
    counts = {k: n for k, n in summary["events"].items() if k.startswith(kinds)}
    assert counts == {
        f"{kind}/{event}": 1 for kind in kinds for event in ("cleared", "raised")
    }
    assert sum(summary["rejected"].values()) == 2
    assert set(summary["rejected"]) == {"text_for_number", "negative_concentration"}
    assert "abc" in summary["first_reject"]


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "null", "None", "?", "-", "inf"])
def test_no_value_is_not_zero(replay: Replay, cell: str) -> None:
    """What a recorder writes for "no value" is unknown, no clearing."""
    values: list[object] = list(ramp(20, 10, 4))
    values[12] = cell
    events = replay.events(replay.series(values))
    assert ("over_limit", "cleared", 210) in told(events)
    assert [e["event"] for e in events if e["kind"] == "over_limit"] == [
        "raised",
        "unknown",
        "known",
        "cleared",
    ]
    breaks = [e for e in told(events) if e[0] == "sensor_break"]
    assert breaks == [("sensor_break", "raised", 180), ("sensor_break", "cleared", 195)]


def test_a_gap_is_silence(replay: Replay) -> None:
    """Nothing for longer than is patient: the link broke, and came back."""
    rows = [(i * STEP_S + (3600 if i >= 20 else 0), 0.2) for i in range(40)]
    events = replay.events(replay.write("t,A", rows))
    kinds = [(e["kind"], e["event"]) for e in events]
    assert kinds == [("link_break", "raised"), ("link_break", "cleared")]


def test_a_slow_series_is_not_silent(replay: Replay) -> None:
    """One row in ten minutes is this series' usual pace."""
    events = replay.events(replay.series(ramp(40, 10, 4), step_s=600))
    assert {e["kind"] for e in events} <= {"over_limit", "cut_off"}


def test_until_stops_before(replay: Replay) -> None:
    """Seconds or a time; the row at that moment is not read any more."""
    path = replay.series(ramp(40, 10, 4))
    flags = ("--point", "A=CH4:FACE_T2", "--until")
    assert replay.events(path, *flags, "150") == []
    assert replay.summary["rows"] == 10
    assert len(replay.events(path, *flags, "151")) == 2
    moment = iso_us(START_US + 151 * 1_000_000)
    assert len(replay.events(path, *flags, moment)) == 2


def test_what_came_later_changes_nothing_before(replay: Replay) -> None:
    """Every prefix of a series tells a prefix of the events."""
    path = replay.series(ramp(60, 10, 4), ramp(60, 30, 10, 2.0))
    flags = ("--point", "A=CH4:FACE_T2", "--point", "B=CH4:FACE_T0")
    whole = replay.events(path, *flags)
    assert len(of_limits(whole)) == 8
    for n in (0, 11, 15, 31, 45, 60):
        part = replay.events(path, *flags, "--until", str(n * STEP_S))
        assert part == whole[: len(part)]


def test_several_columns_of_one_unit_share_an_incident(replay: Replay) -> None:
    """Points of one face are one incident; another place has its own."""
    path = replay.series(ramp(40, 10, 4), ramp(40, 11, 4), ramp(40, 12, 4))
    events = replay.events(
        path,
        *("--point", "A=CH4:FACE_T2:11", "--point", "B=CH4:FACE_T0:11"),
        *("--point", "C=CH4:HEADING_T2:12"),
    )
    units: dict[str, set[int]] = {}
    for event in of_limits(events):
        units.setdefault(event["unit"], set()).add(event["incident_id"])
    assert {unit: len(ids) for unit, ids in units.items()} == {"11": 1, "12": 1}
    assert units["11"] != units["12"]


def test_rules_of_the_site_are_used(replay: Replay, tmp_path: Path) -> None:
    """A rule file may be stricter than the law; a looser one is named with its line."""
    site = tmp_path / "site.toml"
    path = replay.series(ramp(40, 10, 4))
    flags = ("--point", "A=CH4:FACE_T2", "--rules", str(site))
    rule = (
        '[[rule]]\nname = "tight"\nkind = "over_limit"\n'
        'match = { quantity = ["CH4"], place_class = ["FACE_T2"] }\n'
        "with = { alarm_high = %s }\n"
    )
    site.write_text(rule % "0.8", "utf-8")
    (first, *_) = (e for e in replay.events(path, *flags) if e["kind"] == "over_limit")
    assert (first["limit"], first["rule"]) == (0.8, "rule:tight")
    site.write_text(rule % "2.5", "utf-8")
    error = replay.refused(path, *flags)
    assert "site.toml:5: rule tight: alarm_high 2.5 is looser than the law's" in error
    site.unlink()
    assert "No such file" in replay.refused(path, *flags)


def test_times_may_be_iso_or_seconds(replay: Replay) -> None:
    """ISO times need no start; rows whose time cannot be read are counted."""
    values = ramp(40, 10, 4)
    rows: list[tuple[object, ...]] = [
        (iso_us(START_US + i * STEP_S * 1_000_000), value)
        for i, value in enumerate(values)
    ]
    rows[5] = ("yesterday", 9.9)
    rows[6] = ("NaN", 9.9)
    rows.insert(7, ())
    path = replay.write("t,A", rows)
    events = replay.events(path, "--point", "A=CH4:FACE_T2", start=False)
    assert told(events)[0] == ("over_limit", "raised", 150)
    assert replay.summary["bad_times"] == 2
    assert replay.summary["first_bad_time"] == "t = 'yesterday'"
    assert replay.summary["rows"] == 38


def test_short_rows_have_no_value(replay: Replay) -> None:
    """A torn line costs its own cells alone."""
    path = replay.write("t,A,B", [(0, 0.2, 0.2), (15, 0.2), (30,), (45, 1.2, 0.2)])
    flags = ("--point", "A=CH4:FACE_T2", "--point", "B=CH4:FACE_T2")
    events = replay.events(path, *flags)
    assert ("over_limit", "raised", 45) in told(events)
    assert replay.summary["readings"] == 8
    assert replay.summary["events"]["sensor_break/raised"] == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "at least one --point"),
        (("--point", "Z=CH4:FACE_T2"), "no column 'Z'; it has t, A"),
        (("--point", "A=CH5:FACE_T2"), "unknown quantity 'CH5'; known are"),
        (("--point", "A=CH4:ROOF"), "unknown place class 'ROOF'; known are"),
        (("--point", "A"), "COLUMN=QUANTITY:PLACE_CLASS"),
        (("--point", "A=CH4:FACE_T2:1:2"), "COLUMN=QUANTITY:PLACE_CLASS"),
        (("--point", "A=CH4", "--point", "A=CO"), "column 'A' is named twice"),
        (("--point", "A=CH4", "--mine", "530627"), "--mine 530627: 12 digits"),
        (("--point", "A=CH4", "--until", "soon"), "--until soon: a time in ISO 8601"),
        (("--point", "A=CH4", "--publish", "--speed", "0"), "--speed 0: more than 0"),
    ],
)
def test_wrong_flags_are_exit_2_and_named(
    replay: Replay, flags: tuple[str, ...], words: str
) -> None:
    """Every mistake of the operator names the flag, the value and what is known."""
    assert words in replay.refused(replay.series([0.1, 0.2]), *flags)


def test_wrong_files_are_exit_2_and_named(replay: Replay, tmp_path: Path) -> None:
    """No file, an empty one, none of the columns, seconds without a start."""
    point = ("--point", "A=CH4:FACE_T2")
    assert "No such file" in replay.refused(tmp_path / "none.csv", *point)
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert "is empty" in replay.refused(empty, *point)
    other = replay.write("time,A", [(0, 1)], "other.csv")
    assert "no column 't'; it has time, A" in replay.refused(other, *point)
    path = replay.series([0.1, 0.2])
    assert "--start says when" in replay.refused(path, *point, start=False)
    assert "--start later" in replay.refused(path, *point, "--start", "later")
    assert "need --start" in replay.refused(path, *point, "--until", "5", start=False)


def test_nobody_to_publish_to_is_exit_3(
    replay: Replay, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broker that is not there is a missing dependency, named by its address."""
    port = free_port()
    flags = ("--point", "A=CH4", "--publish", "--set", f"mqtt.port={port}")
    assert replay.code(replay.series([0.1, 0.2]), *flags) == 3
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.fixture
def published(
    replay: Replay, paired: Plant, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[Any]]:
    """A function that publishes a series to a running system: its events."""
    paired.rules = default_rules()
    paired.start()

    def publish(path: Path, n_frames: int, *flags: str) -> list[Any]:
        mqtt = ("--set", f"mqtt.host={paired.broker.host}")
        mqtt += ("--set", f"mqtt.port={paired.broker.port}")
        assert replay.code(path, "--publish", "--mine", MINE, *mqtt, *flags) == 0
        told = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert told == {"published": n_frames, "mine": MINE}
        paired.stored(n_frames)
        rows = paired.ask("SELECT body FROM outbox ORDER BY seq")
        return [json.loads(row[0]) for row in rows]

    return publish


def named(events: Sequence[Any]) -> list[tuple[str, str, str, str | None]]:
    """What an event is, without its times; goodbye at the end left out."""
    return sorted(
        (e["point"], e["kind"], e["event"], e["level"])
        for e in events
        if e["kind"] != "link_break" and e["event"] in ("raised", "level", "cleared")
    )


@pytest.mark.slow
def test_published_now_it_makes_the_same_alarms(
    replay: Replay, published: Callable[..., list[Any]]
) -> None:
    """Re-stamped with the moment of sending, kinds and levels are the offline ones."""
    path = replay.series(ramp(60, 10, 4), ramp(60, 30, 10, 3.5))
    points = ("--point", "A=CH4:FACE_T2:11", "--point", "B=CH4:FACE_T0:11")
    offline = replay.events(path, "--mine", MINE, *points)
    # Sent in a moment, the values rise and return in another time than in the file.
    live = of_limits(published(path, 60, *points, "--speed", "1000"))
    assert named(live) == named(of_limits(offline))
    assert len(named(live)) == 8
    assert all(e["raised_at"] > iso_us(START_US + 86_400_000_000) for e in live)


@pytest.mark.slow
def test_published_with_its_own_times_it_is_the_same_story(
    replay: Replay, published: Callable[..., list[Any]]
) -> None:
    """With --times original the times are the offline ones; levels may be higher.

    The system's own clock is months ahead, so what is open counts as open for long.
    """
    path = replay.series(ramp(60, 10, 4), ramp(60, 30, 10, 3.5))
    points = ("--point", "A=CH4:FACE_T2:11", "--point", "B=CH4:FACE_T0:11")
    offline = replay.events(path, "--mine", MINE, *points)
    live = published(path, 60, *points, "--speed", "1000", "--times", "original")

    def exact(events: Sequence[Any]) -> set[tuple[Any, ...]]:
        return {
            (e["point"], e["kind"], e["event"], e["raised_at"], e["happened_at"])
            for e in events
            if e["kind"] != "link_break" and e["event"] in ("raised", "cleared")
        }

    assert exact(live) == exact(offline)
    assert len(exact(of_limits(live))) == 8


def test_versions_of_the_rules_count_from_their_own_time(
    replay: Replay, tmp_path: Path
) -> None:
    """Given twice, ``--rules`` judges each reading by what was in force then."""
    strict = (
        '[[rule]]\nkind = "over_limit"\nmatch = { quantity = ["CH4"] }\n'
        "with = { alarm_high = 0.8, clear_high = 0.8 }\n"
    )
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text("", "utf-8")
    new.write_text(f'effective_from = "{iso_us(START_US + 165_000_000)}"\n{strict}')
    path = replay.series([0.9] * 20)
    versions = ("--rules", str(old), "--rules", str(new))
    events = of_limits(replay.events(path, "--point", "A=CH4:FACE_T2", *versions))
    assert told(events) == [("over_limit", "raised", 165)]


def test_crossings_that_begin_no_alarm_are_told_when_asked_for(replay: Replay) -> None:
    """One line each, with what held it; the summary counts them in any case."""
    rules = replay.folder / "slow.toml"
    rules.write_text('[delays]\non = "5min"\n', "utf-8")
    path = replay.series(ramp(40, 10, 4))
    flags = ("--point", "A=CH4:FACE_T2", "--rules", str(rules))
    assert of_limits(replay.events(path, *flags)) == []
    assert replay.summary["crossings"] == {
        "cut_off/on_delay": 1,
        "over_limit/on_delay": 1,
    }
    events = of_limits(replay.events(path, *flags, "--crossings"))
    assert told(events) == [
        ("over_limit", "crossed", 150),
        ("cut_off", "crossed", 150),
    ]
    assert (events[0]["value"], events[0]["limit"]) == (1.2, 1.0)
    assert (events[0]["held_by"], events[0]["late"]) == ("on_delay", False)

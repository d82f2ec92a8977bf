"""Places that a person decides: the list, the ruling, and that ingest judges by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from gasmon import cli
from gasmon.pipeline.persist import Writer
from gasmon.points import PointKey
from gasmon.remote.frames import encode_body
from gasmon.settings import StorageSettings
from gasmon.store import db, place_rulings
from gasmon.store.partitions import open_partitions
from gasmon.store.points import load_point_versions
from tests.fix_pipeline import CH4, MINE, Live, at, defined, frame, spoken

Connect = Callable[[], db.Connection]
KEY = PointKey(MINE, "01", "001A01")

PLAIN = replace(
    CH4,
    place_class="",
    place="11121工作面",
    alarm_high=None,
    clear_high=None,
    cut_high=None,
    restore_high=None,
)
"""Methane with no limits of its own, somewhere in a face, or in its roadway."""

SOMEWHERE = replace(PLAIN, no="002A01", place="三号硐室旁")
TOLD = replace(
    PLAIN, no="003A01", place="11121采煤工作面回风隅角T0", place_class="FACE_T2"
)


class Site:
    """An evaluator and what it stores, with a command line beside it."""

    def __init__(self, connect: Connect, dsn: str) -> None:
        self.conn, self.dsn = connect(), dsn
        self.live = Live()
        partitions = open_partitions(self.conn, StorageSettings())
        self.writer = Writer(
            self.conn, self.live.book, partitions, encode_body,
            owner="test", fencing=dict, scope="*",
        )  # fmt: skip
        self.second = 0

    def take(self, *packets: object) -> list[tuple[str, str]]:
        """A turn, stored; what was said in it."""
        self.second += 1
        judged = self.live.take(*packets, marks=() if packets else [self.second])  # type: ignore[arg-type]
        self.writer.persist(judged, at(self.second))
        return spoken(judged)

    def hear(self) -> None:
        """What ``windows`` does every two seconds."""
        self.live.book.rulings = place_rulings.in_force(self.conn)
        self.conn.commit()


@pytest.fixture
def site(
    store_connect: Connect, migrated_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> Site:
    """A mine with three points."""
    monkeypatch.setenv("GASMON_DATABASE__URL", migrated_dsn)
    made = Site(store_connect, migrated_dsn)
    made.take(defined(PLAIN, SOMEWHERE, TOLD, second=1))
    return made


def listed(
    capsys: pytest.CaptureFixture[str], *flags: str
) -> dict[str, dict[str, object]]:
    """The list as JSON, by number."""
    capsys.readouterr()
    assert cli.main(["mines", "places", "--json", *flags]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    return {item["point"]: item for item in items}


def test_what_a_person_should_decide(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unclear texts, and classes that the text contradicts; with guess and reason."""
    found = listed(capsys, "--undecided")
    assert {no: item["why"] for no, item in found.items()} == {
        "001A01": "unclear",
        "002A01": "unclear",
        "003A01": "contradicts",
    }
    assert found["003A01"]["suggested"] == "FACE_T0"
    assert cli.main(["mines", "places", "--undecided", "--mine", MINE]) == 0
    assert "不明确" in capsys.readouterr().out
    assert listed(capsys, "--area", "zhaoyang") == {}


def test_a_ruling_counts_at_once_and_is_kept(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Judged by the new class, logged old → new, kept over the next definition."""
    site.take(frame(1, [("001A01", 0.3, 0)], second=2))
    rule = ["mines", "places", "--rule", str(KEY), "FACE_T0", "--reason", "现场核实"]
    assert cli.main(rule) == 0
    site.hear()
    site.take()
    assert site.live.book.table.current[0].place_class == "FACE_T0"
    assert "001A01" not in listed(capsys, "--undecided")
    changes = site.conn.execute(
        "SELECT old_value, new_value FROM point_change WHERE attribute = 'place_class'"
    ).fetchall()
    assert changes == [(None, "FACE_T0")]
    audited = site.conn.execute(
        "SELECT subject FROM audit WHERE action = 'place.rule'"
    ).fetchall()
    assert audited == [(str(KEY),)]
    site.conn.commit()
    # The mine tells its definitions again, with another limit, and knows no class.
    site.take(defined(replace(PLAIN, uom="%CH4"), SOMEWHERE, TOLD, rev=2, second=3))
    current = site.live.book.table.current[0]
    assert (current.place_class, current.uom) == ("FACE_T0", "%CH4")
    newest = load_point_versions(site.conn, MINE)
    assert {p.key.no: p.place_class for p in newest}["001A01"] == "FACE_T0"
    site.conn.commit()
    item = listed(capsys)["001A01"]
    assert isinstance(item["ruling"], dict)
    assert item["ruling"]["reason"] == "现场核实"


def test_a_looser_class_takes_two_people(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a class that was told, also by way of none; not so of a stricter one."""
    rule = ["mines", "places", "--rule", f"{MINE}-01-003A01"]
    why = ["--reason", "现场核实"]
    assert cli.main([*rule, "COAL_BUNKER", *why]) == 1
    assert "gasmon change propose --place-class COAL_BUNKER" in capsys.readouterr().err
    assert cli.main([*rule, "none", *why]) == 0
    site.hear()
    site.take()
    assert cli.main([*rule, "COAL_BUNKER", *why]) == 1
    assert cli.main([*rule, "FACE_T3", *why]) == 0


def test_a_text_that_changes_is_asked_again(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ruling goes on, and a person looks whether it still is right."""
    rule = ["mines", "places", "--rule", str(KEY), "none", "--reason", "井口"]
    assert cli.main(rule) == 0
    site.hear()
    moved = replace(PLAIN, place="11122采煤工作面回风巷")
    site.take(defined(moved, SOMEWHERE, TOLD, rev=2, second=3))
    assert site.live.book.table.current[0].place_class is None
    assert listed(capsys, "--undecided")["001A01"]["why"] == "text_changed"
    assert cli.main([*rule[:4], "text", "--reason", "按文字"]) == 0
    site.hear()
    assert site.live.book.rulings == {}
    site.take()
    told = replace(moved, place_class="FACE_T2")
    site.take(defined(told, SOMEWHERE, TOLD, rev=3, second=4))
    assert site.live.book.table.current[0].place_class == "FACE_T2"


def test_a_class_changes_what_is_judged(site: Site) -> None:
    """Total return is limited at 0.75 %, a face's return at 1.0 %."""
    ruled = {KEY: "TOTAL_RETURN", PointKey(MINE, "01", "003A01"): "FACE_T1"}
    site.live.book.rulings = ruled
    site.take()
    first = site.take(frame(1, [("001A01", 0.8, 0), ("003A01", 0.8, 0)], second=5))
    assert [kind for kind, event in first if event == "raised"] == ["over_limit"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--rule", str(KEY), "FACE_T0"],
        ["--rule", str(KEY), "FACE_T9", "--reason", "x"],
        ["--rule", "001A01", "FACE_T0", "--reason", "x"],
        ["--reason", "x"],
        ["--area", "nowhere"],
    ],
)
def test_wrong_use_is_one_clear_line(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a reason, an unknown class, point or area."""
    assert cli.main(["mines", "places", *flags]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_point_that_nobody_defined_cannot_be_ruled(site: Site) -> None:
    """It is said, and nothing is written."""
    unknown = f"{MINE}-01-999A99"
    assert (
        cli.main(["mines", "places", "--rule", unknown, "none", "--reason", "x"]) == 1
    )
    row = site.conn.execute("SELECT count(*) FROM place_ruling").fetchone()
    assert row == (0,)
    site.conn.commit()

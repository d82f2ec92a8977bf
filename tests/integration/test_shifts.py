"""Shifts and hand-overs on a real database: people, signatures, reminders, load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import psycopg
import pytest

from gasmon.errors import BadRequest, Forbidden, NotFound, StateConflict
from gasmon.remote.frames import encode_body
from gasmon.settings import DatabaseSettings
from gasmon.shifts.calendar import Assignment
from gasmon.shifts.posts import Post
from gasmon.shifts.slots import parse_slots
from gasmon.store import (
    access,
    alarms,
    audit,
    db,
    handover_views,
    handovers,
    shift_calendars,
    shift_presence,
    shift_views,
)
from gasmon.store.access import Principal
from gasmon.store.audit import BY_OPERATOR
from gasmon.store.handover_views import Wanted
from gasmon.store.scope import Scope
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, iso_us, parse_iso_us
from tests.fix_api import MINE_Z, SUIJIANG, ZHENXIONG, World

COUNTY = Post("county", ZHENXIONG)
ALL = Scope(None, None)
DAY = date(2026, 11, 27)


def at(text: str) -> int:
    """A moment in Beijing time [µs UTC]."""
    return parse_iso_us(f"2026-11-{text}")


@dataclass
class Room:
    """A county's dispatch room with two officers, at times of a test's own."""

    world: World
    conn: db.Connection
    li: Principal
    wang: Principal

    def on(self, who: Principal, text: str) -> str:
        """Sign on; gives the shift."""
        return str(shift_presence.sign_on(self.conn, COUNTY, who, at(text)))

    def now(self, text: str) -> dict[str, Any]:
        """What the post looks like."""
        (row,) = shift_presence.posts_now(self.conn, ALL, at(text), COUNTY)
        return row

    def open(self, who: Principal, text: str, which: str = "now") -> int:
        """Open a hand-over."""
        return handovers.open_handover(self.conn, COUNTY, which, who, at(text))

    def act(
        self, number: int, who: Principal, action: str, text: str, note: str = ""
    ) -> None:
        """Do something with it."""
        handovers.act(self.conn, number, action, note, who, at(text))

    def shown(self, number: int, text: str) -> dict[str, Any]:
        """The hand-over as people see it."""
        return handover_views.shown(self.conn, number, ALL, at(text))


def person(world: World, name: str, **rights: Any) -> Principal:
    """A user who can act."""
    token = access.create_token(
        world.conn,
        name=name,
        now_us=world.now_us,
        may="act",
        **{"role": "county_officer", "areas": [ZHENXIONG], "mines": None, **rights},
    )
    world.tokens[name] = token
    row = world.conn.execute(
        "SELECT principal_id, name, role, areas, mines FROM principal WHERE name = %s",
        (name,),
    ).fetchone()
    world.conn.commit()
    assert row is not None
    number, name, role, areas, mines = row
    return Principal(number, name, role, areas and tuple(areas), mines and tuple(mines))  # type: ignore[arg-type]


@pytest.fixture
def room(both_world: World) -> Iterator[Room]:
    """Two shifts of 12 h from 27 November on."""
    world = both_world
    people = person(world, "李"), person(world, "王")
    database = DatabaseSettings(url=world.dsn)
    with db.connect(database, autocommit=True) as conn:
        shift_calendars.set_slots(
            conn,
            COUNTY,
            parse_slots("two-12h 08:00"),
            BY_OPERATOR,
            from_day=DAY,
            now_us=at("27T07:00"),
        )
        yield Room(world, conn, *people)


def test_signing_on_and_off(room: Room) -> None:
    """The present shift, in its last hour the next one; once each."""
    assert room.on(room.li, "27T08:05") == "2026-11-27 白班"
    with pytest.raises(StateConflict, match="'李' is signed on already"):
        room.on(room.li, "27T09:00")
    assert [one["name"] for one in room.now("27T12:00")["signed_on"]] == ["李"]
    assert room.on(room.li, "27T19:30") == "2026-11-27 夜班"
    assert shift_presence.sign_off(room.conn, COUNTY, room.li, at("27T19:40")) == 2
    assert room.now("27T19:41")["signed_on"] == []
    with pytest.raises(StateConflict, match="'李' is not signed on"):
        shift_presence.sign_off(room.conn, COUNTY, room.li, at("27T19:42"))
    # Whoever left may come back.
    assert room.on(room.li, "27T19:45") == "2026-11-27 白班"
    rows, _ = audit.rows(room.conn, ALL, audit.Wanted(action="shift"))
    assert [row["action"] for row in reversed(rows)][:3] == [
        "shift.pattern",
        "shift.sign_on",
        "shift.sign_on",
    ]


def test_who_forgets_to_sign_off_is_not_there_for_ever(room: Room) -> None:
    """An hour past the end; signing on to the next day is possible."""
    room.on(room.li, "27T08:05")
    assert len(room.now("27T20:59")["signed_on"]) == 1
    assert room.now("27T21:00")["signed_on"] == []
    assert room.on(room.li, "28T08:00") == "2026-11-28 白班"
    shift_presence.sign_off(room.conn, COUNTY, room.li, at("28T20:00"))
    row = room.conn.execute(
        "SELECT signed_off_at FROM shift_presence ORDER BY presence_id LIMIT 1"
    ).fetchone()
    assert row is not None
    assert iso_us(at("27T21:00"))[:16] in iso_us(shift_us(row[0]))


def shift_us(moment: Any) -> int:
    """A table's time [µs UTC]."""
    return round(moment.timestamp() * 1_000_000)


def test_assigned_people_and_their_substitutes(room: Room) -> None:
    """Who is assigned to the next shift signs on to it in the hour before."""

    def assign(name: str, shift: str, **more: Any) -> int:
        return shift_calendars.assign(
            room.conn,
            COUNTY,
            Assignment(name, shift, DAY, **more),
            "",
            BY_OPERATOR,
            now_us=at("27T07:00"),
        )

    assign("李", "白班")
    assign("王", "夜班")
    number = assign("李", "夜班", until_day=DAY, instead_of="王")
    row = room.now("27T08:00")
    assert (row["assigned"], row["assigned_next"]) == (["李"], ["李"])
    shift_calendars.unassign(
        room.conn, COUNTY, number, BY_OPERATOR, now_us=at("27T09:00")
    )
    assert room.now("27T09:00")["assigned_next"] == ["王"]
    assert room.on(room.wang, "27T19:10") == "2026-11-27 夜班"
    with pytest.raises(NotFound, match=f"no assignment {number}"):
        shift_calendars.unassign(
            room.conn, COUNTY, number, BY_OPERATOR, now_us=at("27T09:00")
        )
    with pytest.raises(NotFound, match="no user 'nobody'"):
        assign("nobody", "白班")
    with pytest.raises(StateConflict, match="'dispatcher' is mine_dispatcher"):
        assign("dispatcher", "白班")
    with pytest.raises(StateConflict, match="2026-11-27 is over"):
        shift_calendars.assign(
            room.conn,
            COUNTY,
            Assignment("李", "白班", DAY),
            "",
            BY_OPERATOR,
            now_us=at("29T07:00"),
        )
    shown = shift_views.calendar_shown(room.conn, COUNTY, ALL, DAY, 1, at("27T09:00"))
    assert [(s["name"], s["assigned"]) for s in shown["shifts"]] == [
        ("白班", ["李"]),
        ("夜班", ["王"]),
    ]


def test_two_people_hand_a_shift_over(room: Room) -> None:
    """Note, signature, refusal, note, signature, acceptance; then it is done."""
    room.on(room.li, "27T08:00")
    number = room.open(room.li, "27T12:00")
    assert room.open(room.li, "27T13:00") == number
    with pytest.raises(StateConflict, match="it is signed in its last hour or later"):
        room.act(number, room.li, "sign", "27T18:59")
    with pytest.raises(BadRequest, match="note: a text is wanted"):
        room.act(number, room.li, "note", "27T19:00", " ")
    room.act(number, room.li, "note", "27T19:00", "1号煤矿检修主扇")
    room.act(number, room.li, "sign", "27T19:30")
    with pytest.raises(StateConflict, match="not signed on to a shift after it"):
        room.act(number, room.wang, "accept", "27T19:40")
    room.on(room.wang, "27T19:45")  # the day shift: nobody assigned him
    room.on(room.wang, "27T19:46")
    room.act(number, room.wang, "refuse", "27T19:50", "缺瓦斯超限说明")
    shown = room.shown(number, "27T19:55")
    assert (shown["state"], shown["unsigned"]) == ("refused", False)
    room.act(number, room.li, "note", "27T20:02", "11121工作面已处置")
    room.act(number, room.li, "sign", "27T20:03", "补充完毕")
    room.act(number, room.wang, "accept", "27T20:05")
    shown = room.shown(number, "28T12:00")
    assert shown["state"] == "accepted"
    assert (shown["outgoing"]["by"], shown["incoming"]["by"]) == ("李", "王")
    assert shown["outgoing"]["fingerprint"] == shown["incoming"]["fingerprint"]
    assert [note["text"] for note in shown["notes"]] == [
        "1号煤矿检修主扇",
        "11121工作面已处置",
    ]
    # What was signed is shown, not what is so a day later.
    assert shown["summary"]["at"] == iso_us(at("27T20:03"))
    assert shown["on_duty"] == ["李", "王"]
    for action in ("note", "sign", "accept", "refuse"):
        with pytest.raises(StateConflict, match="交接已完成"):
            room.act(number, room.li, action, "27T20:10", "?")
    rows, _ = audit.rows(room.conn, ALL, audit.Wanted(action="handover"))
    assert [(row["principal"], row["action"]) for row in reversed(rows)] == [
        ("李", "handover.note"),
        ("李", "handover.sign"),
        ("王", "handover.refuse"),
        ("李", "handover.note"),
        ("李", "handover.sign"),
        ("王", "handover.accept"),
    ]
    assert rows[0]["detail"]["fingerprint"] == shown["incoming"]["fingerprint"]


def test_the_same_person_never_signs_on_both_sides(room: Room) -> None:
    """Not by our rule, and not past it: the database refuses as well."""
    room.on(room.li, "27T08:00")
    room.on(room.li, "27T19:30")
    number = room.open(room.li, "27T19:31")
    room.act(number, room.li, "sign", "27T19:32")
    with pytest.raises(StateConflict, match="交班人与接班人不能是同一人"):
        room.act(number, room.li, "accept", "27T19:33")
    with pytest.raises(psycopg.errors.RaiseException, match="same person"):
        room.conn.execute(
            "INSERT INTO handover_record (handover_id, event, principal, at, note)"
            " VALUES (%s, 'accepted', '李', now(), '')",
            (number,),
        )
    for table in ("handover", "handover_record", "shift_calendar"):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            room.conn.execute(f"DELETE FROM {table}".encode())


def test_only_who_was_there_hands_over(room: Room) -> None:
    """Another officer of the same county was not; others see nothing or may not."""
    room.on(room.li, "27T08:00")
    number = room.open(room.li, "27T19:31")
    with pytest.raises(StateConflict, match="您未在该班次签到"):
        room.act(number, room.wang, "sign", "27T19:32")
    city = person(room.world, "市", role="city_officer", areas=["530600"])
    other = person(room.world, "绥", areas=[SUIJIANG])
    with pytest.raises(Forbidden, match="role city_officer has no duty"):
        room.act(number, city, "sign", "27T19:32")
    with pytest.raises(NotFound, match=f"no hand-over {number}"):
        room.act(number, other, "sign", "27T19:32")
    with pytest.raises(NotFound, match="no action 'burn'"):
        room.act(number, room.li, "burn", "27T19:32")
    with pytest.raises(StateConflict, match="has no shift before"):
        room.open(room.li, "27T09:00", "before")


def test_what_is_not_signed_is_shown_and_reminded_of(room: Room) -> None:
    """Opened by duty when it ends, after a quarter, then each hour, until accepted."""
    room.on(room.li, "27T08:00")
    assert handovers.remind(room.conn, at("27T19:59")) == []
    assert handovers.remind(room.conn, at("27T20:14")) == []
    (head,) = handover_views.listed(room.conn, ALL, Wanted(), at("27T20:14"))
    assert (head["state"], head["unsigned"], head["reminded_at"]) == (
        "open",
        True,
        None,
    )
    said = handovers.remind(room.conn, at("27T20:15"))
    assert said == ["county/530627 2026-11-27 白班: open"]
    assert handovers.remind(room.conn, at("27T21:14")) == []
    assert len(handovers.remind(room.conn, at("27T21:15"))) == 1
    # Duty was away for a day: nothing that ended meanwhile is missing.
    assert len(handovers.remind(room.conn, at("28T21:30"))) == 3
    number = head["handover_id"]
    assert room.open(room.li, "27T21:20", "before") == number
    room.on(room.wang, "27T21:20")
    room.act(number, room.li, "sign", "27T21:21")
    room.act(number, room.wang, "accept", "27T21:22")
    assert len(handovers.remind(room.conn, at("28T23:30"))) == 2
    # After a week nobody is reminded; it stays shown.
    handovers.remind(room.conn, at("29T08:30"))
    shown = room.shown(number + 1, "29T08:30")
    assert shown["unsigned"]
    assert shown["records"][-1]["event"] == "reminded"
    week_us = at("27T20:00") + 8 * US_PER_DAY
    assert all("11-27" not in words for words in handovers.remind(room.conn, week_us))


def test_what_was_before_the_calendar_is_nobodys(room: Room) -> None:
    """A night shift that ended before anybody set the calendar is not opened."""
    post = Post("county", SUIJIANG)
    shift_calendars.set_slots(
        room.conn,
        post,
        parse_slots("three-8h 08:00"),
        BY_OPERATOR,
        from_day=DAY,
        now_us=at("27T10:00"),
    )
    handovers.remind(room.conn, at("27T16:30"))
    wanted = Wanted(post.tier, post.place, unsigned=True)
    rows = handover_views.listed(room.conn, ALL, wanted, at("27T16:30"))
    assert [row["shift"]["name"] for row in rows] == ["早班"]
    assert handover_views.listed(room.conn, ALL, wanted, at("27T15:59")) == []


def tell(room: Room, text: str, **more: Any) -> None:
    """An alarm that is told at a time."""
    at_us = at(text)
    names = ("raised_at_us", "happened_at_us", "arrived_at_us", "decided_at_us")
    times = dict.fromkeys(names, at_us)
    event = room.world.event(**{"no": "001A01", **times, **more})
    with room.conn.transaction():
        alarms.record(room.conn, [event], encode_body, at_us)


def test_a_summary_tells_what_is_open_and_a_load_what_came(room: Room) -> None:
    """Counts, lists, silent mines; the load of each shift by when it was told."""
    room.on(room.li, "27T08:00")
    for minute in range(11):
        tell(room, f"27T10:{minute:02}", no=f"{minute:03}A09", rank=2)
    tell(room, "27T10:30", mine="530626000001")
    tell(room, "27T11:00", kind="forecast", rank=0, no="001A02")
    tell(room, "27T11:30", no="001A03", quiet="plan:1", planned=True)
    raised_us = at("27T10:00")
    tell(room, "27T12:00", event="cleared", no="000A09", raised_at_us=raised_us)
    number = room.open(room.li, "27T19:30")
    shown = room.shown(number, "27T19:30")
    counts = shown["summary"]["counts"]
    assert (counts["open"], counts["cleared_not_closed"]) == (11, 1)
    assert counts["open_by_rank"] == [0, 0, 11, 0, 0]
    assert counts["unconfirmed"] == 12
    assert counts["silent_mines"] == 0
    assert {row["mine"] for row in shown["summary"]["alarms"]} == {MINE_Z}
    load = shown["load"]
    assert (load["alarms"], load["peak_10min"]) == (11, 10)
    assert (load["standing"], load["unconfirmed"], load["stale"]) == (10, 11, 0)
    assert load["grade"] == "acceptable"
    loads = shift_views.loads_shown(room.conn, COUNTY, ALL, DAY, 2, at("28T10:30"))
    assert [
        (row["shift"]["name"], row["load"]["alarms"], row["load"]["stale"])
        for row in loads["items"]
    ] == [("白班", 11, 0), ("夜班", 0, 0), ("白班", 0, 10)]
    # Asked later, the first shift's figures are the same.
    assert loads["items"][0]["load"]["standing"] == 10


def test_shelves_plans_and_what_is_broken_stand_in_the_summary(room: Room) -> None:
    """Each in its own list, with its end and owner."""
    now_us = at("27T19:00")
    for kind, place in (("shelf", MINE_Z), ("plan", MINE_Z), ("plan", "530626000001")):
        room.conn.execute(
            "INSERT INTO quiet (kind, subject_type, subject_id, effective_from_us,"
            " until_us, rank_ceiling, reason, owner)"
            " VALUES (%s, 'mine', %s, %s, %s, 2, '检修', '李')",
            (kind, place, now_us - US_PER_H, now_us + US_PER_H),
        )
    room.conn.execute("UPDATE mine_latest SET online = false")
    room.conn.execute(
        "INSERT INTO channel_state (channel, kind, failing_since) VALUES"
        " ('phones', 'sms', now())"
    )
    room.on(room.li, "27T19:00")
    summary = room.shown(room.open(room.li, "27T19:00"), "27T19:00")["summary"]
    counts = summary["counts"]
    assert (counts["shelved"], counts["planned"]) == (1, 1)
    assert summary["planned"][0]["until"] == iso_us(now_us + US_PER_H)
    assert summary["planned"][0]["plan_id"] is None
    assert [mine["mine"][:6] for mine in summary["silent_mines"]] == [ZHENXIONG] * 2
    assert summary["failing_channels"] == ["phones"]


def test_a_plan_is_one_line_and_drills_stand_apart(room: Room) -> None:
    """Two points and two kinds are one plan; a drill's alarm is in no other count."""
    now_us = at("27T19:00")
    (plan_id,) = room.conn.execute(
        "INSERT INTO plan (mine_id, work, subjects, alarm_kinds, from_us, until_us,"
        " rank_ceiling, reason) SELECT mine_id, 'blasting', '{a}', '{b}', %s, %s, 2,"
        " '放炮' FROM mine WHERE code = %s RETURNING plan_id",
        (now_us - US_PER_H, now_us + US_PER_H, MINE_Z),
    ).fetchone() or (0,)
    for subject in ("01-001A01", "01-001A02"):
        for kind in ("over_limit", "cut_off"):
            room.conn.execute(
                "INSERT INTO quiet (kind, subject_type, subject_id, alarm_kind,"
                " plan_id, effective_from_us, until_us, rank_ceiling, reason, owner,"
                " approved_by) VALUES ('plan', 'point', %s, %s, %s, %s, %s, 2, '放炮',"
                " '赵', '李')",
                (f"{MINE_Z}-{subject}", kind, plan_id, now_us - 1, now_us + US_PER_H),
            )
    tell(room, "27T18:30", quiet=f"plan:{plan_id}", planned=True)
    tell(room, "27T18:31", no="001A02", run=7)
    room.on(room.li, "27T19:00")
    summary = room.shown(room.open(room.li, "27T19:00"), "27T19:00")["summary"]
    (plan,) = summary["planned"]
    assert plan["subjects"] == [f"{MINE_Z}-01-001A01", f"{MINE_Z}-01-001A02"]
    assert plan["alarm_kinds"] == ["cut_off", "over_limit"]
    assert (plan["work"], plan["approved_by"]) == ("blasting", "李")
    assert plan["quiet_alarms"] == 1
    assert [row["run"] for row in summary["drills"]] == [7]
    counts = summary["counts"]
    assert (counts["planned"], counts["drills"], counts["open"]) == (1, 1, 1)
    assert [row["run"] for row in summary["alarms"]] == [0]


def test_an_alarm_of_a_unit_is_told_by_its_name(room: Room) -> None:
    """What a summary shows as the place is what people call it."""
    event = replace(
        room.world.event(), subject_type="unit", subject_id=f"{MINE_Z}/u/11121",
        system=None, no=None,
    )  # fmt: skip
    with room.conn.transaction():
        alarms.record(room.conn, [event], encode_body, at("27T18:30"))
    room.on(room.li, "27T19:00")
    summary = room.shown(room.open(room.li, "27T19:00"), "27T19:00")["summary"]
    (row,) = summary["alarms"]
    assert row["place"].endswith("11121采煤工作面")


def test_a_calendar_changes_what_has_not_begun(room: Room) -> None:
    """A pattern from tomorrow, another tonight refused, one day, an end."""

    def put(text: str, day: date, now: str, *, only_day: bool = False) -> None:
        shift_calendars.set_slots(
            room.conn,
            COUNTY,
            parse_slots(text) if text else (),
            BY_OPERATOR,
            from_day=day,
            only_day=only_day,
            reason="换班",
            now_us=at(now),
        )

    put("three-8h 08:00", date(2026, 11, 29), "27T21:00")
    with pytest.raises(StateConflict, match="夜班 began at 2026-11-27T20:00"):
        put("two-12h 07:00", date(2026, 11, 28), "27T21:00")
    put("one-24h 08:00", date(2026, 11, 28), "27T21:00", only_day=True)
    assert room.now("28T12:00")["now"]["name"] == "全日班"
    assert room.now("29T01:00")["now"]["name"] == "夜班"
    put("", date(2026, 12, 1), "27T21:00")
    calendar = shift_calendars.calendar_of(room.conn, COUNTY)
    assert calendar.after(at("30T23:00") + US_PER_H + US_PER_MIN) is None
    near = shift_calendars.load_calendars(room.conn, at("30T12:00"))[COUNTY]
    days = date(2026, 11, 28), 5
    assert list(near.between(*days)) == list(calendar.between(*days))
    with pytest.raises(NotFound, match="no mine 530627999999"):
        shift_calendars.set_slots(
            room.conn,
            Post("mine", "530627999999"),
            parse_slots("one-24h 08:00"),
            BY_OPERATOR,
            from_day=DAY,
            now_us=at("27T07:00"),
        )

"""The life of an alarm over HTTP, on a real database: actions, records, refusals."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import psycopg
import pytest

from gasmon.alarms.rules import default_rules
from gasmon.clock import SystemClock
from gasmon.duty.jobs import jobs
from gasmon.settings import LifeSettings, Settings
from gasmon.store import db
from gasmon.units import US_PER_MIN, US_PER_S, to_datetime
from tests.fix_api import MINE_S, MINE_Z, World

FAR_US = 24 * 60 * US_PER_MIN


def do(client: httpx.Client, action: str, alarm_id: int = 1, **body: Any) -> Any:
    """One action; gives the answer."""
    return client.post(f"/api/v1/alarms/{alarm_id}/actions/{action}", json=body)


def done(client: httpx.Client, action: str, alarm_id: int = 1, **body: Any) -> Any:
    """One action that must be done; gives what it came to."""
    answer = do(client, action, alarm_id, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def run_job(world: World, name: str, now_us: int) -> str:
    """One turn of a job of duty."""
    (job,) = [j for j in jobs(Settings(mode="test"), default_rules) if j.name == name]
    said = job.run(world.conn, now_us)
    world.conn.commit()
    return said


def clear(world: World, **more: Any) -> None:
    """The value of the first alarm is back."""
    at_us = world.now_us + 30 * US_PER_S
    world.record(world.event(event="cleared", happened_at_us=at_us, value=0.4, **more))


def told(world: World) -> list[dict[str, Any]]:
    """Bodies of everything that was told."""
    return [json.loads(body) for _, body in world.outbox()]


def test_one_alarm_from_confirmation_to_its_end(world: World) -> None:
    """Confirmed, verified, handled, fed back, cleared, closed; each step is told."""
    world.record(world.event())
    with world.client("county") as county:
        first = county.get("/api/v1/alarms/1/life").json()
        done(county, "confirm", text="收到")
        done(county, "verify", text="电话核实：放炮", cause_code="blasting")
        done(county, "handle", text="停工撤人，加强通风")
        fed = done(county, "feed_back", text="已恢复正常")
        early = do(county, "close")
        clear(world)
        closed = done(county, "close", text="处置完毕")
        late = do(county, "verify", text="再看")
        row = county.get("/api/v1/alarms/1").json()

    assert first["state"] == "unconfirmed"
    assert first["actions"]["confirm"] is None
    assert first["actions"]["verify"]["en"] == "confirm it for your tier first"
    assert fed["tiers"]["county"]["phase"] == "fed_back"
    assert fed["tiers"]["mine"] == {
        "phase": "none", "owes_status": False, "confirmed": None,
    }  # fmt: skip
    assert fed["cause_code"] == "blasting"
    assert early.status_code == 409
    assert "not cleared" in early.json()["detail"]
    assert closed["state"] == "closed"
    assert late.status_code == 409
    assert late.headers["content-type"] == "application/problem+json"
    assert "报警已结束" in late.json()["detail"]
    assert row["state"] == "closed"
    assert row["closed_at"] is not None
    events = [body["event"] for body in told(world)]
    assert events == [
        "raised", "confirmed", "verified", "handled", "fed_back", "cleared", "closed",
    ]  # fmt: skip
    verified = told(world)[2]
    assert (verified["by"], verified["tier"]) == ("county", "county")
    assert verified["cause_code"] == "blasting"
    assert verified["text"]["zh"].endswith("已由县级 county 核实")


def test_an_upper_tier_never_clears_the_duty_of_a_lower_one(world: World) -> None:
    """Closed by the county, the mine still owes its confirmation, and can give it."""
    world.record(world.event())
    with world.client("county") as county, world.client("dispatcher") as mine:
        done(county, "confirm", cause_code="sensor_fault", text="误报")
        clear(world)
        done(county, "close")
        before = mine.get("/api/v1/alarms/1").json()["state"]
        after = done(mine, "confirm")["state"]
    assert (before, after) == ("closed_unconfirmed", "closed")


def test_nobody_closes_without_a_cause(world: World) -> None:
    """Cleared and confirmed is not enough; the refusal names what is missing."""
    world.record(world.event())
    with world.client("county") as county:
        done(county, "confirm")
        clear(world)
        refused = do(county, "close")
    assert refused.status_code == 409
    assert "no cause is recorded" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("who", "action", "status"),
    [
        ("viewer", "comment", 404),
        ("dispatcher", "shelve", 403),
        ("dispatcher", "close", 403),
        ("admin", "confirm", 403),
        ("admin", "comment", 200),
        ("zhenxiong", "comment", 403),
        ("suijiang", "confirm", 404),
        ("county", "wish", 404),
    ],
)
def test_who_may_not_is_told_so(
    world: World, who: str, action: str, status: int
) -> None:
    """404 outside of one's scope, 403 for the role; nothing is written then."""
    world.record(world.event())
    n_before = len(world.outbox())
    with world.client(who) as client:
        answer = do(client, action, text="x")
    assert answer.status_code == status, answer.text
    assert len(world.outbox()) - n_before == (1 if status == 200 else 0)


def test_a_correction_leaves_the_old_record(world: World) -> None:
    """The old row stays, the cause that counts is the new one; then it is withdrawn."""
    world.record(world.event())
    with world.client("county") as county, world.client("city_officer") as city:
        done(county, "confirm", cause_code="blasting", text="放炮")
        first = county.get("/api/v1/alarms/1/life").json()["records"][-1]["record_id"]
        foreign = do(city, "correct", refers_to=first, text="不是")
        new = done(
            county, "correct", refers_to=first, text="核对后更正", cause_code="cutting"
        )
        second = new["records"][-1]["record_id"]
        confirmed = do(county, "withdraw", refers_to=first, text="撤回")
        back = done(county, "withdraw", refers_to=second, text="更正有误")
        twice = do(county, "withdraw", refers_to=second, text="再撤")
        missing = do(county, "withdraw", refers_to=99_999, text="?")

    assert foreign.status_code == 409
    assert "is of county, not of city" in foreign.json()["detail"]
    assert new["cause_code"] == "cutting"
    assert new["records"][1]["cause_code"] == "blasting"
    assert new["records"][-1]["refers_to"] == first
    assert confirmed.status_code == 409
    assert back["cause_code"] == "blasting"
    assert [row["stands"] for row in back["records"]] == [True, True, False, True]
    assert twice.status_code == 409
    assert "was withdrawn" in twice.json()["detail"]
    assert missing.status_code == 422


def test_a_tier_that_is_asked_owes_its_status_until_it_feeds_back(
    world: World,
) -> None:
    """Only tiers below may be asked."""
    world.record(world.event())
    with world.client("county") as county, world.client("dispatcher") as mine:
        upward = do(county, "request_status", to="city")
        asked = done(county, "request_status", to="mine", text="现场情况？")
        answered = done(mine, "feed_back", text="已撤人")
    assert upward.status_code == 422
    assert asked["tiers"]["mine"]["owes_status"] is True
    assert answered["tiers"]["mine"]["owes_status"] is False


def test_an_alarm_is_assigned_to_somebody_with_duty_who_sees_it(world: World) -> None:
    """Nobody else, and nobody unknown."""
    world.record(world.event())
    with world.client("county") as county:
        refused = [
            do(county, "assign", to=name).status_code
            for name in ("admin", "nobody", None, "viewer")
        ]
        world.record(world.event(MINE_S))
        with world.client("city_officer") as city:
            outside = do(city, "assign", 2, to="dispatcher")
        life = done(county, "assign", to="dispatcher", text="请到现场")
    assert refused == [422] * 4
    assert "does not see" in outside.json()["detail"]
    assert life["assigned_to"] == "dispatcher"
    assert told(world)[-1]["to"] == "dispatcher"


def test_members_that_have_no_place_in_an_action_are_refused(world: World) -> None:
    """What would be silently lost is named; so is an unknown cause, and a lack."""
    world.record(world.event())
    with world.client("county") as county:
        answers = [
            do(county, "comment", text="x", minutes=5),
            do(county, "comment", text="x", cause_code="blasting"),
            do(county, "confirm", cause_code="magic"),
            do(county, "comment", text="  "),
            do(county, "shelve", text="x", minutes=481),
            do(county, "shelve", text="x"),
            do(county, "confirm", colour="red"),
        ]
    assert [answer.status_code for answer in answers] == [422] * 7
    details = [answer.json()["detail"] for answer in answers]
    for wanted, detail in zip(
        ("minutes", "cause_code", "'magic'", "needs one", "481", "None", "colour"),
        details,
        strict=True,
    ):
        assert wanted in detail
    assert len(world.outbox()) == 1


def test_a_key_is_done_once(world: World) -> None:
    """Sent again it answers the same and writes nothing; with other contents it is
    refused; another person's same key is another key."""
    world.record(world.event())
    key = "a1b2c3d4-0001"
    with world.client("county") as county, world.client("city_officer") as city:
        done(county, "comment", text="一次", key=key)
        again = done(county, "comment", text="一次", key=key)
        other = do(county, "comment", text="两次", key=key)
        done(city, "comment", text="一次", key=key)
    assert [row["event"] for row in again["records"]] == ["raised", "commented"]
    assert other.status_code == 409
    assert key in other.json()["detail"]
    assert len(world.outbox()) == 3


def test_many_are_confirmed_with_one_note_and_each_row_says_how_it_went(
    world: World,
) -> None:
    """What one cannot does not stop the others; sent again with its key it is done."""
    world.record(world.event(), world.event(no="001A02"), world.event(MINE_S))
    body = {
        "alarm_ids": [1, 2, 3, 77, 1], "text": "集中确认",
        "cause_code": "blasting", "key": "bulk-0001",
    }  # fmt: skip
    with world.client("county") as county:
        done(county, "confirm", 2)
        first = county.post("/api/v1/alarms/confirm", json=body)
        again = county.post("/api/v1/alarms/confirm", json=body).json()["items"]
    assert first.status_code == 200, first.text
    items = first.json()["items"]
    assert [(row["alarm_id"], row["status"]) for row in items] == [
        (1, 200), (2, 409), (3, 404), (77, 404),
    ]  # fmt: skip
    assert again[0] == items[0]
    assert "confirmed this level" in items[1]["detail"]
    assert [b["note"] for b in told(world) if b["event"] == "confirmed"] == [
        "", "集中确认",
    ]  # fmt: skip


# Shelves


def test_a_shelf_ends_by_itself_and_is_told(world: World) -> None:
    """Shelved it owes quietly; past its end it is back without anybody's doing."""
    world.record(world.event())
    with world.client("county") as county:
        shelved = done(county, "shelve", text="传感器更换", minutes=60)
        row = county.get("/api/v1/alarms/1").json()
        again = do(county, "shelve", text="再来", minutes=60)
        now_us = SystemClock().now_us()
        assert run_job(world, "shelves", now_us) == "0 shelves ended"
        # Its end comes: the row is moved, because nobody waits an hour here.
        world.conn.execute(
            "UPDATE quiet SET effective_from_us = %s, until_us = %s",
            (now_us - US_PER_MIN, now_us - 1),
        )
        world.conn.commit()
        by_time = county.get("/api/v1/alarms/1").json()
        assert run_job(world, "shelves", now_us) == "1 shelves ended"
        assert run_job(world, "shelves", now_us) == "0 shelves ended"
    assert shelved["state"] == row["state"] == "shelved_unconfirmed"
    assert row["shelved_until"] == shelved["shelved_until"] is not None
    assert again.status_code == 409
    assert by_time["state"] == "unconfirmed"
    assert by_time["shelved_until"] is None
    assert [b["event"] for b in told(world)] == ["raised", "shelved", "unshelved"]
    assert told(world)[-1]["by"] == "gasmon"
    assert told(world)[1]["until"] == shelved["shelved_until"]


def test_the_end_of_a_former_shelf_is_not_told_of_an_alarm_shelved_anew(
    world: World,
) -> None:
    """Duty was away meanwhile; a page must not sound for a shelf that is over."""
    world.record(world.event())
    with world.client("county") as county:
        done(county, "shelve", text="检修", minutes=60)
        now_us = SystemClock().now_us()
        world.conn.execute(
            "UPDATE quiet SET effective_from_us = %s, until_us = %s",
            (now_us - US_PER_MIN, now_us - 1),
        )
        world.conn.commit()
        done(county, "shelve", text="还在检修", minutes=60)
    assert run_job(world, "shelves", SystemClock().now_us()) == "1 shelves ended"
    assert [b["event"] for b in told(world)] == ["raised", "shelved", "shelved"]


def test_a_level_above_the_shelf_breaks_through(world: World) -> None:
    """Shelved at yellow, orange is unconfirmed; red cannot be shelved at all."""
    world.record(world.event())
    with world.client("county") as county:
        done(county, "shelve", text="检修", minutes=30)
        at_us = world.now_us + 1
        world.record(world.event(event="level", rank=3, happened_at_us=at_us))
        risen = county.get("/api/v1/alarms/1").json()
        world.record(world.event(event="level", rank=4, happened_at_us=at_us + 1))
        red = do(county, "shelve", text="检修", minutes=30)
    assert (risen["state"], risen["shelved_until"]) == ("unconfirmed", None)
    assert red.status_code == 409
    assert "red is never shelved" in red.json()["detail"]


def test_a_shelf_is_ended_early_and_is_about_one_kind_only(world: World) -> None:
    """Another kind at the same point stays loud."""
    world.record(world.event(), world.event(kind="cut_off"))
    with world.client("county") as county:
        done(county, "shelve", text="检修", minutes=30)
        other = county.get("/api/v1/alarms/2").json()["state"]
        back = done(county, "unshelve", text="修好了")
        twice = do(county, "unshelve")
    assert other == "unconfirmed"
    assert back["state"] == "unconfirmed"
    assert twice.status_code == 409
    assert run_job(world, "shelves", SystemClock().now_us() + FAR_US) == (
        "0 shelves ended"
    )


def test_planned_work_takes_an_alarm_out_of_service(world: World) -> None:
    """A plan over the unit or the mine covers its points up to its ceilings."""
    world.record(world.event(planned=True, quiet="plan:2"))
    now_us = SystemClock().now_us()
    with world.client("county") as county:
        for subject, name, value_ceiling, wanted in (
            ("unit", f"{MINE_Z}/u/11121", 1.5, "unconfirmed"),
            ("unit", f"{MINE_Z}/u/11121", None, "out_of_service_unconfirmed"),
        ):
            world.conn.execute(
                "INSERT INTO quiet (kind, subject_type, subject_id, effective_from_us,"
                " until_us, rank_ceiling, value_ceiling, reason, owner) VALUES"
                " ('plan', %s, %s, %s, %s, 3, %s, '放炮', '王')",
                (subject, name, now_us - US_PER_MIN, now_us + FAR_US, value_ceiling),
            )
            world.conn.commit()
            assert county.get("/api/v1/alarms/1").json()["state"] == wanted
        refused = do(county, "shelve", text="检修", minutes=30)
    assert refused.status_code == 409
    assert "planned work" in refused.json()["detail"]


# Closing by rule


def test_rules_close_what_they_may_and_leave_the_rest(world: World) -> None:
    """Ungraded by itself, others when confirmed with a cause, open ones never."""
    world.record(
        world.event(rank=0),
        world.event(no="001A02"),
        world.event(MINE_S),
        world.event(MINE_S, no="001A02", rank=0),
    )
    clear(world, rank=0)
    clear(world, no="001A02")
    clear(world, mine=MINE_S)
    now_us = SystemClock().now_us()
    with world.client("county") as county:
        done(county, "confirm", 2, cause_code="ventilation", text="调风")
        assert run_job(world, "closing", now_us) == "2 alarms closed"
        assert run_job(world, "closing", now_us) == "0 alarms closed"
        ungraded = county.get("/api/v1/alarms/1").json()
        handled = county.get("/api/v1/alarms/2").json()
    with world.client("admin") as admin:
        rest = [admin.get(f"/api/v1/alarms/{n}").json()["state"] for n in (3, 4)]
        owed = admin.get(
            "/api/v1/alarms", params={"state": "cleared", "confirmed": "false"}
        ).json()["items"]
    assert (ungraded["state"], handled["state"]) == ("closed", "closed")
    assert rest == ["cleared_unconfirmed", "unconfirmed"]
    assert [row["alarm_id"] for row in owed] == [3]
    closed = [b for b in told(world) if b["event"] == "closed"]
    assert {(b["by"], b["rule"]) for b in closed} == {
        ("gasmon", "ungraded"), ("gasmon", "handled"),
    }  # fmt: skip


def test_a_site_has_closing_rules_of_its_own(world: World, tmp_path: Any) -> None:
    """``life.closing_file``; a cause that was withdrawn does not count."""
    file = tmp_path / "closing.toml"
    file.write_text(
        '[[close]]\nname = "links"\nkinds = ["link_break"]\nranks = ["blue"]\n'
        'needs = ["cleared"]\nafter = "10min"\n'
        '[[close]]\nname = "rest"\nneeds = ["cleared", "cause"]\n',
        "utf-8",
    )
    settings = Settings(mode="test", life=LifeSettings(closing_file=file))
    (job,) = [j for j in jobs(settings, default_rules) if j.name == "closing"]
    world.record(world.event())
    with world.client("county") as county:
        done(county, "confirm")
        life = done(county, "verify", cause_code="blasting", text="放炮")
        number = life["records"][-1]["record_id"]
        done(county, "withdraw", refers_to=number, text="说错了")
    clear(world)
    now_us = SystemClock().now_us()
    assert job.run(world.conn, now_us) == "0 alarms closed"
    with world.client("county") as county:
        done(county, "handle", cause_code="cutting", text="割煤")
    assert job.run(world.conn, now_us) == "1 alarms closed"


# What the database itself holds to


def test_nothing_deletes_an_alarm_and_nothing_open_is_closed(world: World) -> None:
    """Not even by a statement of an operator."""
    world.record(world.event())
    with world.client("county") as county:
        done(county, "comment", text="x", key="12345678")
        done(county, "shelve", text="x", minutes=5)
    for statement, says in (
        ("DELETE FROM alarm", "never deleted"),
        ("DELETE FROM incident", "never deleted"),
        ("DELETE FROM quiet", "never deleted"),
        ("DELETE FROM alarm_action", "append-only"),
        ("UPDATE alarm_journal SET note = ''", "append-only"),
        ("UPDATE alarm SET closed_at = now()", "closed_when_cleared"),
    ):
        with pytest.raises(psycopg.Error, match=says):
            world.conn.execute(statement.encode())
        world.conn.rollback()


def test_two_officers_at_once_lose_no_record(world: World) -> None:
    """While one transaction is open the other waits; both records are there after."""
    world.record(world.event())
    with db.connect(world.api.settings.database) as first:
        first.execute("SELECT FROM alarm WHERE alarm_id = 1 FOR NO KEY UPDATE")
        answers: list[Any] = []

        def one(who: str, n: int) -> None:
            with world.client(who) as client:
                answers.append(do(client, "confirm", text=f"{who} {n}"))

        threads = [
            threading.Thread(target=one, args=(who, n))
            for who in ("county", "city_officer", "dispatcher")
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        waiting = world.conn.execute("SELECT count(*) FROM confirmation").fetchone()
        world.conn.commit()
        first.commit()
        for thread in threads:
            thread.join(60)
    assert waiting == (0,)
    assert sorted(a.status_code for a in answers) == [200] * 3 + [409] * 3
    confirmed = [b for b in told(world) if b["event"] == "confirmed"]
    assert {b["tier"] for b in confirmed} == {"mine", "county", "city"}
    assert len({b["id"] for b in confirmed}) == 3
    marks = world.conn.execute("SELECT count(*) FROM confirmation").fetchone()
    assert marks == (3,)


def test_a_drill_alarm_is_handled_within_its_run(world: World) -> None:
    """Marked as one wherever it is shown, never among live alarms or their counts."""
    world.record(world.event(run=7))
    with world.client("county") as county:
        assert county.get("/api/v1/alarms").json()["total"] == 0
        (row,) = county.get("/api/v1/alarms?run=7").json()["items"]
        assert (row["run"], row["drill"], row["state"]) == (7, True, "unconfirmed")
        assert row["text"]["zh"].startswith("【演练】")
        assert done(county, "confirm", text="x")["state"] == "confirmed"
        done(county, "handle", text="撤人")
        areas = county.get("/api/v1/areas").json()["items"]
        assert county.get("/api/v1/incidents").json()["items"] == []
    assert {(a["open_alarms"], a["unconfirmed"]) for a in areas} == {(0, 0)}
    assert [(b["event"], b["drill"]) for b in told(world)][1:] == [
        ("confirmed", True),
        ("handled", True),
    ]


def test_a_drill_shelves_nothing(world: World) -> None:
    """A shelf is about a subject: it would keep the real alarm quiet."""
    world.record(world.event())
    world.record(world.event(run=7))
    with world.client("county") as county:
        (drill,) = county.get("/api/v1/alarms?run=7").json()["items"]
        for action, body in (("shelve", {"minutes": 5}), ("unshelve", {})):
            path = f"/api/v1/alarms/{drill['alarm_id']}/actions/{action}"
            answer = county.post(path, json={"text": "x", **body})
            assert answer.status_code == 409
            assert "a drill shelves nothing" in answer.json()["detail"]
        done(county, "shelve", text="x", minutes=5)
        states = [
            county.get(f"/api/v1/alarms?run={run}").json()["items"][0]["state"]
            for run in (0, 7)
        ]
    assert states == ["shelved_unconfirmed", "unconfirmed"]


def test_two_actions_in_one_microsecond_are_two_events(world: World) -> None:
    """A clock that stands still or goes back makes no event vanish."""
    world.record(world.event())
    with world.client("county") as county:
        done(county, "comment", text="a")
        later_us = SystemClock().now_us() + FAR_US
        world.conn.execute(
            "INSERT INTO alarm_journal (alarm_id, event_id, event, happened_at,"
            " decided_at, rank, actor) VALUES (1, 'x', 'commented', %s, %s, 2, 'y')",
            (to_datetime(later_us), to_datetime(later_us)),
        )
        world.conn.commit()
        done(county, "comment", text="b")
        life = done(county, "comment", text="c")
    ids = [b["id"] for b in told(world)]
    assert len(set(ids)) == len(ids) == 4
    assert [row["note"] for row in life["records"][-2:]] == ["b", "c"]

"""Rules over HTTP: who sees which versions, what is in them, and why one applies."""

from __future__ import annotations

import json

import psycopg
import pytest

from gasmon import cli
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import default_rules
from gasmon.api import schemas_rules
from gasmon.store.rules_taken import note_present, note_rules
from gasmon.units import US_PER_H
from tests.fix_api import MINE_S, MINE_Z, World

OWN = """
[[rule]]
name = "carbon monoxide of Zhenxiong"
kind = "over_limit"
match = { quantity = ["CO"], area = ["530627"] }
with = { alarm_high = 20.0 }
text = { zh = "镇雄一氧化碳", en = "carbon monoxide of Zhenxiong" }
source = "the county's order of 2026"
"""
SHIPPED = RuleChange.of(default_rules(), 0)


def taken(world: World) -> None:
    """The shipped rules, those of a file, and some that count from tomorrow on."""
    now_us = world.now_us
    assert note_present(world.conn, SHIPPED, "*", now_us - US_PER_H)
    assert not note_present(world.conn, SHIPPED, "*", now_us - US_PER_H)
    own = RuleChange(now_us - US_PER_H // 2, "rules.toml", OWN)
    note_rules(world.conn, own, "*", now_us)
    later = RuleChange(now_us + 24 * US_PER_H, "rules.toml", OWN.replace("20", "18"))
    note_rules(world.conn, later, "*", now_us)
    world.conn.commit()


def test_versions_are_listed_and_the_one_in_force_is_marked(world: World) -> None:
    """The newest that counts already; what counts later is there, and waits."""
    with world.client("zhenxiong") as client:
        assert client.get("/api/v1/rules").json() == {"items": []}
    taken(world)
    with world.client("zhenxiong") as client:
        listed = client.get("/api/v1/rules").json()
        schemas_rules.RulesVersionList.model_validate(listed)
        assert [one["in_force"] for one in listed["items"]] == [False, True, False]
        assert [one["from"] is None for one in listed["items"]] == [False, False, True]
        number = listed["items"][1]["rules_id"]
        shown = client.get(f"/api/v1/rules/{number}").json()
        missing = client.get("/api/v1/rules/999999")
    schemas_rules.RulesAnswer.model_validate(shown)
    own = [rule for rule in shown["rules"]["rules"] if not rule["shipped"]]
    assert [rule["at"] for rule in own] == ["rules.toml:2"]
    assert own[0]["with"] == {"alarm_high": 20.0}
    assert missing.status_code == 404
    with pytest.raises(psycopg.errors.RaiseException):
        world.conn.execute("DELETE FROM rules_in_force")
    world.conn.rollback()


def test_rules_that_no_version_reads_any_more_are_still_listed(world: World) -> None:
    """What was taken stays true; its contents are not invented."""
    note_rules(world.conn, RuleChange(0, "old.toml", "[nonsense]\n"), "*", 1)
    world.conn.commit()
    with world.client("city") as client:
        number = client.get("/api/v1/rules").json()["items"][0]["rules_id"]
        shown = client.get(f"/api/v1/rules/{number}").json()
    assert (shown["readable"], shown["rules"]) == (False, None)


def test_why_a_rule_applies_is_told_as_the_command_tells_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A point, a unit, a mine; a foreign one and nonsense are refused."""
    taken(world)
    point = f"{MINE_Z}-01-001A01"
    with world.client("zhenxiong") as client:

        def ask(subject: str) -> tuple[int, dict]:  # type: ignore[type-arg]
            answer = client.get("/api/v1/rules/explain", params={"subject": subject})
            return answer.status_code, answer.json()

        status, told = ask(point)
        wrong = (MINE_S, f"{MINE_Z}-01-999A99", f"{MINE_Z}/u/none", "nonsense")
        others = [ask(subject)[0] for subject in (MINE_Z, *wrong)]
        note_rules(world.conn, RuleChange(1, "old.toml", "[nonsense]\n"), "*", 1)
        world.conn.commit()
        unreadable = ask(point)[0]
    assert status == 200
    schemas_rules.Explained.model_validate(told)
    assert told["version"]["file"] == "rules.toml"
    over = next(k for k in told["story"]["kinds"] if k["kind"] == "over_limit")
    assert over["on"]
    assert over["used"]
    assert others == [200, 404, 404, 404, 422]
    assert unreadable == 409
    url = f"database.url={world.dsn}"
    assert cli.main(["rules", "explain", point, "--json", "--set", url]) == 0
    by_command = json.loads(capsys.readouterr().out)
    assert by_command.keys() == told["story"].keys()
    assert by_command["limits"] == told["story"]["limits"]


def test_an_owner_of_other_areas_is_not_shown(world: World) -> None:
    """A county sees the rules of who judges its mines, and those for all."""
    note_present(world.conn, SHIPPED, "530626", 1)
    note_present(world.conn, RuleChange(0, "rules.toml", OWN), "530627,530628", 1)
    world.conn.commit()
    scopes = {}
    for who in ("zhenxiong", "suijiang", "city"):
        with world.client(who) as client:
            items = client.get("/api/v1/rules").json()["items"]
            scopes[who] = [one["scope"] for one in items]
            assert all(one["in_force"] for one in items)
    assert scopes == {
        "zhenxiong": ["530627,530628"],
        "suijiang": ["530626"],
        "city": ["530627,530628", "530626"],
    }

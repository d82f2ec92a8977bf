"""Users, links, log-ins and their limits in a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from gasmon.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    RequestError,
    StateConflict,
    TooMany,
)
from gasmon.settings import AccountSettings, ApiSettings, DatabaseSettings
from gasmon.store import access, audit, db, links, log_ins, sessions, users
from gasmon.store.audit import BY_OPERATOR, EVERYTHING, Actor
from gasmon.store.db import Connection
from gasmon.store.on_duty import load_on_duty
from gasmon.store.scope import Scope, within
from gasmon.store.sessions import Browser, Life
from gasmon.store.users import Rights
from gasmon.units import US_PER_H, US_PER_S
from tests.fix_node import begin_to_follow

NOW_US = 1_795_392_381_000_000
LIFE = Life(26 * US_PER_H, 4 * US_PER_H)
COUNTY = Rights("county_officer", ["530627"], None)
ADMIN = Rights("administrator", None, None)
DESK = Browser("10.0.0.5", "Chromium")
ACCOUNTS = AccountSettings()


@pytest.fixture
def connect(plain_migrated_dsn: str) -> Iterator[Callable[[], Connection]]:
    """A function that opens an autocommit connection, as commands and the api do."""
    opened: list[Connection] = []

    def open_one() -> Connection:
        database = DatabaseSettings(url=plain_migrated_dsn)
        conn = db.connect(database, autocommit=True)
        opened.append(conn)
        return conn

    yield open_one
    for conn in opened:
        conn.close()


@pytest.fixture
def people(connect: Callable[[], Connection]) -> Connection:
    """One of them."""
    return connect()


def add(
    conn: Connection, name: str = "li", rights: Rights = COUNTY, **more: Any
) -> str:
    """A user; gives the link."""
    values = {"by": BY_OPERATOR, "now_us": NOW_US, "life_us": US_PER_H, **more}
    return users.add(conn, name, rights, **values)


def settle(conn: Connection, name: str = "li", rights: Rights = COUNTY) -> None:
    """A user whose password's hash is ``hash of NAME``."""
    link = add(conn, name, rights)
    links.use(conn, link, f"hash of {name}", Browser(), life=LIFE, now_us=NOW_US)
    conn.execute("DELETE FROM session")


def shown(conn: Connection, name: str = "li", now_us: int = NOW_US) -> dict[str, Any]:
    """A user as the list has it."""
    (row,) = users.list_users(conn, EVERYTHING, LIFE, now_us, name)
    return row


def did(conn: Connection, **wanted: Any) -> list[tuple[str | None, str, str | None]]:
    """Who did what to whom, the newest first."""
    rows, _ = audit.rows(conn, EVERYTHING, audit.Wanted(**wanted))
    return [(row["principal"], row["action"], row["subject"]) for row in rows]


# Names


@pytest.mark.parametrize(
    "name", ["gasmon", "GasMon", "ｇasmon", "operator", " li", "li\n", "", "x" * 101]
)
def test_a_name_of_the_system_or_of_blanks_is_refused(
    people: Connection, name: str
) -> None:
    """Nobody can sign a journal as gasmon itself; tokens follow the same rule."""
    with pytest.raises(BadRequest, match="name"):
        add(people, name)
    with pytest.raises(BadRequest, match="name"):
        access.create_token(
            people, name=name, role="viewer", areas=None, mines=None, now_us=NOW_US
        )
    assert users.list_users(people, EVERYTHING, LIFE, NOW_US) == []


def test_a_name_is_given_once_in_any_capitals(people: Connection) -> None:
    """Neither a second Li nor one after him is taken for the first."""
    add(people)
    with pytest.raises(StateConflict, match="exists"):
        add(people)
    with pytest.raises(StateConflict, match="taken for 'li'"):
        add(people, "LI")
    users.retire(people, "li", BY_OPERATOR, now_us=NOW_US)
    with pytest.raises(StateConflict, match="never given twice"):
        add(people)


# Links


def test_a_link_sets_a_password_once(people: Connection) -> None:
    """The first use logs in; the second is refused and changes nothing."""
    link = add(people)
    assert links.look(people, link, NOW_US).for_whom.name == "li"
    who, secret, csrf = links.use(people, link, "one", DESK, life=LIFE, now_us=NOW_US)
    with pytest.raises(StateConflict, match="used"):
        links.use(people, link, "two", DESK, life=LIFE, now_us=NOW_US)
    with pytest.raises(StateConflict, match="used"):
        links.look(people, link, NOW_US)

    assert (who.name, len(secret), len(csrf)) == ("li", 43, 32)
    row = shown(people)
    assert (row["sessions"], row["link_until"]) == (1, None)
    hashes = people.execute("SELECT hash FROM password").fetchall()
    assert hashes == [("one",)]
    told = str(people.execute("SELECT * FROM audit, password_link").fetchall())
    assert link not in told


def test_an_old_replaced_or_invented_link_is_refused(people: Connection) -> None:
    """Each with its own reason, and nothing is set."""
    old = add(people)
    with pytest.raises(StateConflict, match="good until"):
        links.look(people, old, NOW_US + US_PER_H)
    with pytest.raises(StateConflict, match="good until"):
        links.use(people, old, "x", DESK, life=LIFE, now_us=NOW_US + US_PER_H)
    users.reset(people, "li", BY_OPERATOR, now_us=NOW_US, life_us=US_PER_H)
    with pytest.raises(StateConflict, match="replaced"):
        links.look(people, old, NOW_US)
    with pytest.raises(NotFound):
        links.look(people, "gl_" + "x" * 43, NOW_US)
    assert shown(people)["password_set_at"] is None


def test_of_two_who_use_a_link_at_once_one_sets_the_password(
    people: Connection, connect: Callable[[], Connection]
) -> None:
    """The other one is told that it was used."""
    link = add(people)
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def use(conn: Connection, stored: str) -> None:
        together.wait(20)
        try:
            links.use(conn, link, stored, DESK, life=LIFE, now_us=NOW_US)
            outcomes.append(stored)
        except StateConflict:
            outcomes.append("refused")

    hands = [
        threading.Thread(target=use, args=(connect(), word)) for word in ("one", "two")
    ]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(20)

    assert "refused" in outcomes
    (winner,) = [word for word in outcomes if word != "refused"]
    stored = people.execute("SELECT hash FROM password").fetchall()
    assert stored == [(winner,)]


@pytest.mark.parametrize(
    ("api", "begin"),
    [
        (ApiSettings(host="10.0.0.1", port=80), "http://10.0.0.1:80/"),
        (ApiSettings(host="0.0.0.0"), "http://127.0.0.1:8123/"),
        (ApiSettings(host="fd00::1"), "http://[fd00::1]:8123/"),
        (ApiSettings(public_url="https://gas.example"), "https://gas.example/"),
    ],
)
def test_a_link_is_an_address_that_can_be_opened(api: ApiSettings, begin: str) -> None:
    """As people open it, and the secret where no server is sent it."""
    assert links.page_of(api, "gl_x") == f"{begin}welcome#link=gl_x"


# The first administrator


def test_the_first_administrator_is_offered_until_there_is_one(
    people: Connection,
) -> None:
    """A lost link is replaced; once somebody can come in there is no offer."""
    values = {"now_us": NOW_US, "life_us": US_PER_H}
    lost = users.add_first(people, "admin", BY_OPERATOR, **values)
    link = users.add_first(people, "admin", BY_OPERATOR, **values)
    with pytest.raises(StateConflict, match="replaced"):
        links.look(people, lost, NOW_US)
    assert users.administrators(people, NOW_US) == []
    links.use(people, link, "x", DESK, life=LIFE, now_us=NOW_US)
    with pytest.raises(StateConflict, match="'admin' can log in"):
        users.add_first(people, "root", BY_OPERATOR, **values)


def test_the_last_administrator_can_neither_retire_nor_step_down(
    people: Connection,
) -> None:
    """With a second one who can log in both can."""
    settle(people, "first", ADMIN)
    add(people, "invited", ADMIN)
    with pytest.raises(StateConflict, match="last administrator"):
        users.retire(people, "first", BY_OPERATOR, now_us=NOW_US)
    with pytest.raises(StateConflict, match="last administrator"):
        users.set_rights(people, "first", COUNTY, BY_OPERATOR, now_us=NOW_US)
    settle(people, "second", ADMIN)
    users.retire(people, "first", BY_OPERATOR, now_us=NOW_US)
    with pytest.raises(StateConflict, match="last administrator"):
        users.retire(people, "second", BY_OPERATOR, now_us=NOW_US)


# Change, reset, retire


def test_a_retired_user_is_out_at_once_and_stays_written(
    people: Connection,
) -> None:
    """Sessions, tokens, links and password end; the row and its audit stay."""
    settle(people)
    token = access.create_token(
        people,
        name="li",
        role=COUNTY.role,
        areas=COUNTY.areas,
        mines=None,
        now_us=NOW_US,
    )
    (who,) = people.execute("SELECT principal_id FROM principal").fetchall()[0]
    with people.transaction():
        sessions.begin(people, int(str(who)), DESK, life=LIFE, now_us=NOW_US)
    ended = users.retire(people, "li", BY_OPERATOR, now_us=NOW_US)

    assert ended == {"sessions": 1, "tokens": 1}
    assert shown(people)["retired_at"] is not None
    assert access.hash_secret(token) not in sessions.live_token_hashes(people, NOW_US)
    assert did(people, subject="li")[0] == ("operator", "user.retire", "li")
    with pytest.raises(StateConflict, match="was retired"):
        users.reset(people, "li", BY_OPERATOR, now_us=NOW_US, life_us=US_PER_H)
    with pytest.raises(psycopg.errors.RaiseException, match="never deleted"):
        people.execute("DELETE FROM principal")
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        people.execute("TRUNCATE audit")


def test_who_was_invited_and_never_came_is_nobody_there(people: Connection) -> None:
    """A county whose only officer cannot log in yet has nobody for its alarms."""

    def tiers() -> frozenset[str]:
        return load_on_duty(people, NOW_US).tiers("530627", None)

    link = add(people)
    assert tiers() == frozenset()
    links.use(people, link, "x", DESK, life=LIFE, now_us=NOW_US)
    assert tiers() == {"county"}
    users.reset(people, "li", BY_OPERATOR, now_us=NOW_US, life_us=US_PER_H)
    assert tiers() == frozenset()


@pytest.mark.parametrize(
    ("role", "may", "from_now_us", "is_there"),
    [
        ("county_officer", "act", None, True),
        ("county_officer", "act", US_PER_H, True),
        ("county_officer", "act", -US_PER_H, False),
        ("county_officer", "read", None, False),
        ("platform", "read", None, True),
        ("platform", "read", -US_PER_H, False),
    ],
)
def test_a_token_that_is_over_or_only_reads_makes_nobody_there(
    people: Connection, role: str, may: str, from_now_us: int | None, is_there: bool
) -> None:
    """Else a call would stop at somebody who can no longer answer."""
    access.create_token(
        people,
        name="desk",
        role=role,
        areas=["530627"],
        mines=None,
        now_us=NOW_US - 2 * US_PER_H,
        expires_us=None if from_now_us is None else NOW_US + from_now_us,
        may=may,
    )
    begin_to_follow(people, "desk")
    found = load_on_duty(people, NOW_US).tiers("530627", None)
    assert found == ({"county"} if is_there else frozenset())


@pytest.mark.parametrize("speaks_for", [[], ["county"]])
def test_a_platform_or_node_that_never_connected_is_nobody_there(
    people: Connection, speaks_for: list[str]
) -> None:
    """A token that lies in a drawer hears no alarm; a password beside it does."""

    def tiers() -> frozenset[str]:
        return load_on_duty(people, NOW_US).tiers("530627", None)

    access.create_token(
        people,
        name="node",
        role="county_officer" if speaks_for else "platform",
        areas=["530627"],
        mines=None,
        now_us=NOW_US,
        speaks_for=speaks_for,
    )
    assert tiers() == frozenset()
    begin_to_follow(people, "node")
    assert tiers() == {"county"}


def test_a_limited_administrator_gives_no_more_than_he_sees(
    people: Connection,
) -> None:
    """Users outside do not exist for him, and his own cannot be widened."""
    zhenxiong = Actor("chen", Scope(("530627",), None))
    settle(people, "far", Rights("viewer", ["530626"], None))
    add(people, "near", by=zhenxiong)
    for rights in (ADMIN, Rights("viewer", ["530600"], None)):
        with pytest.raises(Forbidden):
            add(people, "wide", rights, by=zhenxiong)
        with pytest.raises(Forbidden):
            users.set_rights(people, "near", rights, zhenxiong, now_us=NOW_US)
    for name in ("far", "nobody"):
        with pytest.raises(NotFound):
            users.reset(people, name, zhenxiong, now_us=NOW_US, life_us=1)
        with pytest.raises(NotFound):
            users.end_sessions(people, name, None, zhenxiong)
    seen = users.list_users(people, zhenxiong.scope, LIFE, NOW_US)
    assert [row["name"] for row in seen] == ["near"]


def test_a_scope_lies_within_another() -> None:
    """Everything is within everything; a mine is within its county; not the reverse."""
    county = Scope(("530627",), None)
    mine = Scope(("530627",), ("530627000001",))
    city = Scope(("530600",), None)
    inside = [(EVERYTHING, EVERYTHING), (county, city), (mine, county), (mine, mine)]
    outside = [(EVERYTHING, city), (city, county), (county, mine), (EVERYTHING, mine)]
    assert [within(a, b) for a, b in inside] == [True] * 4
    assert [within(a, b) for a, b in outside] == [False] * 4


# Log-ins and their limits


def attempt(
    conn: Connection, name: str = "li", at_us: int = NOW_US, browser: Browser = DESK
) -> log_ins.Attempt:
    """One attempt, counted."""
    found = log_ins.begin(conn, name, browser, ACCOUNTS, at_us)
    return found


def test_failures_slow_a_name_down_and_drip_away(people: Connection) -> None:
    """Five at once, then one in ten seconds, for a name that exists or not."""
    settle(people)
    for name in ("li", "nobody"):
        for _ in range(ACCOUNTS.failures_per_name):
            attempt(people, name)
        with pytest.raises(TooMany, match="10 s") as slowed:
            attempt(people, name)
        assert slowed.value.retry_after_s == 10
        later_us = NOW_US + 10 * US_PER_S
        assert attempt(people, name, later_us).who == attempt_who(people, name)
        with pytest.raises(TooMany):
            attempt(people, name, later_us)


def attempt_who(conn: Connection, name: str) -> access.Principal | None:
    """Who a name is."""
    row = conn.execute(
        "SELECT principal_id FROM principal WHERE name = %s", (name,)
    ).fetchone()
    if row is None:
        return None
    return access.Principal(int(str(row[0])), name, COUNTY.role, ("530627",), None)


def test_an_address_may_not_try_many_names(people: Connection) -> None:
    """Thirty names from one address, then it waits; another address does not."""
    for number in range(ACCOUNTS.failures_per_address):
        attempt(people, f"name{number}")
    with pytest.raises(TooMany):
        attempt(people, "another")
    attempt(people, "another", browser=Browser("10.0.0.6"))


def test_a_stranger_cannot_keep_an_officer_out(people: Connection) -> None:
    """Failures elsewhere do not count at a desk that the officer used before."""
    settle(people)
    first = attempt(people)
    log_ins.log_in(people, first, ACCOUNTS, LIFE, NOW_US)
    n_slowed = 0
    for number in range(100):
        try:
            attempt(people, browser=Browser(f"203.0.113.{number}"))
        except TooMany:
            n_slowed += 1
    assert n_slowed == 100 - ACCOUNTS.failures_per_name
    assert attempt(people).who is not None


def test_a_right_password_takes_its_count_back(people: Connection) -> None:
    """Logging in a hundred times slows nobody down."""
    settle(people)
    for _ in range(20):
        log_ins.log_in(people, attempt(people), ACCOUNTS, LIFE, NOW_US)
    assert shown(people)["sessions"] == 20


def test_many_attempts_at_once_are_all_counted(
    people: Connection, connect: Callable[[], Connection]
) -> None:
    """Of eight at the same moment five are looked at."""
    settle(people)
    outcomes: list[bool] = []
    together = threading.Barrier(8)

    def knock(conn: Connection) -> None:
        together.wait(20)
        try:
            attempt(conn)
            outcomes.append(True)
        except RequestError:
            outcomes.append(False)

    hands = [threading.Thread(target=knock, args=(connect(),)) for _ in range(8)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(20)
    assert sorted(outcomes) == [False] * 3 + [True] * 5


def test_a_clock_that_was_set_back_makes_nobody_wait_longer(
    people: Connection,
) -> None:
    """A failure from the future costs one wait and no more."""
    attempt(people, "nobody", NOW_US + 365 * 24 * US_PER_H)
    with pytest.raises(TooMany) as slowed:
        attempt(people, "nobody")
    assert slowed.value.retry_after_s == 10
    assert attempt(people, "nobody", NOW_US + 10 * US_PER_S)


def test_a_password_changed_meanwhile_opens_nothing(people: Connection) -> None:
    """Between the check and the session the user was reset."""
    settle(people)
    checked = attempt(people)
    users.reset(people, "li", BY_OPERATOR, now_us=NOW_US, life_us=US_PER_H)
    with pytest.raises(RequestError, match="wrong"):
        log_ins.log_in(people, checked, ACCOUNTS, LIFE, NOW_US)
    assert shown(people)["sessions"] == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("testclient", "unknown"),
        (None, "unknown"),
    ],
)
def test_addresses_of_one_subscriber_count_together(
    address: str | None, group: str
) -> None:
    """One IPv4 address, or a network that one household gets whole."""
    assert log_ins.address_group(address) == group


def test_what_ended_is_forgotten(people: Connection) -> None:
    """Old log-ins, unused ones and failures go; what holds stays."""
    settle(people)
    log_ins.log_in(people, attempt(people), ACCOUNTS, LIFE, NOW_US)
    assert sessions.delete_expired(people, LIFE.idle_us, NOW_US + US_PER_H) == 0
    later_us = NOW_US + LIFE.idle_us + US_PER_S
    assert shown(people, now_us=later_us)["sessions"] == 0
    assert sessions.delete_expired(people, LIFE.idle_us, later_us) == 1
    left = people.execute("SELECT FROM log_in_failure").fetchall()
    assert left == []

"""Scopes in SQL and in memory, tokens, and what a database refuses."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from gasmon.errors import BadRequest, NotFound, StateConflict
from gasmon.store import access
from gasmon.store.db import Connection
from gasmon.store.scope import Scope, area_condition, covers, scope_condition

AREAS = ("530600", "530626", "530627", "530700")
MINES: tuple[str | None, ...] = (
    None,
    "530626000001",
    "530627000001",
    "530627000002",
    "530700000001",
)
SCOPES = (
    Scope(None, None),
    Scope(("530627",), None),
    Scope(("530600",), None),
    Scope(("530626", "530700"), None),
    Scope(("530627",), ("530627000001",)),
    Scope(None, ("530626000001", "530627000002")),
    Scope(("530600",), ("530626000001",)),
    Scope(("530627'; DROP TABLE area; --",), ("x'y",)),
)
NOW_US = 1_795_392_381_000_000


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_sql_and_memory_agree(store_conn: Connection, scope: Scope) -> None:
    """The condition holds for exactly the rows that ``allows`` lets through."""
    pairs = [(a, m) for a in AREAS for m in MINES if m is None or m.startswith(a[:4])]
    query = sql.SQL(
        "SELECT f.area, f.mine"
        " FROM unnest(%s::bpchar[], %s::bpchar[]) AS f (area, mine) WHERE {}"
    ).format(scope_condition(scope, "f.area", "f.mine"))
    found = store_conn.execute(
        query, ([a for a, _ in pairs], [m for _, m in pairs])
    ).fetchall()
    areas = store_conn.execute(
        sql.SQL("SELECT f.area FROM unnest(%s::bpchar[]) AS f (area) WHERE {}").format(
            area_condition(scope, "f.area")
        ),
        (list(AREAS),),
    ).fetchall()

    assert found == [pair for pair in pairs if scope.allows(*pair)]
    assert [row[0] for row in areas] == [a for a in AREAS if scope.allows_area(a)]


def test_a_prefecture_covers_its_counties() -> None:
    """530600 covers 530627 and itself, not another prefecture's."""
    assert covers(["530600"], "530627")
    assert covers(["530600"], "530600")
    assert not covers(["530600"], "530727")
    assert not covers(["530627"], "530600")


def create(conn: Connection, **more: Any) -> str:
    """A token of a county's officer."""
    values: dict[str, Any] = {
        "name": "li",
        "role": "county_officer",
        "areas": ["530627"],
        "mines": None,
        "now_us": NOW_US,
        **more,
    }
    return access.create_token(conn, **values)


def test_a_token_is_stored_as_its_hash_alone(store_conn: Connection) -> None:
    """The secret has its form and stands nowhere in the database."""
    token = create(store_conn)
    rows = store_conn.execute("SELECT hash FROM token").fetchall()

    assert access.TOKEN_PATTERN.fullmatch(token)
    assert rows == [(access.hash_secret(token),)]
    assert token not in str(store_conn.execute("SELECT * FROM audit").fetchall())


def test_a_principal_may_have_several_tokens(store_conn: Connection) -> None:
    """The same name with the same rights adds a token; by number one is revoked."""
    assert create(store_conn) != create(store_conn)
    tokens = access.list_tokens(store_conn)

    assert [token.name for token in tokens] == ["li", "li"]
    assert access.revoke_tokens(store_conn, str(tokens[0].token_id), NOW_US) == 1
    assert access.revoke_tokens(store_conn, "li", NOW_US) == 1
    assert access.revoke_tokens(store_conn, "li", NOW_US) == 0
    with pytest.raises(NotFound):
        access.revoke_tokens(store_conn, "wang", NOW_US)


def test_a_name_keeps_its_rights(store_conn: Connection) -> None:
    """A second token cannot widen what a name may see."""
    create(store_conn)
    with pytest.raises(StateConflict, match="530627"):
        create(store_conn, areas=None)
    with pytest.raises(StateConflict):
        create(store_conn, role="viewer")


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "king"},
        {"name": ""},
        {"areas": ["zhenxiong"]},
        {"areas": []},
        {"mines": []},
        {"mines": ["12"]},
        {"mines": ["530626000001"]},
    ],
)
def test_contradictory_rights_are_refused(
    store_conn: Connection, wrong: dict[str, Any]
) -> None:
    """Unknown roles, malformed codes, a mine outside of its area."""
    with pytest.raises(BadRequest):
        create(store_conn, **wrong)
    assert access.list_tokens(store_conn) == []


def test_the_audit_cannot_be_changed(store_conn: Connection) -> None:
    """Who made a token stays written."""
    create(store_conn)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        store_conn.execute("DELETE FROM audit")
    store_conn.rollback()

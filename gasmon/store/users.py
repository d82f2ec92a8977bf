"""Accounts of people: made, changed, reset and retired; never deleted.

A user is a principal of any role but ``platform``. It logs in with a password that it
set itself through a one-time link, and may have tokens beside that. Each change is one
transaction with its row in the audit, on an autocommit connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from gasmon.errors import BadRequest, Forbidden, NotFound, StateConflict
from gasmon.store import links, sessions
from gasmon.store.access import check_principal, insert_principal
from gasmon.store.audit import Actor, write_by
from gasmon.store.scope import Scope, within
from gasmon.units import from_datetime, iso_us, to_datetime

PROGRAM_ROLE = "platform"
FIRST_NAME = "admin"
"""Name of the first administrator when nobody says another one."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody is and sees.

    Attributes:
        areas: six-digit codes; None means all.
        mines: twelve-digit codes; None means all of the areas.
    """

    role: str
    areas: Sequence[str] | None
    mines: Sequence[str] | None

    @property
    def scope(self) -> Scope:
        """What is seen."""
        return Scope(_tuple(self.areas), _tuple(self.mines))

    def told(self) -> dict[str, Any]:
        """For the audit."""
        return {"role": self.role, "areas": self.areas, "mines": self.mines}


def add(
    conn: psycopg.Connection[Any],
    name: str,
    rights: Rights,
    by: Actor,
    *,
    now_us: int,
    life_us: int,
) -> str:
    """Make a user; commits.

    Args:
        life_us: how long the link may be used [µs].

    Returns:
        The one-time link's secret, with which the user sets a password.

    Raises:
        BadRequest: the name, role or scope is none, or a program's.
        Forbidden: the rights reach further than those of ``by``.
        StateConflict: the name exists, or existed.
    """
    _check_rights(name, rights, by)
    with conn.transaction():
        principal_id = insert_principal(
            conn, name, rights.role, rights.areas, rights.mines, now_us
        )
        if principal_id is None:
            raise StateConflict(f"{name!r} exists; names are never given twice")
        link = links.make(conn, principal_id, now_us=now_us, life_us=life_us)
        write_by(conn, by, "user.add", name, **rights.told())
    return link


def add_first(
    conn: psycopg.Connection[Any],
    name: str,
    by: Actor,
    *,
    now_us: int,
    life_us: int,
) -> str:
    """Make the first administrator, or give it another link; commits.

    Returns:
        The one-time link's secret.

    Raises:
        BadRequest: the name is none.
        StateConflict: an administrator can log in already, or the name is another's.
    """
    rights = Rights("administrator", None, None)
    _check_rights(name, rights, by)
    with conn.transaction():
        _lock_principals(conn)
        here = administrators(conn, now_us)
        if here:
            raise StateConflict(
                f"administrator {here[0]!r} can log in; use: gasmon user reset NAME"
            )
        principal_id = insert_principal(conn, name, rights.role, None, None, now_us)
        if principal_id is None:
            row = find(conn, name)
            if (row["role"], row["areas"], row["mines"]) != (rights.role, None, None):
                raise StateConflict(f"{name!r} exists as {row['role']}; choose a name")
            if row["retired_at"] is not None:
                raise StateConflict(f"{name!r} was retired; choose another name")
            principal_id = row["principal_id"]
        link = links.make(conn, principal_id, now_us=now_us, life_us=life_us)
        write_by(conn, by, "user.first", name)
    return link


def administrators(
    conn: psycopg.Connection[Any], now_us: int, but: int | None = None
) -> list[str]:
    """Names of administrators of everything who can come in now.

    Args:
        but: a principal that does not count.
    """
    rows = conn.execute(
        "SELECT name FROM principal p WHERE role = 'administrator'"
        " AND retired_at IS NULL AND areas IS NULL AND mines IS NULL"
        " AND principal_id IS DISTINCT FROM %s"
        " AND (EXISTS (SELECT FROM password w WHERE w.principal_id = p.principal_id)"
        "  OR EXISTS (SELECT FROM token t WHERE t.principal_id = p.principal_id"
        "   AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %s)))"
        " ORDER BY principal_id",
        (but, to_datetime(now_us)),
    ).fetchall()
    return [str(row[0]) for row in rows]


def set_rights(
    conn: psycopg.Connection[Any], name: str, rights: Rights, by: Actor, *, now_us: int
) -> None:
    """Give a user another role or scope; commits. Open pages notice within seconds.

    Raises:
        NotFound: no such user, or not for ``by``.
        BadRequest: as :func:`add`.
        Forbidden: as :func:`add`.
        StateConflict: it was retired, or is the last administrator.
    """
    _check_rights(name, rights, by)
    with conn.transaction():
        _lock_principals(conn)
        row = _living(conn, name, by)
        if rights != Rights("administrator", None, None):
            _require_another(conn, row, now_us)
        conn.execute(
            "UPDATE principal SET role = %s, areas = %s, mines = %s"
            " WHERE principal_id = %s",
            (
                rights.role,
                _sorted(rights.areas),
                _sorted(rights.mines),
                row["principal_id"],
            ),
        )
        before = Rights(row["role"], row["areas"], row["mines"]).told()
        write_by(conn, by, "user.set_role", name, before=before, now=rights.told())


def reset(
    conn: psycopg.Connection[Any],
    name: str,
    by: Actor,
    *,
    now_us: int,
    life_us: int,
) -> str:
    """Void a user's password and log-ins at once and give a link; commits.

    Tokens stay: they are revoked by themselves.

    Returns:
        The one-time link's secret.

    Raises:
        NotFound: no such user, or not for ``by``.
        StateConflict: it was retired.
    """
    with conn.transaction():
        row = _living(conn, name, by)
        conn.execute(
            "DELETE FROM password WHERE principal_id = %s", (row["principal_id"],)
        )
        n_ended = sessions.end_of(conn, row["principal_id"])
        link = links.make(conn, row["principal_id"], now_us=now_us, life_us=life_us)
        write_by(conn, by, "user.reset", name, ended_sessions=n_ended)
    return link


def retire(
    conn: psycopg.Connection[Any], name: str, by: Actor, *, now_us: int
) -> dict[str, int]:
    """End a user for good; commits. What it did stays under its name.

    Returns:
        How many log-ins and tokens ended with it.

    Raises:
        NotFound: no such user, or not for ``by``.
        StateConflict: it was retired, or is the last administrator.
    """
    with conn.transaction():
        _lock_principals(conn)
        row = _living(conn, name, by)
        _require_another(conn, row, now_us)
        who = row["principal_id"]
        now = to_datetime(now_us)
        conn.execute(
            "UPDATE principal SET retired_at = %s WHERE principal_id = %s", (now, who)
        )
        conn.execute("DELETE FROM password WHERE principal_id = %s", (who,))
        links.end_of(conn, who, now_us)
        n_tokens = conn.execute(
            "UPDATE token SET revoked_at = %s"
            " WHERE principal_id = %s AND revoked_at IS NULL",
            (now, who),
        ).rowcount
        ended = {"sessions": sessions.end_of(conn, who), "tokens": n_tokens}
        write_by(conn, by, "user.retire", name, **ended)
    return ended


def end_sessions(
    conn: psycopg.Connection[Any],
    name: str,
    session_ids: Sequence[int] | None,
    by: Actor,
) -> int:
    """End log-ins of a user at once; commits. Says how many.

    Args:
        session_ids: these alone; None ends all.

    Raises:
        NotFound: no such user, or not for ``by``.
    """
    with conn.transaction():
        row = visible(conn, name, by)
        n_ended = sessions.end_of(conn, row["principal_id"], session_ids)
        write_by(conn, by, "session.end", name, ended=n_ended)
    return n_ended


_USER = (
    "SELECT p.*, w.set_at AS password_set_at,"
    " (SELECT max(l.expires_at) FROM password_link l"
    "  WHERE l.principal_id = p.principal_id AND l.ended_at IS NULL"
    "  AND l.expires_at > %(now)s) AS link_until,"
    " (SELECT count(*) FROM session s WHERE s.principal_id = p.principal_id"
    "  AND s.expires_at > %(now)s AND s.last_seen_at > %(idle)s) AS sessions,"
    " (SELECT count(*) FROM token t WHERE t.principal_id = p.principal_id"
    "  AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %(now)s))"
    " AS tokens, (SELECT max(last_at) FROM known_address k"
    "  WHERE k.principal_id = p.principal_id) AS last_log_in"
    " FROM principal p LEFT JOIN password w USING (principal_id)"
    " WHERE p.role <> 'platform'"
)


def list_users(
    conn: psycopg.Connection[Any],
    scope: Scope,
    life: sessions.Life,
    now_us: int,
    name: str | None = None,
) -> list[dict[str, Any]]:
    """Users as people see them, by name.

    Args:
        scope: of who asks: users who see more are left out.
        name: this one alone.
    """
    times = {
        "now": to_datetime(now_us),
        "idle": to_datetime(now_us - life.idle_us),
        "name": name,
    }
    query = _USER + (" AND p.name = %(name)s" if name is not None else "")
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query + " ORDER BY p.name", times).fetchall()
    return [_shown(row) for row in rows if within(_scope_of(row), scope)]


def find(conn: psycopg.Connection[Any], name: str) -> dict[str, Any]:
    """A user's row, locked until the transaction ends.

    Raises:
        NotFound: no such user.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT * FROM principal WHERE name = %s AND role <> %s FOR UPDATE",
            (name.replace("\x00", ""), PROGRAM_ROLE),
        ).fetchone()
    if row is None:
        raise NotFound(f"no user {name[:100]!r}")
    return row


def visible(conn: psycopg.Connection[Any], name: str, by: Actor) -> dict[str, Any]:
    """The row of a user who sees no more than ``by``; raises NotFound."""
    row = find(conn, name)
    if not within(_scope_of(row), by.scope):
        raise NotFound(f"no user {name[:100]!r}")
    return row


def _living(conn: psycopg.Connection[Any], name: str, by: Actor) -> dict[str, Any]:
    row = visible(conn, name, by)
    if row["retired_at"] is not None:
        at = iso_us(from_datetime(row["retired_at"]))
        raise StateConflict(f"{name!r} was retired at {at}")
    return row


def _check_rights(name: str, rights: Rights, by: Actor) -> None:
    check_principal(name, rights.role, rights.areas, rights.mines)
    if rights.role == PROGRAM_ROLE:
        raise BadRequest("a platform is a program: gasmon token create")
    if not within(rights.scope, by.scope):
        raise Forbidden("nobody can give more than he sees himself")


def _lock_principals(conn: psycopg.Connection[Any]) -> None:
    """Two who retire each other at once would leave no administrator."""
    conn.execute("LOCK TABLE principal IN SHARE ROW EXCLUSIVE MODE")


def _require_another(
    conn: psycopg.Connection[Any], row: dict[str, Any], now_us: int
) -> None:
    is_one = row["role"] == "administrator" and row["areas"] is row["mines"] is None
    if is_one and not administrators(conn, now_us, but=row["principal_id"]):
        raise StateConflict(
            f"{row['name']!r} is the last administrator who can log in; add another one"
        )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    def at(name: str) -> str | None:
        return None if row[name] is None else iso_us(from_datetime(row[name]))

    return {
        "id": row["principal_id"],
        "name": row["name"],
        "role": row["role"],
        "areas": row["areas"],
        "mines": row["mines"],
        "created_at": at("created_at"),
        "retired_at": at("retired_at"),
        "password_set_at": at("password_set_at"),
        "link_until": at("link_until"),
        "last_log_in": at("last_log_in"),
        "sessions": row["sessions"],
        "tokens": row["tokens"],
    }


def _scope_of(row: dict[str, Any]) -> Scope:
    return Scope(_tuple(row["areas"]), _tuple(row["mines"]))


def _tuple(codes: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if codes is None else tuple(codes)


def _sorted(codes: Sequence[str] | None) -> list[str] | None:
    return None if codes is None else sorted(set(codes))

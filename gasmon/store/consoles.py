"""Pages of consoles: what each said last, written by the api, read by duty too."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import dict_row

from gasmon.shifts.consoles import ConsolePage
from gasmon.store.db import AsyncConnection, Connection
from gasmon.units import from_datetime, to_datetime


@dataclass(frozen=True, slots=True)
class PageNote:
    """What a page says of itself, or what became of it.

    Attributes:
        heard_us: when it said so [µs UTC].
        closed: its line ended.
        left: somebody signed out there.
    """

    page: str
    console: str
    principal_id: int
    visible: bool
    sound: str
    tested_us: int | None
    clock_off_ms: int
    heard_us: int
    closed: bool = False
    left: bool = False


_WRITE = (
    "INSERT INTO console_page (page, console, principal_id, opened_at, heard_at,"
    " closed_at, left_at, visible, sound, sound_tested_at, clock_off_ms)"
    " VALUES (%(page)s, %(console)s, %(principal_id)s, %(heard)s, %(heard)s,"
    " %(closed)s, %(left)s, %(visible)s, %(sound)s, %(tested)s, %(off)s)"
    " ON CONFLICT (page) DO UPDATE SET console = excluded.console,"
    " principal_id = excluded.principal_id, heard_at = excluded.heard_at,"
    " closed_at = excluded.closed_at, left_at = excluded.left_at,"
    " visible = excluded.visible, sound = excluded.sound,"
    " sound_tested_at = excluded.sound_tested_at,"
    " clock_off_ms = excluded.clock_off_ms"
)


async def write_pages(conn: AsyncConnection, notes: Sequence[PageNote]) -> None:
    """Write what pages said last."""
    await conn.cursor().executemany(
        _WRITE,
        [
            {
                "page": note.page,
                "console": note.console,
                "principal_id": note.principal_id,
                "heard": to_datetime(note.heard_us),
                "closed": to_datetime(note.heard_us) if note.closed else None,
                "left": to_datetime(note.heard_us) if note.left else None,
                "visible": note.visible,
                "sound": note.sound,
                "tested": None
                if note.tested_us is None
                else to_datetime(note.tested_us),
                "off": note.clock_off_ms,
            }
            for note in notes
        ],
    )


def load_pages(conn: Connection, since_us: int) -> list[ConsolePage]:
    """Pages that were heard of since a time [µs UTC], by person and begin."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT c.*, p.name, p.role, p.areas, p.mines"
            " FROM console_page c JOIN principal p USING (principal_id)"
            " WHERE c.heard_at >= %s AND p.retired_at IS NULL"
            " ORDER BY p.name, c.console, c.opened_at, c.page",
            (to_datetime(since_us),),
        ).fetchall()
    return [
        ConsolePage(
            console=row["console"],
            name=row["name"],
            role=row["role"],
            areas=None if row["areas"] is None else tuple(row["areas"]),
            mines=None if row["mines"] is None else tuple(row["mines"]),
            opened_us=from_datetime(row["opened_at"]),
            heard_us=from_datetime(row["heard_at"]),
            closed=row["closed_at"] is not None,
            left_us=None if row["left_at"] is None else from_datetime(row["left_at"]),
            visible=row["visible"],
            sound=row["sound"],
            tested_us=None
            if row["sound_tested_at"] is None
            else from_datetime(row["sound_tested_at"]),
            clock_off_ms=row["clock_off_ms"],
        )
        for row in rows
    ]

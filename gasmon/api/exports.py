"""Files that people take away: each stands in the audit before it is given."""

from collections.abc import Sized
from typing import Any

from fastapi import Request
from starlette.responses import Response

from gasmon.api.auth import Caller, actor_of
from gasmon.api.log_in import in_transaction
from gasmon.api.state import ApiState
from gasmon.store import audit

CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "UTF-8 with a header"}
}


async def csv_file(
    asker: Caller,
    shared: ApiState,
    request: Request,
    action: str,
    name: str,
    body: bytes,
    rows: Sized,
) -> Response:
    """Give a CSV file, after its row in the audit was written.

    Args:
        action: for the audit, with what was asked for as its detail.
        name: of the file, ASCII.
        rows: what is in it, for its number.
    """
    by, asked = actor_of(asker, request), dict(request.query_params)
    await in_transaction(
        shared,
        lambda conn: audit.write_by(
            conn, by, action, name, rows=len(rows), asked=asked
        ),
    )
    return Response(
        body,
        media_type="text/csv; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )

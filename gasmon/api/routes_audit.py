"""``/audit``: who did what, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Administrator, Shared
from gasmon.api.log_in import in_database
from gasmon.api.schemas_accounts import AuditPage, AuditQuery
from gasmon.store import audit

router = APIRouter(tags=["audit"], responses=PROBLEMS)


@router.get("/audit", response_model=AuditPage)
async def read_audit(
    asker: Administrator, shared: Shared, query: Annotated[AuditQuery, Query()]
) -> Response:
    """One page, the newest first; a limited administrator sees his own people."""
    wanted = audit.Wanted(
        query.principal,
        query.action,
        query.subject,
        query.outcome,
        query.from_,
        query.to,
    )
    scope = asker.principal.scope
    rows, following = await in_database(
        shared,
        lambda conn: audit.rows(
            conn, scope, wanted, before=query.cursor, limit=query.limit
        ),
    )
    return answer({"items": rows, "next": following})

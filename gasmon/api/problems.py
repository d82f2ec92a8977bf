"""Every refusal in one shape: ``application/problem+json`` (RFC 9457).

``type`` is a stable identifier for programs (``urn:gasmon:problem:not-found``),
``detail`` one clear line for people.
"""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout, TooManyRequests
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gasmon.errors import DependencyError, RequestError, TooMany

log = logging.getLogger("gasmon.api")

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not understood",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
    504: "Took too long",
}


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """One refusal.

    Args:
        slug: last part of the type.
        members: further members, e.g. ``errors``.
    """
    body = {
        "type": f"urn:gasmon:problem:{slug}",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail,
        **members,
    }
    return Response(
        orjson.dumps(body, default=str),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def add_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every error with a problem."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestError)
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        if isinstance(error, TooMany):
            headers["Retry-After"] = str(error.retry_after_s)
        return problem(error.status, error.slug, str(error), headers=headers)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [
            {
                "where": ".".join(str(part) for part in fault["loc"]),
                "what": fault["msg"],
            }
            for fault in error.errors()
        ]
        detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults)
        return problem(422, "bad-request", detail[:1000], errors=faults[:50])

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        slug = TITLES.get(error.status_code, "refused").lower().replace(" ", "-")
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"nothing at {request.url.path[:200]}"
        return problem(error.status_code, slug, detail, headers=error.headers)

    async def unavailable(_: Request, error: Exception) -> Response:
        if isinstance(error, psycopg.errors.QueryCanceled):
            return problem(
                504, "took-too-long", "the query took too long; ask for less"
            )
        log.error("database: %s", error)
        return problem(
            503,
            "unavailable",
            "the database cannot be reached at present",
            headers={"Retry-After": "2"},
        )

    async def broken(request: Request, error: Exception) -> Response:
        # The server logs the trace after this; here is what it belongs to.
        log.error("%s %s failed: %r", request.method, request.url.path, error)
        return problem(500, "internal-error", "an error of ours; it was logged")

    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(psycopg.OperationalError, unavailable)
    app.add_exception_handler(PoolTimeout, unavailable)
    app.add_exception_handler(TooManyRequests, unavailable)
    app.add_exception_handler(DependencyError, unavailable)
    app.add_exception_handler(Exception, broken)

"""``/healthz``, ``/readyz``, ``/metrics``: for the api, and for processes without one.

``/healthz`` says that the process lives and nothing more, so that a supervisor does not
restart it because the database is away. ``/readyz`` asks every check that the process
was built with and names those that fail.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gasmon.telemetry import Metrics

Check = Callable[[], str | None] | Callable[[], Awaitable[str | None]]
"""Returns None when all is well, else why not. A plain one runs in a thread."""

CHECK_TIMEOUT_S = 5.0
"""A check that takes longer has failed [s]."""


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Ask all checks at once; an exception is a failure, not an error of ours."""
    answers = await asyncio.gather(*(_ask(check) for check in checks.values()))
    return dict(zip(checks, answers, strict=True))


async def _ask(check: Check) -> str | None:
    asked = asyncio.ensure_future(_answer(check))
    # Not ``asyncio.timeout``: a query that hangs with its server answers to a
    # cancellation only after it has tried, for seconds more, to cancel itself there.
    await asyncio.wait({asked}, timeout=CHECK_TIMEOUT_S)
    if asked.done():
        return asked.result()
    asked.cancel()
    return f"no answer within {CHECK_TIMEOUT_S:g} s"


async def _answer(check: Check) -> str | None:
    """Why a check fails, in one line."""
    try:
        if inspect.iscoroutinefunction(check):
            answer = await check()
        else:
            answer = await asyncio.to_thread(check)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return None if answer is None else " ".join(str(answer).split())


def health_routes(checks: Mapping[str, Check], metrics: Metrics) -> list[Route]:
    """The three routes, for any application.

    Args:
        checks: by name, e.g. ``database``; looked up anew for each request, so a
            process may add some while it starts.
    """

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"}, headers=_NOT_KEPT)

    async def readyz(_: Request) -> Response:
        answers = await run_checks(checks)
        ready = all(answer is None for answer in answers.values())
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {name: answer or "ok" for name, answer in answers.items()},
        }
        return JSONResponse(body, 200 if ready else 503, headers=_NOT_KEPT)

    async def show_metrics(_: Request) -> Response:
        return PlainTextResponse(
            metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", show_metrics),
    ]


_NOT_KEPT = {"Cache-Control": "no-store"}


def create_health_app(checks: Mapping[str, Check], metrics: Metrics) -> Starlette:
    """A small application for a process without an api (``ingest``, ``duty``)."""
    return Starlette(routes=list(health_routes(checks, metrics)))

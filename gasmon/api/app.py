"""Puts the api together, and says how it is served."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket

import gasmon
from gasmon.alarms.closing import load_closing
from gasmon.alarms.escalation_rules import load_escalation
from gasmon.api import (
    problems,
    routes_accounts,
    routes_alarms,
    routes_audit,
    routes_cap,
    routes_changes,
    routes_consoles,
    routes_differences,
    routes_drainage,
    routes_drills,
    routes_escalation,
    routes_forecasts,
    routes_ledger,
    routes_life,
    routes_lists,
    routes_load,
    routes_mines,
    routes_places,
    routes_plans,
    routes_points,
    routes_rules,
    routes_session,
    routes_shifts,
    routes_statistics,
    routes_suspicion,
    routes_tokens,
    routes_upstream,
    routes_users,
)
from gasmon.api.consoles import Consoles
from gasmon.api.follower import Follower
from gasmon.api.gate import PasswordGate
from gasmon.api.health import Check, health_routes
from gasmon.api.hub import Hub
from gasmon.api.ledger import Ledger
from gasmon.api.limits import BodyLimit, BoundedWebSocket, StreamPlaces
from gasmon.api.live import LiveFollower
from gasmon.api.live_stream import serve_live
from gasmon.api.pages import SecurityHeaders, page_router, static_files
from gasmon.api.state import ApiState
from gasmon.api.streams import serve_alarms
from gasmon.clock import Clock
from gasmon.settings import Settings
from gasmon.store import migrate
from gasmon.store.alarm_effects import LifeRules
from gasmon.store.db import AsyncPool, connect, open_pool
from gasmon.store.passwords import Passwords
from gasmon.telemetry import Counter, Metrics

log = logging.getLogger("gasmon.api")

PREFIX = "/api/v1"
ROUTES = (
    routes_session,
    routes_accounts,
    routes_users,
    routes_tokens,
    routes_audit,
    routes_rules,
    routes_mines,
    routes_points,
    routes_load,
    routes_suspicion,
    # Its fixed addresses stand before those with a number in them.
    routes_lists,
    routes_alarms,
    routes_life,
    routes_ledger,
    routes_consoles,
    routes_plans,
    routes_changes,
    routes_drills,
    routes_escalation,
    routes_cap,
    routes_shifts,
    routes_forecasts,
    routes_drainage,
    routes_differences,
    routes_places,
    routes_statistics,
    routes_upstream,
)
RESTART_S = 1.0
"""Wait before a task of ours that crashed is started again [s]."""

GRACE_S = 5
"""How long open connections may take to end when the server stops [s]."""


def create_app(
    settings: Settings,
    metrics: Metrics,
    clock: Clock,
    *,
    checks: Mapping[str, Check] | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        checks: what ``/readyz`` asks besides the database, the migrations and our own
            tasks: the broker, the ingest's lag.

    Returns:
        The application; its lifespan opens the pool and runs the followers.
    """
    crashes = metrics.counter(
        "gasmon_api_task_crashes_total", "tasks of the api that ended by an error"
    )
    all_checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = settings.database
        pool = await open_pool(database, database.pool_size, "gasmon-api")
        history = await open_pool(
            database, database.history_pool_size, "gasmon-api-history"
        )
        state = _build_state(settings, metrics, clock, pool, history)
        app.state.api = state
        down: set[str] = set()
        all_checks.update(_own_checks(settings, state, down), **(checks or {}))
        tasks = _start_tasks(state, down, crashes)
        try:
            yield
        finally:
            state.hub.close_all(1012, "the server restarts; resume")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await state.ledger.close()
            await pool.close()
            await history.close()

    app = FastAPI(
        title="gasmon",
        version=gasmon.__version__,
        summary="Coal-mine gas monitoring and remote alarms",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    for routes in ROUTES:
        app.include_router(routes.router, prefix=PREFIX)
    _add_streams(app)
    app.router.routes.extend(health_routes(all_checks, metrics))
    app.mount("/static", static_files())
    app.include_router(page_router())
    problems.add_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    return app


def _add_streams(app: FastAPI) -> None:
    @app.websocket(f"{PREFIX}/stream/alarms")
    async def stream_alarms(socket: WebSocket) -> None:
        await serve_alarms(socket, socket.app.state.api)

    @app.websocket(f"{PREFIX}/stream/live")
    async def stream_live(socket: WebSocket) -> None:
        await serve_live(socket, socket.app.state.api)


def _build_state(
    settings: Settings,
    metrics: Metrics,
    clock: Clock,
    pool: AsyncPool,
    history: AsyncPool,
) -> ApiState:
    hub = Hub(metrics)
    return ApiState(
        settings=settings,
        metrics=metrics,
        clock=clock,
        pool=pool,
        history=history,
        hub=hub,
        follower=Follower(
            *(settings.database, hub, metrics, clock),
            is_below=settings.upstream.url is not None,
        ),
        live=LiveFollower(settings.database, metrics, clock),
        streams=StreamPlaces(settings.api.max_streams_per_principal),
        ledger=Ledger(pool, metrics),
        consoles=Consoles(pool, metrics),
        refused_logins=metrics.counter(
            "gasmon_api_refused_tokens_total", "tokens that were nobody's"
        ),
        closes=metrics.counter(
            "gasmon_api_stream_closes_total", "ended streams by stream and close code"
        ),
        life=LifeRules(
            load_closing(settings.life.closing_file), settings.life.longest_shelf_min
        ),
        escalation=load_escalation(settings.escalation.rules_file),
        passwords=Passwords(settings.accounts),
        gate=PasswordGate(),
        log_ins=metrics.counter(
            "gasmon_api_log_ins_total", "passwords shown, by result"
        ),
    )


def _start_tasks(
    state: ApiState, down: set[str], crashes: Counter
) -> list[asyncio.Task[None]]:
    """Run what the api does besides answering."""
    return [
        asyncio.create_task(
            _keep_running(name, run, down, crashes), name=f"gasmon.{name}"
        )
        for name, run in (
            ("follower", state.follower.run),
            ("live", state.live.run),
            ("ledger", state.ledger.run),
            ("consoles", state.consoles.run),
        )
    ]


async def _keep_running(
    name: str,
    run: Callable[[], Coroutine[Any, Any, None]],
    down: set[str],
    crashes: Counter,
) -> None:
    """Run a task for ever; a crash is logged, counted, seen by readyz, and mended."""
    while True:
        down.discard(name)
        try:
            await run()
            raise RuntimeError(f"task {name} returned")
        except Exception:
            log.exception("task %s crashed; again in %g s", name, RESTART_S)
        down.add(name)
        crashes.inc(task=name)
        await asyncio.sleep(RESTART_S)


def _own_checks(
    settings: Settings, state: ApiState, down: set[str]
) -> dict[str, Check]:
    async def database() -> str | None:
        async with state.pool.connection(timeout=3.0) as conn:
            await conn.execute("SELECT 1")
        return None

    def migrations() -> str | None:
        with connect(settings.database, autocommit=True) as conn:
            status = migrate.status(conn)
        if status.pending:
            return f"not applied: {', '.join(status.pending)}"
        return status.problem

    async def tasks() -> str | None:
        return f"crashed: {', '.join(sorted(down))}" if down else None

    async def follower() -> str | None:
        return state.follower.problem()

    async def live() -> str | None:
        return state.live.problem()

    return {
        "database": database,
        "migrations": migrations,
        "tasks": tasks,
        "follower": follower,
        "live": live,
    }


def uvicorn_config(
    app: Any, settings: Settings, *, port: int | None = None
) -> uvicorn.Config:
    """How the application is served.

    Frames are small and alarms are urgent: no compression of streams (it costs time
    and memory per client). asyncio sets TCP_NODELAY on every connection by itself.
    """
    largest = settings.api.max_client_frame_bytes
    return uvicorn.Config(
        app,
        host=settings.api.host,
        port=settings.api.port if port is None else port,
        ws=BoundedWebSocket,
        ws_per_message_deflate=False,
        # A frame somewhat over our limit is refused by us, with a code that says why
        # (4413); one far over it is cut off while it is read (1009).
        ws_max_size=4 * largest,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )

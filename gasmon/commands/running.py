"""What the long-running commands share: signals, health pages, the loops' wiring."""

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TypeVar

import uvicorn

from gasmon.alarms.rules import RuleSet
from gasmon.api.health import Check, create_health_app
from gasmon.clock import Clock
from gasmon.duty.channel_file import load_channels
from gasmon.duty.courier import Couriers
from gasmon.duty.jobs import jobs
from gasmon.duty.loop import DutyLoop
from gasmon.errors import DependencyError, MigrationError
from gasmon.pipeline.drill_loop import DrillLoop
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.recent import has_recent
from gasmon.pipeline.rulewatch import RuleWatch, load_rules
from gasmon.remote.frames import encode_body
from gasmon.settings import Settings
from gasmon.store import migrate
from gasmon.store.db import connect
from gasmon.telemetry import Metrics

log = logging.getLogger(__name__)

FIRST_WAITS_S = (1, 2, 5, 5)
"""Waits for a database that is not there yet when a service starts [s]; the last one
repeats until START_PATIENCE_S is over."""

START_PATIENCE_S = 120


HOST_CHARACTERS = 26
"""Of a host's name: with start and process id it must fit a session's name in the
database (63), which cuts off what is longer."""


SWITCH_INTERVAL_S = 0.0005
"""How long a thread may hold the interpreter while another waits [s]. The default of
5 ms would let a large batch hold back an alarm that is ready to be told."""


def take_turns() -> None:
    """Let threads that wait for the interpreter have it soon, from now on."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def keep_what_is_loaded() -> None:
    """Let no search for garbage go through what is here to stay.

    Routes, models and modules of the api are some 135,000 objects: each look through
    all of them took 90 ms of its only thread's processor time, for which alarms waited.
    """
    gc.collect()
    gc.freeze()


def owner_name(boot: str) -> str:
    """How this process is called in the database: host, start and process id.

    Containers often share host name and process id; the start is nobody else's.

    Args:
        boot: drawn at random for each start.
    """
    host = socket.gethostname()[:HOST_CHARACTERS]
    return f"{host}/{boot}:{os.getpid()}"


def require_schema(settings: Settings) -> None:
    """Refuse to start on a database whose schema is not ours.

    Raises:
        DependencyError: the database cannot be reached.
        MigrationError: migrations are missing, changed or from the future.
    """
    with connect(settings.database, autocommit=True) as conn:
        status = migrate.status(conn)
    if status.problem:
        raise MigrationError(status.problem)
    if status.pending:
        raise MigrationError(
            f"{len(status.pending)} migrations are not applied "
            f"({', '.join(status.pending)}); run: gasmon db upgrade"
        )


def begins_without_database(settings: Settings) -> bool:
    """Whether ingest has a copy beside its spool that it may begin from."""
    ingest = settings.ingest
    if ingest.spool_dir is None or not ingest.start_without_database:
        return False
    return has_recent(ingest.spool_dir)


def require_schema_or_copy(settings: Settings) -> None:
    """As ``require_schema``; a database that is away is no hindrance with a copy.

    Raises:
        DependencyError: the database cannot be reached, and there is no copy.
        MigrationError: its schema is not ours.
    """
    try:
        require_schema(settings)
    except DependencyError as error:
        if not begins_without_database(settings):
            raise
        log.critical("%s: trying to begin without it", error)


def start_ingest(settings: Settings, ingest: IngestLoop) -> bool:
    """Start ingest on a schema that is ours, or without a database.

    Returns:
        False when it was told to stop before it began.

    Raises:
        GasmonError: it cannot start, or not yet.
    """
    if ingest.ended:
        return False
    try:
        require_schema_or_copy(settings)
        return ingest.start()
    except DependencyError as error:
        ingest.not_begun = f"not begun, nothing is judged: {error}"
        log.critical("nothing is judged, frames wait at the broker: %s", error)
        raise


T = TypeVar("T")


async def patiently(what: str, attempt: Callable[[], T]) -> T:
    """Try something that needs a database until it is there; returns what it gave.

    Raises:
        DependencyError: still not there after START_PATIENCE_S.
    """
    waited = 0
    for number in range(START_PATIENCE_S):
        try:
            return await asyncio.to_thread(attempt)
        except DependencyError as error:
            wait_s = FIRST_WAITS_S[min(number, len(FIRST_WAITS_S) - 1)]
            if waited + wait_s > START_PATIENCE_S:
                raise
            log.warning("%s waits: %s", what, error)
            await asyncio.sleep(wait_s)
            waited += wait_s
    raise AssertionError("unreachable")


def make_ingest(settings: Settings, clock: Clock, metrics: Metrics) -> IngestLoop:
    """Ingest with the site's rules."""
    boot = secrets.token_hex(6)
    return IngestLoop(
        settings,
        load_rules(settings.engine.rules_file),
        encode_body,
        clock,
        metrics,
        owner=owner_name(boot),
        boot=boot,
    )


def make_drills(
    settings: Settings, ingest: IngestLoop, clock: Clock, metrics: Metrics
) -> DrillLoop:
    """Drills beside ingest, in the name of the same owner."""
    return DrillLoop(
        settings,
        ingest,
        encode_body,
        clock,
        metrics,
        owner=ingest.owner,
        boot=f"drills-{secrets.token_hex(4)}",
    )


def make_duty(settings: Settings, clock: Clock, metrics: Metrics) -> DutyLoop:
    """Duty with all its jobs and channels."""
    path, poll_s = settings.engine.rules_file, settings.engine.rules_poll_s
    watch = RuleWatch(path, load_rules(path), poll_s)

    def rules() -> RuleSet:
        watch.ask()
        watch.look()
        return watch.rules

    channels = load_channels(settings.escalation.channels_file)
    couriers = Couriers(settings, channels, clock, metrics)
    return DutyLoop(settings, jobs(settings, rules), clock, metrics, couriers)


class Stop:
    """Turns the first SIGINT or SIGTERM into an event; a second one ends at once."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._told)

    def _told(self, number: int, _frame: FrameType | None) -> None:
        if self.event.is_set():
            signal.signal(number, signal.SIG_DFL)
        self._loop.call_soon_threadsafe(self.event.set)


def reload_rules_on_hangup(ingest: IngestLoop) -> None:
    """Let SIGHUP have the rule file read at once."""
    signal.signal(signal.SIGHUP, lambda _number, _frame: ingest.rules.ask())


class QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the command has one for all parts.

    Attributes:
        ready: set once connections are accepted.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so when it is done."""
        await super().startup(sockets)
        self.ready.set()


async def serve_until(
    config: uvicorn.Config,
    stop: asyncio.Event,
    on_ready: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    """Serve an application until told to stop.

    Args:
        on_ready: told the port once connections are accepted.

    Raises:
        DependencyError: the address cannot be listened on.
    """
    sockets = [_listen(config.host, config.port)]
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets), name="gasmon[http]")
    ready = asyncio.create_task(server.ready.wait(), name="gasmon[ready]")
    stopping = asyncio.create_task(stop.wait(), name="gasmon[stop]")
    try:
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and on_ready is not None:
            await on_ready(sockets[0].getsockname()[1])
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        stopping.cancel()
        ready.cancel()
        await serving


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise DependencyError(
            f"cannot listen on {host}:{port}: {error.strerror}"
        ) from (None)
    listener.set_inheritable(False)
    return listener


async def serve_health(
    settings: Settings,
    port: int,
    checks: Mapping[str, Check],
    metrics: Metrics,
    stop: asyncio.Event,
) -> None:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics``; port 0 serves nothing."""
    if port == 0:
        await stop.wait()
        return
    config = uvicorn.Config(
        create_health_app(checks, metrics),
        host=settings.api.host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
    )
    await serve_until(config, stop)


async def run_ingest(
    what: str, settings: Settings, ingest: IngestLoop, stop: asyncio.Event
) -> None:
    """Start, perhaps after standing by, then watch until the end.

    Raises:
        GasmonError: it cannot start; ``stop`` is set then.
    """
    ending = asyncio.create_task(stop.wait(), name="gasmon[ending]")
    start = partial(start_ingest, settings, ingest)
    starting = asyncio.create_task(patiently(what, start), name="gasmon[start]")
    try:
        await asyncio.wait((ending, starting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            ingest.give_up()
        if await starting:
            await watch(ingest, stop)
    finally:
        ending.cancel()
        stop.set()


async def watch(ingest: IngestLoop, stop: asyncio.Event) -> None:
    """Stop the process when a thread of ingest ended: a supervisor starts it anew."""
    while not stop.is_set():
        if ingest.failure is not None:
            stop.set()
            return
        try:
            await asyncio.wait_for(stop.wait(), 0.5)
        except TimeoutError:
            continue


def database_check(settings: Settings) -> Callable[[], str | None]:
    """A readiness check: the database answers and its schema is ours."""

    def check() -> str | None:
        require_schema(settings)
        return None

    return check

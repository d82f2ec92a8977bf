"""The line to the database: one connection owns our areas, one writes.

A thread of its own keeps both: it speaks on the owning one each second, so that the
server knows that we live, opens lost ones anew, and cuts the writing one when a write
hangs. So neither judging nor spooling ever waits for a server that does not answer.

While the database is away nobody can take our areas, so we go on. When it is back we
have ``standby.GRACE_S`` to take them again before a standby may; whoever comes too late
finds a newer fencing number and must end.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg

from gasmon.clock import Clock
from gasmon.errors import DependencyError, GasmonError, StateConflict
from gasmon.pipeline.ownership import OwnerRecord, Taking
from gasmon.pipeline.standby import wait_until_free
from gasmon.pipeline.wires import cut, ping, prepare_writer, require_schema
from gasmon.settings import Settings
from gasmon.store import owners
from gasmon.store.db import Connection, connect
from gasmon.store.owners import ALL, Held

BEAT_S = 1.0
"""How often we say that we live [s]; the server waits for ``owners.IDLE_S``."""

PING_S = 2.0
"""How long an answer may take [s]; then the connection counts as dead."""

LINE_TIMEOUT_S = 10.0
"""A connection over which nothing gets through for so long is dead [s]."""

TAKING_S = 1.0
"""How long we may need to know the number that we have just taken [s]."""

LOOK_S = 0.25
"""How often the thread looks for work [s]."""

log = logging.getLogger(__name__)


class Line:
    """Both connections; ``lost`` says why we may not go on.

    Attributes:
        fencing: our number of each scope.
        told: what is wrong with the connections now; empty when nothing is.
        lost: another process owns an area of ours now; None while none does.
        record: where our numbers lie beside the spool; None without one.
        on_other: told, while standing by, that another process owns our areas.
        beat_s: monotonic time of the last answer on the owning connection [s].
    """

    def __init__(
        self, settings: Settings, owner: str, clock: Clock, stop: threading.Event
    ) -> None:
        self.fencing: dict[str, int] = {}
        self.lost: StateConflict | None = None
        self.beat_s = float("-inf")
        self._database = settings.database
        self._write_limit_s = settings.database.write_timeout_s
        self._scopes: Sequence[str] = sorted(set(settings.ingest.areas)) or [ALL]
        self._owner = owner
        self._clock = clock
        self._stop = stop
        self._closed = threading.Event()
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._owning: Connection | None = None
        self._writing: Connection | None = None
        self.record: OwnerRecord | None = None
        self._taking: Taking | None = None
        self.on_other: Callable[[], None] = lambda: None
        self._is_unproven = False
        self._made: list[Connection] = []
        self._serving = False
        self._begun_s: float | None = None
        self.told = ""
        self._thread: threading.Thread | None = None

    # At the start

    def own(self, *, standby: bool) -> bool:
        """Own our areas.

        Args:
            standby: wait until nobody owns them; else that is an error.

        Returns:
            False when told to stop while waiting.

        Raises:
            DependencyError: the database cannot be reached.
            StateConflict: another process ingests one of our areas.
        """
        if standby and not wait_until_free(
            self._scopes, self.open, self._clock, self._stop, lambda: self.on_other()
        ):
            return False
        conn = self.open()
        try:
            held = owners.held(conn, self._scopes)
            if self.record is not None:
                self.record.recognise(held)
            self.fencing = self._take(conn, held)
            owners.keep_short(conn)
        except BaseException:
            conn.close()
            raise
        self._owning = conn
        self.beat_s = self._clock.monotonic_s()
        self._begin_to_keep()
        return True

    def resume(self, fencing: Mapping[str, int]) -> None:
        """Go on as the owner that we were, without a database for now.

        Args:
            fencing: our numbers then; where a newer one is found, we are not.
        """
        self.fencing = dict(fencing)
        # We may have taken them and died before we wrote that down.
        self._taking = None if self.record is None else self.record.intended()
        self._is_unproven = self._serving = True
        self._begin_to_keep()

    @property
    def scopes(self) -> Sequence[str]:
        """What we own: codes of areas, or ``*``."""
        return self._scopes

    def _begin_to_keep(self) -> None:
        self._thread = threading.Thread(
            target=self._keep, name="gasmon[line]", daemon=True
        )
        self._thread.start()

    def open(self) -> Connection:
        """A connection that a successor of ours can end.

        Raises:
            DependencyError: the database cannot be reached.
        """
        conn = connect(
            self._database,
            name=owners.session_name(self._owner),
            line_timeout_s=LINE_TIMEOUT_S,
        )
        with self._lock:
            self._made = [made for made in self._made if not made.closed] + [conn]
        return conn

    # For the persisting thread

    def writer(self) -> Connection | None:
        """The connection to write with; None while there is none.

        Raises:
            StateConflict: another process owns an area of ours now.
        """
        if self.lost is not None:
            raise self.lost
        with self._lock:
            return self._writing

    def give(self, conn: Connection) -> None:
        """Write with this one from now on."""
        prepare_writer(conn)
        with self._lock:
            assert self._writing is None, "it writes already"
            self._writing = conn
            self._serving = True

    def drop(self, conn: Connection) -> None:
        """This one is of no use any more; another is opened meanwhile."""
        with self._lock:
            if self._writing is conn:
                self._writing = None
        conn.close()
        self._wanted.set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What happens in here is cut off when it takes too long."""
        self._begun_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._begun_s = None

    def is_ours_again(self, conn: Connection) -> bool:
        """Whether a fencing number rose because we took our areas anew.

        Args:
            conn: the writing one; when it is broken, the next try will tell.
        """
        deadline_s = self._clock.monotonic_s() + TAKING_S
        while self.lost is None and self._clock.monotonic_s() < deadline_s:
            try:
                ours = self.fencing
                with self.watched():
                    if owners.fencing_of(conn, list(ours)) == ours:
                        return True
            except psycopg.Error:
                return True
            self._stop.wait(0.05)
        return False

    def is_ours(self, asked_s: float) -> bool:
        """Whether nobody has taken our areas, as far as the database tells.

        For a thread that finds that it did not run for a while: others may have
        thought us dead. Waits for one beat after ``asked_s`` (monotonic [s]), or for
        the news that the database is away; then nobody can have taken them.
        """
        while self.lost is None and self.beat_s < asked_s:
            if self._clock.monotonic_s() - asked_s > 2 * PING_S:
                break
            if self._closed.wait(0.02):
                break
        return self.lost is None

    def is_away(self, now_s: float) -> bool:
        """Whether the database has not answered lately (``now_s`` monotonic [s])."""
        return now_s - self.beat_s > BEAT_S + PING_S

    def close(self) -> None:
        """Close both; with the owning one our ownership ends."""
        self._closed.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(2 * PING_S)
        with self._lock:
            conns = (self._writing, self._owning)
            self._writing = self._owning = None
        for conn in conns:
            if conn is not None:
                conn.close()

    # The thread

    def _keep(self) -> None:
        next_beat_s = 0.0
        while not self._closed.is_set():
            now_s = self._clock.monotonic_s()
            self._cut_if_hanging(now_s)
            if now_s >= next_beat_s:
                next_beat_s = now_s + BEAT_S
                try:
                    self._beat()
                    self._open_writer()
                    self._say("")
                except StateConflict as error:
                    log.critical("%s", error)
                    self.lost = error
                    return
                except (GasmonError, psycopg.Error) as error:
                    self._say(str(error).strip())
            self._wanted.wait(LOOK_S)
            if self._wanted.is_set() and not self._closed.is_set():
                self._wanted.clear()
                next_beat_s = min(next_beat_s, self._clock.monotonic_s() + LOOK_S)

    def _say(self, problem: str) -> None:
        if problem and problem != self.told:
            log.error("%s", problem)
        self.told = problem

    def _beat(self) -> None:
        """Say that we live; take our areas again when the session is gone."""
        conn = self._owning
        if conn is not None and ping(conn, PING_S):
            self.beat_s = self._clock.monotonic_s()
            return
        if conn is not None:
            conn.close()
            self._owning = None
        conn = self.open()
        try:
            owners.be_quick(conn)
            if not self._closed.is_set():
                self._retake(conn)
        except BaseException:
            conn.close()
            raise
        with self._lock:
            if self._closed.is_set():
                conn.close()
                return
            self._owning = conn
        self.beat_s = self._clock.monotonic_s()

    def _retake(self, conn: Connection) -> None:
        """Own our areas again, unless another process did meanwhile."""
        if self._is_unproven:
            require_schema(conn)
        ours = self.fencing
        held = owners.held(conn, self._scopes)
        present = {scope: one.fencing for scope, one in held.items()}
        if present != ours and self._has_taken(held):
            # Only the answer to that was lost, or we ended before we wrote it down.
            ours = self.fencing = present
            self._write_down(present)
        if present != ours:
            who = owners.present_owner(conn, self._scopes)
            raise StateConflict(f"another process took our areas over: {who}")
        self._is_unproven = False
        try:
            taken = self._take(conn, held)
        except StateConflict as error:
            if owners.fencing_of(conn, self._scopes) != ours:
                raise
            # Our own former session, which the server still believes in.
            raise DependencyError(f"not ours again yet: {error}") from None
        self.fencing = taken
        owners.keep_short(conn)
        if any(taken[scope] != ours[scope] + 1 for scope in taken):
            raise StateConflict(
                f"another process owned {', '.join(taken)} meanwhile "
                f"(fencing numbers {taken}, ours were {ours})"
            )
        self._write_down(taken)
        log.warning("own %s again, fencing numbers %s", ", ".join(taken), taken)

    def _has_taken(self, held: Mapping[str, Held]) -> bool:
        """Whether what we set out to do last was done."""
        taking = self._taking
        if taking is None or taking.before != self.fencing:
            return False
        return taking.is_done(held)

    def _take(self, conn: Connection, held: Mapping[str, Held]) -> dict[str, int]:
        """Own our areas, having said so before.

        Args:
            held: who owned them until now.
        """
        before = {scope: one.fencing for scope, one in held.items()}
        self._taking = taking = Taking(self._owner, self._clock.now_us(), before)
        if self.record is not None:
            self.record.intend(taking)
        living = [made for made in self._made if not made.closed]
        return owners.take_ownership(
            conn,
            self._scopes,
            self._owner,
            taking.taken_us,
            spared=[made.info.backend_pid for made in living],
        )

    def _write_down(self, fencing: Mapping[str, int]) -> None:
        if self.record is not None:
            self.record.write(fencing)

    def _open_writer(self) -> None:
        with self._lock:
            wanted = self._serving and self._writing is None
            if not wanted or self._closed.is_set():
                return
        conn = self.open()
        try:
            prepare_writer(conn)
        except BaseException:
            conn.close()
            raise
        with self._lock:
            if self._closed.is_set():
                conn.close()
            else:
                self._writing = conn

    def _cut_if_hanging(self, now_s: float) -> None:
        begun_s, conn = self._begun_s, self._writing
        if begun_s is None or conn is None or now_s - begun_s < self._write_limit_s:
            return
        log.error(
            "a write to the database hangs for over %g s: cut", self._write_limit_s
        )
        self._begun_s = None
        cut(conn)

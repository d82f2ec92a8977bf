"""Any actions of anybody in any order: the database agrees with the table of the life.

The model is the pure table with the handling record beside it; the other side is the
real database. After every step both say the same of every tier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from gasmon.alarms.closing import default_closing
from gasmon.alarms.lifecycle import (
    ACTIONS,
    TIER_OF_ROLE,
    TIERS,
    Refusal,
    decide,
    state_of,
)
from gasmon.errors import BadRequest, Forbidden, StateConflict
from gasmon.remote.frames import encode_body
from gasmon.store import alarms, db, life_jobs, shelves
from gasmon.store.access import ROLES, Principal
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from gasmon.store.alarm_records import marks_of, records_of
from gasmon.units import US_PER_MIN, US_PER_S
from tests.fix_examples import examples
from tests.integration.test_store_alarms import T0, later, raised

RULES = LifeRules(default_closing(), 480)
CONN: list[db.Connection] = []


class Life(RuleBasedStateMachine):
    """One alarm, everybody who may touch it, and what should be true of it."""

    @initialize(rank=st.integers(0, 3))
    def begin(self, rank: int) -> None:
        """A new point for each run: nothing in the database is ever deleted."""
        self.conn = CONN[0]
        self.n = self.conn.execute("SELECT count(*) FROM alarm").fetchone()[0]  # type: ignore[index]
        self.event = raised(f"{self.n:06}", rank=rank)
        self.now_us = T0
        self.rank = rank
        self.marks = dict.fromkeys(TIERS, -1)
        self.cleared = self.closed = self.self_closed = False
        self.shelf_us, self.shelf_rank = 0, -1
        self.cause = False
        self.n_records = self.n_told = 0
        (stored,) = self.record(self.event)
        self.alarm_id = stored.alarm_id

    def record(self, *events: Any) -> list[Any]:
        with self.conn.transaction():
            return alarms.record(self.conn, events, encode_body, self.now_us).events

    def state(self, tier: str | None) -> str:
        """What the model says."""
        ranks = [self.marks[t] for t in TIERS if tier in (None, t)]
        return state_of(
            cleared=self.cleared,
            owed=max(ranks) < self.rank and not self.self_closed,
            shelved=self.now_us < self.shelf_us and self.rank <= self.shelf_rank,
            closed=self.closed,
        )

    @rule(seconds=st.integers(1, 7200))
    def wait(self, seconds: int) -> None:
        """Time goes by; a shelf may end."""
        self.now_us += seconds * US_PER_S

    @rule(action=st.sampled_from(tuple(ACTIONS)), role=st.sampled_from(ROLES))
    def somebody_acts(self, action: str, role: str) -> None:
        """The table says beforehand whether it will be done."""
        self.now_us += US_PER_S
        tier = TIER_OF_ROLE.get(role)
        cell = decide(self.state(tier), action, role, rank=self.rank)
        wish, possible = self.wish(action, tier)
        who = Principal(1, role, role, None, None)
        try:
            with self.conn.transaction():
                act(
                    self.conn,
                    self.alarm_id,
                    who,
                    wish,
                    rules=RULES,
                    encode=encode_body,
                    now_us=self.now_us,
                )
        except Forbidden:
            assert isinstance(cell, Refusal)
            assert cell.by_role
            return
        except StateConflict:
            is_refused = isinstance(cell, Refusal) and not cell.by_role
            assert is_refused or not possible
            return
        except BadRequest:
            assert not isinstance(cell, Refusal)
            assert not possible
            return
        assert not isinstance(cell, Refusal)
        assert possible
        self.n_records += 1
        self.take(action, tier, wish)
        assert self.state(tier) == cell.state

    def wish(self, action: str, tier: str | None) -> tuple[Wish, bool]:
        """What is asked for, and whether the state alone decides about it."""
        if action == "assign":
            return Wish(action, to="nobody"), False
        if action in ("correct", "withdraw"):
            return Wish(action, "x", refers_to=self.alarm_id + 10**9), False
        if action == "request_status":
            below = TIERS[: TIERS.index(tier)] if tier else ()
            return Wish(action, to=below[0] if below else "mine"), bool(below)
        if action == "shelve":
            return Wish(action, "x", minutes=30), True
        if action == "close":
            # Graded alarms need a cause and somebody's mark; ungraded nothing.
            is_seen = max(self.marks.values()) >= self.rank
            return Wish(action), self.rank == 0 or (self.cause and is_seen)
        cause = "blasting" if action == "verify" else None
        return Wish(action, "x", cause), True

    def take(self, action: str, tier: str | None, wish: Wish) -> None:
        """What a done action changes in the model."""
        if action == "confirm":
            assert tier is not None
            self.marks[tier] = self.rank
        elif action == "shelve":
            self.shelf_us = self.now_us + 30 * US_PER_MIN
            self.shelf_rank = self.rank
        elif action == "unshelve":
            self.shelf_us = 0
        elif action == "close":
            self.closed = True
        self.cause = self.cause or wish.cause_code is not None

    @rule(rank=st.integers(1, 4))
    def level_rises(self, rank: int) -> None:
        """A higher level alarms again, for every tier, through every shelf."""
        if self.cleared or rank <= self.rank:
            return
        self.rank = rank
        seconds = (self.now_us - T0) / US_PER_S
        self.record(later(self.event, "level", seconds, rank=rank))

    @rule()
    def value_is_back(self) -> None:
        """Only this clears."""
        if not self.cleared:
            self.cleared = True
            seconds = (self.now_us - T0) / US_PER_S
            self.record(later(self.event, "cleared", seconds, rank=self.rank))

    @rule()
    def duty_looks(self) -> None:
        """Shelves that ran out are told, rules close what lacks nothing."""
        self.conn.commit()
        if 0 < self.shelf_us <= self.now_us:
            self.n_records += 0 if self.cleared else 1
            self.shelf_us = 0
        life_jobs.tell_ended_shelves(self.conn, encode_body, self.now_us)
        life_jobs.close_what_may(self.conn, RULES.closing, encode_body, self.now_us)
        is_seen = max(self.marks.values()) >= self.rank
        may = self.rank == 0 or (is_seen and self.cause)
        if self.cleared and not self.closed and may:
            self.closed, self.self_closed = True, self.rank == 0
            self.n_records += 1

    @invariant()
    def database_and_model_agree(self) -> None:
        """States of every tier, and one message for each record."""
        if not hasattr(self, "alarm_id"):
            return
        row = alarms.lock(self.conn, self.alarm_id)
        marks = marks_of(self.conn, self.alarm_id)
        shelved, out = shelves.cover_of(self.conn, self.alarm_id, self.now_us)
        records = records_of(self.conn, self.alarm_id)
        told = self.conn.execute(
            "SELECT count(*) FROM outbox WHERE alarm_id = %s"
            " AND event NOT IN ('raised', 'level', 'cleared')",
            (self.alarm_id,),
        ).fetchone()
        self.conn.commit()
        assert (len(records), told) == (self.n_records, (self.n_records,))
        for tier in TIERS:
            own = [m for m in marks if m["tier"] == tier and m["rank"] >= row["rank"]]
            found = state_of(
                cleared=row["cleared_at_us"] is not None,
                owed=not own and not row["self_closed"],
                shelved=shelved,
                out_of_service=out,
                closed=row["closed"],
            )
            assert found == self.state(tier)


@pytest.fixture
def kept_conn(
    migrated_dsn: str, store_connect: Callable[[], db.Connection]
) -> db.Connection:
    """One connection for all runs: a new database for each would take minutes."""
    conn = store_connect()
    CONN[:] = [conn]
    return conn


def test_any_order_of_actions_leaves_database_and_table_agreed(
    kept_conn: db.Connection,
) -> None:
    """On both kinds of database."""
    assert kept_conn is CONN[0]
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Life,
        settings=settings(
            examples(12),
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Whom an alarm's events must reach: platforms in operation, and rooms.

A platform is expected to hear of what it subscribed to. One that never did is shown and
calls nobody: it is not in operation yet. A room is a post; where it has shifts it is
expected to hear whenever one has duty, elsewhere as long as one of its consoles was
heard of lately. Any console of a room may draw and sound for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.lifecycle import TIER_OF_ROLE, TIERS
from gasmon.alarms.receipts import (
    ASKING,
    DRAWN,
    SENT,
    SOUNDED,
    STORED,
    Allowed,
    Gap,
    gap,
)
from gasmon.settings import LedgerSettings
from gasmon.shifts.calendar import Calendar
from gasmon.shifts.consoles import ConsolePage
from gasmon.shifts.posts import Post, posts_of
from gasmon.store.consoles import load_pages
from gasmon.store.db import Connection
from gasmon.store.scope import Scope, covers
from gasmon.store.shift_calendars import load_calendars
from gasmon.units import US_PER_H, US_PER_S, from_datetime

Row = dict[str, Any]

PLATFORM = "platform"
"""Whom every event is expected at, besides nodes; other roles are shown where they took
part."""

_IS_NODE = (
    "EXISTS (SELECT FROM token t WHERE t.principal_id = p.principal_id"
    " AND t.speaks_for IS NOT NULL AND t.revoked_at IS NULL)"
)
"""SQL: whether a principal is a gasmon node below this one."""


@dataclass(frozen=True, slots=True)
class Expecting:
    """What a site sets about deliveries.

    Attributes:
        room_us: how long a room without shifts is expected after its last word [µs].
        tested_us: how long a test of the sound counts [µs].
    """

    allowed: Allowed
    room_us: int
    tested_us: int


def expecting_of(ledger: LedgerSettings) -> Expecting:
    """The settings in microseconds."""
    allowed = Allowed(
        stored_us=ledger.stored_within_s * US_PER_S,
        drawn_us=ledger.drawn_within_s * US_PER_S,
        confirmed_us=ledger.confirmed_within_s * US_PER_S,
    )
    return Expecting(
        allowed,
        ledger.console_expected_h * US_PER_H,
        ledger.sound_test_h * US_PER_H,
    )


@dataclass(frozen=True, slots=True)
class Way:
    """How far one event came at one recipient.

    Attributes:
        recipient: name of a principal, or the post of a room.
        role: the principal's; ``room``.
        tier: whose recipient it is.
        wanted: steps that are expected of it; empty: none, it only took part.
        calls: where they are missing, the tier above is called.
        subscribed_at: of a platform.
        rows: its rows of the ledger.
    """

    recipient: str
    role: str
    tier: str
    wanted: tuple[str, ...]
    calls: bool
    subscribed_at: Any
    rows: tuple[Row, ...]

    def known(self) -> dict[str, int]:
        """Steps with the time at which we knew of them first [µs UTC]."""
        found: dict[str, int] = {}
        for row in self.rows:
            at_us = from_datetime(row["recorded_at"])
            found[row["step"]] = min(at_us, found.get(row["step"], at_us))
        return found


@dataclass(frozen=True, slots=True)
class Expected:
    """Everybody who may be expected to hear of something.

    Attributes:
        recipients: principals that ever subscribed, all platforms and all nodes.
        people: role and scope of everybody who ever sat at a console, by name.
        calendars: posts with shifts.
    """

    recipients: tuple[Row, ...]
    people: Mapping[str, tuple[str, Scope]]
    pages: tuple[ConsolePage, ...]
    calendars: Mapping[Post, Calendar]
    expecting: Expecting

    def ways(self, alarm: Row, event: Row, receipts: Sequence[Row]) -> Iterator[Way]:
        """How far an event came: platforms by name, then rooms by tier.

        Args:
            alarm: with ``area``, ``mine``, ``kind`` and ``planned``.
            event: with ``event``, ``rank`` and ``recorded_at``.
            receipts: of this event.
        """
        for one in self.recipients:
            rows = tuple(
                row
                for row in receipts
                if row["recipient"] == one["recipient"] and not row["console"]
            )
            is_program = one["role"] == PLATFORM or one["is_node"]
            is_wanted = is_program and _wants(one, alarm, event)
            if is_wanted or rows:
                wanted = (SENT, STORED, *one["reports"]) if is_wanted else ()
                yield Way(
                    one["recipient"],
                    one["role"],
                    _tier_of(one, alarm["area"]),
                    wanted,
                    is_wanted and _in_operation(one, event),
                    one["subscribed_at"],
                    rows,
                )
        yield from self._rooms(alarm, event, receipts)

    def _rooms(self, alarm: Row, event: Row, receipts: Sequence[Row]) -> Iterator[Way]:
        told_us = from_datetime(event["recorded_at"])
        asks = event["event"] in ASKING
        for tier in TIERS:
            post = posts_of(alarm["area"], alarm["mine"]).get(tier)
            if post is None:
                continue
            rows = tuple(
                row
                for row in receipts
                if row["console"] and self._sits(row["recipient"], tier, alarm)
            )
            is_wanted = asks and self.is_room_expected(post, alarm, told_us)
            if is_wanted or rows:
                loud = () if alarm["planned"] else (SOUNDED,)
                wanted = (DRAWN, *loud) if is_wanted else ()
                yield Way(str(post), "room", tier, wanted, is_wanted, None, rows)

    def is_room_expected(self, post: Post, alarm: Row, at_us: int) -> bool:
        """Whether somebody should have been there to hear at a time [µs UTC]."""
        calendar = self.calendars.get(post)
        if calendar is not None:
            return calendar.at(at_us) is not None
        return any(
            page.tier == post.tier
            and page.is_expected(at_us, self.expecting.room_us)
            and Scope(page.areas, page.mines).allows(alarm["area"], alarm["mine"])
            for page in self.pages
        )

    def _sits(self, name: str, tier: str, alarm: Row) -> bool:
        """Whether somebody's console stands in the room of a tier for an alarm."""
        role, scope = self.people.get(name, ("", Scope((), ())))
        is_here = scope.allows(alarm["area"], alarm["mine"])
        return TIER_OF_ROLE.get(role) == tier and is_here

    def gaps(self, alarm: Row, event: Row, receipts: Sequence[Row]) -> Iterator[Gap]:
        """Where an event came too late, or will if nothing comes."""
        for way in self.ways(alarm, event, receipts):
            if not way.calls:
                continue
            found = gap(
                way.known(),
                way.wanted,
                tier=way.tier,
                rank=event["rank"],
                told_us=from_datetime(event["recorded_at"]),
                allowed=self.expecting.allowed,
            )
            if found is not None:
                yield found


def load_expected(conn: Connection, expecting: Expecting, since_us: int) -> Expected:
    """Everybody who may have been expected to hear of something since a time.

    Args:
        since_us: of the oldest event that is asked about [µs UTC].
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        recipients = cursor.execute(
            # A platform's token that was never used is one too: nobody would notice.
            "SELECT p.name AS recipient, p.role, p.areas, p.mines, p.created_at,"
            f" {_IS_NODE} AS is_node,"
            " s.areas AS asked, s.kinds, s.min_rank,"
            " coalesce(s.reports, '{}') AS reports, s.subscribed_at, s.first_at"
            " FROM principal p LEFT JOIN stream_recipient s ON s.recipient = p.name"
            " WHERE p.retired_at IS NULL"
            " AND (s.recipient IS NOT NULL OR p.role = 'platform'"
            f" OR {_IS_NODE}) ORDER BY p.name"
        ).fetchall()
        people = cursor.execute(
            "SELECT DISTINCT p.name, p.role, p.areas, p.mines"
            " FROM console_page JOIN principal p USING (principal_id)"
        ).fetchall()
    return Expected(
        tuple(recipients),
        {row["name"]: (row["role"], _scope(row)) for row in people},
        tuple(load_pages(conn, since_us - expecting.room_us)),
        load_calendars(conn, since_us),
        expecting,
    )


def _wants(recipient: Row, alarm: Row, event: Row) -> bool:
    """Whether a recipient sees an event and asked for it; nothing from before it was
    made."""
    asked, kinds = recipient["asked"], recipient["kinds"]
    return bool(
        _scope(recipient).allows(alarm["area"], alarm["mine"])
        and (asked is None or covers(asked, alarm["area"]))
        and (kinds is None or alarm["kind"] in kinds)
        and event["recorded_at"] >= recipient["created_at"]
        and event["rank"] >= (recipient["min_rank"] or 0)
    )


def _in_operation(recipient: Row, event: Row) -> bool:
    """Whether a platform had ever subscribed when something happened."""
    first_at = recipient["first_at"]
    return first_at is not None and bool(event["recorded_at"] >= first_at)


def _tier_of(recipient: Row, area: str) -> str:
    """A platform is the county's when it is made for that county, else the city's."""
    own = TIER_OF_ROLE.get(recipient["role"])
    if own is not None:
        return own
    return "county" if area in (recipient["areas"] or ()) else "city"


def _scope(row: Row) -> Scope:
    return Scope(
        None if row["areas"] is None else tuple(row["areas"]),
        None if row["mines"] is None else tuple(row["mines"]),
    )

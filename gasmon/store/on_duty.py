"""Who is there for an alarm: tiers that have somebody who sees it.

Where a tier has nobody (a county without a platform, a mine without an account) its
duty falls to the next. Where shifts are set for a place, somebody must have signed on
there; elsewhere whoever has a password or a token counts as there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from gasmon.alarms.lifecycle import TIER_OF_ROLE
from gasmon.shifts.posts import Post, posts_of
from gasmon.store.db import Connection
from gasmon.store.scope import Scope
from gasmon.store.shift_calendars import can_stand, load_calendars
from gasmon.store.shift_presence import signed_on
from gasmon.units import to_datetime

_Codes = Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Watcher:
    """One principal that may have to act."""

    role: str
    scope: Scope

    def tier(self, area: str) -> str | None:
        """Whose duty it keeps in an area; None: nobody's.

        A platform is a program of the county when it is made for that county, else one
        of the city; its own people act there.
        """
        if self.role != "platform":
            return TIER_OF_ROLE.get(self.role)
        return "county" if area in (self.scope.areas or ()) else "city"


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Everybody who may have to act.

    Attributes:
        manned: places that have a shift now, and whether anybody signed on there who
            can act.
    """

    watchers: tuple[Watcher, ...]
    manned: Mapping[Post, bool] = field(default_factory=dict)

    def tiers(self, area: str, mine: str | None) -> frozenset[str]:
        """The tiers that have somebody who sees an alarm of this area and mine."""
        found = {
            watcher.tier(area)
            for watcher in self.watchers
            if watcher.scope.allows(area, mine)
        }
        empty = {
            tier
            for tier, post in posts_of(area, mine).items()
            if not self.manned.get(post, True)
        }
        return frozenset(tier for tier in found - empty if tier is not None)


def load_on_duty(conn: Connection, now_us: int) -> OnDuty:
    """Everybody who can come in and act at a moment.

    Who never opened his one-time link is not there, nor who has only a token that is
    over, or that may only read; a platform reads, and its people act where it stands.
    A token of a platform or of a node counts once it has subscribed: before, no alarm
    reaches anybody there. One that falls silent later is told by the ledger.

    Args:
        now_us: wall time [µs UTC].
    """
    rows = conn.execute(
        "SELECT name, role, areas, mines FROM principal p WHERE retired_at IS NULL"
        " AND (EXISTS (SELECT FROM password w WHERE w.principal_id = p.principal_id)"
        "  OR EXISTS (SELECT FROM token t WHERE t.principal_id = p.principal_id"
        "   AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %s)"
        "   AND (t.may <> 'read' OR p.role = 'platform')"
        "   AND ((p.role <> 'platform' AND t.speaks_for IS NULL) OR EXISTS"
        "    (SELECT FROM stream_recipient s WHERE s.recipient = p.name))))",
        (to_datetime(now_us),),
    ).fetchall()
    found = cast(list[tuple[str, str, _Codes, _Codes]], rows)
    watchers = {
        name: Watcher(role, Scope(_codes(areas), _codes(mines)))
        for name, role, areas, mines in found
    }
    distinct = tuple(dict.fromkeys(watchers.values()))
    return OnDuty(distinct, _manned(conn, watchers, now_us))


def _manned(
    conn: Connection, watchers: Mapping[str, Watcher], now_us: int
) -> dict[Post, bool]:
    """Posts that have a shift now, and whether one of these people signed on there."""
    there = {
        one.post
        for one in signed_on(conn, now_us, Scope(None, None))
        if (who := watchers.get(one.name)) and can_stand(who.role, who.scope, one.post)
    }
    return {
        post: post in there
        for post, calendar in load_calendars(conn, now_us).items()
        if calendar.at(now_us) is not None
    }


def _codes(codes: _Codes) -> tuple[str, ...] | None:
    return None if codes is None else tuple(codes)

"""Who is there for an alarm: tiers that have somebody who sees it.

Where a tier has nobody (a county without a platform, a mine without an account) its
duty falls to the next. Whoever has a password or a token counts as there: no shifts are
known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from gasmon.alarms.lifecycle import TIER_OF_ROLE
from gasmon.store.db import Connection
from gasmon.store.scope import Scope
from gasmon.units import to_datetime


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
    """Everybody who may have to act."""

    watchers: tuple[Watcher, ...]

    def tiers(self, area: str, mine: str | None) -> frozenset[str]:
        """The tiers that have somebody who sees an alarm of this area and mine."""
        found = {
            watcher.tier(area)
            for watcher in self.watchers
            if watcher.scope.allows(area, mine)
        }
        return frozenset(tier for tier in found if tier is not None)


def load_on_duty(conn: Connection, now_us: int) -> OnDuty:
    """Everybody who can come in and act at a moment.

    Who never opened his one-time link is not there, nor who has only a token that is
    over, or that may only read; a platform reads, and its people act where it stands.

    Args:
        now_us: wall time [µs UTC].
    """
    rows = conn.execute(
        "SELECT DISTINCT role, areas, mines FROM principal p WHERE retired_at IS NULL"
        " AND (EXISTS (SELECT FROM password w WHERE w.principal_id = p.principal_id)"
        "  OR EXISTS (SELECT FROM token t WHERE t.principal_id = p.principal_id"
        "   AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %s)"
        "   AND (t.may <> 'read' OR p.role = 'platform')))",
        (to_datetime(now_us),),
    ).fetchall()
    found = cast(list[tuple[str, Sequence[str] | None, Sequence[str] | None]], rows)
    return OnDuty(
        tuple(Watcher(role, Scope(_codes(a), _codes(m))) for role, a, m in found)
    )


def _codes(codes: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if codes is None else tuple(codes)

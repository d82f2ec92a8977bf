"""What a running gasmon says over HTTP: its mines, its alarms, planned work.

A client like any other: it knows addresses and a token, and nothing of how gasmon works
inside.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gasmon.errors import ConfigError, DependencyError
from gasmon.units import US_PER_S

_TIMEOUT_S = 30.0
"""How long an answer may take if not said; pages of alarms take their time [s]."""
_PAGE = 500


@dataclass(frozen=True, slots=True)
class SeenAlarm:
    """An alarm as the platform tells it.

    Attributes:
        subject: type and id, such as ``unit:530627004499/u/11121``.
        unit: slug of its unit, empty without one.
        rank: highest level that it reached, 0 to 4.
        raised_us: when it began, in the time of the mine [µs UTC].
        decided_us: when the platform decided so, by its own clock [µs UTC].
    """

    alarm_id: int
    mine: str
    kind: str
    subject: str
    point: str
    unit: str
    place: str
    rank: int
    value: float | None
    raised_us: int
    decided_us: int
    is_over: bool
    is_late: bool
    is_planned: bool


class Platform:
    """A running gasmon as somebody with a token sees it."""

    def __init__(self, url: str, token: str) -> None:
        """Remember where; nothing is asked yet.

        Args:
            url: such as ``http://127.0.0.1:8123``.
            token: of somebody who sees all mines that are meant.
        """
        self._base = url.rstrip("/") + "/api/v1"
        self._token = token

    def points_of(self, area: str) -> dict[str, int]:
        """How many points are defined of each mine of an area."""
        found = self.ask("GET", "/mines", {"area": area})["items"]
        return {mine["code"]: mine["points"] for mine in found}

    def newest_us(self, mine: str) -> int:
        """Time of the newest reading of a mine [µs UTC]; 0 without one."""
        try:
            items = self.ask("GET", f"/mines/{mine}/latest")["items"]
        except LookupError:
            return 0
        return max((time_us(item["at"]) for item in items), default=0)

    def alarms_of(self, mine: str, from_us: int) -> list[SeenAlarm]:
        """Alarms of a mine that began at a time or later, open or over."""
        at = datetime.fromtimestamp(from_us / US_PER_S).astimezone()
        query = {"mine": mine, "state": "all", "limit": str(_PAGE)}
        query["from"] = at.isoformat(timespec="milliseconds")
        found: list[SeenAlarm] = []
        while True:
            page = self.ask("GET", "/alarms", query)
            found += [seen_of(item) for item in page["items"]]
            if page["next"] is None:
                return found
            query["cursor"] = page["next"]

    def file_plan(self, body: dict[str, Any]) -> int:
        """File planned work; gives its number."""
        return int(self.ask("POST", "/plans", body=body)["plan_id"])

    def approve_plan(self, plan_id: int, reason: str) -> None:
        """Approve planned work that somebody else filed."""
        path = f"/plans/{plan_id}/actions/approve"
        self.ask("POST", path, body={"reason": reason, "key": f"approve-{plan_id}"})

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> dict[str, Any]:
        """One question.

        Args:
            timeout_s: how long each part of the answer may take [s].

        Raises:
            DependencyError: nobody answers there, or not in time.
            ConfigError: the token may not do that, or the question is refused.
            LookupError: there is no such thing.
        """
        address = self._base + path
        if query:
            address += "?" + urllib.parse.urlencode(query)
        request = urllib.request.Request(
            address,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as got:
                answer: dict[str, Any] = json.load(got)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode("utf-8", "replace")[:300]
            if error.code == 404:
                raise LookupError(path) from None
            if error.code < 500:
                raise ConfigError(f"{method} {path}: {error.code} {said}") from None
            raise DependencyError(f"{address}: {error.code} {said}") from None
        except (OSError, ValueError) as error:
            raise DependencyError(f"{address}: {error}") from None


def time_us(text: str) -> int:
    """A time as the platform writes it [µs UTC]."""
    return round(datetime.fromisoformat(text).timestamp() * US_PER_S)


def seen_of(item: dict[str, Any]) -> SeenAlarm:
    """An alarm as ``/alarms`` tells it."""
    return SeenAlarm(
        alarm_id=item["alarm_id"],
        mine=item["mine"] or "",
        kind=item["kind"],
        subject=item["subject"],
        point=item["point"] or "",
        unit=item["unit"] or "",
        place=item["place"],
        rank=item["rank"],
        value=item["value"],
        raised_us=time_us(item["raised_at"]),
        decided_us=time_us(item["decided_at"]),
        is_over=item["cleared_at"] is not None,
        is_late=item["late"],
        is_planned=item["planned"],
    )

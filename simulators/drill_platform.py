"""What a running gasmon says of drills over HTTP; docs/http-api.md has the routes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gasmon.errors import ConfigError
from gasmon.units import iso_us
from simulators.platform import Platform, time_us

_SHORT_S = 4.0
"""Mines that are silent for longer would be an alarm of their own [s]."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A drill to be declared.

    Attributes:
        area: code or slug.
        from_us, until_us: from when to when at the latest [µs UTC].
        participants: names of people and platforms.
    """

    scenario: str
    title: str
    area: str
    announced: bool
    from_us: int
    until_us: int
    stop_on_real_alarm: bool
    participants: tuple[str, ...]


class DrillPlatform:
    """Drills of a running gasmon, as a trainer sees them."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def clock_off_us(self) -> int:
        """How much the platform's clock is ahead of ours [µs]."""
        before_us = time.time_ns() // 1000
        theirs = time_us(self._platform.ask("GET", "/version")["now"])
        return theirs - (before_us + time.time_ns() // 1000) // 2

    def mines_of(self, area: str) -> list[dict[str, Any]]:
        """Mines of an area that the platform knows: ``code``, ``name``, ``kind``."""
        items: list[dict[str, Any]] = self._platform.ask(
            "GET", "/mines", {"area": area}
        )["items"]
        return items

    def declare(self, wanted: Wanted) -> int:
        """Declare a drill; gives the number of its run."""
        body = {
            "scenario": wanted.scenario,
            "title": wanted.title,
            "areas": [wanted.area],
            "announced": wanted.announced,
            "from": iso_us(wanted.from_us),
            "until": iso_us(wanted.until_us),
            "stop_on_real_alarm": wanted.stop_on_real_alarm,
            "participants": list(wanted.participants),
        }
        try:
            return int(self._platform.ask("POST", "/drills", body=body)["run"])
        except LookupError:
            raise ConfigError("this gasmon is too old: it knows no drills") from None

    def drill(self, run: int) -> dict[str, Any]:
        """How a drill stands; while it goes on its mines wait for the answer."""
        return self._platform.ask("GET", f"/drills/{run}", timeout_s=_SHORT_S)

    def end(self, run: int, reason: str) -> None:
        """End a drill that may be over already."""
        if self.drill(run)["state"] != "ended":
            self._platform.ask("POST", f"/drills/{run}/end", body={"reason": reason})

    def score(
        self, run: int, *, sheet: str, points: float, of_points: float, passed: bool
    ) -> None:
        """Let the platform show what a drill that is over was worth.

        Raises:
            LookupError: this gasmon keeps no scores.
        """
        body = {
            "sheet": sheet,
            "points": points,
            "of_points": of_points,
            "passed": passed,
        }
        self._platform.ask("POST", f"/drills/{run}/score", body=body)

    def alarms(self, run: int) -> list[dict[str, Any]]:
        """Its alarms with records and ledger."""
        return list(self._pages(f"/drills/{run}/record"))

    def alarm(self, alarm_id: int) -> dict[str, Any]:
        """One alarm, whatever it belongs to."""
        return self._platform.ask("GET", f"/alarms/{alarm_id}")

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        query = {"limit": "100"}
        while True:
            page = self._platform.ask("GET", path, query)
            yield from page["alarms"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

"""Posts: where somebody has duty. A tier, and the place that it watches."""

import re
from dataclasses import dataclass

from gasmon.alarms.lifecycle import TIERS
from gasmon.errors import BadRequest

_DIGITS = {"mine": 12, "county": 6, "city": 6}


@dataclass(frozen=True, slots=True, order=True)
class Post:
    """One place of duty.

    Attributes:
        tier: mine, county or city.
        place: twelve digits of a mine, else six of an area; a city's end in ``00``.
    """

    tier: str
    place: str

    def __str__(self) -> str:
        return f"{self.tier}/{self.place}"

    @property
    def area(self) -> str:
        """The six-digit code of the area that it lies in."""
        return self.place[:6]

    @property
    def mine(self) -> str | None:
        """The mine's code; None for a county or city."""
        return self.place if self.tier == "mine" else None


def check_post(tier: str, place: str) -> Post:
    """A post as it was named.

    Raises:
        BadRequest: there is no such tier, or the code is none of a place of that tier.
    """
    if tier not in TIERS:
        raise BadRequest(f"tier {tier!r}: one of {', '.join(TIERS)} is wanted")
    if not re.fullmatch(f"[0-9]{{{_DIGITS[tier]}}}", place):
        raise BadRequest(
            f"place {place!r}: a {tier} has a code of {_DIGITS[tier]} digits"
        )
    if (tier == "city") != (tier != "mine" and place.endswith("00")):
        raise BadRequest(f"place {place}: the code of a {tier} is wanted")
    return Post(tier, place)


def posts_of(area: str, mine: str | None) -> dict[str, Post]:
    """Which post of each tier an alarm of this area and mine is for.

    Args:
        mine: None for what belongs to the area as a whole: no mine's post is for it.
    """
    found = {
        "county": Post("county", area),
        "city": Post("city", f"{area[:4]}00"),
    }
    if mine is not None:
        found["mine"] = Post("mine", mine)
    return found

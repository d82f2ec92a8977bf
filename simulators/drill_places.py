"""A scenario in mines that the platform knows.

Scenarios are about made-up mines. A drill takes place in a real county: each made-up
mine is given the name and the code of one that the platform has there. Its points are
the drill's own. Which mine it is follows from the seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from gasmon import domain
from gasmon.errors import ConfigError
from simulators.places import Places, find_places
from simulators.plan import CityPlan, MinePlan
from simulators.scenario import Scenario


def drill_places(
    scenario: Scenario, county: str, known: Sequence[Mapping[str, Any]], seed: int
) -> Places:
    """The scenario's own mines, dressed as mines of a county.

    Args:
        county: slug or code.
        known: mines of the county that the platform knows, with ``code``, ``name``
            and ``kind``.
        seed: of the drill.

    Raises:
        ConfigError: no such county, or it has not enough mines.
    """
    try:
        area = domain.area_by(county)
    except KeyError:
        raise ConfigError(f"unknown county {county!r}") from None
    places = find_places(scenario)
    if len(known) < len(places.plan.mines):
        raise ConfigError(
            f"{scenario.name} takes place in {len(places.plan.mines)} mines, and "
            f"gasmon knows {len(known)} in {area.slug}"
        )
    rng = Random(seed)
    left = sorted(known, key=lambda mine: str(mine["code"]))
    rng.shuffle(left)
    dressed = []
    for mine in places.plan.mines:
        # One of its own kind where there is one, else the next that is left.
        at = next((k for k, m in enumerate(left) if m["kind"] == mine.kind), 0)
        dressed.append(_dressed(mine, left.pop(at)))
    return Places(CityPlan(places.plan.seed, tuple(dressed)), places.chosen)


def _dressed(mine: MinePlan, real: Mapping[str, Any]) -> MinePlan:
    code = str(real["code"])
    area = domain.area_by(code[:6])
    name = str(real["name"])
    return replace(mine, code=code, area=area.code, slug=area.slug, name=name)

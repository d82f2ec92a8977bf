"""The seeded city: which mines there are, and what hangs in each of them.

A plan is the same for the same seed, so a demo that starts twice finds its own mines
and points again.
"""

from functools import lru_cache
from random import Random

from gasmon import domain
from gasmon.errors import ConfigError
from simulators.furnish import furnish
from simulators.names import mine_codes, mine_names
from simulators.plan import CityPlan, MinePlan

N_DRAINAGE = 29
"""Mines with a gas drainage system: the high-gas and outburst mines of the city."""

_BOTH_KINDS_FROM = 5
"""A county with so many gassy mines has one of each kind at least."""

PLATFORM_COUNTIES = ("zhenxiong", "suijiang", "weixin")
"""Counties with an alarm platform of their own; every subset keeps a mine in each."""

# Mean pressure [kPa] at the usual height of the county's mines, from the barometric
# formula p = 101.325·(1 − 2.2558e-5·h)^5.2559: 84 kPa stands for about 1,500 m.
_PRESSURE_KPA = {
    "zhaoyang": 80.5,
    "ludian": 80.5,
    "qiaojia": 84.0,
    "yanjin": 92.5,
    "daguan": 87.5,
    "yongshan": 88.0,
    "suijiang": 93.5,
    "zhenxiong": 84.0,
    "yiliang": 86.0,
    "weixin": 87.0,
    "shuifu": 95.5,
}


@lru_cache(maxsize=4)
def build_city(seed: int) -> CityPlan:
    """The whole city, county by county as ``gasmon.domain.areas()`` counts its mines.

    Frozen, so it is made once for each seed: that takes half a second.

    Args:
        seed: the same seed gives the same plan, bit for bit.
    """
    rng = Random(f"gasmon city {seed}")
    counties = [area for area in domain.areas() if area.mines > 0]
    names = iter(mine_names(sum(area.mines for area in counties), rng))
    with_drainage = shares([area.mines for area in counties], N_DRAINAGE)
    mines: list[MinePlan] = []
    for area, n_drainage in zip(counties, with_drainage, strict=True):
        codes = mine_codes(area.code, area.mines, rng)
        gassy = set(rng.sample(codes, n_drainage))
        outburst: set[str] = set()
        for code in codes:
            kind = "low_gas"
            if code in gassy:
                kind = "outburst" if rng.random() < 0.35 else "high_gas"
                # So that each scenario finds its mine in each seed's city.
                if len(gassy) >= _BOTH_KINDS_FROM and code == max(gassy):
                    all_others = len(outburst) == len(gassy) - 1
                    kind = kind if outburst else "outburst"
                    kind = "high_gas" if all_others else kind
                if kind == "outburst":
                    outburst.add(code)
            pressure_kpa = _PRESSURE_KPA.get(area.slug, 86.0) + rng.uniform(-1.5, 1.5)
            # Its own generator: a change in one mine's furniture leaves the others.
            mine_rng = Random(f"gasmon mine {seed} {code}")
            units, workings, points = furnish(kind, mine_rng)
            mines.append(
                MinePlan(
                    code=code,
                    area=area.code,
                    slug=area.slug,
                    name=next(names),
                    kind=kind,
                    drainage=code in gassy,
                    atmosphere_kpa=round(pressure_kpa, 1),
                    units=units,
                    workings=workings,
                    points=points,
                )
            )
    return CityPlan(seed, tuple(mines))


def shares(weights: list[int], total: int) -> list[int]:
    """Split a whole number in proportion to weights (largest remainders)."""
    exact = [weight * total / sum(weights) for weight in weights]
    parts = [int(part) for part in exact]
    by_remainder = sorted(
        range(len(weights)), key=lambda i: (parts[i] - exact[i], -weights[i], i)
    )
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def choose_mines(
    plan: CityPlan, n_mines: int | None = None, counties: tuple[str, ...] = ()
) -> CityPlan:
    """A smaller city with the same mines in it.

    The three counties with a platform get a mine first, then every other county,
    then the rest in proportion; a county's first is a drainage mine where it has one,
    so that small cities have drainage too.

    Args:
        n_mines: how many; None means all that the counties have.
        counties: slugs or codes to keep; empty means all.

    Raises:
        ConfigError: an unknown county, or fewer mines than asked for.
    """
    by_county: dict[str, list[MinePlan]] = {}
    for mine in plan.mines:
        by_county.setdefault(mine.slug, []).append(mine)
    if counties:
        wanted = {_slug(name) for name in counties}
        by_county = {slug: m for slug, m in by_county.items() if slug in wanted}
    available = sum(len(mines) for mines in by_county.values())
    n = available if n_mines is None else n_mines
    if not 1 <= n <= available:
        raise ConfigError(f"{n} mines asked for, there are 1 to {available}")
    order = sorted(
        by_county, key=lambda s: (s not in PLATFORM_COUNTIES, -len(by_county[s]), s)
    )
    quota = dict.fromkeys(order, 0)
    for slug in order[:n]:
        quota[slug] = 1
    spare = n - sum(quota.values())
    if spare:
        room = [len(by_county[slug]) - 1 for slug in order]
        for slug, extra in zip(order, shares(room, spare), strict=True):
            quota[slug] += extra
    kept: set[str] = set()
    for slug in order:
        mines = by_county[slug]
        first = next((mine for mine in mines if mine.drainage), mines[0])
        others = [mine for mine in mines if mine is not first]
        kept.update(mine.code for mine in [first, *others][: quota[slug]])
    return CityPlan(plan.seed, tuple(m for m in plan.mines if m.code in kept))


def find_mine(plan: CityPlan, name: str) -> int:
    """Index in the plan of a mine code, or of the first mine of a county.

    Raises:
        ConfigError: no such mine or county runs in this city.
    """
    for i, mine in enumerate(plan.mines):
        if name in (mine.code, mine.slug, mine.area):
            return i
    raise ConfigError(f"no mine or county {name!r} among the {len(plan.mines)} mines")


def _slug(name: str) -> str:
    try:
        return domain.area_by(name).slug
    except KeyError:
        raise ConfigError(f"unknown county {name!r}") from None

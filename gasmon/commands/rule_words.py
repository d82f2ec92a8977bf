"""Rules in words and as JSON, for the actions of ``gasmon rules``."""

from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.rule_bands import Band
from gasmon.alarms.rule_entries import Rule
from gasmon.alarms.rule_spec import SELECTOR_NAMES
from gasmon.units import US_PER_MIN


def selects(rule: Rule) -> str:
    """Whom a rule is for."""
    chosen = (
        f"{name}={','.join(sorted(getattr(rule.match, name)))}"
        for name in SELECTOR_NAMES
        if getattr(rule.match, name)
    )
    return " ".join(chosen) or "全部 everything"


def levels_text(bands: tuple[Band, ...]) -> str:
    """Which levels are earned where and after how long."""
    texts = []
    for band in bands:
        steps = ", ".join(
            RANK_NAMES[rank] + (f" ≥{us / US_PER_MIN:g} min" if us else "")
            for us, rank in band.steps
        )
        if len(bands) == 1:
            return steps
        relative = band.factor == band.factor
        lower = f"{band.factor:g} A" if relative else f"{band.at_least:g}"
        texts.append(f"{lower}: {steps}")
    return "; ".join(texts)

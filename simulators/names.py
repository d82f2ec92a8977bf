"""Made-up names and codes of mines.

Pairs of poetic characters that no mine register would use keep invented alarms from
being read as news about a real mine.
"""

from random import Random

_FIRST = "云晴霜岚棠榆鹤笛砚汀雁枫苔虹萤蓼鸢"
_SECOND = "鹿舟麓洲笺屏弦烛笙帆畔筠渚樵檐露"


def mine_names(n: int, rng: Random) -> list[str]:
    """Distinct Chinese mine names, at most 272."""
    pairs = [a + b for a in _FIRST for b in _SECOND]
    if n > len(pairs):
        raise ValueError(f"only {len(pairs)} mine names, {n} asked for")
    return [f"{pair}煤矿" for pair in rng.sample(pairs, n)]


def mine_codes(area: str, n: int, rng: Random) -> list[str]:
    """Distinct 12-digit mine codes of one area, ascending.

    Args:
        area: six digits (GB/T 2260); the first six of every mine code.
    """
    return [
        f"{area}{number:06d}" for number in sorted(rng.sample(range(1000, 9999), n))
    ]

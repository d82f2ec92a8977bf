"""What a benchmark reports, and on which machine."""

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's result.

    Attributes:
        value: what was measured of gasmon, in ``unit``.
        ceiling: the same of what it is compared with: an upper bound of a rate, a
            lower bound of a time.
        settings: what it was measured with.
        details: everything else worth reading.
    """

    benchmark: str
    unit: str
    value: float
    ceiling: float
    settings: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """``value / ceiling``."""
        return self.value / self.ceiling

    def as_dict(self, machine_told: dict[str, Any]) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "benchmark": self.benchmark,
            "unit": self.unit,
            "value": significant(self.value),
            "ceiling": significant(self.ceiling),
            "ratio": significant(self.ratio, 3),
            "settings": self.settings,
            "machine": machine_told,
            "details": self.details,
        }


def significant(number: float, digits: int = 4) -> float:
    """A number without digits that nobody measured."""
    return float(f"{number:.{digits}g}")


def spread(values: Iterable[float]) -> dict[str, float]:
    """Percentiles of a sample, in its unit."""
    sample = np.asarray(list(values), np.float64)
    if len(sample) == 0:
        return {"n": 0}
    at = np.percentile(sample, [50, 90, 99, 100])
    named = zip(("p50", "p90", "p99", "max"), at.tolist(), strict=True)
    return {"n": len(sample)} | {name: significant(value) for name, value in named}


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that was."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load_average": [round(x, 2) for x in _load_average()],
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory_gb() -> float | None:
    if sys.platform == "win32":
        return None
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return round(pages / 1e9, 1)


def _load_average() -> tuple[float, ...]:
    return os.getloadavg() if hasattr(os, "getloadavg") else ()


def table(told: dict[str, Any]) -> str:
    """The same object for people."""
    lines = [
        f"{told['benchmark']}: {told['value']:,} {told['unit']}, "
        f"beside {told['ceiling']:,}: ratio {told['ratio']}"
    ]
    for name in ("details", "settings", "machine"):
        lines.append(f"  {name}")
        lines += [f"    {key:<34} {_shown(told[name][key])}" for key in told[name]]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key} {_shown(one)}" for key, one in value.items())
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)

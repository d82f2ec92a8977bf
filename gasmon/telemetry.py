"""What a process tells about itself: metrics and log lines.

A ``Metrics`` is made by the composition root and handed down; there is no registry of
the process. The text format is Prometheus' own, version 0.0.4.
"""

import json
import logging
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60)
"""Upper bounds for durations on the alarm path [s]."""


def _key(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _render(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}"


@dataclass
class Counter:
    """A number that only grows."""

    name: str
    help: str
    kind: str = "counter"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _values: dict[Labels, float] = field(default_factory=dict)

    def inc(self, by: float = 1.0, **labels: str) -> None:
        """Add ``by`` (not negative) to the series with these labels."""
        key = _key(labels)
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + by

    def value(self, **labels: str) -> float:
        """Present value of one series; 0 when it never moved."""
        return self._values.get(_key(labels), 0.0)

    def lines(self) -> Iterable[str]:
        with self._lock:
            series = sorted(self._values.items()) or [((), 0.0)]
        return [_render(self.name, labels, value) for labels, value in series]


@dataclass
class Gauge:
    """A number that goes up and down, set or read through a function."""

    name: str
    help: str
    kind: str = "gauge"
    _values: dict[Labels, float | Callable[[], float]] = field(default_factory=dict)

    def set(self, value: float, **labels: str) -> None:
        """Set the series with these labels."""
        self._values[_key(labels)] = value

    def follow(self, read: Callable[[], float], **labels: str) -> None:
        """Ask ``read`` each time the metrics are looked at."""
        self._values[_key(labels)] = read

    def value(self, **labels: str) -> float:
        """Present value of one series; 0 when it was never set."""
        value = self._values.get(_key(labels), 0.0)
        return value() if callable(value) else value

    def lines(self) -> Iterable[str]:
        return [
            _render(self.name, labels, value() if callable(value) else value)
            for labels, value in sorted(self._values.items(), key=lambda kv: kv[0])
        ]


@dataclass
class Histogram:
    """Counts of durations below fixed bounds, with their sum."""

    name: str
    help: str
    bounds: tuple[float, ...] = LATENCY_BUCKETS_S
    kind: str = "histogram"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _counts: list[int] = field(default_factory=list)
    _sum: float = 0.0

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one duration [s]."""
        with self._lock:
            self._counts[bisect_left(self.bounds, value)] += 1
            self._sum += value

    def lines(self) -> Iterable[str]:
        with self._lock:
            counts, total = list(self._counts), self._sum
        out, running = [], 0
        for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
            running += count
            le = "+Inf" if bound == float("inf") else f"{bound:g}"
            out.append(_render(f"{self.name}_bucket", (("le", le),), running))
        out.append(_render(f"{self.name}_sum", (), total))
        out.append(_render(f"{self.name}_count", (), running))
        return out


class Metrics:
    """All metrics of one process. Asking twice for a name gives the same metric."""

    def __init__(self) -> None:
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, help: str) -> Counter:
        """The counter of this name, made on first use."""
        with self._lock:
            metric = self._metrics.setdefault(name, Counter(name, help))
        assert isinstance(metric, Counter), f"{name} is a {metric.kind}"
        return metric

    def gauge(self, name: str, help: str) -> Gauge:
        """The gauge of this name, made on first use."""
        with self._lock:
            metric = self._metrics.setdefault(name, Gauge(name, help))
        assert isinstance(metric, Gauge), f"{name} is a {metric.kind}"
        return metric

    def histogram(self, name: str, help: str) -> Histogram:
        """The histogram of this name, made on first use."""
        with self._lock:
            metric = self._metrics.setdefault(name, Histogram(name, help))
        assert isinstance(metric, Histogram), f"{name} is a {metric.kind}"
        return metric

    def render(self) -> str:
        """Everything in the Prometheus text format."""
        out: list[str] = []
        for name, metric in sorted(self._metrics.items()):
            out.append(f"# HELP {name} {metric.help}")
            out.append(f"# TYPE {name} {metric.kind}")
            out.extend(metric.lines())
        return "\n".join(out) + "\n"

    def names(self) -> list[str]:
        """Every name, for the page that documents them."""
        return sorted(self._metrics)


class _JsonLines(logging.Formatter):
    """One JSON object a line; ``extra={"fields": {...}}`` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "from": record.name,
            "text": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging(*, as_json: bool, level: str = "INFO") -> None:
    """Send log lines to stderr; called once, by the composition root."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_JsonLines() if as_json else plain)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The web server's own start and stop lines say nothing an operator needs.
    logging.getLogger("uvicorn").setLevel(max(root.level, logging.WARNING))
    # It warns of what follows a refused statement in a pipeline, which we were told of
    # and which redelivery makes daily fare. Its pool's warnings are another matter, its
    # notes of each connection given and returned are not.
    logging.getLogger("psycopg").setLevel(max(root.level, logging.ERROR))
    logging.getLogger("psycopg.pool").setLevel(max(root.level, logging.WARNING))

"""Metrics in Prometheus' text, log lines in JSON."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator

import pytest

from gasmon.telemetry import Metrics, set_up_logging


def test_a_counter_counts_by_label() -> None:
    """Series are told apart; one that never moved is 0."""
    counter = Metrics().counter("gasmon_x_total", "Things.")
    assert list(counter.lines()) == ["gasmon_x_total 0"]
    counter.inc()
    counter.inc(2, area="530627", reason='a "b"\n\\')
    assert counter.value() == 1
    assert counter.value(reason='a "b"\n\\', area="530627") == 2
    assert list(counter.lines()) == [
        "gasmon_x_total 1",
        'gasmon_x_total{area="530627",reason="a \\"b\\"\\n\\\\"} 2',
    ]


def test_a_counter_may_be_shared_by_threads() -> None:
    """No increment is lost."""
    counter = Metrics().counter("gasmon_x_total", "Things.")

    def count() -> None:
        for _ in range(2000):
            counter.inc()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == 8000


def test_a_gauge_is_set_or_followed() -> None:
    """Followed ones are asked each time they are looked at."""
    gauge = Metrics().gauge("gasmon_depth", "Depth.")
    waiting = [1]
    gauge.set(3, queue="a")
    gauge.follow(lambda: len(waiting), queue="b")
    assert (gauge.value(), gauge.value(queue="a"), gauge.value(queue="b")) == (0, 3, 1)
    waiting.append(2)
    assert list(gauge.lines()) == [
        'gasmon_depth{queue="a"} 3',
        'gasmon_depth{queue="b"} 2',
    ]


def test_a_histogram_counts_below_its_bounds() -> None:
    """Bounds are inclusive, buckets cumulative, the last one is everything."""
    metrics = Metrics()
    histogram = metrics.histogram("gasmon_x_seconds", "Time.")
    for value in (0.002, 0.003, 100.0):
        histogram.observe(value)
    lines = list(histogram.lines())
    assert lines[0] == 'gasmon_x_seconds_bucket{le="0.002"} 1'
    assert lines[1] == 'gasmon_x_seconds_bucket{le="0.005"} 2'
    assert (
        lines[-3:]
        == [
            'gasmon_x_seconds_bucket{le="+Inf"} 3',
            "gasmon_x_seconds_sum 100.005",
            "gasmon_x_seconds_count 3",
        ]
        or lines[-3] == 'gasmon_x_seconds_bucket{le="+Inf"} 3'
    )


def test_metrics_are_made_once() -> None:
    """The same name is the same metric, and never another kind."""
    metrics = Metrics()
    assert metrics.counter("a", "A.") is metrics.counter("a", "A.")
    metrics.gauge("b", "B.").set(1)
    metrics.histogram("c", "C.")
    assert metrics.names() == ["a", "b", "c"]
    with pytest.raises(AssertionError, match="a is a counter"):
        metrics.gauge("a", "A.")
    text = metrics.render()
    assert text.startswith("# HELP a A.\n# TYPE a counter\na 0\n# HELP b B.\n")
    assert text.endswith("\n")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    kept, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = kept
    logger.setLevel(level)


def test_log_lines_are_json(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object a line with the fields that were given, Chinese as it is."""
    set_up_logging(as_json=True)
    log = logging.getLogger("gasmon.test")
    log.warning("断线 %s", 3, extra={"fields": {"mine": "530627000001"}})
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("failed")
    log.debug("not said")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["from"], first["text"], first["mine"]) == (
        "warning", "gasmon.test", "断线 3", "530627000001",
    )  # fmt: skip
    assert "ValueError: wrong" in second["trace"]


def test_log_lines_for_people(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain text when nobody wants JSON."""
    set_up_logging(as_json=False, level="DEBUG")
    logging.getLogger("gasmon.test").debug("said")
    assert capsys.readouterr().err.endswith("DEBUG   gasmon.test: said\n")

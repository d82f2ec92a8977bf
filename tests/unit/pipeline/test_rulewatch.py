"""The rule file while ingest runs: when it is read, and what is refused."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gasmon.alarms.rule_changes import LimitChange, parts_of
from gasmon.alarms.rules import RuleSet, default_rules
from gasmon.commands.running import reload_rules_on_hangup
from gasmon.errors import ConfigError
from gasmon.pipeline.loops import IngestLoop
from gasmon.pipeline.rulewatch import AHEAD_US, RuleWatch, load_rules
from tests.fix_wait import wait_until

NOW_US = 1_790_000_000_000_000
STRICT = """[[rule]]
kind = "over_limit"
match = { quantity = ["CH4"] }
with = { alarm_high = 0.8, clear_high = 0.7 }
"""
WRONG = STRICT.replace("clear_high = 0.7", "clear_high = 0.9")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A rule file that says nothing of its own."""
    path = tmp_path / "rules.toml"
    path.write_text("", "utf-8")
    return path


def watch_of(file: Path | None, poll_s: float = 3600) -> RuleWatch:
    return RuleWatch(file, load_rules(file), poll_s)


def looked(watch: RuleWatch, times: int = 2) -> RuleSet:
    """What it knows after some looks."""
    for _ in range(times):
        watch.look()
    return watch.rules


def test_a_file_that_became_different_is_taken_when_it_stands_still(
    file: Path,
) -> None:
    """One that is being written is not read half."""
    watch = watch_of(file)
    file.write_text(STRICT, "utf-8")
    assert looked(watch, 1).text == ""
    assert looked(watch, 1).text == STRICT


def test_who_asks_has_it_read_at_once(file: Path) -> None:
    """Whatever its time and size say."""
    watch = watch_of(file)
    before = file.stat()
    file.write_text("#", "utf-8")
    file.write_text("", "utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    first = watch.rules
    assert looked(watch) is first
    watch.ask()
    assert looked(watch, 1) is not first


def test_new_rules_are_due_once_and_from_now(file: Path) -> None:
    """Then they are in force, and nothing is due any more."""
    watch = watch_of(file)
    old = watch.rules
    assert watch.due(old, NOW_US) is None
    file.write_text(STRICT, "utf-8")
    looked(watch)
    new = watch.due(old, NOW_US)
    assert new is not None
    assert (new.change.from_us, new.change.text) == (NOW_US, STRICT)
    assert new.rules is watch.rules
    assert watch.due(new.rules, NOW_US) is None
    assert watch.due(new.rules, NOW_US + 1) is None


def test_what_decides_nothing_is_no_change(file: Path) -> None:
    """A remark, a line, a name."""
    file.write_text(STRICT, "utf-8")
    watch = watch_of(file)
    old = watch.rules
    file.write_text("# why\n" + STRICT, "utf-8")
    assert looked(watch) is not old
    assert watch.due(old, NOW_US) is None


def test_rules_of_a_later_time_wait_for_it(file: Path) -> None:
    """They are given a little before, and count from their own moment."""
    watch = watch_of(file)
    old = watch.rules
    file.write_text("effective_from = 2026-11-01T08:00:00+08:00\n" + STRICT, "utf-8")
    begun_us = looked(watch).effective_from_us
    assert watch.due(old, begun_us - AHEAD_US - 1) is None
    new = watch.due(old, begun_us - AHEAD_US)
    assert new is not None
    assert new.change.from_us == begun_us
    late = watch.due(old, begun_us + 10)
    assert late is not None
    assert late.change.from_us == begun_us + 10, "what was judged stays judged"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (WRONG.encode(), r"rules\.toml:4: "),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"[[rule", r"rules\.toml:1: "),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_refused_aloud_and_the_rules_stay(
    file: Path, content: bytes | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once with its line, visible for as long as it is wrong."""
    watch = watch_of(file)
    old = watch.rules
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert looked(watch, 4) is old
        watch.ask()
        watch.look()
    assert watch.refused is not None
    assert watch.refused.startswith("the rule file is refused, the rules in force stay")
    assert re.search(why, watch.refused)
    assert [r.getMessage() for r in caplog.records] == [watch.refused]
    assert watch.due(old, NOW_US) is None
    file.write_text(STRICT, "utf-8")
    looked(watch)
    assert watch.refused is None


def test_rules_over_which_the_engine_failed_are_not_given_again(file: Path) -> None:
    """Until the file says something else."""
    watch = watch_of(file)
    old = watch.rules
    file.write_text(STRICT, "utf-8")
    bad = looked(watch)
    watch.give_up(bad, old, ValueError("row 7"))
    assert watch.refused is not None
    assert "row 7" in watch.refused
    watch.ask()
    looked(watch)
    assert watch.due(old, NOW_US) is None
    file.write_text(STRICT.replace("0.8", "0.75"), "utf-8")
    looked(watch)
    assert watch.due(old, NOW_US) is not None


def test_the_shipped_rules_never_change() -> None:
    """Without a file there is nothing to look at."""
    watch = watch_of(None)
    watch.ask()
    assert looked(watch) is default_rules()
    assert watch.due(default_rules(), NOW_US) is None


def test_it_looks_by_itself_until_it_is_told_to_stop(file: Path) -> None:
    """In a thread of its own."""
    watch, stop = watch_of(file, poll_s=0.05), threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        file.write_text(STRICT, "utf-8")
        wait_until(lambda: watch.rules.text == STRICT, 20, "it was read")
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def test_a_hangup_has_the_file_read(file: Path) -> None:
    """By the thread that looks; the handler itself reads nothing."""
    watch, before = watch_of(file), signal.getsignal(signal.SIGHUP)
    loop: Any = SimpleNamespace(rules=watch)
    try:
        reload_rules_on_hangup(cast(IngestLoop, loop))
        file.write_text(STRICT, "utf-8")
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert looked(watch, 1).text == STRICT


def test_a_file_that_is_wrong_at_the_start_is_an_error(file: Path) -> None:
    """Nothing is in force yet that could stay."""
    file.write_text(WRONG, "utf-8")
    with pytest.raises(ConfigError, match=r"rules\.toml:4: "):
        load_rules(file)


# Approved changes of limits behind the file


POINT = "530627004499-01-001A01"


OWN = STRICT.replace(
    'quantity = ["CH4"]', f'mine = ["{POINT[:12]}"], point = ["{POINT}"]'
)
"""A file that says of the point itself what a change would say."""


def change(number: int, from_us: int, high: float | None = 0.6) -> LimitChange:
    """An approved change; without a limit it takes the one before it back."""
    limits = () if high is None else (("alarm_high", high),)
    return LimitChange(number, POINT, from_us, limits)


def test_an_approved_change_is_due_from_its_own_time(file: Path) -> None:
    """A little before it, so that the first reading meets it; late, but not changed."""
    watch, begun_us = watch_of(file), NOW_US + 60_000_000
    watch.hear((change(1, begun_us),))
    assert watch.due(watch.rules, begun_us - AHEAD_US - 1) is None
    for now_us in (begun_us - AHEAD_US, begun_us, begun_us + 3600_000_000):
        new = watch.due(watch.rules, now_us)
        assert new is not None
        assert new.change.from_us == begun_us
        assert "change 1" in new.change.text
    assert watch.due(new.rules, begun_us) is None


def test_two_changes_count_each_from_its_own_time(file: Path) -> None:
    """The first does not wait for the second, nor comes the second too early."""
    watch = watch_of(file)
    watch.hear((change(1, NOW_US + 1), change(2, NOW_US + 2, None)))
    first = watch.due(watch.rules, NOW_US)
    assert first is not None
    assert first.change.from_us == NOW_US + 1
    second = watch.due(first.rules, NOW_US + 1)
    assert second is not None
    assert second.change.from_us == NOW_US + 2
    assert second.rules == watch.rules


def test_changes_that_are_not_heard_of_go_on(file: Path) -> None:
    """A start without a database forgets no limit that was in force."""
    watch = watch_of(file)
    watch.hear((change(1, NOW_US),))
    new = watch.due(watch.rules, NOW_US)
    assert new is not None
    again = watch_of(file)
    assert again.due(new.rules, NOW_US) is None
    file.write_text(STRICT, "utf-8")
    looked(again)
    both = again.due(new.rules, NOW_US)
    assert both is not None
    assert both.change.text == STRICT + parts_of(new.change.text)[1]
    assert both.change.from_us == NOW_US


def test_a_file_of_a_later_time_does_not_hold_a_change_back(file: Path) -> None:
    """What the site says now goes on below it."""
    watch = watch_of(file)
    old = watch.rules
    file.write_text("effective_from = 2036-11-01T08:00:00+08:00\n" + STRICT, "utf-8")
    looked(watch)
    watch.hear((change(1, NOW_US),))
    new = watch.due(old, NOW_US)
    assert new is not None
    assert "effective_from" not in new.change.text


def test_a_change_that_became_impossible_is_left_out_aloud(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others count, and the file does; who asks is told which does not."""
    file.write_text(OWN, "utf-8")
    watch = watch_of(file)
    other = LimitChange(2, "530627004499-01-001A02", NOW_US, (("alarm_high", 0.7),))
    wrong = change(3, NOW_US)
    watch.hear((other, wrong))
    with caplog.at_level(logging.ERROR):
        new = watch.due(watch.rules, NOW_US)
        assert new is not None
        assert watch.due(new.rules, NOW_US) is None
    assert ("change 2" in new.change.text, "change 3" in new.change.text) == (
        True, False
    )  # fmt: skip
    assert watch.problem is not None
    assert watch.problem.startswith(f"change 3 of {POINT}: ")
    assert len(caplog.records) == 1
    watch.hear((other,))
    watch.due(new.rules, NOW_US)
    assert watch.problem is None


def test_changes_not_heard_of_that_contradict_a_new_file_keep_the_rules(
    file: Path,
) -> None:
    """Nothing is let go on the word of a file alone."""
    watch = watch_of(file)
    watch.hear((change(1, NOW_US),))
    new = watch.due(watch.rules, NOW_US)
    assert new is not None
    again = watch_of(file)
    file.write_text(OWN, "utf-8")
    looked(again)
    assert again.due(new.rules, NOW_US) is None
    assert again.problem is not None

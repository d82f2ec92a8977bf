"""RuleWatch: the site's rule file and the approved changes of limits behind it.

A thread of its own reads the file, because judging must not wait for a disk: when its
time or size became different, or a signal asks for it. What is wrong with it is said
once, aloud, and stays visible (gauge, readiness); the rules in force stay. What is
right counts from its ``effective_from``, or from now when that is past or absent.

Changes of limits are heard of from the database (``windows.py``) and count from the
event time that was approved, also when that is past. Until they are heard of, those in
force go on: a start without a database forgets none.

A file that is written in place can be seen half written. So one that became different
is taken only when it was the same at two looks; a signal takes it at once.
"""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from gasmon.alarms.rule_changes import (
    LimitChange,
    in_force,
    parts_of,
    rule_text,
    that_fit,
    with_changes,
)
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.alarms.snapshot import fingerprint
from gasmon.errors import ConfigError
from gasmon.units import US_PER_S, iso_us

LOOK_S = 0.5
"""A signal is heeded after this at the latest [s]."""

AHEAD_US = 5 * US_PER_S
"""Rules are given to the engine so long before they count [µs], so that the first
reading of their time meets them. Ours: a few clock marks."""

log = logging.getLogger(__name__)


def load_rules(path: Path | None) -> RuleSet:
    """The rules of a file, or the shipped ones.

    Raises:
        ConfigError: the file cannot be read or is wrong.
    """
    if path is None:
        return default_rules()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not UTF-8: {error}") from None
    return parse_rules(text, str(path))


_Changes = tuple[LimitChange, ...]
_Fitting = tuple[RuleSet, _Changes, _Changes]


@dataclass(frozen=True, slots=True)
class NewRules:
    """Rules that are due, and what the engine's log says of them."""

    change: RuleChange
    rules: RuleSet


class RuleWatch:
    """What the rule file and approved changes say now, beside what is in force.

    Attributes:
        refused: what is wrong with the file as it is; None when nothing is.
        left_out: which approved changes cannot count beside the file, and why.
        rules: what it said when it was last right.
    """

    def __init__(self, path: Path | None, rules: RuleSet, poll_s: float) -> None:
        """Begin with what was read at the start.

        Args:
            path: the file; None means the shipped rules, which never change.
            poll_s: between two looks [s].
        """
        self.refused: str | None = None
        self.left_out: str | None = None
        self.rules = rules
        self._path = path
        self._poll_s = poll_s
        self._asked = threading.Event()
        self._taken = self._seen = _stamp(path)
        self._changes: tuple[LimitChange, ...] | None = None
        self._settled: tuple[RuleSet, RuleSet, str] | None = None
        self._fitting: _Fitting | None = None
        self._unfit: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong, with the file or with changes; None when nothing is."""
        return self.refused or self.left_out

    # The thread that reads

    def ask(self) -> None:
        """Read the file soon, whatever its time says; for signal handlers."""
        self._asked.set()

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        left_s = self._poll_s
        while not stop.wait(min(left_s, LOOK_S)):
            left_s -= LOOK_S
            if self._asked.is_set() or left_s <= 0:
                left_s = self._poll_s
                self.look()

    def look(self) -> None:
        """Read the file if it became different and stands still, or if asked to."""
        if self._path is None:
            return
        is_asked, stamp = self._asked.is_set(), _stamp(self._path)
        self._asked.clear()
        stands, self._seen = stamp == self._seen, stamp
        if not is_asked and (stamp == self._taken or not stands):
            return
        self._taken = stamp
        try:
            self.rules = load_rules(self._path)
        except ConfigError as error:
            self._refuse(str(error))
            return
        self.refused = None
        log.warning("the rule file %s was read: it is right", self._path)

    def _refuse(self, why: str) -> None:
        told = f"the rule file is refused, the rules in force stay: {why}"
        if told != self.refused:
            log.error("%s", told)
        self.refused = told

    # The thread that looks into the database

    def hear(self, changes: tuple[LimitChange, ...]) -> None:
        """Know which changes are approved, past and to come."""
        self._changes = changes

    # The thread that judges

    def due(self, now_in_force: RuleSet, now_us: int) -> NewRules | None:
        """Rules that the engine should be given now, if there are any.

        Args:
            now_in_force: the newest rules that it has.
            now_us: wall time [µs UTC].
        """
        site = self.rules
        if site.effective_from_us > now_us + AHEAD_US:
            site = now_in_force  # its own part goes on until the file's time
        approved, counts_us = self._approved(site, now_in_force, now_us)
        # Two large texts are not made each second to find that nothing changed.
        settled = self._settled
        if (
            settled is not None
            and settled[0] is site
            and settled[1] is now_in_force
            and settled[2] == approved
        ):
            return None
        try:
            rules = with_changes(site, approved)
        except ConfigError as error:
            # Only of changes that are not heard of yet; they are not let go for it.
            self._leave_out(str(error))
            self._settled = site, now_in_force, approved
            return None
        name = fingerprint(rules)
        if name in (fingerprint(now_in_force), self._unfit):
            self._settled = site, now_in_force, approved
            return None
        if parts_of(site.text)[0] != parts_of(now_in_force.text)[0]:
            counts_us = max(rules.effective_from_us, now_us)
        log.warning("the rules of %s count from %s", rules.name, iso_us(counts_us))
        return NewRules(RuleChange.of(rules, counts_us), rules)

    def _approved(
        self, site: RuleSet, now_in_force: RuleSet, now_us: int
    ) -> tuple[str, int]:
        """Approved changes as text, and from when those count that are new [µs UTC]."""
        before = parts_of(now_in_force.text)[1]
        if self._changes is None:
            return before, now_us
        ahead = [c.from_us for c in self._changes if c.from_us > now_us]
        next_us = min((us for us in ahead if us <= now_us + AHEAD_US), default=now_us)
        counting = in_force(self._changes, next_us)
        known = self._fitting
        if known is None or known[0] is not site or known[1] != counting:
            fitting, wrong = that_fit(site, counting)
            self._leave_out(wrong)
            self._fitting = known = (site, counting, fitting)
        fitting = known[2]
        new = [c.from_us for c in fitting if c.head not in before]
        return rule_text(fitting), max(new, default=now_us)

    def _leave_out(self, wrong: str | None) -> None:
        if wrong and wrong != self.left_out:
            log.error("approved changes of limits cannot count: %s", wrong)
        self.left_out = wrong

    def give_up(
        self, rules: RuleSet, now_in_force: RuleSet, why: BaseException
    ) -> None:
        """The engine failed over these rules: it is not given them again."""
        self._unfit, self.rules = fingerprint(rules), now_in_force
        self._refuse(f"{rules.name}: the engine cannot judge by it: {why!r}")


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Number, time and size of the file; None when it is not there."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

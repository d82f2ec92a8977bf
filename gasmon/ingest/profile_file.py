"""The site's file of profiles, read again when it changes.

A mine that begins to write otherwise must not wait for a restart, and somebody who
mistypes must not silence one: a file that cannot be used is told, again and again, and
the profiles before it stay.
"""

from __future__ import annotations

import logging
from pathlib import Path

from gasmon.clock import Clock
from gasmon.errors import ConfigError
from gasmon.ingest.upload.profiles import Profiles, parse_profiles

COMPLAIN_EVERY_S = 60.0
"""How often a file that cannot be used is logged [s]."""

log = logging.getLogger(__name__)

_State = tuple[int, int, int]


def load_profiles(path: Path | None) -> Profiles:
    """The site's profiles; without a file all mines write as the national format.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    if path is None:
        return Profiles()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"files.profiles_file {path}: {error}") from None
    return parse_profiles(text, str(path))


class ProfileFile:
    """Profiles as they are now; `look` from one thread, reading from any.

    Attributes:
        current: what counts.
        is_refused: the file as it is now cannot be used.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """Read it.

        Raises:
            ConfigError: it cannot be used: nothing starts with a wrong file.
        """
        self._path = path
        self._clock = clock
        self._state = self._look()
        self.current = load_profiles(path)
        self.is_refused = False
        self._complained_s = float("-inf")

    def now(self) -> Profiles:
        """What counts now."""
        return self.current

    def look(self) -> None:
        """Read the file if it is another than at the last look."""
        if self._path is None:
            return
        state = self._look()
        if state == self._state and not self.is_refused:
            return
        try:
            profiles = load_profiles(self._path)
        except ConfigError as error:
            self.is_refused = True
            now_s = self._clock.monotonic_s()
            if state != self._state or now_s - self._complained_s >= COMPLAIN_EVERY_S:
                self._complained_s = now_s
                log.error("%s; the profiles before it stay in force", error)
            self._state = state
            return
        if profiles != self.current:
            log.warning(
                "%s was read again: %d mines", self._path, len(profiles.by_mine)
            )
        self.current, self.is_refused, self._state = profiles, False, state

    def _look(self) -> _State | None:
        """What tells one content from another; None when there is no file."""
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            return None
        return None if stat is None else (stat.st_mtime_ns, stat.st_size, stat.st_ino)

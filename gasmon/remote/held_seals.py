"""Seals of a server's arrival log, as a receiver holds them, and what they prove.

They stand in the receiver's file (``keeping``) and are never changed: two seals of one
hour are kept both, because they show that somebody made the past anew.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError
from gasmon.remote.parsing import Seal
from gasmon.sealing import read_seal, text_hash
from gasmon.units import US_PER_H, iso_us

SCHEMA = """
CREATE TABLE IF NOT EXISTS seal (
    hour_us      INTEGER NOT NULL,
    hash         TEXT NOT NULL,
    body         TEXT NOT NULL,
    received_us  INTEGER NOT NULL,
    PRIMARY KEY (hour_us, hash)
);
"""


def problem(seal: Seal, held: Mapping[int, Sequence[str]]) -> str | None:
    """What is wrong with a seal, beside those that are held; None when nothing is.

    Args:
        held: hashes by hour, of this hour and the one before at least.
    """
    if text_hash(seal.body) != seal.hash:
        return "it is not the hash of its text"
    try:
        told = read_seal(seal.body)
    except ValueError as error:
        return str(error)
    if told.hour_us != seal.hour_us:
        return "its text is of another hour"
    if any(hash_ != seal.hash for hash_ in held.get(seal.hour_us, ())):
        return "another seal of this hour is held"
    before = held.get(seal.hour_us - US_PER_H, ())
    if before and told.previous not in before:
        return "it does not follow the seal that is held of the hour before"
    return None


class HeldSeals:
    """The seals in an open file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def newest(self) -> int:
        """The newest hour [µs UTC]; 0 before the first."""
        row = self._db.execute("SELECT max(hour_us) FROM seal").fetchone()
        return int(row[0] or 0)

    def keep(self, seal: Seal, now_us: int) -> dict[str, Any] | None:
        """Keep a seal, whatever is wrong with it.

        Returns:
            What a person should know; None when nothing is wrong.
        """
        what = problem(seal, hashes(self._db, seal.hour_us - US_PER_H))
        self._db.execute(
            "INSERT INTO seal VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (seal.hour_us, seal.hash, seal.body, now_us),
        )
        if what is None:
            return None
        return {"hour": iso_us(seal.hour_us), "hash": seal.hash, "reason": what}


def hashes(db: sqlite3.Connection, from_us: int) -> dict[int, list[str]]:
    """Hashes by hour, from an hour on, in order."""
    found: dict[int, list[str]] = {}
    for hour_us, hash_ in db.execute(
        "SELECT hour_us, hash FROM seal WHERE hour_us >= ? ORDER BY 1, 2", (from_us,)
    ):
        found.setdefault(hour_us, []).append(hash_)
    return found


def held_in(path: Path) -> dict[int, list[str]]:
    """All that a receiver's file holds; it may be running.

    Raises:
        ConfigError: it is no such file.
    """
    if not path.is_file():
        raise ConfigError(f"state file {path}: there is none")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return hashes(db, 0)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise ConfigError(f"state file {path}: {error}") from None


def read_list(text: str) -> dict[int, str]:
    """Hours and hashes of a list as ``gasmon seal ls --json`` prints it.

    Raises:
        ConfigError: it is none, or a hash is not that of its body.
    """
    try:
        items = json.loads(text)["items"]
        seals = [(read_seal(one["body"]), one) for one in items]
        for seal, one in seals:
            if text_hash(one["body"]) != one["hash"]:
                hour = iso_us(seal.hour_us)
                raise ConfigError(f"{hour}: the seal is not the hash of its text")
        return {seal.hour_us: str(one["hash"]) for seal, one in seals}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"no list of seals: {error!r}") from None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An hour in which a claim is not what is held.

    Attributes:
        code: ``differs``, ``claim_missing`` (held, not claimed) or ``two_seals``
            (what is held of the hour is two already).
    """

    hour_us: int
    code: str
    held: tuple[str, ...]
    claimed: str | None


def compare(
    held: Mapping[int, Sequence[str]], claimed: Mapping[int, str]
) -> list[Disagreement]:
    """Hold what somebody claims now against the seals that were received then.

    Hours that are claimed and not held prove nothing and are left out.
    """
    found = []
    for hour_us in sorted(held):
        mine, theirs = tuple(held[hour_us]), claimed.get(hour_us)
        if theirs is None:
            code = "claim_missing"
        elif theirs not in mine:
            code = "differs"
        elif len(mine) > 1:
            code = "two_seals"
        else:
            continue
        found.append(Disagreement(hour_us, code, mine, theirs))
    return found

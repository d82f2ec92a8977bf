"""Whose turns lie in the spool: the owner's numbers, beside it.

The fencing numbers say whether anybody else owned our areas since the spool was
written: then its turns belong to another history than the database's. Taking areas and
writing down their new numbers are two steps, and a death between them must not make us
another. So what we are about to do is written first, with its moment: if the database
holds a taking of that moment and name, it was ours. Names are new at each start
(``commands.running.owner_name``): two containers may share host name and process id.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gasmon.pipeline.wholefile import write_whole
from gasmon.store.owners import Held

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Taking:
    """What an owner is about to do.

    Attributes:
        owner: how it is called.
        taken_us: the moment that it gives the taking [µs UTC]; another owner of more or
            fewer areas raises our numbers too, and leaves name and moment as they are.
        before: fencing number of each scope, as far as it knows.
    """

    owner: str
    taken_us: int
    before: Mapping[str, int]

    def is_done(self, held: Mapping[str, Held]) -> bool:
        """Whether it was done, and nothing since.

        Args:
            held: what the database says of each of our scopes.
        """
        numbers = {scope: one.fencing - 1 for scope, one in held.items()}
        made = {(one.owner, one.taken_us) for one in held.values()}
        return numbers == self.before and made == {(self.owner, self.taken_us)}


class OwnerRecord:
    """Two small files in the spool's folder."""

    def __init__(self, folder: Path) -> None:
        self._owner = folder / "owner.json"
        self._taking = folder / "taking.json"
        self._written: dict[str, int] | None = None

    def write(self, fencing: Mapping[str, int]) -> None:
        """What is spooled from now on is judged under these numbers."""
        if self._written == fencing:
            return
        if write_whole(self._owner, json.dumps(dict(fencing)).encode()):
            self._written = dict(fencing)

    def read(self) -> dict[str, int]:
        """The numbers that were written last; empty when none can be read."""
        try:
            told = json.loads(self._owner.read_bytes())
            return {str(scope): int(number) for scope, number in told.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            log.error("%s cannot be used: %s", self._owner, error)
            return {}

    def intend(self, taking: Taking) -> None:
        """We are about to take our areas."""
        told = {**asdict(taking), "before": dict(taking.before)}
        write_whole(self._taking, json.dumps(told).encode())

    def intended(self) -> Taking | None:
        """What we were about to do when we wrote last; None when that is not known."""
        try:
            told = json.loads(self._taking.read_bytes())
            before = {str(scope): int(n) for scope, n in told["before"].items()}
            return Taking(str(told["owner"]), int(told["taken_us"]), before)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, AttributeError, TypeError, KeyError) as error:
            log.error("%s cannot be used: %s", self._taking, error)
            return None

    def recognise(self, held: Mapping[str, Held]) -> None:
        """Write down what we took and died before we could.

        Args:
            held: what the database says of each of our scopes, before we take them.
        """
        taking = self.intended()
        if taking is None or taking.before != self.read() or not taking.is_done(held):
            return
        log.warning("%s took our areas and ended before it knew it", taking.owner)
        self.write({scope: one.fencing for scope, one in held.items()})

    def is_continued(self, fencing: Mapping[str, int]) -> bool:
        """Whether nobody owned our areas between the spool's owner and us.

        Args:
            fencing: the numbers that we have just got.
        """
        if not self._owner.exists():
            return True  # nothing was spooled yet by a version that keeps it
        return self.read() == {scope: n - 1 for scope, n in fencing.items()}

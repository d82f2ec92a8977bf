"""Password hashes: argon2id with its parameters in each hash.

An offline guesser with the database pays these parameters for each try; RFC 9106 names
64 MiB and three passes as its choice where memory is short. One lane and not four: a
log-in may take one core for a tenth of a second, the others belong to alarms.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gasmon.settings import AccountSettings
from gasmon.store.password_rules import normal_form

NOBODYS_PASSWORD = "nobody's"


class Passwords:
    """Makes and checks hashes with a site's parameters; may be used by any thread."""

    def __init__(self, accounts: AccountSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=accounts.argon2_passes,
            memory_cost=accounts.argon2_memory_kib,
            parallelism=accounts.argon2_lanes,
        )
        # Made now: later the first stranger would wait for two.
        self._nobodys = self._hasher.hash(NOBODYS_PASSWORD)

    def hash(self, password: str) -> str:
        """A new hash; takes the time of a check."""
        return self._hasher.hash(normal_form(password))

    def is_right(self, stored: str | None, password: str) -> bool:
        """Whether it is the password of this hash.

        Args:
            stored: None for a name that nobody has: the same work is done, so that
                the time of a refusal tells nobody which names exist.
        """
        try:
            self._hasher.verify(stored or self._nobodys, normal_form(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def is_stale(self, stored: str) -> bool:
        """Whether it was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(stored)

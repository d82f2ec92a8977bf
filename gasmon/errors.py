"""Everything gasmon raises on purpose, in one tree.

* ``GasmonError``
    * ``ConfigError``: the operator's settings, flags or files are wrong (exit 2).
    * ``DependencyError``: something outside is unreachable or missing: database,
      broker, a wheel, a binary (exit 3).
    * ``MigrationError``: the database's schema and ours do not fit (exit 1).
    * ``CriteriaNotMet``: a measured thing missed its criterion (exit 4).
    * ``RequestError``: somebody asked for what cannot be given; has an HTTP status.
        * ``BadRequest`` (422), ``Unauthorized`` (401), ``Forbidden`` (403),
          ``NotFound`` (404), ``StateConflict`` (409), ``TooMany`` (429).

Bytes that a mine sends are never an exception: they become ``batch.Reject`` values.
Our own mistakes are plain ``assert``.
"""


class GasmonError(Exception):
    """Base of every error raised on purpose; the text is one clear line."""

    exit_code = 1


class ConfigError(GasmonError):
    """A setting, flag or operator's file is wrong; names it and its value."""

    exit_code = 2


class DependencyError(GasmonError):
    """Something outside of us is unreachable or missing; names where it was sought."""

    exit_code = 3


class MigrationError(GasmonError):
    """The schema in the database and the migrations on disk do not fit."""


class CriteriaNotMet(GasmonError):
    """A measurement missed its criterion; names both numbers."""

    exit_code = 4


class RequestError(GasmonError):
    """Somebody asked for what cannot be given.

    Attributes:
        status: HTTP status of the refusal.
        slug: stable identifier for programs, the last part of the problem's type.
    """

    status = 400
    slug = "request"


class BadRequest(RequestError):
    """The request is not understood; names the field and the value."""

    status = 422
    slug = "bad-request"


class Unauthorized(RequestError):
    """Who is asking is not known."""

    status = 401
    slug = "unauthorized"


class Forbidden(RequestError):
    """Who is asking may not do this here."""

    status = 403
    slug = "forbidden"


class NotFound(RequestError):
    """What is asked for does not exist, or not for this principal."""

    status = 404
    slug = "not-found"


class StateConflict(RequestError):
    """The state of the thing forbids the action; says why."""

    status = 409
    slug = "state-conflict"


class TooMany(RequestError):
    """Too many requests; says when to come back.

    Attributes:
        retry_after_s: whole seconds until it may be tried again.
    """

    status = 429
    slug = "too-many"

    def __init__(self, text: str, retry_after_s: int) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s

"""What a receiver is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from gasmon.alarms.receipts import PROMISED
from gasmon.errors import ConfigError
from gasmon.remote.client_session import Wish

STREAM_PATH = "/api/v1/stream/alarms"


@dataclass(frozen=True, slots=True)
class Options:
    """What to receive, and what to do with it.

    Attributes:
        name: of this receiver, for messages.
        url: ``ws://`` or ``wss://`` address of the server, with or without the path.
        token: sent in the ``Authorization`` header and nowhere else.
        state: the SQLite file.
        areas: codes or slugs; None means everything that the token may see.
        min_rank: least level, 0 to 4.
        kinds: kinds of alarm; None means all.
        command: run for each event with its JSON on standard input.
        silence_command: run once when the line falls silent.
        count: stop after this many new events.
        once: stop when everything that the server has now is received.
        reports: steps that will be reported of each event, besides receiving.
        proves: steps that a hook's end without an error proves; reported by themselves.
        drills: events of drills too.
    """

    name: str
    url: str
    token: str
    state: Path
    areas: tuple[str, ...] | None = None
    min_rank: int = 0
    kinds: tuple[str, ...] | None = None
    command: str | None = None
    silence_command: str | None = None
    count: int | None = None
    once: bool = False
    reports: tuple[str, ...] = ()
    proves: tuple[str, ...] = ()
    drills: bool = False

    @property
    def wish(self) -> Wish:
        """What to subscribe to."""
        promised = {*self.reports, *self.proves}
        reports = tuple(step for step in PROMISED if step in promised)
        return Wish(self.areas, self.min_rank, self.kinds, reports, drills=self.drills)


def stream_url(url: str) -> str:
    """The address of the stream on a server.

    Raises:
        ConfigError: it is not an address of ours.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError(f"url {url!r} is not ws://HOST[:PORT] or wss://HOST[:PORT]")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ConfigError(f"url {url!r}: secrets and parameters do not belong in it")
    path = parts.path if parts.path not in ("", "/") else STREAM_PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))

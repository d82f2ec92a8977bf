"""Channels of a site: where calls go besides page and streams, from a TOML file.

docs/escalation.md documents each key. Everything wrong with the file is a
``ConfigError`` that names file, line and channel. Secrets stand in files or in the
environment, never in this file, and no text of ours repeats one.
"""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gasmon import domain
from gasmon.alarms.escalation_rules import CHANNEL_KINDS, EscalationRules
from gasmon.alarms.lifecycle import TIERS
from gasmon.alarms.rule_lines import RuleLines
from gasmon.alarms.toml_fields import items, names, number, only, site_text
from gasmon.errors import ConfigError
from gasmon.settings import read_secret

COMMON_KEYS = ("name", "kind", "tiers", "areas", "secret_file", "secret_env")
KEYS_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "webhook": ("url",),
    "mail": ("host", "port", "tls", "user", "sender", "to"),
    "sms": ("url", "to", "form", "fields", "headers", "ok_field", "ok_value"),
}
TLS = ("starttls", "tls", "none")
FORMS = ("json", "form")
PLACEHOLDERS = ("to", "text", "secret", "id")
"""What ``fields`` and ``headers`` of a gateway may hold in braces."""

MOST_RECIPIENTS = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_BRACES = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to call somebody.

    Attributes:
        kind: one of ``CHANNEL_KINDS``.
        tiers: whom it reaches; empty: every tier.
        areas: codes; empty: every area, a prefecture's covers its counties.
        to: telephone numbers or addresses; a webhook has its host.
        secret: password, or key of signatures; empty when there is none.
    """

    name: str
    kind: str
    tiers: frozenset[str] = frozenset()
    areas: frozenset[str] = frozenset()
    to: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    url: str = ""
    host: str = ""
    port: int = 0
    tls: str = "starttls"
    user: str = ""
    sender: str = ""
    form: str = "json"
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ok_field: str = ""
    ok_value: str = ""

    def is_called(self, wanted: Sequence[str], tiers: set[str], area: str) -> bool:
        """Whether a step that names ``wanted`` channels calls this one.

        Args:
            tiers: who must act, and whom the rule names.
        """
        here = not self.areas or not self.areas.isdisjoint({area, area[:4] + "00"})
        return (
            (self.name in wanted or self.kind in wanted)
            and (not self.tiers or not self.tiers.isdisjoint(tiers))
            and here
        )


def load_channels(path: Path | None) -> tuple[Channel, ...]:
    """The channels of a site; None: there are none.

    Raises:
        ConfigError: the file or a secret cannot be read, or something in it is wrong.
    """
    if path is None:
        return ()
    text = site_text(path, "escalation.channels_file")
    try:
        tree = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"escalation.channels_file {path}: {error}") from None
    lines = RuleLines(text)
    for key in tree:
        if key != "channel":
            where = f"{path.name}:{lines.of('', key=key)}"
            raise ConfigError(f"{where}: unknown section {key!r}")
    given = tree.get("channel", [])
    if not isinstance(given, list):
        raise ConfigError(f"{path.name}: [[channel]] is not an array of tables")
    found = tuple(
        _Reader(row, n, lines, path.name).channel() for n, row in enumerate(given, 1)
    )
    seen: set[str] = set()
    for n, channel in enumerate(found, 1):
        if channel.name in seen:
            where = f"{path.name}:{lines.of('channel', n, 'name')}"
            raise ConfigError(f"{where}: there are two channels {channel.name!r}")
        seen.add(channel.name)
    return found


def check_names(rules: EscalationRules, channels: Sequence[Channel]) -> None:
    """Refuse rules that call a channel which does not exist.

    Raises:
        ConfigError: names rule and channel.
    """
    called = [
        (f"{rules.name}:{row.line}: rule {row.name}", name)
        for row in rules.rows
        for step in row.steps
        for name in step.channels
    ]
    called += [(f"{rules.name}: report_channels", n) for n in rules.report_channels]
    known = {*CHANNEL_KINDS, *(channel.name for channel in channels)}
    for where, name in called:
        if name not in known:
            raise ConfigError(
                f"{where}: {name!r} is neither a channel nor one of"
                f" {', '.join(CHANNEL_KINDS)}"
            )


@dataclass(slots=True)
class _Reader:
    """One table on its way to a Channel."""

    row: Any
    number: int
    lines: RuleLines
    file: str

    def at(self, key: str = "") -> str:
        line = self.lines.of("channel", self.number, key)
        return f"{self.file}:{line}: [[channel]] {self.number}"

    def channel(self) -> Channel:
        if not isinstance(self.row, dict):
            raise ConfigError(f"{self.at()}: {self.row!r} is not a table")
        kind = self._one_of("kind", CHANNEL_KINDS)
        known = (*COMMON_KEYS, *KEYS_OF_KIND[kind])
        unknown = [key for key in self.row if key not in known][:1]
        only(self.row, set(known), self.at(*unknown))
        name = self._text("name")
        if not _NAME.fullmatch(name) or name in CHANNEL_KINDS:
            raise ConfigError(
                f"{self.at('name')}: name = {name!r} is not 1 to 40 of a-z, 0-9 and -,"
                " and no kind"
            )
        known_areas = {n: a.code for a in domain.areas() for n in (a.code, a.slug)}
        areas = names(self.row, "areas", frozenset(known_areas), self.at("areas"))
        return Channel(
            name=name,
            kind=kind,
            tiers=names(self.row, "tiers", frozenset(TIERS), self.at("tiers")),
            areas=frozenset(known_areas[area] for area in areas),
            secret=self._secret(),
            **{"webhook": self._webhook, "mail": self._mail, "sms": self._sms}[kind](),
        )

    def _webhook(self) -> dict[str, Any]:
        url = self._url()
        if "secret_file" not in self.row and "secret_env" not in self.row:
            raise ConfigError(f"{self.at()}: a webhook needs a secret to sign with")
        return {"url": url, "to": (str(urlsplit(url).hostname),)}

    def _mail(self) -> dict[str, Any]:
        tls = self._one_of("tls", TLS) if "tls" in self.row else "starttls"
        port = number(self.row, "port", 465 if tls == "tls" else 587, self.at("port"))
        if not 1 <= port <= 65535 or port != int(port):
            raise ConfigError(f"{self.at('port')}: port = {port:g} is not 1 to 65535")
        return {
            "host": self._text("host"),
            "port": int(port),
            "tls": tls,
            "user": self._text("user", ""),
            "sender": self._text("sender"),
            "to": self._recipients(),
        }

    def _sms(self) -> dict[str, Any]:
        return {
            "url": self._url(),
            "to": self._recipients(),
            "form": self._one_of("form", FORMS) if "form" in self.row else "json",
            "fields": self._templates("fields"),
            "headers": self._templates("headers"),
            "ok_field": self._text("ok_field", ""),
            "ok_value": self._text("ok_value", ""),
        }

    def _secret(self) -> str:
        path, variable = self._text("secret_file", ""), self._text("secret_env", "")
        if path and variable:
            raise ConfigError(f"{self.at()}: secret_file and secret_env, one is enough")
        if path:
            return read_secret(Path(path)) or ""
        if variable and not os.environ.get(variable):
            raise ConfigError(f"{self.at('secret_env')}: {variable} is not set")
        return os.environ[variable] if variable else ""

    def _one_of(self, key: str, known: tuple[str, ...]) -> str:
        found = self.row.get(key)
        if found not in known:
            listed = ", ".join(known)
            raise ConfigError(f"{self.at(key)}: {key} = {found!r} is none of {listed}")
        return str(found)

    def _text(self, key: str, absent: str | None = None) -> str:
        found = self.row.get(key, absent)
        if not isinstance(found, str) or (absent is None and not found):
            raise ConfigError(f"{self.at(key)}: {key} = {found!r} is not a text")
        if any(ord(char) < 32 for char in found):
            raise ConfigError(f"{self.at(key)}: {key} = {found!r} is not one line")
        return found

    def _url(self) -> str:
        url = self._text("url")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{self.at('url')}: url is no http:// or https:// one")
        return url

    def _recipients(self) -> tuple[str, ...]:
        where = self.at("to")
        found = items(self.row, "to", MOST_RECIPIENTS, where)
        for one in found:
            if not isinstance(one, str) or not re.fullmatch(r"[!-~]{3,100}", one):
                raise ConfigError(f"{where}: to: {one!r} is no number or address")
        return tuple(dict.fromkeys(found))

    def _templates(self, key: str) -> dict[str, str]:
        found = self.row.get(key, {})
        where = self.at(key)
        only(found, set(found) if isinstance(found, dict) else set(), where)
        for name, template in found.items():
            if not isinstance(template, str):
                raise ConfigError(f"{where}: {key}.{name} = {template!r} is not a text")
            for inside in _BRACES.findall(template):
                if inside not in PLACEHOLDERS:
                    listed = ", ".join(PLACEHOLDERS)
                    raise ConfigError(
                        f"{where}: {key}.{name}: {{{inside}}} is none of {listed}"
                    )
        return dict(found)

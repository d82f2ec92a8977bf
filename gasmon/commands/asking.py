"""A small client of gasmon's HTTP interface, for commands."""

import argparse
import json
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from gasmon.errors import ConfigError, DependencyError, GasmonError
from gasmon.settings import Settings, read_secret

TIMEOUT_S = 30.0
"""Longest wait for an answer [s]."""


class _NoRedirect(HTTPRedirectHandler):
    """A token is not carried to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """Asks one server with one token."""

    def __init__(self, url: str, token: str) -> None:
        """Remember where and who.

        Raises:
            ConfigError: ``url`` is no address of a web server.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"--url {url}: http://HOST:PORT or https://HOST wanted")
        self._base = f"{url.rstrip('/')}/api/v1"
        self._token = token
        self._opener = build_opener(_NoRedirect)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """What is there; members of ``query`` that are None are left out.

        Raises:
            DependencyError: nobody answers there, or its database is away.
            ConfigError: the request was not understood.
            GasmonError: it was refused; says why in the server's words.
        """
        given = {k: v for k, v in (query or {}).items() if v is not None}
        return self._ask("GET", path + (f"?{urlencode(given)}" if given else ""), None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Do something; raises as :meth:`get`."""
        return self._ask("POST", path, json.dumps(body).encode())

    def delete(self, path: str) -> Any:
        """End something; raises as :meth:`get`."""
        return self._ask("DELETE", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = Request(self._base + path, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise _refusal(error.code, error.read()) from None
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", error)
            raise DependencyError(f"{self._base} does not answer: {reason}") from None
        except ValueError as error:
            raise DependencyError(f"{self._base} is no gasmon: {error}") from None


def _refusal(status: int, body: bytes) -> GasmonError:
    """The server's own words as an error with the fitting exit code."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        return DependencyError(f"an answer {status} that is not gasmon's")
    if status == 422:
        return ConfigError(detail)
    return (DependencyError if status >= 500 else GasmonError)(detail)


def server_flags() -> argparse.ArgumentParser:
    """Flags of every command that asks the api: which server, and as whom."""
    server = argparse.ArgumentParser(add_help=False)
    server.add_argument(
        "--url", help="server, e.g. https://gas.example.gov.cn; default: this machine"
    )
    server.add_argument(
        "--token-file", type=Path, required=True, metavar="FILE", help="holds the token"
    )
    return server


def open_api(args: argparse.Namespace, settings: Settings) -> Api:
    """The client that :func:`server_flags` ask for.

    Raises:
        ConfigError: the token's file cannot be read, or the address is none.
    """
    token = read_secret(args.token_file)
    assert token is not None
    return Api(args.url or f"http://{settings.api.host}:{settings.api.port}", token)

"""The page itself: files of ``gasmon/api/web``, and headers that keep it ours."""

import mimetypes
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Some Windows registries call .js text/plain, and the page stays blank.
MEDIA_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".html": "text/html",
}

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

ADDRESSES = (
    "/",
    "/login",
    "/welcome",
    "/account",
    "/plans",
    "/changes",
    "/forecasts",
    "/drainage",
    "/differences",
    "/places",
    "/statistics",
    "/users",
    "/audit",
    "/rules",
    "/drills",
    "/drill/{rest:path}",
    "/alarms",
    "/alarm/{rest:path}",
    "/shifts",
    "/consoles",
    "/handover/{rest:path}",
    "/area/{rest:path}",
    "/county",
    "/county/{rest:path}",
    "/mine/{rest:path}",
    "/point/{rest:path}",
)
"""Addresses that the page resolves by itself."""


def web_folder() -> Path:
    """Where the page's files are, in a checkout and in an installed wheel."""
    return Path(str(files("gasmon.api").joinpath("web")))


class PageFiles(StaticFiles):
    """Files that a browser may keep, and must ask about each time (ETag)."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def static_files() -> PageFiles:
    """The application behind ``/static``."""
    for ending, media_type in MEDIA_TYPES.items():
        mimetypes.add_type(media_type, ending)
    return PageFiles(directory=web_folder(), check_dir=False)


def page_router() -> APIRouter:
    """Routes that all answer with the one page."""
    router = APIRouter(include_in_schema=False)
    index = web_folder() / "index.html"

    async def page() -> Response:
        return FileResponse(
            index, media_type="text/html", headers={"Cache-Control": "no-cache"}
        )

    for address in ADDRESSES:
        router.add_api_route(address, page, methods=["GET", "HEAD"])
    return router


class SecurityHeaders:
    """ASGI middleware: the same headers on every answer, problems included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

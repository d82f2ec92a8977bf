"""Health pages of any process."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gasmon.api import health
from gasmon.api.health import Check, create_health_app, run_checks
from gasmon.telemetry import Metrics


async def ask(checks: dict[str, Check], path: str) -> httpx.Response:
    """One request to a health application."""
    transport = httpx.ASGITransport(create_health_app(checks, Metrics()))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.get(path)


async def test_every_check_is_asked_and_named() -> None:
    """Plain and async checks, a reason, an exception."""

    async def fine() -> str | None:
        return None

    def broken() -> str | None:
        raise ValueError("no such table\nmore")

    checks: dict[str, Check] = {
        "fine": fine,
        "plain": lambda: None,
        "late": lambda: "12 s\n\tbehind",
        "broken": broken,
    }
    answer = await ask(checks, "/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "fine": "ok",
        "plain": "ok",
        "late": "12 s behind",
        "broken": "ValueError: no such table",
    }
    assert (await ask(checks, "/healthz")).status_code == 200


async def test_without_trouble_it_is_ready() -> None:
    """No failing check means 200; metrics are plain text."""
    ready = await ask({"one": lambda: None}, "/readyz")
    metrics = await ask({}, "/metrics")

    assert ready.json()["status"] == "ready"
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_a_check_that_cannot_be_cancelled_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A query of a server that hangs: an answer came after eight seconds, when whoever
    asked had given up."""
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.01)
    cancelled, server = asyncio.Event(), asyncio.Event()

    async def hangs() -> str | None:
        try:
            await server.wait()
        except asyncio.CancelledError:
            cancelled.set()
            await server.wait()
        return None

    answers = await run_checks({"database": hangs, "ingest": lambda: None})

    assert answers == {"database": "no answer within 0.01 s", "ingest": None}
    await cancelled.wait()
    server.set()

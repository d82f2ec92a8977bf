"""Fixtures of all tests, one plugin file per kind of real part."""

from __future__ import annotations

pytest_plugins = [
    "tests.fix_found",
    "tests.fix_postgres",
    "tests.fix_store",
    "tests.fix_broker",
    "tests.fix_gateway",
    "tests.fix_proxy",
    "tests.fix_cli",
    "tests.fix_api",
]

"""Commands that run inside a test's process leave no handler of their own behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def kept_logging() -> Iterator[None]:
    """Take back what ``set_up_logging`` changed: its stream ends with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)

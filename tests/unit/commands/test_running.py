"""What long-running commands share."""

from __future__ import annotations

import gc

from gasmon.commands.running import keep_what_is_loaded


def test_what_is_loaded_is_no_longer_looked_through() -> None:
    """The search for garbage finds only what came afterwards."""
    before = len(gc.get_objects())
    try:
        keep_what_is_loaded()
        assert gc.get_freeze_count() >= before // 2
        assert len(gc.get_objects()) < before // 10
    finally:
        gc.unfreeze()

"""The receiver's file and its addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.errors import ConfigError
from gasmon.remote.client_session import Arrived, Held
from gasmon.remote.keeping import Keeping
from gasmon.remote.options import stream_url


def arrived(*numbers: int) -> list[Arrived]:
    """Events by number."""
    return [Arrived(f"id{n}", "e", n, f'{{"n":{n}}}') for n in numbers]


def keep(keeping: Keeping, *numbers: int, with_hook: bool = True) -> list[str]:
    """Keep events; gives the ids of the new ones."""
    position = ("e", max(numbers))
    kept = keeping.store(
        arrived(*numbers),
        position,
        subscription="all",
        now_us=1,
        with_hook=with_hook,
    )
    return [event.id for event in kept]


def test_what_is_kept_is_there_after_reopening(tmp_path: Path) -> None:
    """Position, events and what is owed survive; repetitions are dropped."""
    path = tmp_path / "state.sqlite"
    with Keeping(path) as keeping:
        assert keeping.position() is None
        assert keeping.held() is None
        assert keep(keeping, 1, 2) == ["id1", "id2"]
        assert keep(keeping, 2, 3) == ["id3"]
        keeping.mark_printed(2)
    with Keeping(path) as keeping:
        assert keeping.position() == ("e", 3)
        assert keeping.held() == Held(("e", 3), "all")
        assert [event.id for event in keeping.unprinted()] == ["id3"]


def test_hooks_are_owed_in_order_until_done(tmp_path: Path) -> None:
    """Done and failed ones are left behind; failed ones can be owed again."""
    with Keeping(tmp_path / "state.sqlite") as keeping:
        keep(keeping, 1, 2)
        keep(keeping, 3, with_hook=False)
        first = keeping.next_hook()
        assert first is not None
        keeping.mark_hook(first, "failed", 2)
        second = keeping.next_hook()
        assert second is not None
        keeping.mark_hook(second, "done", 2)

        assert (first.id, second.id) == ("id1", "id2")
        assert keeping.next_hook() is None
        assert keeping.retry_failed() == 1
        again = keeping.next_hook()
        assert again is not None
        assert again.id == "id1"


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error in the middle leaves neither events nor position behind."""
    with Keeping(tmp_path / "state.sqlite") as keeping:
        bad = [*arrived(1), Arrived("id2", "e", 2, None)]  # type: ignore[arg-type]
        with pytest.raises(Exception, match="NOT NULL"):
            keeping.store(bad, ("e", 2), subscription="all", now_us=1, with_hook=False)

        assert keeping.position() is None
        assert keeping.unprinted() == []


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    """Not a database, not writable, or in use: one clear line."""
    text = tmp_path / "text"
    text.write_text("not a database " * 100)
    with pytest.raises(ConfigError, match="not a database"):
        Keeping(text)
    with pytest.raises(ConfigError, match="No such file"):
        Keeping(tmp_path / "missing" / "state.sqlite")
    with (
        Keeping(tmp_path / "used"),
        pytest.raises(ConfigError, match="another receiver"),
    ):
        Keeping(tmp_path / "used")


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("ws://h:1", "ws://h:1/api/v1/stream/alarms"),
        ("wss://h/", "wss://h/api/v1/stream/alarms"),
        ("https://h", "wss://h/api/v1/stream/alarms"),
        ("http://h:8123", "ws://h:8123/api/v1/stream/alarms"),
        ("ws://h/gas/api/v1/stream/alarms", "ws://h/gas/api/v1/stream/alarms"),
    ],
)
def test_an_address_is_completed(url: str, whole: str) -> None:
    """The path may be left out, the scheme may be the page's."""
    assert stream_url(url) == whole


@pytest.mark.parametrize(
    "url", ["h:1", "ftp://h", "ws://", "ws://h?token=x", "ws://u@h"]
)
def test_an_address_without_sense_or_with_a_secret_is_refused(url: str) -> None:
    """A secret in an address would end up in logs."""
    with pytest.raises(ConfigError):
        stream_url(url)

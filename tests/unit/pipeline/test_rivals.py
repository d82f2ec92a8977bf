"""Another process in our place is recognised by what it says of itself."""

from __future__ import annotations

from gasmon.batch import Packet
from gasmon.ingest.payloads import encode_state
from gasmon.ingest.topics import platform_state_topic
from gasmon.pipeline.rivals import Rivals
from tests.fix_pipeline import at, frame


def told(word: str, boot: str) -> Packet:
    """What a process says on the platform's topic."""
    return Packet(platform_state_topic(), encode_state(word, boot, 1), at(1))


def test_only_who_speaks_after_us_is_a_rival() -> None:
    """What was kept of a former process is none, nor is its last will."""
    rivals, one = Rivals("ours"), frame(1, [("001A01", 0.1, 0)])
    assert rivals.sift([told("online", "former"), one]) == [one]
    assert rivals.sift([told("online", "ours"), told("offline", "former")]) == []
    assert not rivals.heard
    nonsense = Packet(platform_state_topic(), b"{", at(1))
    assert rivals.sift([nonsense]) == []
    assert not rivals.heard
    assert rivals.sift([one]) == [one]
    rivals.sift([told("online", "successor")])
    assert rivals.heard


def test_both_signs_count_since_the_database_went_away() -> None:
    """What was heard or lost before says nothing, nor who was there before."""
    rivals = Rivals("ours")
    rivals.sift([told("online", "ours"), told("online", "beside us")])
    assert not rivals.is_there(away=False, n_contested=4)
    assert not rivals.is_there(away=True, n_contested=4)
    rivals.sift([told("online", "beside us")])
    assert not rivals.is_there(away=True, n_contested=9), "it was there before"
    rivals.sift([told("online", "successor")])
    assert rivals.is_there(away=True, n_contested=9)
    assert not rivals.is_there(away=False, n_contested=9)
    assert not rivals.is_there(away=True, n_contested=9)

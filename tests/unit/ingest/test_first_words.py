"""Data that comes before its mine's definition waits for it, and never for long."""

from __future__ import annotations

from gasmon.batch import Packet
from gasmon.ingest import first_words
from gasmon.ingest.first_words import LIMIT, FirstWords
from gasmon.ingest.topics import data_topic
from tests.fix_pipeline import AREA, MINE, at

OTHER = "530627000001"
DATA, DATA_OF_OTHER = data_topic(AREA, MINE), data_topic(AREA, OTHER)
POINTS = DATA.replace("/data", "/points")


def packet(topic: str, mid: int, generation: int = 1) -> Packet:
    """A packet by its number."""
    return Packet(topic, b"{}", at(0), generation=generation, mid=mid)


def passed(words: FirstWords, now_s: float, *packets: Packet) -> list[int]:
    """Numbers of what is passed on."""
    return [p.mid for p in words.pass_on(packets, now_s).packets]


def test_values_come_behind_the_definition() -> None:
    """Those of another mine pass, and of this one once it told its points."""
    words = FirstWords({OTHER}.__contains__)
    first = words.pass_on([packet(DATA, 1), packet(DATA_OF_OTHER, 2)], 10.0)
    assert [p.mid for p in first.packets] == [2]
    assert [p.mid for p in first.held] == [1]
    assert passed(words, 10.1, packet(DATA, 3), packet(POINTS, 4)) == [4, 1, 3]
    assert words.n_held == 0
    assert words.next_wakeup_s() is None


def test_a_mine_that_never_defines_is_heard_a_moment_later() -> None:
    """After the moment everything passes in its order, and nothing waits any more."""
    words = FirstWords(lambda mine: False)
    assert passed(words, 10.0, packet(DATA, 1), packet(DATA, 2)) == []
    assert words.next_wakeup_s() == 10.0 + first_words.WAIT_S
    assert passed(words, 11.0, packet(DATA, 3)) == [1, 2, 3]
    assert passed(words, 11.1, packet(DATA, 4)) == [4]


def test_a_definition_that_came_while_nobody_looked_came_in_time() -> None:
    """The process was stopped, or judged for long: it goes before what waits for it."""
    words = FirstWords({OTHER}.__contains__)
    assert passed(words, 10.0, packet(DATA, 1)) == []
    late = [packet(DATA_OF_OTHER, 2), packet(DATA, 3), packet(POINTS, 4)]
    assert passed(words, 70.0, *late, packet(DATA, 5)) == [2, 4, 1, 3, 5]
    assert words.n_held == 0


def test_each_connection_begins_anew() -> None:
    """Definitions come with the subscription of each."""
    words = FirstWords(lambda mine: False)
    passed(words, 10.0, packet(DATA, 1))
    assert passed(words, 20.0) == [1]
    assert passed(words, 30.0, packet(DATA, 2, generation=2)) == []
    assert passed(words, 31.0) == [2]


def test_others_get_through_when_too_many_wait() -> None:
    """All are passed on, oldest first."""
    words = FirstWords(lambda mine: False)
    sent = [packet(DATA, n) for n in range(LIMIT + 1)]
    assert passed(words, 10.0, *sent) == list(range(LIMIT + 1))
    assert words.n_held == 0

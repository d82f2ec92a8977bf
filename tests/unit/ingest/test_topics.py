"""The topic tree: every topic parses back, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gasmon.ingest import topics
from gasmon.ingest.topics import Topic, parse_topic, subscriptions

AREA, MINE = "530627", "530627004499"
MAKERS: list[tuple[Callable[..., str], str]] = [
    (topics.data_topic, "data"),
    (topics.backfill_topic, "backfill"),
    (topics.state_topic, "state"),
    (topics.points_topic, "points"),
    (topics.event_topic, "event"),
    (topics.alarms_topic, "alarms"),
    (topics.cmd_req_topic, "cmd/req"),
    (topics.cmd_res_topic, "cmd/res"),
]


def matches(pattern: str, topic: str) -> bool:
    """Tell whether an MQTT filter without # matches."""
    ours, theirs = pattern.split("/"), topic.split("/")
    return len(ours) == len(theirs) and all(
        a in ("+", b) for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize(("make", "channel"), MAKERS)
@pytest.mark.parametrize("run", [0, 1, 999_999_999])
def test_topics_parse_back(make: Callable[..., str], channel: str, run: int) -> None:
    """Live and drill topics of each channel."""
    topic = make(AREA, MINE, run)
    assert topic.startswith("gasmon/v1/" if run == 0 else f"gasmon-drill/v1/{run}/")
    assert parse_topic(topic) == Topic(run, AREA, MINE, channel, "")


def test_file_and_platform_topics_parse_back() -> None:
    """The type of a file is the detail; the platform has no mine."""
    topic = topics.file_topic(AREA, MINE, "CDSS", 4)
    assert parse_topic(topic) == Topic(4, AREA, MINE, "file", "CDSS")
    platform = parse_topic(topics.platform_state_topic())
    assert platform == Topic(0, "", "", "platform", "")
    player = parse_topic(topics.player_topic(7))
    assert player == Topic(7, "", "", "player", "")


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("gasmon/v2/530627/530627004499/data", "outside"),
        ("gasmon/v1/530627", "no area, mine and channel"),
        ("gasmon/v1/53062x/530627004499/data", "'53062x' is not six digits"),
        ("gasmon/v1/530627/5306270044/data", "not twelve digits"),
        ("gasmon/v1/530628/530627004499/data", "lies in area 530627"),
        ("gasmon/v1/530627/530627004499/data/x", "'data/x' is unknown"),
        ("gasmon/v1/530627/530627004499/file", "'file' is unknown"),
        ("gasmon/v1/530627/530627004499/file/a b", "file type"),
        ("gasmon/v1/５３０６２７/530627004499/data", "six digits"),
        ("gasmon-drill/v1", "run ''"),
        ("gasmon-drill/v1/0/530627/530627004499/data", "run '0'"),
        ("gasmon-drill/v1/x/530627/530627004499/data", "run 'x'"),
        ("gasmon-drill/v1/0/player", "run '0'"),
        ("gasmon-drill/v1/7/player/x", "no area, mine and channel"),
        ("gasmon/v1/player", "no area, mine and channel"),
    ],
)
def test_other_topics_are_refused(topic: str, words: str) -> None:
    """The text names the part that is wrong."""
    with pytest.raises(ValueError, match=words):
        parse_topic(topic)


def test_makers_refuse_what_would_not_parse() -> None:
    """Codes that disagree, a negative run, a bad file type."""
    with pytest.raises(ValueError, match="lies in area"):
        topics.data_topic("530602", MINE)
    with pytest.raises(ValueError, match="negative"):
        topics.data_topic(AREA, MINE, -1)
    with pytest.raises(ValueError, match="file type"):
        topics.file_topic(AREA, MINE, "")
    with pytest.raises(ValueError, match="no drill's"):
        topics.player_topic(0)


def test_subscriptions_cover_what_mines_send_once() -> None:
    """Exactly one filter matches each topic that gasmon reads, none its own."""
    for filters in (subscriptions(), subscriptions([AREA, "530602"])):
        for make, channel in MAKERS:
            for run in (0, 7):
                topic = make(AREA, MINE, run)
                n = sum(matches(pattern, topic) for pattern, _ in filters)
                assert n == (channel not in ("alarms", "cmd/req")), topic
        player = topics.player_topic(7)
        assert sum(matches(pattern, player) for pattern, _ in filters) == 1
    names = [name for name, _ in subscriptions()]
    assert names.index("gasmon/v1/+/+/points") < names.index("gasmon/v1/+/+/data")
    assert all(qos == 1 for _, qos in subscriptions())


def test_subscriptions_of_one_area_without_drills() -> None:
    """Only that area's live tree; a bad code is refused."""
    names = [name for name, _ in subscriptions([AREA], drills=False)]
    assert all(name.startswith(f"gasmon/v1/{AREA}/+/") for name in names)
    with pytest.raises(ValueError, match="six digits"):
        subscriptions(["zhenxiong"])

"""The topic tree: who says what about which mine, in which run.

```
gasmon/v1/{area6}/{mine12}/{channel}[/{detail}]              live, run 0
gasmon-drill/v1/{run}/{area6}/{mine12}/{channel}[/{detail}]  a drill
gasmon-drill/v1/{run}/player                                 whoever plays it lives
gasmon/v1/state                                              gasmon itself
```

The mine in the topic is the authority, because the broker's access list is bound
to it: a payload that names another mine is refused. The table of channels with
quality of service and retain flag stands in `docs/payloads.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LIVE_ROOT = "gasmon/v1"
DRILL_ROOT = "gasmon-drill/v1"
QOS = 1
"""Every topic uses QoS 1: acknowledged, and repeats are dropped by frame key."""

MINE_CHANNELS = ("state", "points", "data", "backfill", "event")
"""Channels of one mine without a detail, in the order they are subscribed to.

`state` and `points` come first so that retained definitions arrive before data.
"""
PLATFORM_CHANNEL = "platform"
"""Channel name given to `gasmon/v1/state`, which belongs to no mine."""
PLAYER_CHANNEL = "player"
"""Where whoever plays a drill says, every few seconds, that he goes on."""


class Topic(NamedTuple):
    """One parsed topic.

    Attributes:
        run: 0 for live, else the drill's number.
        area: Six-digit area code (GB/T 2260), "" for the platform's own state and
            for the player of a drill.
        mine: Twelve-digit mine code, "" for the same.
        channel: `state`, `points`, `data`, `backfill`, `event`, `file`, `alarms`,
            `cmd/req`, `cmd/res`, `platform` or `player`.
        detail: The upload file's type for `file` (for example `CDSS`), else "".
    """

    run: int
    area: str
    mine: str
    channel: str
    detail: str


def root_of(run: int) -> str:
    """Return the tree of a run: the live one for 0, else the drill's own."""
    return LIVE_ROOT if run == 0 else f"{DRILL_ROOT}/{run}"


def is_of_other_run(topic: str, run: int) -> bool:
    """Tell whether a topic lies in the tree of another run than this one."""
    in_a_tree = topic.startswith((f"{LIVE_ROOT}/", f"{DRILL_ROOT}/"))
    return in_a_tree and not topic.startswith(f"{root_of(run)}/")


def mine_prefix(area: str, mine: str, run: int = 0) -> str:
    """Return the branch of one mine, without a trailing slash.

    Args:
        area: Six digits, the first six of `mine`.
        mine: Twelve digits.
        run: 0 for live, else the drill's number, at least 1.

    Raises:
        ValueError: The codes are malformed or disagree, or `run` is negative.
    """
    _check_codes(area, mine)
    if run < 0:
        raise ValueError(f"run {run} is negative")
    return f"{root_of(run)}/{area}/{mine}"


def data_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of the frames of each cycle."""
    return mine_prefix(area, mine, run) + "/data"


def backfill_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of frames sent again after an outage."""
    return mine_prefix(area, mine, run) + "/backfill"


def state_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of the gateway's birth message and last will, retained."""
    return mine_prefix(area, mine, run) + "/state"


def points_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of the point definitions, retained."""
    return mine_prefix(area, mine, run) + "/points"


def event_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of the abnormal events of the mine's own system."""
    return mine_prefix(area, mine, run) + "/event"


def file_topic(area: str, mine: str, file_type: str, run: int = 0) -> str:
    """Topic of the bytes of an upload file.

    Raises:
        ValueError: `file_type` is not 1–8 letters or digits.
    """
    _check_file_type(file_type)
    return mine_prefix(area, mine, run) + "/file/" + file_type


def alarms_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of the annunciator: what gasmon holds raised now, retained."""
    return mine_prefix(area, mine, run) + "/alarms"


def cmd_req_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of requests to the mine's gateway."""
    return mine_prefix(area, mine, run) + "/cmd/req"


def cmd_res_topic(area: str, mine: str, run: int = 0) -> str:
    """Topic of the gateway's answers."""
    return mine_prefix(area, mine, run) + "/cmd/res"


def platform_state_topic() -> str:
    """Topic that tells whether gasmon itself is alive, retained, last will."""
    return LIVE_ROOT + "/state"


def platform_alarms_topic(areas: Sequence[str] = (), run: int = 0) -> str:
    """Topic of what is raised about gasmon itself, retained.

    Args:
        areas: codes that the process owns; with some only, they are a further level,
            so that each topic has one writer.
    """
    topic = root_of(run) + "/alarms"
    return f"{topic}/{'-'.join(sorted(areas))}" if areas else topic


def player_topic(run: int) -> str:
    """Topic of whoever plays a drill, not retained.

    Raises:
        ValueError: `run` is not that of a drill.
    """
    if run < 1:
        raise ValueError(f"run {run} is no drill's")
    return f"{root_of(run)}/{PLAYER_CHANNEL}"


def subscriptions(
    areas: Sequence[str] = (), *, drills: bool = True
) -> list[tuple[str, int]]:
    """Return the topic filters of the ingest process.

    Args:
        areas: Six-digit codes this process owns; empty means every area.
        drills: Whether the trees of drills are followed too.

    Returns:
        Pairs (filter, quality of service), definitions before data. No filter
        overlaps another, so a message is delivered once.

    Raises:
        ValueError: An area is not six digits.
    """
    for area in areas:
        if not _is_digits(area, 6):
            raise ValueError(f"area {area!r} is not six digits")
    roots = [LIVE_ROOT, f"{DRILL_ROOT}/+"] if drills else [LIVE_ROOT]
    leaves = (*MINE_CHANNELS, "file/+", "cmd/res")
    players = [(f"{DRILL_ROOT}/+/{PLAYER_CHANNEL}", QOS)] if drills else []
    return [
        *(
            (f"{root}/{area}/+/{leaf}", QOS)
            for leaf in leaves
            for root in roots
            for area in (areas or ("+",))
        ),
        *players,
    ]


def parse_topic(topic: str) -> Topic:
    """Parse a topic of the tree.

    Raises:
        ValueError: Not a topic of this tree, or the area is not the first six
            digits of the mine; the text names the part that is wrong.
    """
    if topic == platform_state_topic():
        return Topic(0, "", "", PLATFORM_CHANNEL, "")
    parts = topic.split("/")
    if parts[:2] == ["gasmon", "v1"]:
        run, rest = 0, parts[2:]
    elif parts[:2] == ["gasmon-drill", "v1"]:
        run, rest = _parse_run(parts[2] if len(parts) > 2 else ""), parts[3:]
        if rest == [PLAYER_CHANNEL]:
            return Topic(run, "", "", PLAYER_CHANNEL, "")
    else:
        raise ValueError(f"topic {topic[:200]!r} is outside {LIVE_ROOT}/")
    if len(rest) < 3:
        raise ValueError(f"topic {topic[:200]!r} has no area, mine and channel")
    area, mine, *tail = rest
    _check_codes(area, mine)
    leaf = "/".join(tail)
    if leaf in MINE_CHANNELS or leaf in ("alarms", "cmd/req", "cmd/res"):
        return Topic(run, area, mine, leaf, "")
    if len(tail) == 2 and tail[0] == "file":
        _check_file_type(tail[1])
        return Topic(run, area, mine, "file", tail[1])
    raise ValueError(f"channel {leaf[:200]!r} is unknown")


def _is_digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()


def _check_codes(area: str, mine: str) -> None:
    if not _is_digits(area, 6):
        raise ValueError(f"area {area[:64]!r} is not six digits")
    if not _is_digits(mine, 12):
        raise ValueError(f"mine {mine[:64]!r} is not twelve digits")
    if mine[:6] != area:
        raise ValueError(f"mine {mine} lies in area {mine[:6]}, the topic says {area}")


def _check_file_type(file_type: str) -> None:
    if not (1 <= len(file_type) <= 8 and file_type.isascii() and file_type.isalnum()):
        raise ValueError(f"file type {file_type[:64]!r} is not 1-8 letters or digits")


def _parse_run(text: str) -> int:
    if not (1 <= len(text) <= 9 and text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"run {text[:64]!r} of a drill is not a number from 1")
    return int(text)

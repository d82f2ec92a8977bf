"""Who may publish and subscribe to what on the embedded broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gasmon.errors import ConfigError

# Sessions deliver QoS 1 messages on subjects of this branch, so whoever subscribes to
# anything at QoS 1 needs it; its last part is random and known to the session alone.
SESSION_SUBJECTS = "$MQTT.sub.>"


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """What one user of the broker may do.

    Attributes:
        password: in clear; the file that holds it is readable by its owner alone.
        publish: MQTT topic filters it may publish to.
        subscribe: MQTT topic filters it may subscribe to (it must subscribe to these
            or narrower ones: a wider filter is refused as a whole).
    """

    password: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


def city_users(*, gasmon: str, mines: str, annunciator: str) -> dict[str, BrokerUser]:
    """Return the three users of a city's broker; the arguments are their passwords.

    ``gasmon`` may do everything in both trees. ``mines`` (all mines of the simulated
    city; a real one has a user per mine) publishes what mines and players of drills do,
    never ``alarms``, ``cmd/req`` or the platform's state. ``annunciator`` only listens.
    """
    mine = "gasmon/v1/+/+"
    drill = "gasmon-drill/v1/+/+/+"
    channels = (
        *("state", "points", "data", "backfill", "event"),
        *("file/+", "cmd/res"),
    )
    return {
        "gasmon": BrokerUser(
            gasmon,
            publish=("gasmon/v1/#", "gasmon-drill/v1/#"),
            subscribe=("gasmon/v1/#", "gasmon-drill/v1/#"),
        ),
        "mines": BrokerUser(
            mines,
            publish=(
                *(f"{tree}/{name}" for tree in (mine, drill) for name in channels),
                "gasmon-drill/v1/+/player",
            ),
            subscribe=(f"{mine}/cmd/req", f"{drill}/cmd/req"),
        ),
        "annunciator": BrokerUser(
            annunciator,
            subscribe=(
                f"{mine}/alarms",
                "gasmon/v1/alarms",
                "gasmon/v1/alarms/#",
                "gasmon/v1/state",
            ),
        ),
    }


def subject_of(topic_filter: str) -> str:
    """Return the NATS subject of an MQTT topic filter.

    Raises:
        ConfigError: a dot in it, which would stand for another level there.
    """
    if "." in topic_filter or " " in topic_filter:
        raise ConfigError(f"broker user: no dot or space allowed in {topic_filter!r}")
    return topic_filter.replace("/", ".").replace("+", "*").replace("#", ">")


def user_entry(name: str, user: BrokerUser) -> dict[str, object]:
    """Return a user's entry in the configuration."""
    return {
        "user": name,
        "password": user.password,
        # On the other protocol the session subjects of everybody would be open.
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": _permission(user.publish),
            "subscribe": _permission(user.subscribe, extra=(SESSION_SUBJECTS,)),
        },
    }


def _permission(
    filters: Iterable[str], extra: tuple[str, ...] = ()
) -> dict[str, list[str]]:
    """Return what is allowed; nothing allowed must be said as everything denied.

    A filter ``a/#`` also means ``a`` itself, for which the broker asks separately.
    """
    subjects: list[str] = []
    for topic_filter in filters:
        subjects.append(subject_of(topic_filter))
        if topic_filter.endswith("/#"):
            subjects.append(subject_of(topic_filter.removesuffix("/#")))
    if not subjects:
        return {"deny": [">"]}
    return {"allow": [*subjects, *extra]}

"""What each broker promises, as measured: the one table that tests and page share.

Where the brokers differ by nature a test asks this table what to expect;
`docs/brokers.md` shows the same words, and a test holds the two together.
"""

from __future__ import annotations

from tests.fix_broker import Broker

PROMISES: dict[str, dict[str, str]] = {
    "protocol": {"mosquitto": "5", "nats": "3.1.1"},
    "acknowledged to a publisher": {
        "mosquitto": "on the disk at its next save",
        "nats": "on the disk",
    },
    "acknowledged by gasmon": {
        "mosquitto": "never comes again",
        "nats": "may come again after its restart",
    },
    "repeats the unacknowledged": {
        "mosquitto": "at a new connection",
        "nats": "when ack_wait runs out",
    },
    "order after a reconnect": {
        "mosquitto": "as published",
        "nats": "newer before repeated",
    },
    "number of a repeated message": {
        "mosquitto": "kept while the session lives",
        "nats": "kept while the broker runs",
    },
    "window": {
        "mosquitto": "receive maximum, until acknowledgements flow",
        "nats": "max_ack_pending, per subscription",
    },
    "last will at a take-over": {
        "mosquitto": "not sent",
        "nats": "not sent",
    },
    "largest message": {"mosquitto": "16 MiB", "nats": "8 MiB"},
}


def promised(broker: Broker, what: str) -> str:
    """What this broker promises."""
    return PROMISES[what][broker.kind]

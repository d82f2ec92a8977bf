"""A consumer to be killed: ``python -m tests.child_consumer PORT TAKE ACK``.

It takes TAKE messages, acknowledges the first ACK of them, waits until those are on
their way, says so, and holds the rest until somebody ends it.
"""

import sys

from tests.fix_gateway import Consumer
from tests.fix_wait import wait_until

if __name__ == "__main__":
    port, n_take, n_ack = map(int, sys.argv[1:])
    consumer = Consumer(port)
    print("ready", flush=True)
    while len(consumer.got) < n_take:
        consumer.take(ack=False)
    consumer.pump.ack(consumer.got[:n_ack])
    wait_until(lambda: consumer.pump.counts["acknowledged"] >= n_ack)
    print("took", flush=True)
    sys.stdin.readline()

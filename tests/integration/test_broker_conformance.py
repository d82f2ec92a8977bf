"""The same promises on both brokers: crashes, restarts, numbers, wills, large frames.

An independent publisher counts what the broker acknowledged to it; the real pump and
inbox must get all of that, repeats only where MQTT allows them, in the order that
`tests/broker_promises.py` tells of each broker. Floods and outages are in
`test_broker_conformance_load.py`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gasmon.errors import DependencyError
from gasmon.ingest.decode import decode_packets
from gasmon.ingest.payloads import encode_state, parse_state
from gasmon.ingest.topics import cmd_res_topic, data_topic, points_topic, state_topic
from tests.broker_promises import promised
from tests.fix_broker import Broker
from tests.fix_gateway import (
    AREA,
    MINE,
    TS_MS,
    AnyPoint,
    Consumer,
    Gateway,
    Watcher,
    frame,
    seqs,
)
from tests.fix_pipeline import Live, defined
from tests.fix_pipeline import frame as reading
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

ROOT = Path(__file__).parents[2]


@contextmanager
def child_consumer(
    broker: Broker, n_take: int, n_ack: int
) -> Iterator[subprocess.Popen[str]]:
    """A consumer in a process of its own; said "ready" already."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.child_consumer"),
            *map(str, (broker.port, n_take, n_ack)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def told(child: subprocess.Popen[str]) -> str:
    """The next line of a child."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def read_by_broker(consumer: Consumer) -> None:
    """Wait until the broker has read everything that the consumer sent so far.

    What a connection carries is read in order: when our own message comes back, the
    acknowledgements before it were read too.
    """
    topic = cmd_res_topic(AREA, MINE)
    assert consumer.pump.publish(topic, b"{}")
    wait_until(
        lambda: any(p.topic == topic for p in consumer.take(ack=True)), 20, "our own"
    )


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Stretches of consecutive numbers, (first, last)."""
    out: list[tuple[int, int]] = []
    for number in numbers:
        if out and out[-1][1] == number - 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return out


def order_holds(broker: Broker, came: list[int], unacknowledged: range) -> None:
    """Check the order of what came after a reconnect against the table."""
    firsts = list(dict.fromkeys(came))
    old = [seq for seq in firsts if seq in unacknowledged]
    new = [seq for seq in firsts if seq not in unacknowledged]
    # What was published just before the broker noticed the end of the connection went
    # into it, and comes again as unacknowledged: the first of the new ones.
    swallowed = [seq for i, seq in enumerate(new) if seq < max(new[:i], default=0)]
    first = unacknowledged.stop
    assert swallowed == list(range(first, first + len(swallowed))), runs(new)
    new = [seq for seq in new if seq not in swallowed]
    for part in (old, new):
        assert part == sorted(part), runs(part)
    if promised(broker, "order after a reconnect") == "as published":
        assert firsts == sorted(firsts), runs(firsts)


def test_a_killed_consumer_loses_no_unacknowledged_frame(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """kill -9 with 60 of 100 frames unacknowledged: they come again, the rest once."""
    gateway = make_gateway(broker.port)
    with child_consumer(broker, 100, 40) as child:
        gateway.frames(0, 100)
        assert told(child) == "took"
        child.send_signal(signal.SIGKILL)
        assert child.wait(20) == -signal.SIGKILL
    gateway.frames(100, 20)
    consumer = make_consumer(broker.port)
    assert consumer.states[-1].session_present
    came = seqs(consumer.take_frames({*range(40, 120)}, ack=True))
    # The dying process may not have got its 40 acknowledgements out.
    assert set(came) <= gateway.acked
    assert max(Counter(came).values()) == 1
    order_holds(broker, came, range(100))
    consumer.settle()


def test_a_killed_broker_keeps_what_it_acknowledged(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """kill -9 of the broker and a restart: all that it said it had is delivered."""
    gateway = make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    gateway.frames(0, 300)
    consumer.pump.ack(consumer.take_frames(300)[:100])
    read_by_broker(consumer)
    consumer.pump.stop()
    gateway.frames(300, 50)
    if promised(broker, "acknowledged to a publisher") != "on the disk":
        wait_until(lambda: broker.saved(frame(349)), 20, "the save")
    broker.kill()
    broker.start()
    again = make_consumer(broker.port)
    assert again.states[-1].session_present
    came = seqs(again.take_frames({*range(100, 350)}, ack=True))
    assert set(came) <= gateway.acked
    assert max(Counter(came).values()) == 1
    gateway.frames(350, 5)
    came += seqs(again.take_frames({*range(350, 355)}, ack=True))
    order_holds(broker, came, range(300))
    again.settle()


def test_mosquitto_loses_at_a_kill_what_it_had_not_saved_and_gasmon_says_so(
    make_mosquitto: Callable[..., Broker],
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """With the save interval of deploy/mosquitto.conf: session and numbers begin anew.

    An acknowledgement of before would then name another message.
    """
    broker = make_mosquitto("autosave_on_changes false", "autosave_interval 300")
    gateway = make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    gateway.frames(0, 20)
    old = consumer.take_frames(20)
    assert {p.mid for p in old} == {*range(1, 21)}
    broker.kill()
    broker.start()
    consumer.reconnected(2)
    assert consumer.pump.counts["sessions_lost"] == 1
    wait_until(gateway.client.is_connected)
    gateway.frames(20, 20)
    new = consumer.take_frames({*range(20, 40)})
    # The trap of contracts: an old number names a new frame now.
    assert {p.mid for p in old} & {p.mid for p in new}
    assert consumer.pump.ack(old) == 20
    assert consumer.pump.unacknowledged == len(new)
    # What was not acknowledged in truth comes again: nothing was lost by the old ones.
    consumer.pump.stop()
    again = make_consumer(broker.port)
    assert set(seqs(again.take_frames({*range(20, 40)}, ack=True))) == {*range(20, 40)}


def test_acknowledgements_after_renumbering_lose_no_new_frame(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """Acknowledgements of the connection before a broker's restart are dropped."""
    gateway = make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    gateway.frames(0, 30)
    old = consumer.take_frames(30)
    consumer.pump.ack(old[:10])
    read_by_broker(consumer)
    broker.stop()
    wait_until(lambda: not consumer.pump.connected)
    assert isinstance(consumer.states[-1].problem, DependencyError)
    broker.start()
    consumer.reconnected(2)
    wait_until(gateway.client.is_connected)
    gateway.frames(30, 10)
    again = consumer.take_frames({*range(10, 40)})
    assert {packet.generation for packet in again} == {2}
    renumbered = promised(broker, "number of a repeated message").endswith("runs")
    before = {packet.mid: seq for packet, seq in zip(old, seqs(old), strict=True)}
    frames = [p for p in again if p.topic.endswith("/data")]
    others = [
        seq
        for packet, seq in zip(frames, seqs(frames), strict=True)
        if before.get(packet.mid, seq) != seq
    ]
    assert bool(others) == renumbered
    assert consumer.pump.ack(old[10:]) == 20
    assert consumer.pump.counts["stale_acks"] == 20
    assert consumer.pump.counts["acknowledged"] == 10
    # The broker still has all thirty, and gives them to the next connection.
    consumer.pump.stop()
    last = make_consumer(broker.port)
    came = {*seqs(last.take_frames({*range(10, 40)}, ack=True))}
    if promised(broker, "acknowledged by gasmon") == "never comes again":
        assert came == {*range(10, 40)}
    assert came <= gateway.acked


def test_an_acknowledgement_after_a_cut_link_is_dropped(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
    make_proxy: Callable[[int], Proxy],
) -> None:
    """The link breaks, not the broker: the same, and nothing is lost."""
    proxy = make_proxy(broker.port)
    gateway = make_gateway(broker.port)
    consumer = make_consumer(proxy.port)
    gateway.frames(0, 20)
    old = consumer.take_frames(20)
    proxy.cut()
    consumer.reconnected(2)
    assert consumer.pump.ack(old) == 20
    again = consumer.take_frames({*range(20)})
    assert consumer.pump.ack(again) == 0
    consumer.settle()


def test_the_will_of_a_killed_gateway_comes_and_an_old_one_is_ignored(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """Offline by will; a will of a start that a newer one replaced says nothing."""
    consumer = make_consumer(broker.port)
    live = Live()
    live.take(defined(), reading(0, [("001A01", 0.1, 0)]))
    told_of: list[tuple[str, str, bool | None]] = []

    def heard(boot: str, word: str, online: bool | None) -> bool:
        for packet in consumer.take(ack=True):
            judged = live.take(packet)
            for state in decode_packets([packet], AnyPoint()).states:
                told_of.append(
                    (state.state.boot, state.state.s, judged.online.get(MINE))
                )
        return (boot, word, online) in told_of

    def born(boot: str) -> Gateway:
        will = encode_state("offline", boot, TS_MS)
        made = make_gateway(broker.port, boot, will=will)
        made.send(state_topic(AREA, MINE), encode_state("online", boot, TS_MS), True)
        return made

    first = born("b1")
    wait_until(lambda: heard("b1", "online", True))
    first.crash()
    wait_until(lambda: heard("b1", "offline", False), 20, "the will")
    second = born("b2")
    wait_until(lambda: heard("b2", "online", True))
    third = born("b3")
    wait_until(lambda: heard("b3", "online", True))
    second.crash()
    wait_until(lambda: heard("b2", "offline", None), 20, "the old will")
    assert third.client.is_connected()


def test_gasmons_own_will_tells_that_it_was_killed(
    broker: Broker, make_watcher: Callable[[int], Watcher]
) -> None:
    """Ingest is killed with -9: relays hear it, and hear when it is back and goes."""
    watcher = make_watcher(broker.port)
    with child_consumer(broker, 1, 0) as child:
        wait_until(lambda: watcher.words == ["online"])
        child.send_signal(signal.SIGKILL)
        wait_until(lambda: watcher.words == ["online", "offline"], 20, "the will")
    boots = {parse_state(payload).boot for payload in watcher.payloads}
    assert len(boots) == 1
    with Consumer(broker.port):
        wait_until(lambda: watcher.words[2:] == ["online"], what="the return")
    wait_until(lambda: watcher.words[3:] == ["offline"], what="the farewell")


def test_the_will_comes_over_a_cut_link_and_not_after_a_take_over(
    broker: Broker,
    make_consumer: Callable[..., Consumer],
    make_proxy: Callable[[int], Proxy],
    make_watcher: Callable[[int], Watcher],
) -> None:
    """A dead line ends in "offline", a successor under our id does not."""
    proxy = make_proxy(broker.port)
    watcher = make_watcher(broker.port)
    consumer = make_consumer(proxy.port)
    wait_until(lambda: watcher.words == ["online"])
    proxy.refuse()
    wait_until(lambda: watcher.words[1:] == ["offline"], what="the will")
    proxy.heal()
    wait_until(lambda: watcher.words[2:] == ["online"], 40, "the return")
    consumer.reconnected(2)
    proxy.stall()
    assert promised(broker, "last will at a take-over") == "not sent"
    with Consumer(broker.port) as successor:
        wait_until(lambda: watcher.words[3:] == ["online"], what="the successor")
        read_by_broker(successor)
        assert watcher.words[4:] == []
        proxy.refuse()


def test_retained_definitions_survive_a_killed_broker(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
    make_proxy: Callable[[int], Proxy],
) -> None:
    """The newest definitions come at each new connection, also after kill -9."""
    proxy = make_proxy(broker.port)
    gateway = make_gateway(broker.port)
    newest = defined(rev=8).payload
    for payload in (defined(rev=7).payload, newest):
        gateway.send(points_topic(AREA, MINE), payload, retain=True)
    consumer = make_consumer(proxy.port)

    def defined_in(generation: int) -> bool:
        consumer.take(ack=True)
        return any(
            p.retained and p.generation == generation and p.payload == newest
            for p in consumer.got
        )

    wait_until(lambda: defined_in(1), what="the definitions")
    proxy.cut()
    wait_until(lambda: defined_in(2), 40, "the definitions anew")
    wait_until(lambda: broker.saved(newest), 20, "the save")
    broker.kill()
    broker.start()
    wait_until(lambda: defined_in(3), 40, "the definitions after the kill")
    retained = [p.payload for p in consumer.got if p.retained]
    assert {*retained} == {newest}


@pytest.mark.parametrize("size", [1_048_576, 7_000_000])
def test_a_frame_of_megabytes_is_refused_by_name_while_others_flow(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
    size: int,
) -> None:
    """It passes the broker, is named by decoding and acknowledged; neighbours go on."""
    gateway = make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    gateway.frames(0, 1)
    gateway.send(data_topic(AREA, MINE), b"[" * size)
    gateway.frames(1, 1)
    packets = consumer.take_frames(2)
    rejects = decode_packets(packets, AnyPoint()).rejects
    assert [reject.reason for reject in rejects] == ["frame_too_large"]
    assert str(size) in rejects[0].detail
    assert MINE in rejects[0].detail
    consumer.pump.ack(packets)
    consumer.settle()
    read_by_broker(consumer)
    assert consumer.pump.generation == 1
    consumer.pump.stop()
    again = make_consumer(broker.port)
    gateway.frames(2, 1)
    came = again.take_frames({2}, ack=True)
    assert [len(p.payload) for p in came if p.topic.endswith("/data")] == [
        len(frame(2))
    ]

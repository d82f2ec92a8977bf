"""What ingest shows of itself while it runs; docs/operations.md lists the names."""

from collections.abc import Callable

from gasmon.clock import Clock
from gasmon.ingest.drop import DropFolder
from gasmon.ingest.first_words import FirstWords
from gasmon.ingest.gaps import GapKeeper
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.order import Resequencer
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.evaluate import Evaluator
from gasmon.pipeline.rulewatch import RuleWatch
from gasmon.pipeline.storing import Storing
from gasmon.pipeline.suspects import Suspects
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S

BEHIND_S = 30.0
"""Packets that wait for so long make us not ready [s]."""


class Shown:
    """The parts that are looked at; another set after each start.

    Attributes:
        n_waiting: turns that wait for the disk.
        failure: why a thread ended that should run for ever; None while all is well.
        not_begun: why nothing is judged, until our areas are ours.
    """

    failure: BaseException | None
    not_begun: str

    inbox: Inbox
    pump: Pump
    drop: DropFolder
    order: Resequencer
    first_words: FirstWords
    gaps: GapKeeper
    storing: Storing
    evaluator: Evaluator
    annunciator: Annunciator
    suspects: Suspects
    n_waiting: Callable[[], float]
    rules: RuleWatch


def show_files(metrics: Metrics, parts: Callable[[], Shown]) -> None:
    """The same of the drop folder."""
    metrics.gauge(
        "gasmon_files_waiting", "Upload files in the drop folder at the last look"
    ).follow(lambda: float(parts().drop.n_waiting))
    metrics.gauge(
        "gasmon_profiles_refused",
        "1 while files.profiles_file cannot be used and the profiles before it stay",
    ).follow(lambda: float(parts().drop.profiles.is_refused))


def show(metrics: Metrics, parts: Callable[[], Shown], clock: Clock) -> None:
    """Let the gauges follow the parts there are now; the clock stamps arrivals."""

    def follow(name: str, text: str, look: Callable[[Shown], float]) -> None:
        metrics.gauge(name, text).follow(lambda: float(look(parts())))

    follow(
        "gasmon_inbox_depth", "Packets waiting to be judged", lambda p: p.inbox.depth
    )
    follow("gasmon_inbox_limit", "Packets that may wait", lambda p: p.inbox.limit)
    follow(
        "gasmon_turns_waiting", "Turns waiting for the disk", lambda p: p.n_waiting()
    )
    follow(
        "gasmon_frames_held",
        "Frames held back to be put in order, or for their mine's definition",
        lambda p: p.order.n_held + p.first_words.n_held,
    )
    follow(
        "gasmon_gaps_open", "Gaps in frames that are asked for", lambda p: p.gaps.n_open
    )
    _show_broker(follow)
    _show_floods(follow, clock)
    follow(
        "gasmon_alarms_raised",
        "Alarms that are raised now",
        lambda p: p.annunciator.n_open,
    )
    follow("gasmon_points", "Points known", lambda p: p.evaluator.book.table.n)
    follow(
        "gasmon_clocks_corrected",
        "Mines whose clock is being corrected",
        lambda p: len(p.evaluator.clocks.offset_us),
    )
    follow(
        "gasmon_clocks_wrong",
        "Mines whose clock is off",
        lambda p: len(p.evaluator.clocks.wrong(p.evaluator.engine.run)),
    )
    follow(
        "gasmon_readings_late",
        "Late readings since the start",
        lambda p: p.evaluator.engine.n_late,
    )
    follow(
        "gasmon_late_waiting",
        "Points whose late readings beyond a limit are not told of yet",
        lambda p: len(p.evaluator.engine.alarms.late.waiting),
    )
    _show_health(follow)
    _show_spool(follow)


def _show_broker(
    follow: Callable[[str, str, Callable[[Shown], float]], None],
) -> None:
    follow(
        "gasmon_broker_connected",
        "1 while subscribed at the broker",
        lambda p: p.pump.connected,
    )
    follow(
        "gasmon_broker_sessions_lost",
        "Times the broker had forgotten us and what it kept, since the start",
        lambda p: p.pump.counts["sessions_lost"],
    )
    follow(
        "gasmon_unacknowledged",
        "Frames the broker waits for",
        lambda p: p.pump.unacknowledged,
    )
    follow(
        "gasmon_messages_received",
        "Messages from the broker since the start",
        lambda p: p.pump.counts["received"],
    )
    follow(
        "gasmon_messages_acknowledged",
        "Messages acknowledged to the broker since the start",
        lambda p: p.pump.counts["acknowledged"],
    )


def _show_floods(
    follow: Callable[[str, str, Callable[[Shown], float]], None], clock: Clock
) -> None:
    follow(
        "gasmon_messages_lost_qos0",
        "Messages at QoS 0 that a full inbox did not take",
        lambda p: p.pump.counts["lost_qos0"],
    )
    follow(
        "gasmon_messages_of_busiest_mine",
        "Most messages of one mine in the last whole minute",
        lambda p: p.pump.floods.busiest,
    )
    follow(
        "gasmon_messages_over_flood_limit",
        "Messages of mines beyond mqtt.flood_per_minute since the start",
        lambda p: p.pump.floods.total,
    )
    follow(
        "gasmon_mines_flooding",
        "Mines that sent more than mqtt.flood_per_minute in this minute or the last",
        lambda p: len(p.pump.floods.now(clock.now_us())),
    )


def readiness(
    parts: Callable[[], Shown], clock: Clock
) -> dict[str, Callable[[], str | None]]:
    """Name → what is wrong with the parts that there are; None when nothing is."""

    def broker() -> str | None:
        pump = parts().pump
        if pump.connected:
            return None
        problem = pump.state.problem
        return str(problem) if problem else "not connected"

    def ingest() -> str | None:
        now = parts()
        if now.failure is not None:
            return f"a thread ended: {now.failure!r}"
        if not now.storing.line.fencing:
            return now.not_begun
        if now.suspects.problem is not None:
            return now.suspects.problem
        waiting, oldest_us = now.inbox.depth, now.inbox.oldest_us
        # Nothing may have come to be stored for longer than that, or it is spooled.
        waits_us = 0 if oldest_us is None else clock.now_us() - oldest_us
        stored_s = clock.monotonic_s() - now.storing.stored_at_s
        if waits_us > BEHIND_S * US_PER_S and stored_s > BEHIND_S:
            return f"{waiting} packets wait and nothing was stored for over 30 s"
        return None

    def persist() -> str | None:
        storing = parts().storing
        if not storing.line.fencing and storing.line.lost is None:
            return (
                None  # standing by or starting, as ``ingest`` says: it writes nothing
            )
        return storing.problem()

    return {
        "broker": broker,
        "ingest": ingest,
        "persist": persist,
        "rules": lambda: parts().rules.problem,
    }


def _show_health(
    follow: Callable[[str, str, Callable[[Shown], float]], None],
) -> None:
    follow(
        "gasmon_owner",
        "1 while this process owns its areas, 0 while it stands by",
        lambda p: bool(p.storing.line.fencing) and p.storing.line.lost is None,
    )
    follow(
        "gasmon_judging_failed",
        "Turns that could not be judged since readings were judged last",
        lambda p: p.suspects.n_failed,
    )
    follow(
        "gasmon_rules_refused",
        "1 while the rule file, or an approved change of limits, is refused",
        lambda p: p.rules.problem is not None,
    )


def _show_spool(
    follow: Callable[[str, str, Callable[[Shown], float]], None],
) -> None:
    def turns(p: Shown) -> float:
        return 0 if p.storing.spool is None else p.storing.spool.n_turns

    def size(p: Shown) -> float:
        return 0 if p.storing.spool is None else p.storing.spool.size_bytes

    def refused(p: Shown) -> float:
        return 0 if p.storing.spool is None else p.storing.spool.n_refused

    def damaged(p: Shown) -> float:
        return 0 if p.storing.spool is None else p.storing.spool.n_corrupt

    follow("gasmon_spool_turns", "Turns that wait for the database", turns)
    follow("gasmon_spool_bytes", "What they take on the disk", size)
    follow("gasmon_spool_refused", "Readings the full spool did not take", refused)
    follow(
        "gasmon_spool_damaged",
        "Turns and files of the spool that cannot be read and are set aside",
        damaged,
    )
    follow(
        "gasmon_without_database",
        "1 while ingest runs from its local copy, without a database since the start",
        lambda p: p.storing.since_start,
    )
    follow(
        "gasmon_start_copy",
        "1 while ingest could be started anew without a database",
        lambda p: p.storing.copy is not None and p.storing.copy.is_whole,
    )

"""Gateways' clocks: never a reason to refuse a frame, and never one to go blind.

A reading older than what was judged for its point is late and cannot raise a loud
alarm. So a gateway whose clock is set back, starts at 2000-01-01 or runs ahead would
silence its own mine. Frames of one start of a gateway carry rising numbers: if the
number rises and the time does not, it is the clock that went back, not the data that is
old. Such a frame is judged at its arrival, and the correction is kept for what follows,
also over a restart of ours; those before it for what comes by back-fill.

A clock that is behind by a constant amount silences nobody: its frames come in order,
as delayed ones do. It is told and not corrected (docs/decisions/0018). When most mines
are off by the same amount it is our clock: what they say together (``bias_us``) is then
taken for the time of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gasmon.batch import FrameKey, GatewayClock
from gasmon.ingest.witness import Difference, Witnesses, agreed
from gasmon.units import TIME_MAX_US, TIME_MIN_US, US_PER_DAY, US_PER_MS, US_PER_S

AHEAD_US = 30 * US_PER_S
"""A time further ahead of its arrival cannot be true [µs]; ours: far above what a
network delays and a synchronised clock is wrong."""

BEHIND_US = 7 * US_PER_DAY
"""A live frame older than this [µs] was not delayed, its clock is wrong: brokers keep
a session for seven days at most (``mqtt.session_expiry_s``)."""

FREED_US = 2 * AHEAD_US
"""A correction above this is given up when the clock is right without it [µs]: then it
was ours that was wrong. Below, a clock at the edge would go to and fro."""

EARLIER_BOOTS = 8
"""Earlier starts of a gateway that are remembered; their frames may still come."""

CORRECTIONS = 16
"""Former corrections of a gateway's present start that are remembered, one for each
step of its clock: what was made before may come by back-fill, long after."""

_INT64_US = 2**62
"""An error beyond this is written as this [µs]: 146,000 years."""


@dataclass(slots=True)
class _Gateway:
    """What is known of one mine's gateway in one run.

    Attributes:
        error_us: its newest live frame's time less what we took for the time of its
            arrival [µs]; ``is_absurd`` when no time of this century.
        former: corrections of this start before the present one, oldest first, as in
            ``GatewayClock``. Empty when none is known.
        since_us: arrival at which the present state began; ``told`` is the last one
            that was given out: boot, correction, whether it is wrong.
    """

    boot: str | None
    newest_us: int
    seq: int = -1
    offset_us: int = 0
    former: list[tuple[int, int, int]] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    difference: Difference = field(default_factory=Difference)
    error_us: int = 0
    is_absurd: bool = False
    since_us: int = 0
    told: tuple[str | None, int, bool] = (None, 0, False)

    def begin(self, offset_us: int, key: FrameKey) -> None:
        """Correct by this from this live frame on [µs]."""
        if key.boot != self.boot:
            self.former.clear()
        elif offset_us != self.offset_us and self.seq >= 0:
            self.former.append((self.seq, self.offset_us, self.newest_us))
            del self.former[:-CORRECTIONS]
        self.offset_us = offset_us

    def correction_of(self, key: FrameKey, raw_us: int) -> int:
        """What an old frame is corrected by [µs]; a former start by nothing.

        Nor by what only keeps a clock that was set right behind its own past, when it
        is not known with which frame that began: an older version wrote that down.
        A number between two corrections may be of either: the one that puts it into its
        order counts.
        """
        if key.boot != self.boot:
            return 0
        if not self.former and 0 < self.offset_us <= FREED_US:
            return 0
        before = [each for each in self.former if each[0] < key.seq]
        behind = self.former[len(before) :]
        to_us = self.newest_us if key.seq < self.seq else TIME_MAX_US
        _, offset_us, to_us = behind[0] if behind else (0, self.offset_us, to_us)
        if before:
            _, earlier_us, from_us = before[-1]
            if not from_us < raw_us + offset_us <= to_us:
                return (
                    earlier_us if from_us < raw_us + earlier_us <= to_us else offset_us
                )
        return offset_us

    def wrong_by_us(self, bias_us: int) -> int:
        """How far its clock is off [µs]; 0 for one that can be right."""
        if self.is_absurd:
            return self.error_us
        if abs(self.offset_us) > AHEAD_US and abs(self.error_us) > AHEAD_US:
            return -self.offset_us
        return self.error_us if self.difference.is_behind(bias_us) else 0


class MineClocks:
    """Corrections by mine; kept by the caller from call to call, not thread-safe.

    Attributes:
        bias_us: how far most mines together are ahead of our clock [µs]; 0 while they
            agree with it or are too few.
        doubt_us: how much more than AHEAD_US a time may be ahead, because ours may be
            that far behind: its step is not decided yet [µs].
        offset_us: the present correction by (run, mine); absent means none.
    """

    def __init__(self) -> None:
        """Trust every clock."""
        self.bias_us = 0
        self.doubt_us = 0
        self._gateways: dict[tuple[int, str], _Gateway] = {}
        self._changed: dict[tuple[int, str], GatewayClock] = {}

    @property
    def offset_us(self) -> dict[tuple[int, str], int]:
        """Corrections that are in force [µs], by (run, mine); for any thread."""
        return {
            key: gateway.offset_us
            for key, gateway in list(self._gateways.items())
            if gateway.offset_us
        }

    def know(
        self,
        run: int,
        mine: str,
        newest_us: int,
        boot: str | None = None,
        newest_seq: Mapping[str, int] | None = None,
    ) -> None:
        """Go on after a restart.

        What was under way when we ended comes again, and behind newer frames: it is
        old, and no sign of a clock that went back.

        Args:
            newest_us: the newest time that was judged for the mine [µs].
            boot: its gateway's present start; None when it is not known.
            newest_seq: highest number of each start that is known.
        """
        gateway = self._gateways.setdefault((run, mine), _Gateway(None, newest_us))
        gateway.newest_us = max(gateway.newest_us, newest_us)
        seqs = newest_seq or {}
        if boot is None or boot not in seqs:
            return
        if gateway.boot != boot:
            # Each start has corrections of its own.
            gateway.boot, gateway.offset_us = boot, 0
            gateway.former.clear()
        gateway.seq = max(gateway.seq, seqs[boot])
        gateway.earlier = [each for each in seqs if each != boot][-EARLIER_BOOTS:]

    def restore(self, clock: GatewayClock) -> None:
        """Go on after a restart: what was in force for a gateway, now and before."""
        key = (clock.run, clock.mine)
        gateway = self._gateways.setdefault(key, _Gateway(None, TIME_MIN_US - 1))
        gateway.boot, gateway.offset_us = clock.boot, clock.offset_us
        gateway.former = list(clock.former[-CORRECTIONS:])
        gateway.error_us, gateway.since_us = clock.error_us, clock.since_us
        gateway.told = (clock.boot, clock.offset_us, clock.is_wrong)

    def standing(self, run: int, mine: str) -> tuple[str | None, int, int]:
        """What is known of a mine's gateway now.

        Returns:
            Its present start, its correction [µs], the newest time judged [µs UTC].
        """
        gateway = self._gateways.get((run, mine))
        if gateway is None:
            return None, 0, TIME_MIN_US - 1
        return gateway.boot, gateway.offset_us, gateway.newest_us

    def is_newest(self, key: FrameKey) -> bool:
        """Whether no frame of its mine is newer, by its start and number."""
        gateway = self._gateways.get((key.run, key.mine))
        return gateway is not None and (gateway.boot, gateway.seq) == (
            key.boot,
            key.seq,
        )

    def changed(self) -> list[GatewayClock]:
        """What became different since the last call, to be written down."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def wrong(self, run: int) -> list[GatewayClock]:
        """Gateways whose clock is off now; for any thread."""
        return [
            self._as_told(key, gateway, wrong_us)
            for key, gateway in list(self._gateways.items())
            if key[0] == run and (wrong_us := gateway.wrong_by_us(self.bias_us))
        ]

    def witnesses(self, now_us: int, since_us: int) -> Witnesses | None:
        """What most mines say of our clock; see :func:`witness.agreed`."""
        every = (gateway.difference for gateway in self._gateways.values())
        return agreed(every, now_us, since_us)

    def our_clock_moved(self, by_us: int) -> None:
        """Our clock was set: differences to it are others now [µs]."""
        for gateway in self._gateways.values():
            gateway.difference.moved(by_us)

    def correct(
        self,
        key: FrameKey,
        channel: str,
        device_ms: int,
        arrived_us: int,
        *,
        is_repeated: bool = False,
    ) -> int:
        """The correction for one frame, remembered.

        Args:
            key: the frame; it is not a repeat.
            channel: ``data`` or ``backfill``.
            device_ms: its time as sent [ms UTC].
            arrived_us: when it arrived [µs UTC].
            is_repeated: the broker sent it before, so newer ones may have overtaken it.

        Returns:
            What to add to the frame's times [µs]; 0 for a clock that can be right.
        """
        raw_us = device_ms * US_PER_MS
        gateway = self._gateways.get((key.run, key.mine))
        if gateway is None:
            gateway = _Gateway(key.boot, TIME_MIN_US - 1)
            self._gateways[key.run, key.mine] = gateway
        believed_us = arrived_us + self.bias_us
        possible = (believed_us - BEHIND_US, believed_us + AHEAD_US + self.doubt_us)
        # Of a start that we never heard of, and behind a newer one: sent to a former
        # process, which was killed. A clock that went back shows in fresh frames.
        is_overtaken = (
            is_repeated and key.boot != gateway.boot and raw_us <= gateway.newest_us
        )
        is_next = self._is_next(gateway, key) and not is_overtaken
        is_live = channel == "data" and is_next
        if is_live:
            gateway.difference.add(raw_us - arrived_us, arrived_us)
            gateway.error_us = raw_us - believed_us
            gateway.is_absurd = not TIME_MIN_US <= raw_us < TIME_MAX_US
        if not TIME_MIN_US <= raw_us < TIME_MAX_US:
            offset_us = believed_us - raw_us
            if is_live:
                gateway.begin(0, key)
                offset_us = _after(gateway.newest_us, believed_us) - raw_us
            self._advance(gateway, key, raw_us + offset_us)
        elif not is_live:
            if channel == "data" and _credible(raw_us, possible, gateway.newest_us):
                # New by its own time, whatever its number: a correction that other
                # frames brought about must not make it late, and silent.
                return 0
            offset_us = gateway.correction_of(key, raw_us)
            if raw_us + offset_us > believed_us + AHEAD_US:
                # Sent while its clock was wrong, and arrived when it is right again.
                # In the future it would make all that follows late, and silent.
                return believed_us - raw_us
            return offset_us
        else:
            offset_us = self._offset(gateway, key, raw_us, believed_us, possible)
            gateway.begin(offset_us, key)
            self._advance(gateway, key, raw_us + offset_us)
        if is_live:
            self._note(key, gateway, arrived_us)
        return offset_us

    @staticmethod
    def _offset(
        gateway: _Gateway,
        key: FrameKey,
        raw_us: int,
        believed_us: int,
        possible: tuple[int, int],
    ) -> int:
        """The correction for the next live frame of a gateway."""
        newest_us = gateway.newest_us
        # Each start has a correction of its own.
        offset_us = gateway.offset_us if key.boot == gateway.boot else 0
        is_right = abs(raw_us - believed_us) <= AHEAD_US and raw_us > newest_us
        if is_right and abs(offset_us) > FREED_US:
            offset_us = 0
        if not _credible(raw_us + offset_us, possible, newest_us):
            offset_us = 0
        if not _credible(raw_us + offset_us, possible, newest_us):
            # Never at or before what was judged: that would be late, and silent.
            offset_us = _after(newest_us, believed_us) - raw_us
        return offset_us

    def _note(self, key: FrameKey, gateway: _Gateway, arrived_us: int) -> None:
        """Remember what must be written down."""
        wrong_us = gateway.wrong_by_us(self.bias_us)
        state = (key.boot, gateway.offset_us, wrong_us != 0)
        if state == gateway.told or (state[1:] == (0, False) == gateway.told[1:]):
            return
        gateway.told, gateway.since_us = state, arrived_us
        self._changed[key.run, key.mine] = self._as_told(
            (key.run, key.mine), gateway, wrong_us
        )

    @staticmethod
    def _as_told(
        key: tuple[int, str], gateway: _Gateway, wrong_us: int
    ) -> GatewayClock:
        return GatewayClock(
            run=key[0],
            mine=key[1],
            boot=gateway.boot or "",
            offset_us=gateway.offset_us,
            error_us=max(-_INT64_US, min(wrong_us, _INT64_US)),
            is_wrong=wrong_us != 0,
            since_us=gateway.since_us,
            seen_us=gateway.difference.heard_us,
            former=tuple(gateway.former),
        )

    @staticmethod
    def _is_next(gateway: _Gateway, key: FrameKey) -> bool:
        """Whether the frame is newer than all before it, by its number or start.

        Frames of an earlier start that come after those of a later one are old.
        """
        if gateway.boot is None or key.boot == gateway.boot:
            return gateway.boot is None or key.seq > gateway.seq
        return key.boot not in gateway.earlier

    @staticmethod
    def _advance(gateway: _Gateway, key: FrameKey, judged_us: int) -> None:
        if key.boot != gateway.boot and key.boot not in gateway.earlier:
            if gateway.boot is not None:
                gateway.earlier.append(gateway.boot)
                del gateway.earlier[:-EARLIER_BOOTS]
            gateway.boot = key.boot
            gateway.seq = key.seq
        gateway.seq = max(gateway.seq, key.seq)
        gateway.newest_us = max(gateway.newest_us, judged_us)


def _after(newest_us: int, believed_us: int) -> int:
    """The arrival, but after what was judged [µs]."""
    return max(believed_us, newest_us + US_PER_MS)


def _credible(judged_us: int, possible: tuple[int, int], newest_us: int) -> bool:
    earliest_us, latest_us = possible
    return judged_us > newest_us and earliest_us <= judged_us <= latest_us

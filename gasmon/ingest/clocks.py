"""Gateways' clocks: never a reason to refuse a frame, and never one to go blind.

A reading older than what was judged for its point is late and cannot raise a loud
alarm. So a gateway whose clock is set back, starts at 2000-01-01 or runs ahead would
silence its own mine. Frames of one start of a gateway carry rising numbers: if the
number rises and the time does not, it is the clock that went back, not the data that is
old. Such a frame is judged at its arrival, and the correction is kept for what follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gasmon.batch import FrameKey
from gasmon.units import TIME_MAX_US, TIME_MIN_US, US_PER_DAY, US_PER_MS, US_PER_S

AHEAD_US = 30 * US_PER_S
"""A time further ahead of its arrival cannot be true [µs]; ours: far above what a
network delays and a synchronised clock is wrong."""

BEHIND_US = 7 * US_PER_DAY
"""A live frame older than this [µs] was not delayed, its clock is wrong: brokers keep
a session for seven days at most (``mqtt.session_expiry_s``)."""


EARLIER_BOOTS = 8
"""Earlier starts of a gateway that are remembered; their frames may still come."""


@dataclass(slots=True)
class _Gateway:
    """What is known of one mine's gateway in one run."""

    boot: str | None
    newest_us: int
    seq: int = -1
    offset_us: int = 0
    earlier: list[str] = field(default_factory=list)


class MineClocks:
    """Corrections by mine; kept by the caller from call to call, not thread-safe.

    Attributes:
        offset_us: the present correction by (run, mine); absent means none.
    """

    def __init__(self) -> None:
        """Trust every clock."""
        self._gateways: dict[tuple[int, str], _Gateway] = {}

    @property
    def offset_us(self) -> dict[tuple[int, str], int]:
        """Corrections that are in force [µs], by (run, mine)."""
        return {
            key: gateway.offset_us
            for key, gateway in self._gateways.items()
            if gateway.offset_us
        }

    def know(self, run: int, mine: str, newest_us: int) -> None:
        """Go on after a restart: the newest time that was judged for a mine [µs]."""
        self._gateways[run, mine] = _Gateway(None, newest_us)

    def correct(
        self, key: FrameKey, channel: str, device_ms: int, arrived_us: int
    ) -> int:
        """The correction for one frame, remembered.

        Args:
            key: the frame; it is not a repeat.
            channel: ``data`` or ``backfill``.
            device_ms: its time as sent [ms UTC].
            arrived_us: when it arrived [µs UTC].

        Returns:
            What to add to the frame's times [µs]; 0 for a clock that can be right.
        """
        raw_us = device_ms * US_PER_MS
        gateway = self._gateways.get((key.run, key.mine))
        if gateway is None:
            gateway = _Gateway(key.boot, TIME_MIN_US - 1)
            self._gateways[key.run, key.mine] = gateway
        if not TIME_MIN_US <= raw_us < TIME_MAX_US:
            # Judged at its arrival anyway.
            self._advance(gateway, key, arrived_us)
            return 0
        if channel != "data" or not self._is_next(gateway, key):
            if channel == "data" and _credible(raw_us, arrived_us, gateway.newest_us):
                # New by its own time, whatever its number: a correction that other
                # frames brought about must not make it late, and silent.
                return 0
            return gateway.offset_us if key.boot == gateway.boot else 0
        offset_us = gateway.offset_us
        if not _credible(raw_us + offset_us, arrived_us, gateway.newest_us):
            offset_us = 0
        if not _credible(raw_us + offset_us, arrived_us, gateway.newest_us):
            # Never at or before what was judged: that would be late, and silent.
            offset_us = max(arrived_us, gateway.newest_us + US_PER_MS) - raw_us
        gateway.offset_us = offset_us
        self._advance(gateway, key, raw_us + offset_us)
        return offset_us

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


def _credible(judged_us: int, arrived_us: int, newest_us: int) -> bool:
    return (
        judged_us > newest_us
        and arrived_us - BEHIND_US <= judged_us <= arrived_us + AHEAD_US
    )

"""How fast the spool fills, for telling people how long it lasts (pure)."""

from collections import deque

from gasmon.units import US_PER_MIN, US_PER_S

OVER_US = 5 * US_PER_MIN
"""The rate is taken over this long [µs]: after an outage frames are sent again in
bursts, and those must not look like the rate."""

LEAST_US = 10 * US_PER_S
"""Nothing is said from less than this [µs]."""


class Filling:
    """Bytes that came and went in the last minutes."""

    def __init__(self) -> None:
        self._bytes = 0
        self._samples: deque[tuple[int, int]] = deque()

    def grown(self, n_bytes: int, now_us: int) -> None:
        """So many bytes more (or, when negative, less) wait now."""
        samples = self._samples
        if samples and now_us < samples[-1][0]:
            samples.clear()  # the clock stepped back: no rate across that
        while samples and samples[0][0] <= now_us - OVER_US:
            samples.popleft()
        if not samples:
            samples.append((now_us, self._bytes))
        self._bytes += n_bytes
        if len(samples) > 1 and now_us - samples[-2][0] < US_PER_S:
            samples.pop()
        samples.append((now_us, self._bytes))

    def minutes(self, left_bytes: int, now_us: int) -> float | None:
        """How long this much room lasts [min]; None while nothing is filling."""
        samples = [s for s in tuple(self._samples) if s[0] > now_us - OVER_US]
        if not samples:
            return None
        (begin_us, begin), (end_us, end) = samples[0], samples[-1]
        if end_us - begin_us < LEAST_US or end <= begin:
            return None
        bytes_per_min = (end - begin) / (end_us - begin_us) * US_PER_MIN
        return max(0, left_bytes) / bytes_per_min

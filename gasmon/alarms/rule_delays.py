"""Sets of delays: nearly all points have the same, so a line names its set. Pure."""

from collections.abc import Sequence

import numpy as np

from gasmon.alarms.kinds import N_VALUE_SLOTS
from gasmon.batch import Int64


class DelaySets:
    """Delays of the kinds with a limit, by number of the set.

    Attributes:
        on_us: int64[sets, value slots] [µs]; ``off_us`` too.
    """

    def __init__(self) -> None:
        self._number: dict[tuple[tuple[int, ...], ...], int] = {}
        self.on_us: Int64 = np.empty((0, N_VALUE_SLOTS), np.int64)
        self.off_us: Int64 = np.empty((0, N_VALUE_SLOTS), np.int64)

    def number_of(self, on_us: Sequence[int], off_us: Sequence[int]) -> int:
        """The number of a set, new or known.

        Args:
            on_us: of each kind with a limit [µs]; ``off_us`` too.
        """
        told = (tuple(on_us), tuple(off_us))
        number = self._number.setdefault(told, len(self._number))
        if number == len(self.on_us):
            self.on_us = np.concatenate([self.on_us, [told[0]]])
            self.off_us = np.concatenate([self.off_us, [told[1]]])
        return number

"""What is done to a city from outside; all of it neutral until a cause writes here.

Physics reads these arrays at every step and never changes them. ``causes.py`` clears
and fills them, so a scenario is a timeline of values here and nothing else. Without a
scenario they stay neutral and cost one multiplication each.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]


class Forcing:
    """What happens to gas, air and machines.

    Attributes:
        emission: factor on the methane that coal gives off, (n_workings,).
        steady_pct: what the working's air would hold at its planned quantity by a flow
            of gas that no shift and no seam changes, (n_workings,) [% CH4].
        steady_share: how far that flow stands in for the coal's own, 0 to 1,
            (n_workings,).
        goaf_pct: what the goaf pushes into the return corner beside what is there, at
            the planned air, (n_workings,) [% CH4].
        pocket_pct: what a pocket in the return corner holds at least, (n_workings,)
            [% CH4].
        burst_m3_s: methane of an outburst beside it, (n_workings,) [m³/s].
        co_ppm: carbon monoxide where the air leaves the working, (n_workings,) [ppm].
        heat_c: how much warmer the working is, (n_workings,) [°C].
        cutting: coal is cut whatever shift and cycle say, (n_workings,).
        standing: no coal is won whatever they say, (n_workings,).
        local_fan: the heading's local fan may run, (n_workings,).
        feed_stuck: the load side stays live though it was cut off, (n_workings,).
        main_fan: the main fan may run, (n_mines,).
        doors_open: both doors of the return's pair stand open, (n_mines,).
        power: the mine has electricity, (n_mines,).
        breathing: how much more gas the goaves of the faces give off because the
            barometer falls, as a share of their emission, (n_mines,).
        barometer_kpa: added to the pressure, (n_mines,) [kPa].
        pump: the running drainage pump may run, (n_mines,).
        pipe: factor on the methane in the drainage pipe, (n_mines,).
    """

    def __init__(self, n_workings: int, n_mines: int) -> None:
        self.emission: Floats = np.empty(n_workings)
        self.steady_pct: Floats = np.empty(n_workings)
        self.steady_share: Floats = np.empty(n_workings)
        self.goaf_pct: Floats = np.empty(n_workings)
        self.pocket_pct: Floats = np.empty(n_workings)
        self.burst_m3_s: Floats = np.empty(n_workings)
        self.co_ppm: Floats = np.empty(n_workings)
        self.heat_c: Floats = np.empty(n_workings)
        self.cutting: Bools = np.empty(n_workings, np.bool_)
        self.standing: Bools = np.empty(n_workings, np.bool_)
        self.local_fan: Bools = np.empty(n_workings, np.bool_)
        self.feed_stuck: Bools = np.empty(n_workings, np.bool_)
        self.main_fan: Bools = np.empty(n_mines, np.bool_)
        self.doors_open: Bools = np.empty(n_mines, np.bool_)
        self.power: Bools = np.empty(n_mines, np.bool_)
        self.breathing: Floats = np.empty(n_mines)
        self.barometer_kpa: Floats = np.empty(n_mines)
        self.pump: Bools = np.empty(n_mines, np.bool_)
        self.pipe: Floats = np.empty(n_mines)
        self.clear()

    def clear(self) -> None:
        """Nothing is done to anything."""
        for ones in (self.emission, self.pipe):
            ones[:] = 1.0
        for zeros in (
            self.steady_pct,
            self.steady_share,
            self.goaf_pct,
            self.pocket_pct,
            self.burst_m3_s,
            self.co_ppm,
            self.heat_c,
            self.breathing,
            self.barometer_kpa,
        ):
            zeros[:] = 0.0
        for on in (self.local_fan, self.main_fan, self.power, self.pump):
            on[:] = True
        self.cutting[:] = False
        self.standing[:] = False
        self.feed_stuck[:] = False
        self.doors_open[:] = False


class Faults:
    """What is wrong with sensors, or done to them; arrays of shape (n_points,).

    Attributes:
        broken: the line is broken: no value, state bit 128.
        down: the substation is out of reach: no value, state bit 16.
        frozen: the reading stands still to the last digit.
        offset: added to the reading, in the point's unit.
        ceiling: a falsifier lets nothing above this through.
        calibrating: the bit of calibration is set.
        gas: content of the gas at the sensor instead of the air's, NaN for air.
        replayed: shows what it showed ``replay_s`` ago, for points in ``kept``.
        replay_s: how long ago [s]; set once, before the first step.
        kept: points whose readings are remembered for that; set once, too.
    """

    def __init__(self, n_points: int) -> None:
        self.broken: Bools = np.empty(n_points, np.bool_)
        self.down: Bools = np.empty(n_points, np.bool_)
        self.frozen: Bools = np.empty(n_points, np.bool_)
        self.offset: Floats = np.empty(n_points)
        self.ceiling: Floats = np.empty(n_points)
        self.calibrating: Bools = np.empty(n_points, np.bool_)
        self.gas: Floats = np.empty(n_points)
        self.replayed: Bools = np.empty(n_points, np.bool_)
        self.replay_s = 0.0
        self.kept: Indices = np.empty(0, np.int64)
        self.clear()

    def clear(self) -> None:
        """Every sensor is as good as its grade."""
        flags = (self.broken, self.down, self.frozen, self.calibrating, self.replayed)
        for flag in flags:
            flag[:] = False
        self.offset[:] = 0.0
        self.ceiling[:] = np.inf
        self.gas[:] = np.nan

"""What may happen in a scenario, and what each cause does to physics and sensors.

A cause kind is a row of ``KINDS``: where it acts, its parameters with their defaults,
and a function that writes its effect into ``Forcing`` or ``Faults`` while it lasts.
Causes of the same place add up or the stronger one wins, whatever the order.

Numbers that people choose stand in the scenario; the defaults here are ours unless a
source is named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from simulators.forcing import Faults, Forcing, Indices

Params = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """A cause at one instant.

    Attributes:
        at: where it acts: workings, mines or points by index.
        age_s: since it began [s].
        strength: 0 to 1, by its ramp.
        params: as the scenario gives them.
    """

    at: Indices
    age_s: float
    strength: float
    params: Params


Effect = Callable[[Forcing, Faults, Moment], None]


@dataclass(frozen=True, slots=True)
class CauseKind:
    """One kind of cause.

    Attributes:
        acts_on: ``working``, ``mine`` or ``point``.
        what: what happens, in English, for ``gasmon-sim show`` and the page.
        params: parameters and their defaults; a NaN must be given.
        effect: None for what the gateway does (lines, definitions).
    """

    acts_on: str
    what: str
    params: dict[str, float]
    effect: Effect | None


def _gas(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.emission[now.at] *= 1 + (now.params["factor"] - 1) * now.strength


def _cut_coal(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.cutting[now.at] = True


def _steady(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    content, share = forcing.steady_pct, forcing.steady_share
    content[now.at] = np.maximum(content[now.at], now.params["ch4_pct"])
    share[now.at] = np.maximum(share[now.at], now.strength)


def _goaf(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.goaf_pct[now.at] += now.params["ch4_pct"] * now.strength


def _pocket(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    held = now.params["ch4_pct"] * now.strength
    forcing.pocket_pct[now.at] = np.maximum(forcing.pocket_pct[now.at], held)


def _outburst(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    left = np.exp(-now.age_s / now.params["fades_s"])
    forcing.burst_m3_s[now.at] += now.params["gas_m3_s"] * left


def _local_fan(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.local_fan[now.at] = False


def _main_fan(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.main_fan[now.at] = False


def _short_circuit(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.doors_open[now.at] = True


def _blast(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    # Fumes are washed out of the heading like any gas in a mixed volume.
    left = np.exp(-now.age_s / now.params["fades_s"])
    forcing.co_ppm[now.at] += now.params["co_ppm"] * left


def _self_heating(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.co_ppm[now.at] += now.params["co_ppm"] * now.strength
    forcing.heat_c[now.at] += now.params["heat_c"] * now.strength


def _power(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.power[now.at] = False


def _feed(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.feed_stuck[now.at] = True


def _barometer(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.barometer_kpa[now.at] -= now.params["fall_kpa"] * now.strength
    forcing.breathing[now.at] += now.params["breathing"] * now.strength


def _pump(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.pump[now.at] = False


def _thin(forcing: Forcing, _faults: Faults, now: Moment) -> None:
    forcing.pipe[now.at] *= 1 + (now.params["factor"] - 1) * now.strength


def _calibrate(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    zero_s, gas_s = now.params["zero_s"], now.params["gas_s"]
    faults.calibrating[now.at] = True
    if now.age_s < zero_s:
        faults.gas[now.at] = 0.0
    elif now.age_s < zero_s + gas_s:
        faults.gas[now.at] = now.params["gas_pct"]


def _marked(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    faults.calibrating[now.at] = True


def _broken(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    faults.broken[now.at] = True


def _down(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    faults.down[now.at] = True


def _frozen(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    faults.frozen[now.at] = True


def _offset(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    faults.offset[now.at] += now.params["by"] * now.strength


def _clipped(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    faults.ceiling[now.at] = np.minimum(faults.ceiling[now.at], now.params["ceiling"])


def _replayed(_forcing: Forcing, faults: Faults, now: Moment) -> None:
    # How far back is set once for the whole run: the past must be kept before.
    faults.replayed[now.at] = True


_NEEDED = float("nan")

KINDS: dict[str, CauseKind] = {
    "more_gas": CauseKind(
        "working", "the seam gives more gas, by a factor", {"factor": _NEEDED}, _gas
    ),
    "steady_gas": CauseKind(
        "working",
        "a flow of gas in place of the coal's own, so much at the planned air",
        {"ch4_pct": _NEEDED},
        _steady,
    ),
    "cut_coal": CauseKind("working", "coal is cut without a pause", {}, _cut_coal),
    "goaf_gas": CauseKind(
        "working",
        "the goaf pushes gas into the return corner, so much at the planned air",
        {"ch4_pct": _NEEDED},
        _goaf,
    ),
    "pocket": CauseKind(
        "working",
        "a pocket of methane stands in the return corner of a face",
        {"ch4_pct": _NEEDED},
        _pocket,
    ),
    "outburst": CauseKind(
        "working",
        "coal and gas burst out; the gas fades by e in fades_s",
        {"gas_m3_s": 6.0, "fades_s": 60.0},
        _outburst,
    ),
    "local_fan_stop": CauseKind("working", "the local fan stops", {}, _local_fan),
    "main_fan_stop": CauseKind("mine", "the main fan stops", {}, _main_fan),
    "short_circuit": CauseKind(
        "mine",
        "both doors between intake and return stand open",
        {},
        _short_circuit,
    ),
    "blast": CauseKind(
        "working",
        "shots are fired; fumes fade by e in fades_s",
        {"co_ppm": 80.0, "fades_s": 150.0},
        _blast,
    ),
    "self_heating": CauseKind(
        "working",
        "coal in the goaf oxidises: carbon monoxide and warmth in the return",
        {"co_ppm": _NEEDED, "heat_c": 0.0},
        _self_heating,
    ),
    "power_loss": CauseKind("mine", "the whole mine has no electricity", {}, _power),
    "feed_stuck": CauseKind(
        "working", "the load side stays live though it was cut off", {}, _feed
    ),
    "barometer": CauseKind(
        "mine",
        "the barometer falls and goaves of faces give off more gas by a share",
        {"fall_kpa": 1.0, "breathing": _NEEDED},
        _barometer,
    ),
    "pump_stop": CauseKind("mine", "the drainage pump trips", {}, _pump),
    "thin_gas": CauseKind(
        "mine",
        "air gets into the drainage pipe, by a factor",
        {"factor": _NEEDED},
        _thin,
    ),
    "calibrate": CauseKind(
        "point",
        "zero gas, then test gas, with the bit of calibration",
        {"gas_pct": 2.0, "zero_s": 40.0, "gas_s": 100.0},
        _calibrate,
    ),
    "mark_calibration": CauseKind(
        "point", "the bit of calibration is set and no gas is given", {}, _marked
    ),
    "line_break": CauseKind("point", "the sensor's line breaks", {}, _broken),
    "substation_down": CauseKind("point", "its substation is out of reach", {}, _down),
    "freeze": CauseKind("point", "the reading stands still", {}, _frozen),
    "offset": CauseKind(
        "point", "the sensor reads wrong by an amount", {"by": _NEEDED}, _offset
    ),
    "clip": CauseKind(
        "point",
        "a falsifier lets nothing above a value through",
        {"ceiling": _NEEDED},
        _clipped,
    ),
    "replay": CauseKind(
        "point", "a falsifier sends old readings again", {"back_s": 300.0}, _replayed
    ),
    "raise_limits": CauseKind(
        "point",
        "the mine defines its limits anew, by a factor",
        {"factor": _NEEDED},
        None,
    ),
    "link_down": CauseKind(
        "mine",
        "the mine's line to the platform breaks; with late = 1 live frames come first "
        "afterwards and the others as back-fill",
        {"late": 0.0},
        None,
    ),
}
"""Every kind of cause by its name in a scenario."""

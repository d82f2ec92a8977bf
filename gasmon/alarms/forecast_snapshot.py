"""The forecast's memory as arrays, by the identity of points and mines (pure).

It is part of an engine's snapshot and not needed for one: where it does not fit, the
forecast begins anew, and the alarms do not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gasmon.alarms.forecast import GRID_S, ForecastEngine
from gasmon.alarms.forecast_model import INPUTS, MODELS
from gasmon.alarms.forecast_state import (
    Arrays,
    Held,
    MineState,
    TargetState,
    WorksState,
)
from gasmon.alarms.packing import Array
from gasmon.batch import Int32

PREFIX = "forecast_"

_BUDGET = ("have", "rest", "n_false", "n_hits")


def forecast_header(forecast: ForecastEngine) -> dict[str, Any]:
    """What is no array: the layout, and the groups of production signals."""
    forecast.settle_in()
    return {
        "layout": _layout(),
        "n_late": forecast.n_late,
        "works": [list(key) for key in forecast.targets.works_keys],
    }


def forecast_arrays(forecast: ForecastEngine) -> dict[str, Array]:
    """Everything that decides later pre-warnings, except the budget's size."""
    targets = forecast.targets
    arrays: dict[str, Array] = {
        "row": targets.row,
        "model": targets.model.astype(np.int8),
        "held_row": targets.slot_row,
    }
    for name in _BUDGET:
        arrays[f"budget_{name}"] = getattr(forecast.budget, name)
    for prefix, state in _parts(forecast):
        for name in state.FIELDS:
            arrays[prefix + name] = getattr(state, name)
    return {PREFIX + name: column for name, column in arrays.items()}


def load_forecast(
    forecast: ForecastEngine,
    header: Mapping[str, Any],
    arrays: Mapping[str, Array],
    row_of: Int32,
    mine_of: Sequence[int],
) -> bool:
    """Go on from what was kept.

    Args:
        forecast: knows its points and has looked at nothing.
        row_of: our row of each point of the snapshot, -1 for an unknown one.
        mine_of: our index of each mine, -1 for an unknown one.

    Returns:
        Whether it fits; otherwise nothing was changed.
    """
    if header.get("layout") != _layout():
        return False
    forecast.settle_in()
    told = {n.removeprefix(PREFIX): a for n, a in arrays.items() if n[:9] == PREFIX}
    targets = forecast.targets
    number = {
        key: k
        for k, key in enumerate(
            zip(targets.row.tolist(), targets.model.tolist(), strict=True)
        )
    }
    works = {key: k for k, key in enumerate(targets.works_keys)}
    rows, models = row_of[told["row"]].tolist(), told["model"].tolist()
    ours = {
        "": [number.get(key, -1) for key in zip(rows, models, strict=True)],
        "works_": [works.get((mine_of[m], unit), -1) for m, unit in header["works"]],
        "mine_": list(mine_of),
        "held_": [
            -1 if row < 0 else int(targets.slot[row])
            for row in row_of[told["held_row"]].tolist()
        ],
    }
    for prefix, state in _parts(forecast):
        place = np.asarray(ours[prefix], np.intp)
        known = place >= 0
        for name in state.FIELDS:
            getattr(state, name)[place[known]] = told[prefix + name][known]
    mines = np.asarray(mine_of, np.intp)
    for name in _BUDGET:
        column = getattr(forecast.budget, name).reshape(-1, len(MODELS))
        column[mines[mines >= 0]] = told[f"budget_{name}"].reshape(-1, len(MODELS))[
            mines >= 0
        ]
    forecast.n_late = header["n_late"]
    return True


def _parts(forecast: ForecastEngine) -> list[tuple[str, Arrays]]:
    judge = forecast.judge
    return [
        ("", judge.state),
        ("works_", judge.works),
        ("mine_", forecast.mines),
        ("held_", forecast.held),
    ]


def _layout() -> str:
    """What must be equal on both sides, as one text."""
    columns = [
        (part.__name__, n, s, np.dtype(d).str)
        for part in (TargetState, WorksState, MineState, Held)
        for n, (s, d, _) in part.FIELDS.items()
    ]
    return repr((GRID_S, MODELS, INPUTS, columns))

"""The job that finds out what became of pre-warnings."""

from math import isnan

from gasmon.alarms.forecast_targets import is_forecast
from gasmon.alarms.rules import RuleSet, resolve
from gasmon.settings import StorageSettings
from gasmon.store import forecasts, points
from gasmon.store.db import Connection
from gasmon.store.forecasts import Limit
from gasmon.units import US_PER_DAY


def forecast_limits(conn: Connection, rules: RuleSet) -> list[Limit]:
    """The alarm limit of each forecast point, by its newest version."""
    mines = {mine.code: mine for mine in points.load_mines(conn)}
    # By point and moment, so that the newest one stays.
    newest = {point.key: point for point in points.load_point_versions(conn)}
    found = []
    for point in newest.values():
        mine = mines.get(point.key.mine)
        if mine is None or not is_forecast(point):
            continue
        limit = resolve(point, rules, mine).limits[0]
        if not isnan(limit):
            found.append(Limit(point.point_id, limit))
    return found


def find_outcomes(
    conn: Connection, rules: RuleSet, storage: StorageSettings, now_us: int
) -> str:
    """Judge pre-warnings whose time is over, and search for onsets.

    Returns:
        One line about what was found.
    """
    limits = forecast_limits(conn, rules)
    n_outcomes = forecasts.judge(conn, 0, now_us)
    n_onsets = forecasts.search(conn, 0, limits, now_us)
    # Without its readings an outcome cannot be found again.
    kept_us = storage.reading_retention_days * US_PER_DAY
    n_gone = forecasts.delete_before(conn, now_us - kept_us)
    return f"{n_outcomes} outcomes, {n_onsets} onsets, {n_gone} deleted"

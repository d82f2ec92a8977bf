"""A crossing that a delay holds back is committed with its turn, and told to nobody."""

from __future__ import annotations

from gasmon.alarms.rules import parse_rules
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import HIGH, LOW, Plant, paired  # noqa: F401
from tests.rule_texts import LIMITS_ALONE


def test_a_swallowed_crossing_is_stored_and_told_to_nobody(
    paired: Plant,  # noqa: F811
) -> None:
    """Over its limits for one frame, under an on-delay of an hour."""
    paired.rules = parse_rules('[delays]\non = "1h"\n' + LIMITS_ALONE, "slow.toml")
    paired.start()
    paired.gateway.define()
    for value in (LOW, HIGH, LOW):
        paired.gateway.gas(value)
    paired.stored(3)
    wait_until(lambda: paired.count("crossing") == 2, 20, "two crossings")
    rows = paired.ask(
        "SELECT kind, c.value, limit_value, held_by, late, r.value = c.value"
        " FROM crossing c JOIN reading r USING (run, point_id)"
        " WHERE r.at = c.crossed_at ORDER BY kind"
    )
    assert rows == [
        ("cut_off", HIGH, 1.5, "on_delay", False, True),
        ("over_limit", HIGH, 1.0, "on_delay", False, True),
    ]
    assert paired.count("alarm") == paired.count("outbox") == 0

"""Kinds that look at how one point behaves, as rule files see them."""

from gasmon.alarms.rule_spec import KindSpec

SHAPE_KINDS: tuple[KindSpec, ...] = ()
"""Their specs; conditions are in conditions.py and beside it."""

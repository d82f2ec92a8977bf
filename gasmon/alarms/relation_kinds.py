"""Kinds that look at several points of a unit or a mine, as rule files see them."""

from gasmon.alarms.rule_spec import KindSpec

RELATION_KINDS: tuple[KindSpec, ...] = ()
"""Their specs; how they are judged is in relation.py and beside it."""

"""Sentences of events, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from gasmon.remote.texts import Told, number, sentence


def told(**more: Any) -> Told:
    """An over-limit in Zhenxiong, changed where a test wants it."""
    values: dict[str, Any] = {
        "event": "raised",
        "kind": "over_limit",
        "rank": 4,
        "area": "530627",
        "mine_name": "某煤矿",
        "place": "11121采煤工作面回风隅角T0",
        "quantity": "CH4",
        "value": 1.6,
        "limit": 1.0,
        "uom": "%",
        **more,
    }
    return Told(**values)


def test_a_sentence_says_level_place_value_limit_and_kind() -> None:
    """The order of people's own lists, with the decimals of the unit."""
    assert sentence(told()) == {
        "zh": "红色 镇雄县 某煤矿 11121采煤工作面回风隅角T0 瓦斯 1.60% ≥ 1.00% "
        "超限报警",
        "en": "red Zhenxiong 某煤矿 11121采煤工作面回风隅角T0 methane 1.60% ≥ 1.00% "
        "over limit",
    }


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"event": "cleared", "value": 0.4}, "瓦斯 0.40% 超限报警 已解除"),
        ({"event": "level"}, "≥ 1.00% 超限报警 级别升高"),
        ({"event": "unknown", "value": None}, "瓦斯 超限报警 数据中断，报警保持"),
        ({"event": "known", "value": 1.2}, "瓦斯 1.20% 超限报警 数据恢复，仍在报警"),
        ({"event": "level", "value": 0.9}, "瓦斯 0.90% 超限报警 级别升高"),
        (
            {"kind": "low_limit", "quantity": "O2", "value": 17.0, "limit": 18.0},
            "氧气 17.00% ≤ 18.00% 低限报警",
        ),
        (
            {"kind": "low_limit", "quantity": "O2", "value": 19.0, "limit": 18.0},
            "氧气 19.00% 低限报警",
        ),
        ({"kind": "sensor_break", "limit": None}, "瓦斯 1.60% 传感器断线"),
        ({"kind": "later_kind", "quantity": "NEW"}, "T0 1.60% later_kind"),
        ({"event": "other"}, "超限报警 other"),
        (
            {"event": "confirmed", "tier": "county", "by": "张三"},
            "超限报警 已由县级 张三 确认",
        ),
        ({"drill": True, "area": "999999"}, "≥ 1.00% 超限报警"),
    ],
)
def test_each_event_ends_as_people_say_it(changes: dict[str, Any], end: str) -> None:
    """Every transition and kind has its words, and never a false comparison."""
    assert sentence(told(**changes))["zh"].endswith(end)


def test_a_drill_and_an_unknown_area_are_marked() -> None:
    """A drill cannot be mistaken; an area without a name shows its code."""
    both = sentence(told(drill=True, area="999999"))

    assert both["zh"].startswith("【演练】 红色 999999")
    assert both["en"].startswith("[DRILL] red 999999")
    english = sentence(told(event="confirmed", tier="city", by="Li"))["en"]
    assert english.endswith("over limit confirmed by city Li")


@pytest.mark.parametrize(
    ("value", "uom", "text"),
    [
        (1.6, "%", "1.60%"),
        (24.0, "ppm", "24 ppm"),
        (26.04, "C", "26.0℃"),
        (0.25, "m/s", "0.25 m/s"),
        (3.14, "", "3.1"),
    ],
)
def test_numbers_have_the_decimals_of_their_unit(
    value: float, uom: str, text: str
) -> None:
    """A column of values reads like one instrument."""
    assert number(value, uom) == text

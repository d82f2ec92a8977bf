"""Posts: places of duty."""

from __future__ import annotations

import pytest

from gasmon.errors import BadRequest
from gasmon.shifts.posts import Post, check_post, posts_of


def test_an_alarm_has_a_post_of_each_tier() -> None:
    """What belongs to an area as a whole has none of a mine."""
    found = posts_of("530627", "530627004499")
    assert {tier: str(post) for tier, post in found.items()} == {
        "mine": "mine/530627004499",
        "county": "county/530627",
        "city": "city/530600",
    }
    assert set(posts_of("530627", None)) == {"county", "city"}
    assert (found["mine"].area, found["mine"].mine) == ("530627", "530627004499")
    assert found["city"].mine is None


@pytest.mark.parametrize(
    ("tier", "place"),
    [("mine", "530627004499"), ("county", "530627"), ("city", "530600")],
)
def test_a_post_is_named_by_tier_and_code(tier: str, place: str) -> None:
    """And is what was named."""
    assert check_post(tier, place) == Post(tier, place)


@pytest.mark.parametrize(
    ("tier", "place", "why"),
    [
        ("province", "530000", "tier 'province': one of mine, county, city"),
        ("mine", "530627", "a mine has a code of 12 digits"),
        ("county", "zhenxiong", "a county has a code of 6 digits"),
        ("county", "530600", "the code of a county is wanted"),
        ("city", "530627", "the code of a city is wanted"),
    ],
)
def test_what_is_no_post_is_refused(tier: str, place: str, why: str) -> None:
    """With what was wanted instead."""
    with pytest.raises(BadRequest, match=why):
        check_post(tier, place)

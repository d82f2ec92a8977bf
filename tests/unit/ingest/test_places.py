"""Place classes from location texts: a labelled list, and what must stay unknown."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from gasmon import domain
from gasmon.ingest.places import DECIDED, classify

LABELLED = Path(__file__).parents[2] / "data" / "places.csv"
LEAST_ACCURACY = 0.95
LEAST_TEXTS = 300


def labelled() -> list[dict[str, str]]:
    """Made-up texts with the class and unit that a person gave them."""
    with LABELLED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_list_is_long_varied_and_of_the_laws_classes() -> None:
    """At least 300 different texts; each class of the law occurs, with no other."""
    rows = labelled()
    assert len({row["text"] for row in rows}) == len(rows) >= LEAST_TEXTS
    wanted = {limit.place_class for limit in domain.limits()} - {"ANY"}
    counts = Counter(row["place_class"] for row in rows)
    assert set(counts) - {""} == wanted
    assert counts[""] >= 40
    assert min(counts.values()) >= 4


def test_the_classes_are_right_in_95_of_100() -> None:
    """Measured on the whole list; the message names each miss."""
    rows = labelled()
    misses = []
    for row in rows:
        place = classify(row["text"])
        if (place.place_class or "") != row["place_class"]:
            wanted = row["place_class"] or "unknown"
            misses.append(
                f"{row['text']}: {place.place_class} instead of {wanted}"
                f" ({place.confidence:g}, {place.reason})"
            )
    accuracy = 1 - len(misses) / len(rows)
    told = "\n".join([f"{accuracy:.1%} of {len(rows)} are right", *misses])
    assert accuracy >= LEAST_ACCURACY, told


def test_the_units_are_right_in_95_of_100() -> None:
    """Numbers of faces and headings; heights, distances and T-numbers are none."""
    rows = labelled()
    misses = [
        f"{row['text']}: {classify(row['text']).unit!r} instead of {row['unit']!r}"
        for row in rows
        if classify(row["text"]).unit != row["unit"]
    ]
    accuracy = 1 - len(misses) / len(rows)
    assert accuracy >= LEAST_ACCURACY, "\n".join([f"{accuracy:.1%}", *misses])


@pytest.mark.parametrize("row", [r for r in labelled() if not r["place_class"]],
                         ids=lambda row: row["text"])  # fmt: skip
def test_what_is_unclear_stays_unknown(row: dict[str, str]) -> None:
    """An invented class is worse than none: it would set wrong legal limits."""
    assert classify(row["text"]).place_class is None


def test_a_heading_is_not_what_it_will_become() -> None:
    """回风巷 before 掘进 names the roadway; behind it, the place in the heading."""
    assert classify("11122回风巷掘进工作面").place_class == "HEADING_T1"
    assert classify("11122掘进工作面回风").place_class == "HEADING_T2"


def test_an_intake_is_never_taken_for_a_return() -> None:
    """进风巷 holds the characters of 风巷, which means the return."""
    for text in ("11121采煤工作面进风巷", "11121采煤工作面進風巷", "11121进风巷"):
        assert classify(text).place_class == "FACE_T3"


def test_number_and_words_that_disagree_are_told() -> None:
    """The T-number counts, with less confidence and both readings in the reason."""
    place = classify("11121采煤工作面进风巷T2")
    assert place.place_class == "FACE_T2"
    assert place.confidence < classify("11121采煤工作面回风巷T2").confidence
    assert "T2" in place.reason
    assert "FACE_T3" in place.reason


def test_a_guess_stands_beside_an_unknown_class() -> None:
    """A person who decides sees the likeliest class and why it is not certain."""
    place = classify("11121T1")
    assert (place.place_class, place.guess) == (None, "FACE_T1")
    assert 0 < place.confidence < DECIDED
    assert "face or heading" in place.reason


@pytest.mark.parametrize(
    "text", ["", " ", "？？？", "😀", "\x00", "T" * 10_000, "1" * 500]
)
def test_any_text_gives_an_answer(text: str) -> None:
    """Nothing raises; nonsense has no class."""
    assert classify(text).place_class is None
    assert classify(text).reason


@pytest.mark.parametrize(
    ("text", "unit", "kind"),
    [
        ("11121采煤工作面T1", "11121", "face"),
        ("2-1107掘进T1", "2-1107", "heading"),
        ("+1450总回风巷", "", "return"),
        ("抽采主管路", "", "drainage"),
        ("1150m处煤仓上方", "", "other"),
    ],
)
def test_a_unit_has_a_number_and_a_kind(text: str, unit: str, kind: str) -> None:
    """Points of one face or heading come together by its number."""
    place = classify(text)
    assert (place.unit, place.unit_kind) == (unit, kind)


def test_the_simulated_city_is_read_as_it_was_made() -> None:
    """Texts that another program writes: every class it gives is found again."""
    from simulators.layout import build_city

    seen = wrong = 0
    for mine in build_city(3).mines:
        for point in mine.points:
            if point.place_class:
                seen += 1
                wrong += classify(point.place).place_class != point.place_class
    assert seen > 100
    assert wrong == 0

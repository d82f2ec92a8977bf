"""Which places a person should decide."""

from __future__ import annotations

import pytest

from gasmon.ingest.undecided import WHY, quantities, question

CORNER = "11121采煤工作面回风隅角T0"


@pytest.mark.parametrize(
    ("text", "place_class", "ruled_on", "why"),
    [
        (CORNER, "FACE_T0", None, None),
        (CORNER, "FACE_T2", None, "contradicts"),
        ("某处", None, None, "unclear"),
        ("某处", "FACE_T2", None, None),  # the text does not speak against it
        ("某处", None, "某处", None),
        (CORNER, "FACE_T2", CORNER, None),
        (CORNER, "FACE_T2", "某处", "text_changed"),
    ],
)
def test_what_is_asked(
    text: str, place_class: str | None, ruled_on: str | None, why: str | None
) -> None:
    """By text, class and what a person said."""
    asked = question("CH4", text, place_class, ruled_on)
    assert (asked.why if asked else None) == why
    assert why is None or why in WHY


def test_only_of_what_has_limits_by_place() -> None:
    """Wind and temperature have the same everywhere."""
    assert "CH4" in quantities()
    other = "UNKNOWN"
    assert question(other, "某处", None, None) is None

"""Which places a person should decide: unclear ones, and contradicting ones (pure)."""

from dataclasses import dataclass

from gasmon.domain.places import quantities
from gasmon.ingest.places import Place, classify

WHY = {
    "unclear": "地点文字不明确 the text says no class",
    "contradicts": "所报类别与地点文字不符 the class told is not what the text says",
    "text_changed": "裁定后地点文字已改 the text changed after it was ruled on",
}
"""Why a person should look."""


@dataclass(frozen=True, slots=True)
class Question:
    """A place that a person should decide.

    Attributes:
        why: a key of :data:`WHY`.
        place: how the text was read; ``guess`` is the likeliest class.
    """

    why: str
    place: Place


def question(
    quantity: str, text: str, place_class: str | None, ruled_on: str | None
) -> Question | None:
    """What a person should decide of a point; None when nothing.

    Args:
        quantity: what it measures.
        text: its location.
        place_class: the class that counts now; None when nobody knows.
        ruled_on: the text that a person ruled on; None when nobody did.
    """
    if quantity not in quantities():
        return None
    place = classify(text)
    if ruled_on is not None:
        return None if ruled_on == text else Question("text_changed", place)
    if place_class is None:
        return Question("unclear", place)
    if place.place_class is not None and place.place_class != place_class:
        return Question("contradicts", place)
    return None

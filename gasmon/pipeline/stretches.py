"""Definitions and states before the readings that came after them (pure)."""

from collections.abc import Iterable, Sequence

from gasmon.batch import Packet

_CONTROL = ("/state", "/points", "CDDY", "FZDY")
"""What is read before the readings that came after it: a definition must be known when
its points' first values are decoded, a last will must fall between frames. The last two
are the upload files of definitions, with a prefix or none (``file/NCDDY``)."""


def stretches(
    packets: Sequence[Packet],
) -> Iterable[tuple[Sequence[Packet], Sequence[Packet]]]:
    """Cut packets into (control, data) pairs, keeping the order between them.

    Yields:
        Definitions and states, then the data that came after them.
    """
    begin, n = 0, len(packets)
    while begin < n:
        middle = begin
        while middle < n and packets[middle].topic.endswith(_CONTROL):
            middle += 1
        end = middle
        while end < n and not packets[end].topic.endswith(_CONTROL):
            end += 1
        yield packets[begin:middle], packets[middle:end]
        begin = end

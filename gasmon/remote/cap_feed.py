"""The feed of CAP messages to pull, as Atom (RFC 4287); pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from gasmon.remote import cap

MEDIA_TYPE = "application/atom+xml"
_NAMESPACE = "http://www.w3.org/2005/Atom"


def feed_of(
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    sender: str,
    path: str,
    epoch: str,
    next_query: str,
    updated: str,
) -> bytes:
    """An Atom document.

    Args:
        rows: place in the stream and body of each event, the oldest first.
        path: of the feed, without a query; a message is at ``path/SEQ``.
        epoch: of the server's stream; another one means that numbers begin anew.
        next_query: what follows ``?`` when what comes after these is asked for.
        updated: when the newest was decided, or now (RFC 3339).
    """
    feed = ElementTree.Element("feed", {"xmlns": _NAMESPACE})
    _text(feed, "id", f"urn:uuid:{epoch}")
    _text(feed, "title", "gasmon CAP 1.2")
    _text(feed, "updated", updated)
    _text(ElementTree.SubElement(feed, "author"), "name", sender)
    ElementTree.SubElement(feed, "link", {"rel": "self", "href": path})
    following = {"rel": "next", "href": f"{path}?{next_query}"}
    ElementTree.SubElement(feed, "link", following)
    for seq, body in rows:
        entry = ElementTree.SubElement(feed, "entry")
        _text(entry, "id", f"urn:uuid:{epoch}:{seq}")
        _text(entry, "title", cap.clean(cap.headline(body, "zh")))
        _text(entry, "updated", str(body["decided_at"]))
        _text(entry, "summary", cap.clean(cap.headline(body, "en")))
        href = {"rel": "alternate", "type": cap.MEDIA_TYPE, "href": f"{path}/{seq}"}
        ElementTree.SubElement(entry, "link", href)
    ElementTree.indent(feed)
    text: bytes = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text

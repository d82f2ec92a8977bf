"""Reading JSON objects strictly: every refusal names the key and what it held."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

VERSION = 1
INT64_MAX = 2**63 - 1
BOOT_MAX_CHARS = 64
TEXT_MAX_CHARS = 500
NO_MAX_CHARS = 8


class PayloadError(ValueError):
    """A payload or a part of it is refused.

    Attributes:
        reason: Stable snake_case code; each stands in `docs/payloads.md`.
        detail: One line that names the key and the value.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def show(value: object) -> str:
    """Return a value as short text for a person, at most 60 characters.

    A huge array or number is not printed in full first: that would be as dear as
    the payload is long.
    """
    if isinstance(value, str):
        text = repr(value[:60])
    elif isinstance(value, list):
        text = f"an array of {len(value)}"
    elif isinstance(value, dict):
        text = f"an object of {len(value)}"
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value) if abs(value) <= 10**40 else "a number over 40 digits"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = "null" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def load_object(payload: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    The tokens NaN, Infinity and -Infinity are no JSON, but gateways send them, and a
    text may hold half a character. They are let through here, so that only their
    reading is refused and not the frame around it.

    Raises:
        PayloadError: `empty_payload`, `not_utf8`, `not_json` or `not_an_object`.
    """
    if not payload:
        raise PayloadError("empty_payload", "the payload has 0 bytes")
    try:
        parsed = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        parsed = _load_leniently(payload, error)
    if type(parsed) is not dict:
        raise PayloadError("not_an_object", f"the payload is {show(parsed)}")
    return parsed


_LENIENT = re.compile(r"NaN|Infinity|\\u[dD][89a-fA-F]")


def _load_leniently(payload: bytes, error: orjson.JSONDecodeError) -> Any:
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise PayloadError(
            "not_utf8", f"byte {payload[bad.start]:#04x} at offset {bad.start}"
        ) from None
    if _LENIENT.search(text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            # Broken in another way as well: the first parser's words say where.
            pass
    raise PayloadError("not_json", str(error)[:200])


def check_version(obj: dict[str, Any]) -> None:
    """Refuse an object without `v`, or with another than 1.

    Raises:
        PayloadError: `missing_key` or `unknown_version`.
    """
    version = need(obj, "v")
    if isinstance(version, bool) or version != VERSION:
        raise PayloadError("unknown_version", f"v is {show(version)}, known is 1")


def need(obj: dict[str, Any], key: str) -> Any:
    """Return the value of a required key.

    Raises:
        PayloadError: `missing_key`; the detail lists the keys that are there.
    """
    try:
        return obj[key]
    except KeyError:
        there = ", ".join(show(name) for name in list(obj)[:8])
        raise PayloadError("missing_key", f"{key} is missing among {there}") from None


def whole(value: object) -> int | None:
    """Return a JSON number without a fraction as an int, else None.

    1.0 counts, as it does in JSON Schema; true does not.
    """
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def need_int(obj: dict[str, Any], key: str, low: int, high: int) -> int:
    """Return a required whole number in [low, high].

    Raises:
        PayloadError: `missing_key`, `wrong_type` or `out_of_range`.
    """
    number = whole(need(obj, key))
    if number is None:
        raise PayloadError("wrong_type", f"{key} is {show(obj[key])}, no whole number")
    if not low <= number <= high:
        raise PayloadError(
            "out_of_range", f"{key} is {show(number)}, outside {low} to {high}"
        )
    return number


def need_time_ms(obj: dict[str, Any], key: str) -> int:
    """Return a required time [ms UTC].

    A clock is never a reason to refuse: any number is taken, fractions are cut and
    what no int64 holds is clamped, so that the store can keep it.

    Raises:
        PayloadError: `missing_key`, or `wrong_type` when it is no number.
    """
    value = need(obj, key)
    if type(value) is float and value == value:
        return int(max(-(2.0**63), min(value, 2.0**63 - 1024)))
    if type(value) is not int:
        raise PayloadError("wrong_type", f"{key} is {show(value)}, no time in ms")
    return max(-INT64_MAX, min(value, INT64_MAX))


def optional_time_ms(obj: dict[str, Any], key: str) -> int | None:
    """Return a time that may be null or absent [ms UTC]."""
    return None if obj.get(key) is None else need_time_ms(obj, key)


def need_text(obj: dict[str, Any], key: str, max_chars: int = TEXT_MAX_CHARS) -> str:
    """Return a required text of 1 to `max_chars` printable characters.

    Raises:
        PayloadError: `missing_key`, `wrong_type`, or `bad_text` when it is empty,
            too long or has control characters (a NUL cannot be stored).
    """
    value = need(obj, key)
    if type(value) is not str:
        raise PayloadError("wrong_type", f"{key} is {show(value)}, no text")
    if not value or len(value) > max_chars or not value.isprintable():
        raise PayloadError(
            "bad_text", f"{key} is {show(value)} of {len(value)} characters"
        )
    return value


def need_boot(obj: dict[str, Any]) -> str:
    """Return the gateway's boot name: 1 to 64 printable characters, no slash."""
    boot = need_text(obj, "boot", BOOT_MAX_CHARS)
    if "/" in boot:
        raise PayloadError("bad_text", f"boot is {show(boot)}: a slash ends a key")
    return boot


def optional_text(
    obj: dict[str, Any], key: str, default: str = "", max_chars: int = TEXT_MAX_CHARS
) -> str:
    """Return a text that may be absent, null or empty (then `default`)."""
    value = obj.get(key)
    return default if value is None or value == "" else need_text(obj, key, max_chars)


def need_no(obj: dict[str, Any], key: str = "no") -> str:
    """Return a point's original number.

    Raises:
        PayloadError: as `need_text`, or `bad_point_number`.
    """
    no = need_text(obj, key)
    if not is_short_no(no):
        raise PayloadError("bad_point_number", f"{key} is {show(no)}")
    return no


def is_short_no(no: str) -> bool:
    """Tell whether this can be a point's original number.

    At most 8 characters (upload format), printable, neither space nor slash: it
    becomes part of keys and addresses.
    """
    return (
        0 < len(no) <= NO_MAX_CHARS
        and no.isprintable()
        and " " not in no
        and "/" not in no
    )


def finite(value: object) -> float | None:
    """Return a finite number as float64, else None; true and text are no numbers."""
    if type(value) is float:
        return value if abs(value) < float("inf") else None
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def extra_keys(obj: dict[str, Any], known: Iterable[str]) -> int:
    """Count the keys that this version does not know; they are ignored."""
    return len(obj.keys() - set(known))

"""A time as the commands take it from people."""

from gasmon.errors import ConfigError
from gasmon.units import parse_iso_us


def time_us(flag: str, text: str | None) -> int | None:
    """Read a flag's time [µs UTC]; None without one.

    Raises:
        ConfigError: it is no time; names the flag and what it held.
    """
    if text is None:
        return None
    try:
        return parse_iso_us(text)
    except ValueError as error:
        raise ConfigError(f"{flag} {text}: {error}") from None

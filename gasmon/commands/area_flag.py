"""``--area``: a county or city by its code or its name, as several commands take it."""

from gasmon import domain
from gasmon.errors import ConfigError


def area_code(name: str | None) -> str | None:
    """The code of the area that a flag names; None where none was given.

    Raises:
        ConfigError: there is no such area.
    """
    if name is None:
        return None
    try:
        return domain.area_by(name).code
    except KeyError:
        raise ConfigError(f"--area {name}: there is no such area") from None

"""Flags that the commands about rule files share."""

import argparse
from pathlib import Path
from typing import Any


def check_and_show(
    actions: Any,
    parents: list[argparse.ArgumentParser],
    *,
    check: str,
    show: str,
    setting: str,
) -> list[argparse.ArgumentParser]:
    """Declare ``check [FILE]`` and ``show [FILE]``.

    Args:
        check: what the first does, for its help.
        show: the same of the second.
        setting: that names the file where none is given.

    Returns:
        Their parsers, for flags of their own.
    """
    made = []
    for name, text in (("check", check), ("show", show)):
        action = actions.add_parser(name, parents=parents, help=text)
        action.add_argument(
            "file",
            type=Path,
            nargs="?",
            metavar="FILE",
            help=f"rule file; default: {setting}, else the shipped rules",
        )
        made.append(action)
    return made

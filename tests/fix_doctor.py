"""The doctor on its command line, with what every finding must have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gasmon import cli


def examine(
    capsys: pytest.CaptureFixture[str], *arguments: str, **values: object
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the doctor; returns its exit code and the findings by name."""
    flags = [
        part
        for name, value in values.items()
        for part in ("--set", f"{name.replace('__', '.')}={value}")
    ]
    code = cli.main(["doctor", "--json", *arguments, *flags])
    told = json.loads(capsys.readouterr().out)
    for finding in told["findings"]:
        if finding["level"] != "ok":
            assert finding["todo_zh"], finding
            assert finding["todo_en"], finding
        assert finding["zh"], finding
        assert finding["en"], finding
    return code, {finding["check"]: finding for finding in told["findings"]}

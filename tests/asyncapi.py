"""Holds real frames against docs/alarms-v1.asyncapi.yaml."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

PATH = Path(__file__).parents[1] / "docs" / "alarms-v1.asyncapi.yaml"


@cache
def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    found: dict[str, Any] = yaml.safe_load(PATH.read_text("utf-8"))
    return found


def resolve(ref: dict[str, Any]) -> dict[str, Any]:
    """What a reference inside of the document points at, through any number of them."""
    while "$ref" in ref:
        found: Any = document()
        for part in ref["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        ref = found
    return ref


@cache
def schemas(operation: str) -> dict[str, str]:
    """Frame type → name of its schema, of ``tell`` (server) or ``hear`` (client)."""
    found = {}
    for ref in document()["operations"][operation]["messages"]:
        message = resolve(ref)
        found[message["name"]] = message["payload"]["$ref"].split("/")[-1]
    return found


@cache
def validator(schema: str) -> Draft202012Validator:
    """A validator of one schema of the document."""
    components = document()["components"]
    ref = {"$ref": f"#/components/schemas/{schema}"}
    return Draft202012Validator({**ref, "components": components})


def check_frame(text: str, operation: str) -> dict[str, Any]:
    """The frame, after it was found to be as the document says.

    Args:
        operation: ``tell`` for a server's, ``hear`` for a client's.

    Raises:
        AssertionError: it is not, or has a member that nobody documented.
    """
    frame: dict[str, Any] = json.loads(text)
    names = schemas(operation)
    assert frame.get("type") in names, f"{frame.get('type')!r} of {operation}"
    check(frame, names[frame["type"]])
    for body in [
        *frame.get("alarms", []),
        *([frame["data"]] if "data" in frame else []),
    ]:
        check(body, "body")
    return frame


def check(value: dict[str, Any], schema: str) -> None:
    """Hold a value against one schema, and its members against those documented."""
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator(schema).iter_errors(value)
    ]
    assert not errors, errors
    known = document()["components"]["schemas"][schema]["properties"]
    assert set(value) <= set(known), f"{schema}: {set(value) - set(known)} undocumented"

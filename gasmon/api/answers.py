"""JSON answers as the store gives them, and the pieces that routes share."""

import re
from typing import Any

import orjson
from starlette.responses import Response

from gasmon import domain
from gasmon.api.schemas import Problem
from gasmon.errors import BadRequest

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "nobody we know",
        403: "not allowed",
        404: "there is none, or not for you",
        422: "not understood",
        503: "the database is away",
    }.items()
}

TOO_MANY: dict[int | str, dict[str, Any]] = {
    429: {"model": Problem, "description": "too many failed; says how long to wait"}
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "its state forbids it; says why"}
}


def answer(body: Any, status: int = 200) -> Response:
    """JSON that no cache keeps: values and alarms age."""
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def area_code(code_or_slug: str | None) -> str | None:
    """The code of an area that a query names; six digits need not be shipped ones.

    Raises:
        BadRequest: there is no area of this name.
    """
    if code_or_slug is None or re.fullmatch(r"[0-9]{6}", code_or_slug):
        return code_or_slug
    try:
        return domain.area_by(code_or_slug).code
    except KeyError:
        raise BadRequest(f"area {code_or_slug!r} is not known") from None

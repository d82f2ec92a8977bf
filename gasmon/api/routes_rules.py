"""``/rules``: what is judged by, since when, and why a rule applies somewhere."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.alarms.rule_named import WHAT_IT_IS, named, story_of
from gasmon.alarms.rule_objects import rules_object, story_object
from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.log_in import in_database
from gasmon.api.schemas_rules import (
    Explained,
    ExplainQuery,
    RulesAnswer,
    RulesVersionList,
)
from gasmon.errors import BadRequest, ConfigError, NotFound, StateConflict
from gasmon.store import points
from gasmon.store.db import Connection
from gasmon.store.rules_taken import RulesTaken, rules_taken
from gasmon.store.scope import Scope, covers
from gasmon.units import iso_us

router = APIRouter(tags=["rules"], responses=PROBLEMS)

EVERYWHERE = "*"


@router.get("/rules", response_model=RulesVersionList, dependencies=[Depends(no_query)])
async def versions(asker: Asker, shared: Shared) -> Response:
    """All versions that were taken, the newest first."""
    now_us = shared.clock.now_us()
    taken = _seen(await in_database(shared, rules_taken), asker.principal.scope)
    current = _in_force(taken, now_us)
    return answer({"items": [_version(one, current) for one in taken]})


# Before the one with a number: its address is fixed.
@router.get("/rules/explain", response_model=Explained)
async def explain(
    asker: Asker, shared: Shared, query: Annotated[ExplainQuery, Query()]
) -> Response:
    """What applies to a point, a unit or a mine now, from which line, and why."""
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    subject = named(query.subject)
    if subject is None:
        raise BadRequest(f"subject {query.subject!r}: {WHAT_IT_IS}")

    def look(conn: Connection) -> dict[str, Any]:
        with conn.transaction():
            mines = {mine.code: mine for mine in points.load_mines(conn)}
            mine = mines.get(subject.mine)
            if mine is None or not _sees(scope, mine.code):
                raise NotFound(f"no mine {subject.mine}")
            known = points.load_point_versions(conn, mine.code)
            taken = rules_taken(conn)
        current = _in_force(taken, now_us)
        its = [
            one
            for one in taken
            if one.rules_id in current
            and (one.scope == EVERYWHERE or mine.code[:6] in one.scope.split(","))
        ]
        if not its:
            raise NotFound(f"nobody told yet by what mine {mine.code} is judged")
        try:
            rules = its[0].change.rules()
        except ConfigError as error:
            raise StateConflict(f"this version cannot read them: {error}") from error
        # Of each key the newest comes last.
        own = list({point.key: point for point in known}.values())
        story = story_of(rules, subject, mine, own)
        if story is None:
            raise NotFound(f"no {'point' if subject.point else 'unit'} {query.subject}")
        return {
            "version": _version(its[0], current),
            "story": story_object(query.subject, rules, story),
        }

    return answer(await in_database(shared, look))


@router.get(
    "/rules/{rules_id}",
    response_model=RulesAnswer,
    dependencies=[Depends(no_query)],
)
async def one_version(
    asker: Asker,
    shared: Shared,
    rules_id: Annotated[int, PathParam(ge=1, le=2**31 - 1)],
) -> Response:
    """Every rule of one version with its line, and the limits of the law."""
    now_us = shared.clock.now_us()
    taken = _seen(await in_database(shared, rules_taken), asker.principal.scope)
    found = next((one for one in taken if one.rules_id == rules_id), None)
    if found is None:
        raise NotFound(f"no version {rules_id} of the rules")
    try:
        told = rules_object(found.change.rules())
    except ConfigError:
        # It was right for an older gasmon; that it was taken stays true.
        told = None
    version = _version(found, _in_force(taken, now_us))
    return answer({"version": version, "readable": told is not None, "rules": told})


def _seen(taken: Sequence[RulesTaken], scope: Scope) -> list[RulesTaken]:
    """Those that judge something that the asker sees."""
    return [
        one
        for one in taken
        if one.scope == EVERYWHERE
        or scope.areas is None
        or any(covers(scope.areas, area) for area in one.scope.split(","))
    ]


def _sees(scope: Scope, mine: str) -> bool:
    return (scope.areas is None or covers(scope.areas, mine[:6])) and (
        scope.mines is None or mine in scope.mines
    )


def _in_force(taken: Sequence[RulesTaken], now_us: int) -> set[int]:
    """Of each owner the newest one that counts already."""
    newest: dict[str, int] = {}
    for one in taken:
        if one.change.from_us <= now_us:
            newest.setdefault(one.scope, one.rules_id)
    return set(newest.values())


def _version(one: RulesTaken, current: set[int]) -> dict[str, Any]:
    from_us = one.change.from_us
    return {
        "rules_id": one.rules_id,
        "scope": one.scope,
        "from": iso_us(from_us) if from_us else None,
        "taken_at": iso_us(one.taken_us),
        "file": one.change.name,
        "sha256": one.sha256,
        "limit_changes": one.limit_changes,
        "in_force": one.rules_id in current,
    }

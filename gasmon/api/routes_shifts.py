"""``/shifts`` and ``/handovers``: who has duty, and how it is handed over."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api.answers import CONFLICT, PROBLEMS, answer, area_code
from gasmon.api.auth import Administrator, Asker, Caller, Shared, actor_of, no_query
from gasmon.api.log_in import in_database
from gasmon.api.schemas import Tier
from gasmon.api.schemas_shifts import (
    AssignmentBody,
    AssignmentMade,
    CalendarAnswer,
    DayBody,
    DaysQuery,
    HandoverActionBody,
    HandoverAnswer,
    HandoverBody,
    HandoverList,
    HandoversQuery,
    LoadAnswer,
    PatternBody,
    PostList,
    PostNow,
    PostQuery,
    ShiftSet,
    ShiftTimes,
    SignedOff,
)
from gasmon.errors import BadRequest, NotFound
from gasmon.shifts.calendar import Assignment, day_of
from gasmon.shifts.posts import Post, check_post
from gasmon.shifts.slots import parse_slots
from gasmon.store import (
    handover_views,
    handovers,
    shift_calendars,
    shift_presence,
    shift_views,
)
from gasmon.units import iso_us

router = APIRouter(tags=["shifts"], responses=PROBLEMS | CONFLICT)
PLAIN = [Depends(no_query)]

AT_POST = "/shifts/{tier}/{place}"
Place = Annotated[str, PathParam(max_length=40, description="code, or slug of an area")]
Number = Annotated[int, PathParam(ge=1, le=2**63 - 1)]


def post_at(tier: Tier, place: Place) -> Post:
    """Dependency: the post that a path names."""
    return _post(tier, place)


AtPost = Annotated[Post, Depends(post_at)]


@router.get("/shifts", response_model=PostList)
async def posts_now(
    asker: Asker, shared: Shared, query: Annotated[PostQuery, Query()]
) -> Response:
    """Posts with a calendar: the shift now, the next one, and who has duty."""
    now_us = shared.clock.now_us()
    only = _asked_post(query)
    who = asker.principal
    rows = await in_database(
        shared,
        lambda conn: shift_presence.posts_now(conn, who.scope, now_us, only),
    )
    items = [_with_may(row, asker) for row in rows]
    return answer({"at": iso_us(now_us), "items": items})


@router.get(AT_POST, response_model=PostNow, dependencies=PLAIN)
async def post_now(asker: Asker, shared: Shared, post: AtPost) -> Response:
    """One post; 404 where no calendar was set."""
    now_us = shared.clock.now_us()
    rows = await in_database(
        shared,
        lambda conn: shift_presence.posts_now(
            conn, asker.principal.scope, now_us, post
        ),
    )
    if not rows:
        raise NotFound(f"no post {post} with a calendar")
    return answer(_with_may(rows[0], asker))


@router.get(AT_POST + "/calendar", response_model=CalendarAnswer)
async def calendar(
    asker: Asker, shared: Shared, post: AtPost, query: Annotated[DaysQuery, Query()]
) -> Response:
    """The shifts of some days with who is assigned, and the assignments."""
    now_us = shared.clock.now_us()
    scope, first = asker.principal.scope, _first_day(query, now_us)
    return answer(
        await in_database(
            shared,
            lambda conn: shift_views.calendar_shown(
                conn, post, scope, first, query.days, now_us
            ),
        )
    )


@router.get(AT_POST + "/load", response_model=LoadAnswer)
async def load(
    asker: Asker, shared: Shared, post: AtPost, query: Annotated[DaysQuery, Query()]
) -> Response:
    """How many alarms each shift of some days had to take in, as far as it has come."""
    now_us = shared.clock.now_us()
    scope, first = asker.principal.scope, _first_day(query, now_us)
    return answer(
        await in_database(
            shared,
            lambda conn: shift_views.loads_shown(
                conn, post, scope, first, query.days, now_us
            ),
        )
    )


@router.post(AT_POST + "/pattern", response_model=ShiftSet, dependencies=PLAIN)
async def set_pattern(
    asker: Administrator,
    request: Request,
    shared: Shared,
    post: AtPost,
    body: PatternBody,
) -> Response:
    """Set the shifts of every day from one on."""
    slots = parse_slots(body.shifts) if body.shifts.strip() else ()
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    await in_database(
        shared,
        lambda conn: shift_calendars.set_slots(
            conn, post, slots, by, from_day=body.from_day, now_us=now_us
        ),
    )
    return await _set(shared, post, body.from_day)


@router.post(AT_POST + "/day", response_model=ShiftSet, dependencies=PLAIN)
async def set_day(
    asker: Administrator, request: Request, shared: Shared, post: AtPost, body: DayBody
) -> Response:
    """Set the shifts of one day that differs from its pattern."""
    slots = parse_slots(body.shifts)
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    await in_database(
        shared,
        lambda conn: shift_calendars.set_slots(
            conn,
            post,
            slots,
            by,
            from_day=body.day,
            only_day=True,
            reason=body.reason,
            now_us=now_us,
        ),
    )
    return await _set(shared, post, body.day)


@router.post(
    AT_POST + "/assignments",
    response_model=AssignmentMade,
    status_code=201,
    dependencies=PLAIN,
)
async def assign(
    asker: Administrator,
    request: Request,
    shared: Shared,
    post: AtPost,
    body: AssignmentBody,
) -> Response:
    """Assign somebody to the shifts of a name, for ever or for some days."""
    wanted = Assignment(
        body.name, body.shift, body.from_day, body.until_day, body.instead_of
    )
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    number = await in_database(
        shared,
        lambda conn: shift_calendars.assign(
            conn, post, wanted, body.reason, by, now_us=now_us
        ),
    )
    return answer({"assignment_id": number}, 201)


@router.delete(
    AT_POST + "/assignments/{number}", response_model=AssignmentMade, dependencies=PLAIN
)
async def unassign(
    asker: Administrator, request: Request, shared: Shared, post: AtPost, number: Number
) -> Response:
    """Take an assignment back; its row stays."""
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    await in_database(
        shared,
        lambda conn: shift_calendars.unassign(conn, post, number, by, now_us=now_us),
    )
    return answer({"assignment_id": number})


@router.post(AT_POST + "/sign-on", response_model=ShiftTimes, dependencies=PLAIN)
async def sign_on(asker: Asker, shared: Shared, post: AtPost) -> Response:
    """Sign on to the shift that has duty, or in its last hour to the next one."""
    who, now_us = asker.principal, shared.clock.now_us()
    shift = await in_database(
        shared, lambda conn: shift_presence.sign_on(conn, post, who, now_us)
    )
    return answer(shift_presence.shift_shown(shift))


@router.post(AT_POST + "/sign-off", response_model=SignedOff, dependencies=PLAIN)
async def sign_off(asker: Asker, shared: Shared, post: AtPost) -> Response:
    """Sign off at a post; what is not handed over stays shown as such."""
    who, now_us = asker.principal, shared.clock.now_us()
    n_shifts = await in_database(
        shared, lambda conn: shift_presence.sign_off(conn, post, who, now_us)
    )
    return answer({"shifts": n_shifts})


@router.get("/handovers", response_model=HandoverList)
async def list_handovers(
    asker: Asker, shared: Shared, query: Annotated[HandoversQuery, Query()]
) -> Response:
    """The newest hand-overs with their state and signatures."""
    if query.tier is None and query.place is not None:
        raise BadRequest("place: the tier is wanted as well")
    place = _post(query.tier, query.place).place if query.tier and query.place else None
    wanted = handover_views.Wanted(query.tier, place, query.unsigned, query.limit)
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    rows = await in_database(
        shared, lambda conn: handover_views.listed(conn, scope, wanted, now_us)
    )
    return answer({"items": rows})


@router.post("/handovers", response_model=HandoverAnswer, dependencies=PLAIN)
async def open_handover(asker: Asker, shared: Shared, body: HandoverBody) -> Response:
    """Open the hand-over of a shift, or find it."""
    post, who = _post(body.tier, body.place), asker.principal
    now_us = shared.clock.now_us()
    number = await in_database(
        shared,
        lambda conn: handovers.open_handover(conn, post, body.shift, who, now_us),
    )
    return await _handover(asker, shared, number)


@router.get("/handovers/{number}", response_model=HandoverAnswer, dependencies=PLAIN)
async def one_handover(asker: Asker, shared: Shared, number: Number) -> Response:
    """One hand-over: what was signed, or before a signature what is so now."""
    return await _handover(asker, shared, number)


@router.post(
    "/handovers/{number}/{action}", response_model=HandoverAnswer, dependencies=PLAIN
)
async def act(
    asker: Asker,
    shared: Shared,
    number: Number,
    action: Annotated[str, PathParam(max_length=20, description="note, sign, …")],
    body: HandoverActionBody,
) -> Response:
    """Note, sign, accept or refuse."""
    who, now_us = asker.principal, shared.clock.now_us()
    await in_database(
        shared,
        lambda conn: handovers.act(conn, number, action, body.text, who, now_us),
    )
    return await _handover(asker, shared, number)


async def _handover(asker: Caller, shared: Shared, number: int) -> Response:
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    return answer(
        await in_database(
            shared, lambda conn: handover_views.shown(conn, number, scope, now_us)
        )
    )


async def _set(shared: Shared, post: Post, day: date) -> Response:
    calendar = await in_database(
        shared, lambda conn: shift_calendars.calendar_of(conn, post)
    )
    shifts = [shift_presence.shift_shown(shift) for shift in calendar.of_day(day)]
    return answer({"tier": post.tier, "place": post.place, "shifts": shifts})


def _post(tier: str, place: str) -> Post:
    return check_post(tier, place if tier == "mine" else area_code(place) or "")


def _asked_post(query: PostQuery) -> Post | None:
    """The post that a query names; tier and place go together.

    Raises:
        BadRequest: one without the other.
    """
    if (query.tier is None) != (query.place is None):
        raise BadRequest("tier and place: name both or none")
    if query.tier is None or query.place is None:
        return None
    return _post(query.tier, query.place)


def _first_day(query: DaysQuery, now_us: int) -> date:
    return day_of(now_us) if query.from_ is None else query.from_


def _with_may(row: dict[str, Any], asker: Caller) -> dict[str, Any]:
    who, post = asker.principal, Post(row["tier"], row["place"])
    return {**row, "may_sign": shift_calendars.can_stand(who.role, who.scope, post)}

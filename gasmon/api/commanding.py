"""Commands that come by the stream: the actions of HTTP, with the same rights."""

import asyncio
import logging

import psycopg
from pydantic import ValidationError

from gasmon.alarms.lifecycle import ACTIONS
from gasmon.api.acting import act_now, merge_now
from gasmon.api.schemas_life import ActionBody, MadeBody
from gasmon.api.state import ApiState
from gasmon.errors import DependencyError, RequestError
from gasmon.remote import frames
from gasmon.remote.parsing import Command
from gasmon.store.access import Principal
from gasmon.store.alarm_effects import Wish
from gasmon.store.merging import Made

log = logging.getLogger("gasmon.api.commands")


async def carry_out(state: ApiState, who: Principal, command: Command) -> str:
    """Do what a client of the stream commands.

    Returns:
        The frame that says what came of it. A status of 503 means that nobody knows:
        the client sends the same again, with the same key.
    """
    key = command.key
    if not who.may_do("act"):
        return frames.result(key, status=403, detail="this token is for reading only")
    if command.action not in ACTIONS:
        detail = f"no action {command.action[:40]!r}; {', '.join(ACTIONS)}"
        return frames.result(key, status=404, detail=detail)
    body_of, made_of = dict(command.body), command.body.get("made")
    body_of.pop("made", None)
    if made_of is None and not command.alarm_id:
        return frames.result(key, status=404, detail="no alarm 0")
    try:
        body = ActionBody.model_validate(body_of)
        made = None if made_of is None else MadeBody.model_validate(made_of)
    except ValidationError as error:
        first = error.errors()[0]
        detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return frames.result(key, status=422, detail=detail)
    wish = Wish(
        command.action,
        body.text,
        body.cause_code,
        body.to,
        body.refers_to,
        body.minutes,
    )
    try:
        if made is not None:
            told = Made(**made.model_dump())
            done = await asyncio.to_thread(merge_now, state, who, wish, told, key)
        else:
            done = await asyncio.to_thread(
                act_now, state, who, command.alarm_id, wish, body.key
            )
    except RequestError as error:
        return frames.result(key, status=error.status, detail=str(error))
    except (psycopg.OperationalError, DependencyError) as error:
        log.warning("command of %s: %s", who.name, error)
        return frames.result(key, status=503, detail="no database; send it again")
    return frames.result(
        key, status=200, record_id=done.record_id, repeated=done.repeated
    )

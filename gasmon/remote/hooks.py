"""Commands that a receiver runs: one per event, and one when the line falls silent.

A command gets one JSON object on its standard input and nothing else, so no text of an
event is ever seen by a shell. What it prints goes to our standard error: our standard
output belongs to the events.
"""

import asyncio
import os
import signal
import sys

RUN_LIMIT_S = 60.0
"""A command that runs longer is killed and counts as failed [s]."""

RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits between attempts [s]; after the last the event's hook has failed. The next
event must not wait for ever behind a poisoned one: later alarms matter more."""


async def run_command(
    command: str, text: str, *, limit_s: float = RUN_LIMIT_S
) -> str | None:
    """Run a command line once with ``text`` on its standard input.

    Returns:
        None when it ended with 0, else what went wrong.
    """
    try:
        process = await asyncio.create_subprocess_shell(
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            stderr=sys.stderr.fileno(),
            start_new_session=os.name == "posix",
        )
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    try:
        async with asyncio.timeout(limit_s):
            await process.communicate(text.encode() + b"\n")
    except TimeoutError:
        return f"ran over {limit_s:g} s and was killed"
    finally:
        if process.returncode is None:
            _kill(process)
            await process.wait()
    if process.returncode:
        return f"ended with {process.returncode}"
    return None


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a command with what it started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:  # pragma: no cover
            process.kill()
    except ProcessLookupError:
        pass  # it ended by itself meanwhile


async def run_with_retries(
    command: str, text: str, *, waits_s: tuple[float, ...] = RETRY_S
) -> str | None:
    """Run a command until it succeeds or the attempts are used up.

    Returns:
        None when it succeeded, else what went wrong the last time.
    """
    problem = await run_command(command, text)
    for wait_s in waits_s:
        if problem is None:
            break
        await asyncio.sleep(wait_s)
        problem = await run_command(command, text)
    return problem

"""What is decided where alarms are judged: planned work and limits.

A node that follows another one judges nothing: a plan that was filed there would keep
nothing quiet, a limit that was approved there would never speak, and both would be
believed.
"""

from typing import Annotated

from fastapi import Depends

from gasmon.api.auth import Asker, Caller, Shared
from gasmon.errors import StateConflict


async def decider(asker: Asker, shared: Shared) -> Caller:
    """Dependency: whoever asks to change what alarms are judged by.

    Raises:
        StateConflict: alarms are judged at another node; names it.
    """
    above = shared.settings.upstream
    if above.url is not None:
        raise StateConflict(
            f"报警由上级平台 {above.name} 判定，请在该平台办理 ·"
            f" alarms are judged at {above.name}: do it there"
        )
    return asker


Decider = Annotated[Caller, Depends(decider)]

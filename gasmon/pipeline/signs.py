"""Signs of life that are no readings: states, frames held back, frames without any.

A mine of which nothing is known yet has no number, and no sign of it is of use.
"""

from collections.abc import Iterable, Mapping, Sequence

from gasmon.alarms.silence import Sign
from gasmon.batch import Frame, Packet
from gasmon.ingest.decode import Layouts, MineState


def of_state(
    told: MineState, mine_index: Mapping[str, int], boots: dict[str, str]
) -> Sign | None:
    """What a birth, a goodbye or a last will says.

    Args:
        mine_index: numbers of the mines that are known.
        boots: the present boot of each mine; a birth tells a newer one.

    Returns:
        None where it is no sign of the present connection.
    """
    mine, state = told.mine, told.state
    number = mine_index.get(mine)
    if number is None:
        return None
    online = state.s == "online"
    if online:
        boots[mine] = state.boot
    elif boots.get(mine, state.boot) != state.boot:
        # The will of a connection that a newer start has replaced.
        return None
    if online and told.retained:
        # Kept by the broker since who knows when: no proof of life.
        return None
    return Sign(0, number, online, told.arrived_us)


def of_held(
    packets: Sequence[Packet], mine_index: Mapping[str, int], layouts: Layouts
) -> list[Sign]:
    """That a mine is heard, from packets that are not decoded yet.

    Args:
        layouts: knows the topics.
    """
    signs = []
    for packet in packets:
        try:
            mine = layouts.topic(packet.topic).mine
        except ValueError:
            continue
        if mine in mine_index:
            signs.append(Sign(0, mine_index[mine], True, packet.arrived_us))
    return signs


def of_empty(frames: Iterable[Frame], mine_index: Mapping[str, int]) -> list[Sign]:
    """A frame without a usable reading is a sign of life all the same."""
    return [
        Sign(frame.first, mine_index[frame.key.mine], True, frame.arrived_us)
        for frame in frames
        if frame.n_readings == 0 and frame.key.mine in mine_index
    ]

"""One mine's gateway: its frames, definitions, state and answers; no network here.

A gateway that starts takes a new ``boot`` name and counts its data frames from 1, so
(mine, boot, seq) names a frame for ever. Everything it wants to publish is a
``Message``; ``link.py`` carries it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gasmon.ingest import payloads, topics
from simulators.plan import MinePlan, PointPlan
from simulators.ring import FrameRing

VERSION = "gasmon-sim 1"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish at QoS 1.

    Attributes:
        payload: the bytes; None for a frame, which is read from the ring when its
            turn comes and may have been pushed out by then.
        seq: the frame's number, None for anything else.
    """

    gateway: "MineGateway"
    topic: str
    payload: bytes | None
    retain: bool = False
    seq: int | None = None


def boot_name(start_us: int) -> str:
    """A name for one start of the gateways: the instant in base 36."""
    name = ""
    while start_us:
        start_us, digit = divmod(start_us, 36)
        name = _DIGITS[digit] + name
    return name or "0"


class MineGateway:
    """The publishing side of one mine.

    Attributes:
        seq: number of the newest data frame; 0 before the first.
        ring: the last frames.
    """

    def __init__(
        self, mine: MinePlan, boot: str, ring_frames: int, *, run: int = 0
    ) -> None:
        """Prepare topics; publishes nothing.

        Args:
            boot: from ``boot_name``, another at each start.
            ring_frames: capacity of the ring [frames].
            run: 0 for live, else the number of the drill.
        """
        self.mine = mine
        self._run = run
        self.rev = 1
        self.boot = boot
        self.ring = FrameRing(ring_frames)
        self.seq = 0
        area, code = mine.area, mine.code
        self.data_topic = topics.data_topic(area, code, run)
        self.backfill_topic = topics.backfill_topic(area, code, run)
        self.state_topic = topics.state_topic(area, code, run)
        self.points_topic = topics.points_topic(area, code, run)
        self.request_topic = topics.cmd_req_topic(area, code, run)
        self.response_topic = topics.cmd_res_topic(area, code, run)
        self._switch = tuple(point.kind == "KG" for point in mine.points)
        self._nos = tuple(point.no for point in mine.points)

    def frame(
        self, at_us: int, value: Iterable[float], state: Iterable[int]
    ) -> Message:
        """Make the next data frame and keep it in the ring.

        Args:
            at_us: instant of the cycle [µs UTC].
            value: one per point in the order of the plan, NaN for none.
            state: the state bits of each.
        """
        self.seq += 1
        items: list[payloads.Item] = [
            (no, int(v) if switch and v == v else v, bits)
            for no, switch, v, bits in zip(
                self._nos, self._switch, value, state, strict=True
            )
        ]
        payload = payloads.encode_data(self.boot, self.seq, at_us // 1000, items)
        self.ring.add(self.seq, payload)
        return Message(self, self.data_topic, None, seq=self.seq)

    def birth(self, now_us: int) -> list[Message]:
        """Definitions and the online state, in the order they must arrive."""
        return [self._definition(now_us), self.state("online", now_us)]

    def redefine(self, mine: MinePlan, now_us: int) -> Message:
        """Say from now on that the mine is like this; its codes and points stay."""
        self.mine = mine
        self.rev += 1
        return self._definition(now_us)

    def _definition(self, now_us: int) -> Message:
        payload = definition(self.mine, now_us, self.rev)
        return Message(self, self.points_topic, payload, True)

    def state(self, s: str, now_us: int) -> Message:
        """The retained state, also the last will (``offline``)."""
        payload = payloads.encode_state(s, self.boot, now_us // 1000, VERSION)
        return Message(self, self.state_topic, payload, True)

    def farewell(self, now_us: int) -> list[Message]:
        """The last words: offline, and nothing of a drill is kept by the broker."""
        offline = self.state("offline", now_us)
        if not self._run:
            return [offline]
        kept = (self.points_topic, self.state_topic)
        return [offline, *(Message(self, topic, b"", True) for topic in kept)]

    def answer(self, payload: bytes, now_us: int) -> tuple[list[Message], list[int]]:
        """Answer a request on ``cmd/req``.

        Returns:
            Messages to publish now, and numbers of frames to send on ``backfill``.
            Bytes that are no request get no answer: there is no id to answer to.
        """
        try:
            request = payloads.parse_cmd_req(payload)
        except payloads.PayloadError:
            return [], []
        again: list[int] = []
        births: list[Message] = []
        error = ""
        if request.cmd == "rebirth":
            births = self.birth(now_us)
        elif request.cmd == "resend":
            if request.boot != self.boot:
                error = f"boot {request.boot} is not the present {self.boot}"
            else:
                first, last = request.from_seq or 0, request.to_seq or 0
                again = self.ring.kept(first, last)
                missing = max(0, last - first + 1) - len(again)
                if missing:
                    error = f"{missing} of the frames {first} to {last} are not kept"
        response = payloads.CmdRes(request.id, not error, error)
        encoded = payloads.encode_cmd_res(response)
        return [Message(self, self.response_topic, encoded), *births], again


def definition(mine: MinePlan, now_us: int, rev: int = 1) -> bytes:
    """The definition frame of a mine."""
    return payloads.encode_points(
        rev,
        now_us // 1000,
        payloads.MineInfo(mine.name, mine.kind, mine.atmosphere_kpa),
        [payloads.UnitInfo(u.unit_id, u.kind, u.name) for u in mine.units],
        [_point_info(point) for point in mine.points],
    )


def _point_info(point: PointPlan) -> payloads.PointInfo:
    limits = point.limits
    return payloads.PointInfo(
        no=point.no,
        system=point.system,
        type=point.sensor_type,
        kind=point.kind,
        unit_id=point.unit_id,
        place=point.place,
        place_class=point.place_class,
        uom=point.uom,
        range=point.range or (None, None),
        alarm_high=limits.get("alarm_high"),
        clear_high=limits.get("clear_high"),
        cut_high=limits.get("cut_high"),
        restore_high=limits.get("restore_high"),
        alarm_low=limits.get("alarm_low"),
        relations=point.relations,
    )

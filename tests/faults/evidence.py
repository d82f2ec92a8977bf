"""What is kept of a failed round beside the logs: frames and alarms as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.faults.chaos import Happened
from tests.faults.facts import Facts
from tests.faults.gateways import Frame, seconds
from tests.faults.truth import Alarm, AlarmKey


def keep(
    folder: Path,
    made: Sequence[Frame],
    facts: Facts,
    truth: dict[AlarmKey, Alarm],
    happened: Sequence[Happened],
) -> None:
    """Write ``frames.tsv``, ``alarms.tsv``, ``silences.tsv`` and ``faults.tsv``."""
    rows = ["mine\tboot\tseq\tmade\tsent_ms\tjudged\tarrived\tchannel\tsamples"]
    for frame in made:
        stored = facts.frames.get(frame.key, [])
        places = [
            (seconds(s.judged_us), seconds(s.arrived_us), "b" if s.backfill else "d")
            for s in stored
        ] or [("-", "-", "-")]
        for judged, arrived, channel in places:
            rows.append(
                f"{frame.mine}\t{frame.boot}\t{frame.seq}\t{seconds(frame.true_us)}\t"
                f"{frame.sent_ms}\t{judged}\t{arrived}\t{channel}\t{frame.samples}"
            )
    (folder / "frames.tsv").write_text("\n".join(rows), "utf-8")
    lines = ["whose\tsubject\tkind\traised\tcleared\trank\tpeak"]
    lines += [_alarm("truth", alarm) for alarm in truth.values()]
    lines += [_alarm("stored", alarm) for _, alarm in facts.alarms]
    (folder / "alarms.tsv").write_text("\n".join(lines), "utf-8")
    silences = [
        f"{mine}\t{kind}\t{seconds(begin)}\t{_end(end)}\t{why}"
        for mine, kind, begin, end, why in facts.silences
    ]
    (folder / "silences.tsv").write_text("\n".join(silences), "utf-8")
    faults = [
        f"{seconds(h.begin_us)}\t{seconds(h.end_us)}\t{h.fault.kind}\t{h.fault.target}\t"
        f"{h.note}"
        for h in happened
    ]
    (folder / "faults.tsv").write_text("\n".join(faults), "utf-8")


def _alarm(whose: str, alarm: Alarm) -> str:
    return (
        f"{whose}\t{alarm.key.subject}\t{alarm.key.kind}\t"
        f"{seconds(alarm.key.raised_us)}\t{_end(alarm.cleared_us)}\t{alarm.rank}\t{alarm.peak}"
    )


def _end(at_us: int | None) -> str:
    return "-" if at_us is None else seconds(at_us)

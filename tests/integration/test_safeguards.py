"""The safeguards benchmark runs, and says where a frame is that is not stored."""

from __future__ import annotations

import inspect

import pytest

from benchmarks import safeguards
from benchmarks.parts import publish_all
from benchmarks.rig import Rig, Size, Variant
from benchmarks.safeguards import ALL_ON, INTO_DATABASE, INTO_SPOOL
from benchmarks.servers import servers
from benchmarks.switches import SWITCHES
from gasmon.errors import GasmonError
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.gaps import GapKeeper
from gasmon.ingest.order import HOLD_S
from gasmon.pipeline.ahead import Ahead
from gasmon.pipeline.persist import Writer
from gasmon.pipeline.sealed import ArrivalLog
from gasmon.store.db import connect

SMALLEST = Size(
    n_mines=3,
    n_cycles=8,
    load_s=0.5,
    n_rounds=1,
    names=("all off",),
    # A backlog needs two commits at least, between which there is time.
    settings={"ingest.max_batch_frames": "10"},
)
REPLACED: tuple[tuple[type, str], ...] = (
    (GapKeeper, "heard"),
    (GapKeeper, "due"),
    (MineClocks, "correct"),
    (SeenFrames, "is_new"),
    (Writer, "_append_steps"),
    (Writer, "save"),
    (Ahead, "offer"),
    (ArrivalLog, "add"),
)


def test_what_stands_in_takes_the_same_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that does not fit makes judging fail, and each frame is refused by name."""
    before = {}
    for owner, name in REPLACED:
        before[owner, name] = getattr(owner, name)
        # Put back at the end, whatever takes its place meanwhile.
        monkeypatch.setattr(owner, name, before[owner, name])
    for version in HOLD_S:
        monkeypatch.setitem(HOLD_S, version, HOLD_S[version])  # type: ignore[arg-type]

    for switch in SWITCHES.values():
        switch()

    for (owner, name), own in before.items():
        instead = getattr(owner, name)
        assert instead is not own, name
        wanted = inspect.signature(own).parameters.values()
        given = inspect.signature(instead).parameters.values()
        assert [(p.name, p.kind, p.default) for p in given] == [
            (p.name, p.kind, p.default) for p in wanted
        ]
    assert set(HOLD_S.values()) == {0.0}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_frame_is_accounted_for_with_all_safeguards_on_and_off(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The smallest run, from the first frame to the spool; it says what runs."""
    report = safeguards.measure(SMALLEST)

    assert set(report.details) == {ALL_ON, "all off", INTO_DATABASE, INTO_SPOOL}
    for name, told in report.details.items():
        assert told["readings_per_s"] > 0, name
        assert told["annunciated_ms_p50_p99"][0] > 0, name
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"safeguards: round 1 of 1, {name}"
        for name in (ALL_ON, "all off", ALL_ON, f"{INTO_DATABASE}, {INTO_SPOOL}")
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_frame_that_is_not_stored_is_told_with_its_whereabouts() -> None:
    """A refused one ends the wait at once; numbers of every place, and the log."""
    with servers() as where, connect(where.database, autocommit=True) as conn:
        rig = Rig(SMALLEST, where, conn)
        try:
            with rig.ingest(Variant()) as gasmon:
                n = rig.backlog()
                rig.stored(gasmon)
                broken = (rig.city.frames([0], rig.newest_us)[0].topic, b"{")
                publish_all(where.broker_port, [broken])
                rig.n_frames += 1
                with pytest.raises(GasmonError) as raised:
                    rig.stored(gasmon)
        finally:
            rig.relay.close()
    told = str(raised.value)
    assert f"published {n + 1}, stored {n}, refused 1 (1 not_json)" in told
    for place in ("received", "acknowledged", "in the inbox", "turns spooled"):
        assert f"{place} " in told
    assert "nan" not in told

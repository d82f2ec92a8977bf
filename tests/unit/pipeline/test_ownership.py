"""Whose turns lie in the spool: numbers, names, and a death at the wrong moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.commands.running import owner_name
from gasmon.pipeline.ownership import OwnerRecord, Taking
from gasmon.store.owners import NAME_BYTES, Held, session_name

BEFORE = {"530627": 4, "530629": 2}
AFTER = {"530627": 5, "530629": 3}
TAKING = Taking("mine1/3f:1", 1_790_000_000_000_123, BEFORE)


def held(**more: object) -> dict[str, Held]:
    """What the database says after TAKING, but for some of it."""
    one = Held(0, TAKING.owner, TAKING.taken_us)
    return {scope: replace(one, fencing=n, **more) for scope, n in AFTER.items()}


def test_a_history_is_continued_by_the_next_number_only(tmp_path: Path) -> None:
    """Whether anybody owned our areas between the spool's owner and us."""
    record = OwnerRecord(tmp_path)
    assert record.is_continued({"*": 9}), "nothing is known of an earlier one"
    record.write(BEFORE)
    assert record.is_continued(AFTER)
    assert not record.is_continued({"530627": 6, "530629": 3})
    assert not record.is_continued({"530627": 5})
    record.write(AFTER)
    assert not record.is_continued(AFTER)
    (tmp_path / "owner.json").write_text("{")
    assert not record.is_continued({"530627": 6, "530629": 4})


def test_who_died_before_it_wrote_its_numbers_down_is_known_as_itself(
    tmp_path: Path,
) -> None:
    """The next start finds its own taking, and its spool is its own."""
    OwnerRecord(tmp_path).write(BEFORE)
    OwnerRecord(tmp_path).intend(TAKING)
    record = OwnerRecord(tmp_path)
    assert record.intended() == TAKING

    record.recognise(held())

    assert record.read() == AFTER
    assert record.is_continued({scope: n + 1 for scope, n in AFTER.items()})


@pytest.mark.parametrize(
    "more",
    [
        {"owner": "mine1/9a:1"},
        # An owner of more areas raises numbers and leaves name and moment.
        {"taken_us": TAKING.taken_us - 1},
        {"fencing": 6},
    ],
    ids=lambda more: next(iter(more)),
)
def test_a_taking_of_somebody_else_is_not_ours(
    tmp_path: Path, more: dict[str, object]
) -> None:
    """Then what lies in the spool belongs to another history."""
    record = OwnerRecord(tmp_path)
    record.write(BEFORE)
    record.intend(TAKING)
    record.recognise({s: replace(one, **more) for s, one in held().items()})
    assert record.read() == BEFORE


def test_an_intent_from_before_the_last_numbers_is_old(tmp_path: Path) -> None:
    """It was done and written down; what came then was somebody else."""
    record = OwnerRecord(tmp_path)
    record.write({scope: n + 7 for scope, n in BEFORE.items()})
    record.intend(TAKING)
    record.recognise(held())
    assert record.read() == {scope: n + 7 for scope, n in BEFORE.items()}


def test_an_intent_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """A torn file makes us nobody's owner."""
    record = OwnerRecord(tmp_path)
    record.write(BEFORE)
    record.recognise(held())
    for text in ("{", "[]", '{"owner": "x"}', '{"owner":"x","taken_us":1,"before":3}'):
        (tmp_path / "taking.json").write_text(text)
        assert record.intended() is None
        record.recognise(held())
    assert record.read() == BEFORE


def test_two_starts_on_one_host_and_process_id_have_two_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Containers; and the database holds their whole names, however long the host's."""
    monkeypatch.setattr("socket.gethostname", lambda: "gasmon." + "long" * 20)
    monkeypatch.setattr("os.getpid", lambda: 4_194_304)
    names = [owner_name(boot) for boot in ("0123456789ab", "0123456789ac")]
    sessions = [session_name(name) for name in names]
    assert len(set(sessions)) == 2
    assert sessions == [f"gasmon-ingest {name}" for name in names], "none is cut off"
    assert max(map(len, sessions)) <= NAME_BYTES

"""Seals as a receiver holds them: what is wrong with one, and with claims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gasmon import cli
from gasmon.errors import ConfigError
from gasmon.remote import frames
from gasmon.remote.client_session import Wish
from gasmon.remote.held_seals import compare, held_in, problem, read_list
from gasmon.remote.keeping import Keeping
from gasmon.remote.parsing import Malformed, Seal, parse_server
from gasmon.sealing import NOTHING, Chain, seal_text, text_hash
from gasmon.sealing import Seal as Text
from gasmon.units import US_PER_H, iso_us

HOUR = 1_790_002_800_000_000


def seal(number: int, previous: str, last: int = 7) -> Seal:
    """The seal of an hour."""
    chains = (Chain("*", 1, last, 3, 40, "ab" * 32),)
    hour_us = HOUR + number * US_PER_H
    body = seal_text(Text("e", hour_us, previous, chains))
    return Seal(hour_us, text_hash(body), body)


FIRST = seal(0, NOTHING.hex())
SECOND = seal(1, FIRST.hash)
FORGED = seal(1, FIRST.hash, last=6)


@pytest.mark.parametrize(
    ("told", "what"),
    [
        (SECOND, None),
        (Seal(SECOND.hour_us, "0" * 64, SECOND.body), "not the hash"),
        (Seal(SECOND.hour_us, text_hash("{}"), "{}"), "no seal"),
        (Seal(SECOND.hour_us, text_hash("["), "["), "Expecting"),
        (Seal(HOUR, SECOND.hash, SECOND.body), "of another hour"),
        (seal(1, "0" * 64), "does not follow"),
        (seal(0, NOTHING.hex(), last=6), "another seal of this hour"),
    ],
)
def test_what_is_wrong_with_a_seal(told: Seal, what: str | None) -> None:
    """Its hash, its text, its hour, what it follows, what is held."""
    found = problem(told, {HOUR: [FIRST.hash]})
    assert (found is None) == (what is None)
    assert what is None or what in str(found)


def test_two_seals_of_an_hour_are_both_kept(tmp_path: Path) -> None:
    """The first is right, the second is told; the same again is nothing new."""
    path = tmp_path / "state.sqlite"
    with Keeping(path) as keeping:
        assert keeping.seals.newest() == 0
        for told in (FIRST, SECOND, SECOND):
            assert keeping.seals.keep(told, HOUR) is None
        wrong = keeping.seals.keep(FORGED, HOUR)
        assert wrong is not None
        assert wrong["hour"] == iso_us(SECOND.hour_us)
        assert keeping.seals.newest() == SECOND.hour_us
        # While the receiver has it open.
        held = held_in(path)
    both = sorted([SECOND.hash, FORGED.hash])
    assert held == {HOUR: [FIRST.hash], SECOND.hour_us: both}


def claims(*seals: Seal) -> str:
    """A list as a server prints it."""
    return json.dumps({"items": [{"hash": s.hash, "body": s.body} for s in seals]})


def test_claims_are_held_against_what_was_told() -> None:
    """Another seal, none any more, two; what is not held proves nothing."""
    held = {FIRST.hour_us: [FIRST.hash], SECOND.hour_us: [SECOND.hash]}
    third = seal(2, SECOND.hash)
    assert compare(held, read_list(claims(FIRST, SECOND, third))) == []
    (one,) = compare(held, read_list(claims(FIRST, FORGED)))
    assert (one.hour_us, one.code) == (SECOND.hour_us, "differs")
    (one,) = compare(held, read_list(claims(FIRST)))
    assert (one.code, one.claimed) == ("claim_missing", None)
    held[SECOND.hour_us].append(FORGED.hash)
    (one,) = compare(held, read_list(claims(FIRST, SECOND)))
    assert one.code == "two_seals"


@pytest.mark.parametrize("text", ["", "{}", '{"items":[1]}', '{"items":[{"body":""}]}'])
def test_what_is_no_list_is_refused(text: str) -> None:
    """One clear line."""
    with pytest.raises(ConfigError):
        read_list(text)
    with pytest.raises(ConfigError, match="not the hash"):
        read_list(claims(Seal(HOUR, "0" * 64, FIRST.body)))


def test_the_command_compares_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0 when all agree, 4 with the first hour, 2 without a file."""
    state, list_ = tmp_path / "state.sqlite", tmp_path / "claims.json"
    with Keeping(state) as keeping:
        keeping.seals.keep(FIRST, HOUR)
        keeping.seals.keep(SECOND, HOUR)
    list_.write_text(claims(FIRST, SECOND), "utf-8")
    command = ["seal", "compare", str(list_), "--state", str(state)]
    assert cli.main(command) == 0
    list_.write_text(claims(FIRST, FORGED), "utf-8")
    assert cli.main(command) == 4
    assert iso_us(SECOND.hour_us) in capsys.readouterr().out
    assert cli.main([*command, "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["first_wrong_hour"] == iso_us(SECOND.hour_us)
    assert cli.main(["seal", "compare", str(list_), "--state", "nowhere"]) == 2
    assert cli.main(["seal", "compare", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "text").write_text("no database " * 200)
    text = str(tmp_path / "text")
    assert cli.main(["seal", "compare", str(list_), "--state", text]) == 2


def test_an_incredible_hour_is_malformed() -> None:
    """No clock of anybody's is there."""
    text = frames.seal(HOUR, FIRST.hash, FIRST.body)
    assert parse_server(text) == FIRST
    with pytest.raises(Malformed):
        parse_server(text.replace(f":{HOUR},", f":{2**62},"))


def test_a_wish_for_seals_needs_the_offer() -> None:
    """An older server is not asked for what it does not know."""
    from tests.unit.remote.test_client_session import ClientSession, hello

    for offers, wanted in ((["seals"], HOUR), ([], None)):
        *_, sent = ClientSession(Wish(), None, HOUR).take([hello(offers=offers)])
        assert json.loads(sent.text).get("seals") == wanted  # type: ignore[union-attr]

"""``gasmon alarm`` against a served api."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gasmon.cli import main
from gasmon.units import US_PER_S
from tests.fix_api import MINE_S, World

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs a command as somebody: (exit code, stdout, stderr)."""

    def run(who: str, *words: str, url: str = world.api.base) -> tuple[int, str, str]:
        file = tmp_path / who
        file.write_text(world.tokens[who], "utf-8")
        code = main(["alarm", *words, "--url", url, "--token-file", str(file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_an_alarm_is_handled_from_the_command_line(world: World, run: Run) -> None:
    """Every action; then the whole journal is shown."""
    world.record(world.event())
    steps = (
        ("county", "confirm", "1", "--text", "收到"),
        ("county", "comment", "1", "--text", "注意"),
        ("county", "assign", "1", "--to", "dispatcher"),
        ("county", "verify", "1", "--text", "放炮", "--cause", "blasting"),
        ("county", "status", "1", "--to", "mine"),
        ("dispatcher", "feedback", "1", "--text", "已撤人"),
        ("county", "handle", "1", "--text", "通风", "--key", "k-0000-1"),
        ("county", "shelve", "1", "--text", "检修", "--for", "2h"),
        ("county", "unshelve", "1"),
    )
    for who, *words in steps:
        code, out, err = run(who, *words)
        assert code == 0, err
    record = re.findall(r"(\d+) .* verified", out)[0]
    fix = ("--record", record, "--text", "核对", "--cause", "cutting")
    assert run("county", "correct", "1", *fix)[0] == 0
    code, out, _ = run("county", "correct", "1", *fix, "--json")
    last = str(json.loads(out)["records"][-1]["record_id"])
    assert run("county", "withdraw", "1", "--record", last, "--text", "重复")[0] == 0
    at_us = world.now_us + US_PER_S
    world.record(world.event(event="cleared", happened_at_us=at_us, value=0.3))
    assert run("county", "close", "1")[0] == 0
    code, out, _ = run("county", "show", "1")
    assert code == 0
    assert "1: closed" in out
    assert "(withdrawn)" in out
    assert f"corrected → {record}" in out
    assert "raised  黄色 1.6" in out
    assert "assigned  county county → dispatcher" in out
    assert re.search(r"shelved  county county → \S+T\S+ 检修", out)
    assert "mine    fed_back  unconfirmed" in out
    assert "possible now: comment, correct" in out


def test_why_a_planned_alarm_broke_through_is_shown(world: World, run: Run) -> None:
    """The plan and what of the alarm was worse than agreed."""
    through = {"broke_through": {"plan": "plan:7", "why": "ceiling"}}
    world.record(world.event(planned=True, explain=through))
    code, out, _ = run("county", "show", "1")
    assert code == 0
    assert "突破报备 broke through plan:7: ceiling" in out


def test_lists_are_filtered_and_are_json_when_asked(world: World, run: Run) -> None:
    """``ls`` and ``show``, for people and for programs."""
    world.record(world.event(), world.event(no="001A02", rank=4), world.event(MINE_S))
    run("county", "confirm", "1")
    code, out, _ = run("county", "ls")
    assert code == 0
    assert out.splitlines()[-1] == "2/2"
    assert "红色" in out
    _, out, _ = run("county", "ls", "--unconfirmed", "--min-rank", "3", "--json")
    assert [row["alarm_id"] for row in json.loads(out)["items"]] == [2]
    _, out, _ = run("county", "show", "1", "--json")
    shown: dict[str, Any] = json.loads(out)
    assert shown["alarm"]["state"] == shown["life"]["state"] == "confirmed"


def test_several_are_confirmed_at_once(world: World, run: Run) -> None:
    """Exit 1 when one of them could not be; the others are."""
    world.record(world.event(), world.event(no="001A02"), world.event(MINE_S))
    code, out, _ = run("county", "confirm", "1", "2", "3", "--json")
    rows = json.loads(out)["items"]
    again, text, _ = run("city_officer", "confirm", "1", "2")
    assert (code, [row["ok"] for row in rows]) == (1, [True, True, False])
    assert (again, text.count("confirmed")) == (0, 2)


def test_an_incident_is_listed_and_confirmed_as_a_whole(world: World, run: Run) -> None:
    """Its kinds are facts on it; each of its alarms says how it went."""
    world.record(world.event(), world.event(kind="cut_off", rank=3))
    code, out, _ = run("county", "incidents")
    assert code == 0
    (line,) = out.splitlines()
    assert "橙" in line
    assert "cut_off, over_limit  #1 #2" in line
    assert (
        json.loads(run("county", "incidents", "--json")[1])["items"][0]["worst_rank"]
        == 3
    )
    run("county", "confirm", "2")
    code, out, _ = run("county", "confirm", "--incident", "1", "--text", "同一原因")
    assert (code, out.split()) == (0, ["1", "confirmed"])
    code, out, _ = run("county", "confirm", "--incident", "1")
    assert (code, out.count("already")) == (1, 2)
    assert run("county", "confirm")[0] == 2
    assert run("county", "confirm", "1", "--incident", "1")[0] == 2


def test_refusals_have_the_exit_code_of_their_reason(world: World, run: Run) -> None:
    """1 refused, 2 not understood, 3 unreachable."""
    world.record(world.event())
    cases = (
        (1, "not cleared", ("county", "close", "1"), {}),
        (1, "may not", ("dispatcher", "close", "1"), {}),
        (1, "no alarm 9", ("county", "comment", "9", "--text", "x"), {}),
        (2, "needs one", ("county", "comment", "1"), {}),
        (2, "whole minutes", ("county", "shelve", "1", "--for", "90s"), {}),
        (2, "--for", ("county", "shelve", "1", "--for", "soon"), {}),
        (2, "wanted", ("county", "ls"), {"url": "ftp://x"}),
        (3, "does not answer", ("county", "ls"), {"url": "http://127.0.0.1:9"}),
    )
    for wanted, says, words, more in cases:
        code, _, err = run(*words, **more)
        assert (code, says in err) == (wanted, True), (words, err)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [(200, b"<p>hello", "is no gasmon"), (502, b"<p>bad gateway", "not gasmon's")],
)
def test_another_server_is_not_taken_for_gasmon(
    run: Run, status: int, body: bytes, says: str
) -> None:
    """Pages of a proxy are no answers: the dependency is what is missing."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        code, _, err = run("county", "ls", url=url)
        server.shutdown()
        thread.join()
    assert code == 3
    assert says in err

"""The embedded PostgreSQL: made, stopped, killed, found again, and modest as root."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gasmon.embedded import cluster, placing
from gasmon.embedded import server as embedded_server
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import free_port, port_is_taken
from gasmon.errors import DependencyError
from tests.fix_wait import wait_until

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
root_only = pytest.mark.skipif(
    not IS_ROOT, reason="accounts and closed folders are a matter of root alone"
)


@pytest.fixture
def folder(servers_dir: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A reachable folder for one test, removed afterwards."""
    path = servers_dir / f"{request.node.name[:40]}"
    path.mkdir()
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def server(folder: Path, **options: object) -> EmbeddedPostgres:
    """Describe a server in `folder`/pg that never leaves `folder`."""
    settings = {"shared_buffers": "16MB"}
    return EmbeddedPostgres(
        folder / "pg",
        extra_settings=settings,
        state_dir=folder / "state",
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def made(servers_dir: Path) -> Iterator[Path]:
    """A data folder as a first start leaves it: making one takes seconds."""
    path = servers_dir / "made"
    path.mkdir()
    path.chmod(0o711)
    with server(path):
        pass
    yield path / "pg"
    shutil.rmtree(path)


@pytest.fixture
def known(folder: Path, made: Path) -> Path:
    """The folder of a test whose server was started before: a copy of that one."""

    def copy(source: str, target: str) -> str:
        shutil.copy2(source, target)
        belong(source, target)
        return target

    def belong(source: str | Path, target: str | Path) -> None:
        if IS_ROOT:
            status = os.stat(source)
            os.chown(target, status.st_uid, status.st_gid)

    shutil.copytree(made, folder / "pg", copy_function=copy)
    for path in [made, *made.rglob("*")]:
        if path.is_dir():
            belong(path, folder / "pg" / path.relative_to(made))
    return folder


def put_and_count(dsn: str) -> int:
    """Add a row to a table of the test and return how many it has."""
    with psycopg.connect(dsn) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        conn.execute("INSERT INTO kept VALUES (1)")
        row = conn.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def modes_above(path: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode and owner of every folder above `path`."""
    found = {}
    for parent in path.parents:
        status = parent.stat()
        found[str(parent)] = (status.st_mode, status.st_uid, status.st_gid)
    return found


def test_second_start_finds_the_data(folder: Path) -> None:
    """What was stored before an orderly stop is there after the next start."""
    first = server(folder)
    with first:
        assert put_and_count(first.dsn()) == 1
    assert first.pid is None
    with server(folder) as second:
        assert put_and_count(second.dsn()) == 2


def test_only_loopback_and_only_with_password(known: Path) -> None:
    """Nobody enters without the password, whose file is its owner's alone."""
    with server(known) as running:
        wrong = running.dsn().replace(running.password, "guess")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)
        with psycopg.connect(running.dsn()) as conn:
            shown = conn.execute(
                "SELECT current_setting('listen_addresses'),"
                " current_setting('unix_socket_directories'),"
                " current_setting('fsync'), current_setting('data_checksums'),"
                " current_setting('password_encryption')"
            ).fetchone()
    assert shown == ("127.0.0.1", "", "on", "on", "scram-sha-256")
    assert stat.S_IMODE((known / "pg" / "password").stat().st_mode) == 0o600


def test_killed_server_recovers(known: Path) -> None:
    """After kill -9 the next start recovers what was committed."""
    with server(known) as first:
        put_and_count(first.dsn())
        first.kill()
    with server(known) as second:
        assert put_and_count(second.dsn()) == 2


def test_recycled_process_number_is_no_obstacle(known: Path) -> None:
    """A stale process file that names a living stranger does not stop the start."""
    with server(known) as first:
        put_and_count(first.dsn())
        first.kill()
    process_file = known / "pg" / "cluster" / "postmaster.pid"
    lines = process_file.read_text("ascii").splitlines()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    try:
        lines[0] = str(stranger.pid)
        process_file.write_text("\n".join(lines) + "\n", "ascii")
        with server(known) as second:
            assert put_and_count(second.dsn()) == 2
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


@pytest.mark.slow
def test_orphan_of_a_killed_parent_is_stopped(known: Path) -> None:
    """A server whose parent was killed is found, stopped and replaced."""
    program = (
        "import sys; from pathlib import Path\n"
        "from gasmon.embedded.postgres import EmbeddedPostgres\n"
        "f = Path(sys.argv[1])\n"
        "s = EmbeddedPostgres(f / 'pg', state_dir=f / 'state')\n"
        "s.start(); print(s.pid, flush=True); input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(known)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    with pytest.raises(DependencyError, match=f"in use by process {parent.pid}"):
        server(known).start()
    parent.kill()
    parent.communicate()
    os.kill(orphan, 0)
    told: list[str] = []
    with server(known, progress=told.append) as second:
        put_and_count(second.dsn())
        assert second.pid != orphan
    assert any(str(orphan) in line for line in told)


def test_taken_port_is_named(folder: Path) -> None:
    """A taken port gives one line with its number, and nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        wanted = server(folder, port=port)
        with pytest.raises(DependencyError, match=f"port {port} .* taken") as error:
            wanted.start()
        assert "\n" not in str(error.value)
        assert not wanted.alive
    with server(folder, port=port) as running:
        assert f":{port}/" in running.dsn()


@pytest.mark.slow
def test_wanted_port_is_kept_over_a_restart(known: Path) -> None:
    """Stopping and starting at once on the same port works."""
    wanted = server(known, port=free_port())
    for expected in (1, 2):
        with wanted:
            assert put_and_count(wanted.dsn()) == expected
    assert wanted.port is not None
    wait_until(lambda: not port_is_taken(wanted.port or 0), 20, "the port to be free")


def test_other_major_version_is_named(known: Path) -> None:
    """A cluster of another major version is refused with both numbers."""
    (known / "pg" / "cluster" / "PG_VERSION").write_text("13\n", "ascii")
    with pytest.raises(DependencyError, match=r"made by PostgreSQL 13, .* is 16"):
        server(known).start()


def test_wrong_setting_is_reported_from_the_log(folder: Path) -> None:
    """A server that ends at once is reported with its own last words."""
    broken = EmbeddedPostgres(
        folder / "pg",
        extra_settings={"shared_buffers": "many"},
        state_dir=folder / "state",
    )
    with pytest.raises(DependencyError, match="shared_buffers"):
        broken.start()
    assert not broken.alive


@pytest.mark.slow
def test_impatience_leaves_nothing_running(known: Path) -> None:
    """A start that takes too long is given up, named, and can be repeated."""
    hasty = server(known, start_timeout_s=-1.0)
    with pytest.raises(DependencyError, match="not ready within -1 s"):
        hasty.start()
    assert not hasty.alive
    with server(known) as patient:
        assert put_and_count(patient.dsn()) == 1


@pytest.mark.skipif(os.name == "nt", reason="the slow server is a shell script")
def test_slow_start_is_waited_for(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes its time is waited for, and the user is told."""
    account = placing.unprivileged_account()
    real = placing.reachable_bin_dir(account, known / "state")
    slow = known / "bin"
    slow.mkdir()
    slow.chmod(0o755)
    (slow / "initdb").symlink_to(real / "initdb")
    gate = known / "gate"
    script = slow / "postgres"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$1" in -D) while [ ! -e {gate} ]; do sleep 0.05; done;; esac\n'
        f'exec {real}/postgres "$@"\n',
        "ascii",
    )
    script.chmod(0o755)
    monkeypatch.setattr(embedded_server, "PROGRESS_EVERY_S", 0.1)
    told: list[str] = []

    def open_gate_at_the_third(text: str) -> None:
        told.append(text)
        if len(told) == 3:
            gate.touch()

    with server(known, bin_dir=slow, progress=open_gate_at_the_third) as running:
        assert put_and_count(running.dsn()) == 1
    assert all(text.startswith("waiting for PostgreSQL") for text in told)


def test_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the message says what to install."""
    monkeypatch.setattr(placing, "PACKAGE", "no_such_wheel")
    with pytest.raises(DependencyError, match=r"gasmon\[embedded\]"):
        placing.wheel_bin_dir()


def test_interrupted_making_is_begun_anew(folder: Path) -> None:
    """What an interrupted initdb left behind is not taken for a database."""
    draft = folder / "pg" / "cluster.draft"
    draft.mkdir(parents=True)
    (folder / "pg").chmod(0o711)
    (draft / "PG_VERSION").write_text("16\n", "ascii")
    (folder / "pg" / "initdb.password").write_text("old\n", "ascii")
    with server(folder) as running:
        assert put_and_count(running.dsn()) == 1
    assert not draft.exists()
    assert not (folder / "pg" / "initdb.password").exists()


def test_stop_survives_a_server_that_died(known: Path) -> None:
    """A server that was killed by somebody else is seen as dead and stops quietly."""
    with server(known) as running:
        assert running.pid is not None
        os.kill(running.pid, signal.SIGKILL)
        wait_until(lambda: not running.alive, 20, "the server to be gone")
    assert running.pid is None


@root_only
def test_root_runs_it_as_somebody_else(folder: Path) -> None:
    """As root the server and its files belong to an unprivileged account."""
    with server(folder) as running:
        status = Path(f"/proc/{running.pid}/status").read_text("ascii")
        uids = next(x for x in status.splitlines() if x.startswith("Uid:"))
        groups = next(x for x in status.splitlines() if x.startswith("Groups:"))
        assert "0" not in uids.split()[1:]
        assert groups.split()[1:] == []
    assert (folder / "pg" / "cluster").stat().st_uid != 0


@pytest.mark.slow
@root_only
def test_unreachable_folder_stays_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data wanted in a closed folder stands elsewhere and is found; nothing opens."""
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    (closed / "data").mkdir(mode=0o750)
    wanted = closed / "data" / "pg"
    monkeypatch.setenv("HOME", str(closed))
    before = modes_above(wanted), modes_above(Path.home() / "x")
    state_dir = folder / "state"
    for expected in (1, 2):
        with EmbeddedPostgres(wanted, state_dir=state_dir) as running:
            assert put_and_count(running.dsn()) == expected
    assert (modes_above(wanted), modes_above(Path.home() / "x")) == before
    assert [path.name for path in closed.iterdir()] == ["data"]
    assert [path.name for path in (closed / "data").iterdir()] == ["pg"]
    note = closed / "data" / "pg" / "postgres.location"
    place = Path(note.read_text("utf-8").strip())
    assert place.is_relative_to(state_dir / "clusters")
    assert (place / "belongs-to").read_text("utf-8").strip() == str(
        closed / "data" / "pg"
    )
    shutil.rmtree(place)
    with pytest.raises(DependencyError, match="which is not there"):
        EmbeddedPostgres(closed / "data" / "pg", state_dir=state_dir).start()


@root_only
def test_closed_later_is_refused_not_replaced(known: Path) -> None:
    """A cluster that became unreachable is named, never hidden by an empty one."""
    with server(known) as running:
        put_and_count(running.dsn())
    known.chmod(0o700)
    with pytest.raises(DependencyError, match="out of reach"):
        server(known).start()
    known.chmod(0o711)
    with server(known) as again:
        assert put_and_count(again.dsn()) == 2


@pytest.mark.slow
@root_only
def test_unreachable_programs_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs in a closed environment are copied once and run from the copy."""
    wheel = placing.wheel_bin_dir()
    closed = folder / "venv"
    closed.mkdir(mode=0o700)
    site = wheel.parents[2]
    for name in (placing.PACKAGE, f"{placing.PACKAGE}.libs"):
        shutil.copytree(
            site / name, closed / name, symlinks=True, ignore=_not_version_18
        )
    hidden = closed / wheel.relative_to(site)
    monkeypatch.setattr(placing, "wheel_bin_dir", lambda: hidden)
    state_dir = folder / "state"
    with server(folder) as running:
        assert put_and_count(running.dsn()) == 1
        program = Path(f"/proc/{running.pid}/exe").readlink()
        maps = Path(f"/proc/{running.pid}/maps").read_text("utf-8")
    assert program.is_relative_to(state_dir / "programs")
    assert str(closed) not in maps
    copies = list((state_dir / "programs").iterdir())
    assert len(copies) == 1
    made_ns = copies[0].stat().st_mtime_ns
    account = placing.unprivileged_account()
    psql = placing.reachable_bin_dir(account, state_dir) / "psql"
    assert copies[0].stat().st_mtime_ns == made_ns
    libraries = subprocess.run(
        ["ldd", str(psql)], capture_output=True, text=True, check=True
    ).stdout
    assert "not found" not in libraries
    assert f"{copies[0]}" in libraries


def _not_version_18(_folder: str, names: list[str]) -> set[str]:
    """Leave out the wheel's second server: it only costs time."""
    return {name for name in names if name == "pginstall18"}


@root_only
def test_prepared_state_folder_of_a_stranger_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs are never started from a folder that others can write."""
    trap = folder / "state"
    trap.mkdir()
    trap.chmod(0o777)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(trap / "nowhere"))
    (trap / "nowhere").write_text("", "ascii")
    with pytest.raises(DependencyError, match="not ours alone"):
        placing.own_folder(trap, "programs")


def test_backup_programs_are_beside_the_server(known: Path) -> None:
    """pg_dump and pg_restore of the wheel work against the running server."""
    bin_dir = placing.wheel_bin_dir()
    with server(known) as running:
        put_and_count(running.dsn())
        dump = known / "dump"
        for command in (
            [bin_dir / "pg_dump", "-Fc", "-f", dump, running.dsn()],
            [bin_dir / "pg_restore", "--list", dump],
        ):
            done = subprocess.run(
                [str(part) for part in command],
                capture_output=True,
                text=True,
                env=cluster.clean_environment(),
                check=False,
            )
            assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout

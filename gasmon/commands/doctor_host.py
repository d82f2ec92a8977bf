"""The doctor's look at this machine: its clock, its open files, the spool's disk."""

import ctypes
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gasmon.clock import Clock
from gasmon.commands.doctor_findings import OK, WARNING, WRONG, Finding
from gasmon.settings import Settings
from gasmon.units import US_PER_S

STEP_S = 0.05
"""Wall and monotonic time may part by so much during the check: NTP slews by at most
0.5 ms a second. More is a step, and a step is a jump in every arrival time [s]."""

UNSYNCHRONISED = 0x40
"""STA_UNSYNC of Linux's adjtimex: nobody disciplines the clock."""

FILES_NEEDED = 4096
"""A city's 259 mines' pages, some hundred platforms and dispatch rooms, each one
connection, and room for reconnecting all at once."""

SYNC_BLOCK = 64 * 1024
SYNC_TIMES = 20
SLOW_SYNC_MS = 50.0
HOPELESS_SYNC_MS = 500.0
"""A turn is one write and fsync of the spool: at 50 ms twenty a second, which merging
still copes with; at 500 ms a city's frames wait for each other."""

RESERVE_MB = 96
"""The spool's own reserve of 64 MiB and the margin that it wants."""

SPOOL_BYTES_PER_S = 90_000
"""What a city of 259 mines writes at one frame per 5 s (pipeline/spool.py)."""

VOLATILE = ("tmpfs", "ramfs")
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs")


def check_host(
    settings: Settings, clock: Clock, began: tuple[int, float]
) -> list[Finding]:
    """Everything about this machine.

    Args:
        began: wall [µs UTC] and monotonic time [s] when the doctor began; the longer
            ago, the better a step is seen.
    """
    findings = [clock_finding(*clock_status())]
    findings += _files()
    findings += _spool(settings)
    wall_s = (clock.now_us() - began[0]) / US_PER_S
    findings.append(drift_finding(wall_s, clock.monotonic_s() - began[1]))
    return findings


def clock_status() -> tuple[int | None, int]:
    """The kernel's status bits (None = unknown) and its largest error [µs].

    Reading them needs no rights. The structure is that of 64-bit Linux: modes,
    offset, freq, maxerror, esterror, status.
    """
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:
        return None, 0
    buffer = ctypes.create_string_buffer(512)
    try:
        answer = ctypes.CDLL(None).adjtimex(buffer)
    except (AttributeError, OSError):
        return None, 0
    if answer < 0:
        return None, 0
    max_error_us = int.from_bytes(buffer.raw[24:32], sys.byteorder, signed=True)
    return int.from_bytes(buffer.raw[40:44], sys.byteorder, signed=True), max_error_us


def clock_finding(status: int | None, max_error_us: int) -> Finding:
    """Is the clock disciplined?"""
    if status is None:
        return Finding(
            "host.clock",
            OK,
            "本机时钟是否同步无法从这里测量",
            "whether this machine's clock is synchronised cannot be measured here",
        )
    error_s = max_error_us / US_PER_S
    if status & UNSYNCHRONISED:
        return Finding(
            "host.clock",
            WARNING,
            "本机时钟未同步(内核 STA_UNSYNC)",
            "nothing synchronises this machine's clock (kernel: STA_UNSYNC); it dates "
            "every arrival, and all mines seem wrong when it is",
            False,
            "启用 chrony 或 systemd-timesyncd(timedatectl set-ntp true)",
            "run chrony or systemd-timesyncd (timedatectl set-ntp true)",
        )
    return Finding(
        "host.clock",
        OK,
        f"本机时钟已同步,误差不超过 {error_s:.3f} s",
        f"this machine's clock is synchronised, at most {error_s:.3f} s off",
        error_s,
    )


def drift_finding(wall_s: float, monotonic_s: float) -> Finding:
    """Did the wall clock run as the monotonic one?

    Args:
        wall_s: wall time that passed during the check [s].
        monotonic_s: monotonic time that passed [s].
    """
    apart_s = wall_s - monotonic_s
    stepped = abs(apart_s) > STEP_S
    return Finding(
        "host.clock_steps",
        WRONG if stepped else OK,
        f"检查的 {monotonic_s:.1f} s 内时钟跳变 {apart_s:+.3f} s",
        f"in {monotonic_s:.1f} s the wall clock moved {apart_s:+.3f} s against the "
        f"monotonic one, {STEP_S:g} s are allowed"
        + (": somebody sets it in steps" if stepped else ""),
        round(apart_s, 3),
        "让 NTP 平滑调整时钟,不要定时强制对时" if stepped else "",
        "let NTP slew it; no cron job that sets it" if stepped else "",
    )


def _files() -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    short = not unlimited and soft < FILES_NEEDED
    yield Finding(
        "host.open_files",
        WARNING if short else OK,
        f"可打开文件数 {soft},需要 {FILES_NEEDED}",
        f"{soft} open files are allowed (hard limit {hard}), {FILES_NEEDED} are needed"
        + (": pages and platforms beyond that get no connection" if short else ""),
        soft,
        f"设置 ulimit -n {FILES_NEEDED}(systemd:LimitNOFILE)" if short else "",
        f"set ulimit -n {FILES_NEEDED} (systemd: LimitNOFILE)" if short else "",
    )


def _spool(settings: Settings) -> Iterator[Finding]:
    folder = settings.ingest.spool_dir
    if folder is None:
        production = settings.mode == "production"
        yield Finding(
            "host.spool",
            WARNING if production else OK,
            "未设置断库缓存目录 ingest.spool_dir",
            "ingest.spool_dir is not set: while the database is away nothing is judged",
            None,
            "在本机磁盘上设置 ingest.spool_dir" if production else "",
            "set ingest.spool_dir to a folder on a local disk" if production else "",
        )
        return
    there = folder if folder.is_dir() else folder.parent
    try:
        times_ms = sync_times_ms(there)
    except OSError as error:
        yield Finding(
            "host.spool",
            WRONG,
            f"断库缓存目录 {folder} 不可写",
            f"ingest.spool_dir {folder} cannot be written: {error.strerror}",
            None,
            "建立该目录并授权给运行 gasmon 的用户",
            "make it and give it to the user that runs gasmon",
        )
        return
    yield _file_system(folder, file_system_of(there))
    yield sync_finding(folder, times_ms)
    yield space_finding(
        folder,
        settings.ingest.spool_limit_mb,
        shutil.disk_usage(there).free,
        _taken_bytes(folder),
    )


def sync_times_ms(folder: Path) -> list[float]:
    """Write and fsync a file some times as the spool would; it is gone afterwards.

    Raises:
        OSError: the folder is not there or not ours.
    """
    path = folder / f".gasmon-doctor-{os.getpid()}"
    times = []
    block = os.urandom(SYNC_BLOCK)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for _ in range(SYNC_TIMES):
            begin_s = time.perf_counter()
            os.write(handle, block)
            os.fsync(handle)
            times.append((time.perf_counter() - begin_s) * 1000)
    finally:
        os.close(handle)
        path.unlink()
    return times


def _taken_bytes(folder: Path) -> int:
    """What a spool already takes there: it counts as its own."""
    if not folder.is_dir():
        return 0
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def file_system_of(folder: Path) -> str:
    """The kind of file system a folder lies on; empty when that cannot be known."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return ""
    found, kind = "", ""
    where = str(folder.resolve())
    for line in lines:
        _, mount, this, *_ = line.split(" ")
        inside = where == mount or where.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(found):
            found, kind = mount, this
    return kind


def _file_system(folder: Path, kind: str) -> Finding:
    if kind in VOLATILE:
        level, why = WRONG, "it is memory: a power cut loses what the broker was told"
    elif kind in REMOTE:
        level, why = WRONG, "it is another machine's: SQLite's locks do not hold there"
    else:
        level, why = OK, ""
    return Finding(
        "host.spool_file_system",
        level,
        f"断库缓存 {folder} 的文件系统:{kind or '未知'}",
        f"ingest.spool_dir {folder} lies on {kind or 'an unknown file system'}"
        + (f"; {why}" if why else ""),
        kind,
        "把 ingest.spool_dir 移到本机磁盘" if why else "",
        "move ingest.spool_dir to a local disk" if why else "",
    )


def sync_finding(folder: Path, times_ms: list[float]) -> Finding:
    """Is the spool's disk quick enough?"""
    median, longest = statistics.median(times_ms), max(times_ms)
    level = (
        WRONG if median > HOPELESS_SYNC_MS else WARNING if median > SLOW_SYNC_MS else OK
    )
    return Finding(
        "host.spool_fsync",
        level,
        f"断库缓存写入并 fsync:中位 {median:.1f} ms,最长 {longest:.1f} ms",
        f"a write with fsync in {folder} takes {median:.1f} ms (median), "
        f"{longest:.1f} ms at most; {SLOW_SYNC_MS:g} ms are wanted",
        round(median, 2),
        "" if level == OK else "换用更快的磁盘(带掉电保护的固态盘)",
        "" if level == OK else "use a faster disk (solid state with power protection)",
    )


def space_finding(
    folder: Path, limit_mb: int, free_bytes: int, taken_bytes: int
) -> Finding:
    """Does the spool fit on its disk up to its limit?"""
    room_mb = (free_bytes + taken_bytes) / 2**20
    needed_mb = limit_mb + RESERVE_MB
    short = room_mb < needed_mb
    hours = max(0.0, room_mb - RESERVE_MB) * 2**20 / SPOOL_BYTES_PER_S / 3600
    return Finding(
        "host.spool_space",
        WRONG if short else OK,
        f"断库缓存可用 {room_mb:,.0f} MB,上限 {limit_mb:,} MB",
        f"{room_mb:,.0f} MB are free for the spool in {folder}, {needed_mb:,} MB are "
        f"needed (ingest.spool_limit_mb and its reserve)"
        + (f": it would be full after {hours:,.0f} h of a city" if short else ""),
        round(room_mb),
        f"扩大磁盘,或设置 ingest.spool_limit_mb = {max(64, int(room_mb * 0.8))}"
        if short
        else "",
        f"enlarge the disk or set ingest.spool_limit_mb = {max(64, int(room_mb * 0.8))}"
        if short
        else "",
    )

#!/usr/bin/env python3
"""Make this checkout's own environment and run a command in it.

    python3 scripts/bootstrap.py demo --port 8123      start the demo
    python3 scripts/bootstrap.py install               only make the environment
    python3 scripts/bootstrap.py install --dev         the same with the tests' tools

Standard library only. The file is read by whatever Python is at hand, so annotations
that an old one cannot evaluate are in quotes: it must get as far as saying so.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

NEEDED = (3, 11)
NEWEST = 20  # how far python3.N is looked for on the path
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WINDOWS = os.name == "nt"
USAGE = "usage: bootstrap.py install [--dev] | demo [--] [ARGUMENTS OF gasmon demo]"
OFFLINE = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure in name resolution"
    r"|Network is unreachable|Connection refused|ConnectTimeout|ReadTimeout"
    r"|ProxyError|getaddrinfo failed|No route to host"
)
NO_WHEEL = re.compile(
    r"(?:No matching distribution found for|"
    r"Could not find a version that satisfies the requirement) ([^\s(]+)"
)
NO_SPACE = "No space left on device"


class Problem(Exception):
    """Something the user has to do something about; the text is one line."""


def main(arguments: "list[str]") -> int:
    """Run the command line; return the exit code (see docs: 0, 1, 2, 3)."""
    try:
        find_python(arguments)
        return run(arguments)
    except Problem as problem:
        print(f"gasmon: {problem}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("gasmon: interrupted", file=sys.stderr)
        return 130


def run(arguments: "list[str]") -> int:
    """Do what was asked, with a Python that is new enough."""
    if not arguments or arguments[0] not in ("install", "demo"):
        print(USAGE, file=sys.stderr)
        return 2
    command, rest = arguments[0], arguments[1:]
    if command == "install":
        if rest not in ([], ["--dev"]):
            print(USAGE, file=sys.stderr)
            return 2
        make_environment({"embedded", "dev"} if rest else {"embedded"})
        return 0
    if rest[:1] == ["--"]:
        rest = rest[1:]
    make_environment({"embedded"})
    return replace_by([program("gasmon"), "demo", *rest])


def version_problem(version: "tuple[int, ...]", where: str) -> "str | None":
    """Return what to say about a Python that is too old, None when it will do."""
    if version >= NEEDED:
        return None
    needed = ".".join(map(str, NEEDED))
    found = ".".join(map(str, version[:2]))
    return (
        f"Python {needed} or newer is needed; {where} is {found} and no newer one is "
        f"on the path (Debian: apt install python3; elsewhere: python.org)"
    )


def find_python(arguments: "list[str]") -> None:
    """Go on in a newer Python from the path when this one is too old.

    Raises:
        Problem: there is none.
    """
    problem = version_problem(tuple(sys.version_info[:2]), sys.executable)
    if problem is None:
        return
    newer = newer_python()
    if newer is None:
        raise Problem(problem)
    sys.exit(replace_by([newer, os.path.abspath(__file__), *arguments]))


def newer_python() -> "str | None":
    """Return a Python on the path that is new enough, the newest first."""
    names = [f"python3.{minor}" for minor in range(NEWEST, NEEDED[1] - 1, -1)]
    for name in [*names, "python3", "python"]:
        path = shutil.which(name)
        if path is None:
            continue
        try:
            answer = subprocess.run(
                [path, "-c", "import sys; print(*sys.version_info[:2])"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            ).stdout.split()
            version = tuple(int(part) for part in answer)
        except (OSError, ValueError):
            continue
        if version >= NEEDED:
            return path
    return None


def replace_by(command: "list[str]") -> int:
    """Become another program, so that signals and exit codes are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if not WINDOWS:
        os.execv(command[0], command)
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the console told the child too; let it end cleanly
            continue


def environment_dir() -> str:
    """Return the folder of the environment."""
    return os.path.join(ROOT, ".venv")


def program(name: str) -> str:
    """Return the path of a program in the environment."""
    if WINDOWS:
        return os.path.join(environment_dir(), "Scripts", name + ".exe")
    return os.path.join(environment_dir(), "bin", name)


def fingerprint() -> str:
    """Return what an installation depends on: its inputs, the Python, the place.

    The place belongs to it because programs in an environment begin with its path.
    """
    digest = hashlib.sha256()
    digest.update(repr((sys.version_info[:2], sys.platform, ROOT)).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def stamp_path() -> str:
    """Return the file that says what was installed."""
    return os.path.join(environment_dir(), "gasmon-installed.json")


def installed_extras(wanted_fingerprint: str) -> "set[str] | None":
    """Return the extras that are installed, None when the inputs have changed."""
    try:
        with open(stamp_path(), encoding="utf-8") as file:
            stamp = json.load(file)
        if stamp["fingerprint"] != wanted_fingerprint:
            return None
        return set(stamp["extras"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_environment(extras: "set[str]") -> None:
    """Bring the environment up to date; quick when it already is.

    Args:
        extras: wanted extras of the project; others already there stay.

    Raises:
        Problem: with one line that says what is missing.
    """
    wanted = fingerprint()
    present = installed_extras(wanted)
    if (
        present is not None
        and extras <= present
        and os.path.exists(program("python"))
        and os.path.exists(program("gasmon"))
    ):
        return
    if not has_pip():
        make_venv()
    install(extras | (present or set()))
    with open(stamp_path(), "w", encoding="utf-8") as file:
        stamp = {"fingerprint": wanted, "extras": sorted(extras | (present or set()))}
        json.dump(stamp, file)


def has_pip() -> bool:
    """Say whether the environment can install things.

    An interrupted start leaves one without pip; a removed Python leaves one that does
    not run at all.
    """
    try:
        done = subprocess.run(
            [program("python"), "-m", "pip", "--version"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def make_venv() -> None:
    """Make an empty environment.

    Raises:
        Problem: Debian's split-off package is missing, or it cannot be written.
    """
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    missing = (
        "this Python cannot make environments (no venv or ensurepip); "
        f"Debian: apt install python3-venv (or {minor}-venv)"
    )
    if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        raise Problem(missing)
    folder = environment_dir()
    if os.path.exists(os.path.join(folder, "pyvenv.cfg")):
        shutil.rmtree(folder)  # half made, or its Python is gone: of no use
    print(f"gasmon: making the environment {folder}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "venv", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip()
        shutil.rmtree(folder, ignore_errors=True)
        if "ensurepip" in said:
            raise Problem(missing)
        raise Problem(f"cannot make {folder}: {said.splitlines()[-1] if said else '?'}")


def install(extras: "set[str]") -> None:
    """Install the project with its extras, showing what is being fetched.

    Raises:
        Problem: no network, or a wheel that does not exist for this machine.
    """
    print("gasmon: installing (the first time takes up to a minute)", flush=True)
    command = [
        *(program("python"), "-m", "pip", "install"),
        # A package that had to be compiled here would fail late and darkly; without
        # a wheel it fails at once and by name.
        *("--disable-pip-version-check", "--progress-bar", "off"),
        *("--only-binary", ":all:", "--retries", "2"),
        *("-c", os.path.join(ROOT, "constraints.txt")),
        *("-e", f"{ROOT}[{','.join(sorted(extras))}]"),
    ]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as pip:
        assert pip.stdout is not None
        for raw in pip.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            said.append(line)
            step = progress_of(line)
            if step:
                print(f"gasmon:   {step}", flush=True)
    if pip.returncode != 0:
        raise Problem(install_problem("\n".join(said)))


def progress_of(line: str) -> "str | None":
    """Return what a line of pip's output tells the user, None for nothing."""
    words = line.split()
    if words[:1] == ["Collecting"]:
        return words[1].split("=")[0].split(">")[0].split("<")[0]
    if line.startswith("Installing collected packages"):
        return f"unpacking {line.count(',') + 1} packages"
    return None


def install_problem(said: str) -> str:
    """Return one line for what pip said when it failed.

    The network comes first: without it pip also complains that nothing matches.
    """
    if OFFLINE.search(said):
        return (
            "the package index cannot be reached: the first start needs the network "
            "(or a pip configuration that names a local index)"
        )
    wheel = NO_WHEEL.search(said)
    if wheel:
        version = ".".join(map(str, sys.version_info[:2]))
        return (
            f"there is no wheel of {wheel.group(1)} for Python {version} "
            f"on {sys.platform}; another Python (3.11 to 3.13) may have one"
        )
    if NO_SPACE in said:
        return f"no space left on the disk of {ROOT}"
    errors = [line for line in said.splitlines() if "ERROR" in line or "error:" in line]
    last = (errors or said.splitlines() or ["?"])[-1]
    return f"pip failed: {last.strip()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

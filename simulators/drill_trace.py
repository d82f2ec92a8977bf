"""What a drill that goes on leaves on the disk, so that its end can be written without
the program that played it.

Everything else follows: readings from scenario, mines and seed, what people did from
the platform's journal.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError
from simulators import criteria, scenario
from simulators.act import Act
from simulators.criteria import SheetFile
from simulators.drill_curves import CurveKeeper
from simulators.drill_places import drill_places
from simulators.drill_record import Call, Curve
from simulators.drill_seen import Setup
from simulators.verdict import Clock

VERSION = 1
"""Of the file; a reader refuses any other."""

Source = tuple[str, str, str]
"""A TOML file: text, name for messages, what it is called."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A drill as far as it was played.

    Attributes:
        scenario, sheet: as they were when it began.
        known: mines of the county as the platform told them: ``code``, ``name``,
            ``kind``.
        begin_us, real_begin_us: as in ``Clock`` [µs UTC].
        calls: injects that were given.
        played_s: how far it came [s of the drill].
    """

    run: int
    scenario: Source
    sheet: Source
    county: str
    seed: int
    announced: bool
    participants: tuple[str, ...]
    platforms: tuple[str, ...]
    known: tuple[dict[str, str], ...]
    begin_us: int
    real_begin_us: int
    calls: tuple[Call, ...] = ()
    played_s: float = 0.0

    @property
    def file_name(self) -> str:
        """Runs of two platforms may have one number; the begin tells them apart."""
        return f"drill-{self.run}-{self.real_begin_us // 1_000_000}.open"

    def setup(self) -> Setup:
        """The drill as it was set up."""
        played = replace(scenario.parse(*self.scenario), speed=1.0)
        return Setup(
            run=self.run,
            scenario=played,
            places=drill_places(played, self.county, self.known, self.seed),
            county=self.county,
            seed=self.seed,
            announced=self.announced,
            participants=self.participants,
            platforms=self.platforms,
            clock=Clock(self.begin_us, self.real_begin_us, 1.0),
        )

    def sheet_file(self) -> SheetFile:
        """The criteria that it began with."""
        return criteria.parse(*self.sheet)


def played_again(setup: Setup, until_s: float) -> list[Curve]:
    """The curves of a drill up to a time [s], from its scenario: they do not differ."""
    act = Act(setup.scenario, setup.places, "again")
    curves = CurveKeeper(setup.scenario, setup.places)
    while act.due_s <= until_s:
        curves.take(act.cycle())
    return curves.curves()


def keep(trace: Trace, folder: Path) -> None:
    """Write it, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / trace.file_name
    tree = {"version": VERSION, **asdict(trace)}
    beside = path.with_suffix(".open-new")
    beside.write_text(json.dumps(tree, ensure_ascii=False), "utf-8")
    beside.replace(path)


def find(folder: Path, run: int, from_us: int, until_us: int) -> Path | None:
    """The trace of a run that began between two times [µs UTC], if it left one."""
    found = [
        path
        for path in sorted(folder.glob(f"drill-{run}-*.open"))
        if from_us <= (int(path.stem.rsplit("-", 1)[1]) + 1) * 1_000_000
        and int(path.stem.rsplit("-", 1)[1]) * 1_000_000 <= until_us
    ]
    return found[-1] if found else None


def read(path: Path) -> Trace:
    """A trace that was kept.

    Raises:
        ConfigError: it is none, or of another version; names the file.
    """
    try:
        tree = json.loads(path.read_text("utf-8"))
        if tree.pop("version") != VERSION:
            raise ValueError("another version")
        return _from_dict(tree)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: no trace of a drill: {error}") from None


def _from_dict(tree: dict[str, Any]) -> Trace:
    def tuples(names: Sequence[str]) -> dict[str, tuple[Any, ...]]:
        return {name: tuple(tree[name]) for name in names}

    names = ("scenario", "sheet", "participants", "platforms", "known")
    calls = tuple(Call(**call) for call in tree["calls"])
    return Trace(**{**tree, **tuples(names), "calls": calls})

"""``upload``: CDSS records read per second, beside a bare ``str.split`` of the same.

Files of a city's cycle, 58 records each, and one large file; UTF-8 and GBK; and files
of which one record each is odd. The ceiling
decodes the bytes, cuts records and splits fields, and understands nothing of them. All
ways are measured in turns, in processor time of one core.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from benchmarks.report import Report, significant, spread
from gasmon.ingest.upload.fast import ReadingsReader
from gasmon.ingest.upload.parse import parse_file
from gasmon.ingest.upload.profile import Profile
from gasmon.ingest.upload.records import Header, PointCode, Reading
from gasmon.ingest.upload.write import write_file
from gasmon.units import US_PER_S

MINE = "530627004499"
N_POINTS = 58
CYCLE_US = 30 * US_PER_S
BEGIN_US = 1_784_170_800 * US_PER_S


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        n_files: of one cycle each; the large file holds all their records.
        n_slow: files that are also read record by record.
    """

    n_files: int = 5_000
    n_slow: int = 200
    n_rounds: int = 5


QUICK = Size(n_files=200, n_slow=20, n_rounds=2)


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    rng = Random("upload")
    cycles = [_cycle(rng, BEGIN_US + i * CYCLE_US) for i in range(size.n_files)]
    flat = [reading for cycle in cycles for reading in cycle]
    utf8, gbk = Profile(), Profile(encoding="gbk")
    header = Header(MINE, "示例煤矿", BEGIN_US)
    small = [write_file("CDSS", header, cycle, utf8) for cycle in cycles]
    large = write_file("CDSS", header, flat, utf8)
    large_gbk = write_file("CDSS", header, flat, gbk)
    small_gbk = [write_file("CDSS", header, cycle, gbk) for cycle in cycles]
    # One record of each has a field too many.
    odd = [data.replace(b";%;", b";%;;", 1) for data in small]
    reader, reader_gbk = ReadingsReader(utf8, MINE), ReadingsReader(gbk, MINE)
    n = len(flat)
    slow = partial(parse_file, profile=utf8, file_type="CDSS")
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "columns": (n, lambda: _each(reader.read, small)),
        "str_split": (n, lambda: _each(_split, small)),
        # With a reader of their own: one that read the same file before would only
        # compare it.
        "columns_large_file": (n, lambda: ReadingsReader(utf8, MINE).read(large)),
        "str_split_large_file": (n, lambda: _split(large)),
        "columns_gbk": (n, lambda: _each(reader_gbk.read, small_gbk)),
        "columns_odd": (n, lambda: _each(reader.read, odd)),
        "columns_large_file_gbk": (
            n,
            lambda: ReadingsReader(gbk, MINE).read(large_gbk),
        ),
        "record_by_record": (
            size.n_slow * N_POINTS,
            lambda: _each(slow, small[: size.n_slow]),
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(size.n_rounds):
        for name, (n_records, way) in ways.items():
            begin_s = time.process_time()
            way()
            rates[name].append(n_records / (time.process_time() - begin_s))
    best = {name: max(found) for name, found in rates.items()}
    return Report(
        benchmark="upload",
        unit="records/s",
        value=best["columns"],
        ceiling=best["str_split"],
        settings={
            "files": size.n_files,
            "records_per_file": N_POINTS,
            "bytes_per_record": significant(len(large) / n, 3),
            "rounds": size.n_rounds,
            "reported": "the best round, because others use this machine too",
        },
        details={
            **{name: significant(rate) for name, rate in best.items()},
            **{f"{name}_by_round": spread(found) for name, found in rates.items()},
        },
    )


def _each(read: Callable[[bytes], object], files: list[bytes]) -> None:
    """One file after the other; nothing is kept, as in a running system."""
    for data in files:
        read(data)


def _cycle(rng: Random, at_us: int) -> list[Reading]:
    """One cycle of a mine: most points are methane, the times differ by seconds."""
    return [
        Reading(
            code=PointCode(MINE, "01", "MN", "0001", f"{i:03d}A01"),
            type_name="环境瓦斯",
            place=f"111{i:02d}采煤工作面回风隅角T0",
            value=round(rng.uniform(0, 1.5), 2),
            uom="%",
            state=1 if rng.random() < 0.01 else 0,
            at_us=at_us + rng.randrange(30) * US_PER_S,
        )
        for i in range(N_POINTS)
    ]


def _split(data: bytes) -> list[list[str]]:
    """The least: text, records, fields."""
    return [record.split(";") for record in data.decode().split("~")]

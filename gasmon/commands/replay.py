"""``gasmon replay FILE.csv``: a recorded series through decode and engine, or to MQTT.

Without ``--publish`` it needs neither database nor broker and runs as fast as it
goes; events are JSON lines on stdout, progress and a summary go to stderr.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from gasmon.alarms.crossings import Crossing
from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.rules import RuleSet
from gasmon.batch import Packet
from gasmon.commands.publish import add_flags as add_publish_flags
from gasmon.commands.publish import publish
from gasmon.commands.score import parse_scores, print_board, scoreboard
from gasmon.commands.series import (
    DEFAULT_MINE,
    SILENCE_FLOOR_US,
    Series,
    SeriesRow,
    definitions,
    parse_columns,
    usual_step_us,
)
from gasmon.errors import ConfigError
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.rulewatch import load_rules
from gasmon.remote.frames import encode_body
from gasmon.settings import Settings
from gasmon.units import US_PER_MS, US_PER_S, iso_us, parse_iso_us

CHUNK_ROWS = 512
BOOT = "replay"
MAX_BUDGET = 1000
CROSSED = "crossed"
"""What a crossing that begins no alarm is called beside the events of alarms."""


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser(
        "replay", parents=parents, help="run a recorded series through the engine"
    )
    parser.add_argument("file", type=Path, help="CSV with a header line")
    parser.add_argument("--time-column", required=True, metavar="COLUMN")
    parser.add_argument(
        "--start", metavar="ISO", help="when the series begins, for times in seconds"
    )
    parser.add_argument(
        "--point",
        action="append",
        default=[],
        metavar="COLUMN=QUANTITY:PLACE_CLASS[:UNIT]",
        help="what a column measures and where, e.g. MM116=CH4:FACE_T2:11",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="rule file (TOML); several are versions, each from its effective_from on",
    )
    parser.add_argument(
        "--until", metavar="ISO|SECONDS", help="stop before rows of this time"
    )
    parser.add_argument("--mine", default=DEFAULT_MINE, metavar="CODE")
    parser.add_argument(
        "--crossings",
        action="store_true",
        help="print values that went beyond a limit and began no alarm, too",
    )
    parser.add_argument(
        "--score",
        action="append",
        default=[],
        metavar="POINT=LIMIT",
        help="measure the forecast of this limit beside its baselines",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=1.0,
        metavar="N",
        help="false pre-warnings a day that each point may have (default 1)",
    )
    add_publish_flags(parser)


def load_versions(paths: list[Path]) -> list[RuleSet]:
    """Rule files as versions of the rules, the oldest first.

    Raises:
        ConfigError: one cannot be read, is wrong, or does not say from when it counts.
    """
    versions = [load_rules(path) for path in paths]
    for before, after in pairwise(versions):
        if after.effective_from_us <= before.effective_from_us:
            raise ConfigError(
                f"{after.name}: a later version of {before.name} needs a later "
                "effective_from"
            )
    return versions


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    given = args.rules or [settings.engine.rules_file]
    versions = load_versions(given)
    rules = versions[0]
    columns = parse_columns(args.point)
    start_us = _time_flag("--start", args.start) if args.start else None
    series = Series(args.file, columns, args.time_column, start_us)
    until_us = _until(args.until, start_us) if args.until else None
    if not (len(args.mine) == 12 and args.mine.isdigit() and args.mine.isascii()):
        raise ConfigError(f"--mine {args.mine}: 12 digits are wanted")
    if not 0 < args.budget <= MAX_BUDGET:
        raise ConfigError(f"--budget {args.budget:g}: 0 to {MAX_BUDGET} is wanted")
    scored = parse_scores(args.score, args.mine, columns)
    if args.publish:
        return publish(args, settings, series, columns, until_us)
    patience_us = max(SILENCE_FLOOR_US, 3 * usual_step_us(_some_times(series)))
    patience = Patience(point_us=patience_us, mine_us=patience_us)
    forecast = ForecastEngine(rules, per_day=args.budget, per_mine=False, scored=scored)
    tally = Tally(series)
    told = replay(
        series, columns, versions, args.mine, until_us, patience, forecast, tally
    )
    for event, line in told:
        if args.crossings or event != CROSSED:
            sys.stdout.write(line + "\n")
    sys.stdout.flush()
    board = scoreboard(forecast)
    tally.finish({"score": board} if args.score and args.json else {})
    if args.score and not args.json:
        print_board(board)
    return 0


def _time_flag(flag: str, text: str) -> int:
    try:
        return parse_iso_us(text)
    except ValueError:
        raise ConfigError(f"{flag} {text}: a time in ISO 8601 is wanted") from None


def _until(text: str, start_us: int | None) -> int:
    """``--until`` as a time, or as seconds like those of the time column."""
    try:
        seconds = float(text)
    except ValueError:
        return _time_flag("--until", text)
    if start_us is None:
        raise ConfigError(f"--until {text}: seconds need --start")
    return start_us + round(seconds * US_PER_S)


def _some_times(series: Series) -> list[int]:
    """The first rows' times: enough to see the usual step."""
    times = [row.at_us for row in islice(series.rows(), 1000)]
    series.n_bad_times = 0
    return times


@dataclass(frozen=True, slots=True)
class Told:
    """An event with what a database would have added to it."""

    event: AlarmEvent
    alarm_id: int
    incident_id: int
    mine_name: str
    place: str
    quantity: str
    uom: str


class Narrator:
    """Numbers alarms and incidents as a database would, and encodes what is said."""

    def __init__(self, book: PointBook) -> None:
        self._book = book
        self._alarms: dict[str, int] = {}
        self._incidents: dict[str, tuple[int, set[str]]] = {}
        self._n_incidents = 0

    def all_of(self, judged: Judged) -> Iterator[tuple[str, str]]:
        """What an event is, and its JSON; crossings after the events of their turn."""
        for event in judged.events:
            yield event.event, self.tell(event)
        for crossing in judged.crossed:
            yield CROSSED, self.cross(crossing)

    def cross(self, crossing: Crossing) -> str:
        """The JSON of a value that went beyond and began no alarm."""
        point = self._book.table.current[crossing.row]
        body = {
            "event": CROSSED,
            "kind": crossing.kind,
            "rule": crossing.rule,
            "subject": f"point:{point.key}",
            "mine": point.key.mine,
            "point": point.key.no,
            "quantity": point.quantity,
            "uom": point.uom,
            "value": crossing.value,
            "limit": crossing.limit,
            "happened_at": iso_us(crossing.at_us),
            "arrived_at": iso_us(crossing.arrived_us),
            "held_by": crossing.held_by,
            "late": crossing.late,
        }
        return json.dumps(body, ensure_ascii=False)

    def tell(self, event: AlarmEvent) -> str:
        """The event's JSON, as the outbox would carry it.

        A replay decides in chunks; live, the verdict follows the arrival at once.
        """
        event = replace(event, decided_at_us=event.arrived_at_us)
        alarm_id = self._alarms.setdefault(event.key, len(self._alarms) + 1)
        scope = f"unit:{event.unit}" if event.unit else event.subject
        incident_id, open_keys = self._incidents.get(scope, (0, set()))
        if not open_keys:
            self._n_incidents += 1
            incident_id = self._n_incidents
        open_keys.add(event.key)
        if event.event == "cleared":
            open_keys.discard(event.key)
        self._incidents[scope] = (incident_id, open_keys)
        point = self._book.table.current[event.row] if event.row >= 0 else None
        return encode_body(
            Told(
                event=event,
                alarm_id=alarm_id,
                incident_id=incident_id,
                mine_name="",
                place=point.place if point else "",
                quantity=point.quantity if point else "",
                uom=point.uom if point else "",
            )
        )


def replay(
    series: Series,
    columns: Any,
    versions: list[RuleSet],
    mine: str,
    until_us: int | None,
    patience: Patience,
    forecast: ForecastEngine,
    tally: "Tally",
) -> Iterator[tuple[str, str]]:
    """Run a series and yield events with their JSON, in the order of decision.

    Args:
        versions: of the rules, the oldest first; that one counts since ever.
    """
    book = PointBook()
    mine_def, points = definitions(mine, columns)
    book.load((mine_def,), points)
    engine = AlarmEngine(versions[0], patience, forecast=forecast)
    evaluator = Evaluator(book, engine, SeenFrames())
    later = versions[1:]
    narrator = Narrator(book)
    gap_us = min(patience.point_us, patience.mine_us)
    for chunk in chunks(series, until_us, gap_us):
        # Silence of the points counts from the first row on.
        evaluator.adopt(chunk[0].at_us)
        while later:
            rules = later.pop(0)
            engine.change_rules(rules, rules.effective_from_us)
        packets = tally.take(chunk, mine)
        # Silence before the chunk is looked at first: time has passed until here.
        judged = evaluator.evaluate((), now_us=chunk[0].at_us, marks=[chunk[0].at_us])
        yield from narrator.all_of(judged)
        tally.add(judged)
        judged = evaluator.evaluate(packets, now_us=chunk[-1].at_us)
        yield from narrator.all_of(judged)
        tally.add(judged)


def chunks(
    series: Series, until_us: int | None, gap_us: int
) -> Iterator[list[SeriesRow]]:
    """Rows in handfuls, cut wherever silence could have been noticed."""
    chunk: list[SeriesRow] = []
    for row in series.rows():
        if until_us is not None and row.at_us >= until_us:
            break
        if chunk and (
            len(chunk) == CHUNK_ROWS or row.at_us - chunk[-1].at_us >= gap_us
        ):
            yield chunk
            chunk = []
        chunk.append(row)
    if chunk:
        yield chunk


class Tally:
    """Counts for the summary, and progress on a terminal."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._n_frames = 0
        self._n_readings = 0
        self._events: Counter[str] = Counter()
        self._crossings: Counter[str] = Counter()
        self._rejects: Counter[str] = Counter()
        self._first_reject = ""
        self._span: list[int] = []
        self._started_s = time.monotonic()

    def take(self, chunk: list[SeriesRow], mine: str) -> list[Packet]:
        """Rows as packets, arriving at the moment they were measured."""
        topic = data_topic(mine[:6], mine)
        packets = []
        for row in chunk:
            ts_ms = row.at_us // US_PER_MS
            payload = encode_data(BOOT, self._n_frames, ts_ms, row.items)
            packets.append(Packet(topic, payload, row.at_us))
            self._n_frames += 1
        self._span = [*self._span[:1], chunk[0].at_us, chunk[-1].at_us]
        self._span = [self._span[0], self._span[-1]]
        return packets

    def add(self, judged: Judged) -> None:
        """Count what a chunk gave."""
        self._n_readings += judged.n_readings
        self._events.update(f"{e.kind}/{e.event}" for e in judged.events)
        self._crossings.update(f"{c.kind}/{c.held_by}" for c in judged.crossed)
        for reject in judged.rejects:
            self._rejects[reject.reason] += reject.n
            self._first_reject = self._first_reject or reject.detail
        if sys.stderr.isatty():
            share = self._n_frames / max(1, self._series.n_rows)
            print(
                f"\r{share:4.0%} {self._n_readings:,} readings", end="", file=sys.stderr
            )

    def finish(self, more: dict[str, Any]) -> None:
        """Print the summary to stderr, with what there is more to say."""
        if sys.stderr.isatty():
            print(file=sys.stderr)
        took_s = time.monotonic() - self._started_s
        summary = {
            "file": self._series.path.name,
            "rows": self._n_frames,
            "readings": self._n_readings,
            "from": iso_us(self._span[0]) if self._span else None,
            "to": iso_us(self._span[-1]) if self._span else None,
            "events": dict(sorted(self._events.items())),
            "crossings": dict(sorted(self._crossings.items())),
            "rejected": dict(sorted(self._rejects.items())),
            "first_reject": self._first_reject or None,
            "bad_times": self._series.n_bad_times,
            "first_bad_time": self._series.first_bad or None,
            "seconds": round(took_s, 3),
            "readings_per_s": round(self._n_readings / max(took_s, 1e-9)),
            **more,
        }
        print(json.dumps(summary, ensure_ascii=False, indent=1), file=sys.stderr)

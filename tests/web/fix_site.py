"""A small site with made-up mines, served by the real api over a real database."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gasmon import domain
from gasmon.alarms.events import AlarmEvent
from gasmon.batch import Frame, FrameKey, ReadingBatch
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.remote.frames import encode_body
from gasmon.settings import DatabaseSettings
from gasmon.store import access, alarms, db, users
from gasmon.store.audit import BY_OPERATOR
from gasmon.store.definitions import save_definitions
from gasmon.store.latest import LATEST_DTYPE, MineLatest, upsert_latest
from gasmon.store.points import ensure_areas
from gasmon.store.readings import copy_frames_and_readings
from gasmon.units import US_PER_S
from tests.fix_command import Command
from tests.fix_wait import wait_until

MARKUP = '<img src=x onerror="window.hacked=1">矿'
MINES = {
    "530627000001": "坪上煤矿",
    "530627000002": MARKUP,
    "530627000003": "观音山煤矿有限责任公司第二矿井东翼采区",
    "530629000001": "长岭煤矿",
}
FACE = UnitDef("11121", "face", "11121采煤工作面")
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def now_us() -> int:
    """Wall time [µs UTC]."""
    return time.time_ns() // 1000


def _defs(mine: str) -> list[PointDef]:
    """Methane at a return, carbon monoxide, a fan and a door of one mine."""

    def point(no: str, **attributes: Any) -> PointDef:
        base = PointDef(key=PointKey(mine, "01", no), unit_slug="11121")
        return replace(base, **attributes)

    return [
        point(
            "001A01",
            sensor_type="0001",
            quantity="CH4",
            uom="%",
            place="11121回风巷T2",
            place_class="FACE_T2",
            range_low=0.0,
            range_high=4.0,
            alarm_high=1.0,
            clear_high=1.0,
            cut_high=1.0,
            restore_high=1.0,
        ),
        point(
            "002A04",
            sensor_type="0004",
            quantity="CO",
            uom="ppm",
            place="11121回风巷 <b>T2</b>",
            range_low=0.0,
            range_high=500.0,
            alarm_high=24.0,
            clear_high=24.0,
        ),
        point("003D01", sensor_type="1001", value_kind="KG", quantity="FAN_LOCAL"),
        point("004A01", sensor_type="0001", quantity="CH4", uom="%", place="总回风巷"),
    ]


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """Mines in a migrated database, and the api process that shows them.

    Attributes:
        url: of the page.
        tokens: per principal's name.
        point_ids: by key.
    """

    def __init__(self, dsn: str, folder: Path) -> None:
        self.database = DatabaseSettings(url=dsn)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tokens: dict[str, str] = {}
        self.point_ids: dict[str, int] = {}
        self.values: dict[str, dict[str, tuple[float, int, int]]] = {}
        self._process: Command | None = None
        self._log = folder / "api.log"
        self._frames = 0
        self._prepare()

    def _prepare(self) -> None:
        at_us = now_us()
        with db.connect(self.database) as conn:
            ensure_areas(conn, domain.areas())
            for code, name in MINES.items():
                mine = MineDef(
                    code=code, area=code[:6], name=name, kind="high_gas", units=(FACE,)
                )
                save_definitions(conn, mine, _defs(code), now_us=at_us)
            conn.commit()
            for name, role, areas in (
                ("county", "county_officer", ["530627"]),
                ("colleague", "county_officer", ["530627"]),
                ("city", "city_officer", None),
                ("viewer", "viewer", None),
                ("platform", "platform", ["530629"]),
                ("dispatcher", "mine_dispatcher", ["530627"]),
                ("chief", "administrator", None),
            ):
                mines = ["530627000001"] if role == "mine_dispatcher" else None
                self.tokens[name] = access.create_token(
                    conn,
                    name=name,
                    role=role,
                    areas=areas,
                    mines=mines,
                    now_us=at_us,
                    may="administer" if role == "administrator" else "act",
                )
            conn.commit()
            rows = conn.execute(
                "SELECT m.code || '-' || p.system || '-' || p.no, p.point_id"
                " FROM point p JOIN mine m USING (mine_id)"
            ).fetchall()
        self.point_ids = {str(key): int(str(point_id)) for key, point_id in rows}
        for code in MINES:
            self.send(code, {"001A01": 0.42, "002A04": 5.0, "003D01": 1.0})

    def start(self, **settings: str) -> None:
        """Start the api and wait until it answers.

        Args:
            settings: more of them; ``a__b`` is ``a.b``.
        """
        arguments = [
            "api",
            *("--set", f"database.url={self.database.url}"),
            *("--set", f"api.port={self.port}", "--set", "mode=test"),
        ]
        for name, value in settings.items():
            arguments += ["--set", f"{name.replace('__', '.')}={value}"]
        self._process = Command(arguments, self._log)
        wait_until(self._answers, 40.0, f"the api at {self.url}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the api ended: {self._log.read_text('utf-8')[-2000:]}")
        try:
            with NO_PROXY.open(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Stop the api at once, as a broken network would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def get(self, path: str, token: str = "city") -> Any:
        """GET from the api as a program does."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.tokens[token]}"},
        )
        with NO_PROXY.open(request, timeout=10) as answer:
            return json.load(answer)

    def point_id(self, mine: str, no: str = "001A01") -> int:
        """Identity of a point."""
        return self.point_ids[f"{mine}-01-{no}"]

    def send(
        self,
        mine: str,
        values: dict[str, float],
        *,
        state: int = 0,
        age_s: float = 0.0,
        online: bool = True,
    ) -> None:
        """A frame of the mine, as the pipeline would store it.

        Args:
            values: by point number; NaN is no value.
            state: bits for these points.
            age_s: how old the readings are [s].
        """
        at_us = now_us() - round(age_s * US_PER_S)
        known = self.values.setdefault(mine, {})
        known.update({no: (value, state, at_us) for no, value in values.items()})
        packed = np.zeros(len(known), LATEST_DTYPE)
        for i, (no, (value, bits, value_us)) in enumerate(known.items()):
            packed[i] = (self.point_id(mine, no), bits, value, value_us, value_us)
        self._frames += 1
        with db.connect(self.database) as conn:
            latest = MineLatest(
                mine, online, "b", self._frames, at_us, now_us(), packed
            )
            upsert_latest(conn, 0, [latest])
            conn.commit()

    def store_series(
        self, mine: str, at_s: Sequence[float], value: Sequence[float]
    ) -> None:
        """Readings of a mine's methane point; times relative to now [s]."""
        start_us = now_us()
        at_us = np.array([start_us + round(s * US_PER_S) for s in at_s], np.int64)
        n = len(at_us)
        point_id = np.full(n, self.point_id(mine), np.int32)
        self._frames += 1
        key = FrameKey(0, mine, "series", self._frames)
        frame = Frame(key, "data", start_us // 1000, start_us, start_us, n, 0)
        batch = ReadingBatch(
            row=np.zeros(n, np.int32),
            value=np.array(value, np.float64),
            at_us=at_us,
            arrived_us=at_us,
            state=np.zeros(n, np.int32),
            frames=(frame,),
        )
        with db.connect(self.database) as conn:
            copy_frames_and_readings(conn, 0, [frame], point_id, batch)
            conn.commit()

    def alarm(
        self,
        mine: str,
        event: str = "raised",
        *,
        rank: int = 4,
        raised_us: int | None = None,
        kind: str = "over_limit",
        no: str = "001A01",
    ) -> AlarmEvent:
        """One transition of an alarm, stored and told as the pipeline does."""
        told = self.event(mine, event, rank=rank, raised_us=raised_us, kind=kind, no=no)
        self.record(told)
        return told

    def record(self, *told: AlarmEvent) -> None:
        """Store transitions of alarms and tell them."""
        with db.connect(self.database) as conn:
            alarms.record(conn, told, encode_body, now_us())
            conn.commit()

    def event(
        self,
        mine: str,
        event: str = "raised",
        *,
        rank: int = 4,
        raised_us: int | None = None,
        kind: str = "over_limit",
        no: str = "001A01",
    ) -> AlarmEvent:
        """One transition of an alarm now; see :meth:`alarm`."""
        at_us = now_us()
        return AlarmEvent(
            event=event,
            kind=kind,
            rule="law:FACE_T2",
            subject_type="point",
            subject_id=f"{mine}-01-{no}",
            area=mine[:6],
            mine=mine,
            raised_at_us=at_us if raised_us is None else raised_us,
            happened_at_us=at_us,
            arrived_at_us=at_us,
            decided_at_us=at_us,
            rank=rank,
            system="01",
            no=no,
            unit="11121",
            value=1.6,
            limit=1.0,
            peak=1.6,
            peak_at_us=at_us,
        )

    def clear_all(self) -> None:
        """End and confirm everything, so that the next test begins in quiet."""
        with db.connect(self.database) as conn:
            open_now = alarms.open_alarms(conn, 0)
            conn.rollback()
        for one in open_now:
            self.alarm(
                one.mine,
                "cleared",
                rank=one.rank,
                raised_us=one.raised_at_us,
                kind=one.kind,
                no=one.no or "001A01",
            )
        with db.connect(self.database) as conn:
            conn.execute(
                "INSERT INTO confirmation"
                " (alarm_id, tier, rank, principal, confirmed_at)"
                " SELECT alarm_id, tier, rank, 'test', now() FROM alarm,"
                " unnest(ARRAY['mine', 'county', 'city']) AS tier"
                " ON CONFLICT DO NOTHING"
            )
            conn.commit()

    def end_sessions(self) -> None:
        """End every browser's session, as time does."""
        with db.connect(self.database) as conn:
            conn.execute("DELETE FROM session")
            conn.commit()

    def invite(self, name: str) -> str:
        """Make a county's officer; gives the address of the one-time link."""
        rights = users.Rights("county_officer", ["530627"], None)
        with db.connect(self.database, autocommit=True) as conn:
            link = users.add(
                conn,
                name,
                rights,
                BY_OPERATOR,
                now_us=now_us(),
                life_us=3600 * US_PER_S,
            )
        return f"{self.url}/welcome#link={link}"

    def give_areas(self, name: str, areas: list[str]) -> None:
        """Change what somebody may see."""
        with db.connect(self.database) as conn:
            conn.execute(
                "UPDATE principal SET areas = %s WHERE name = %s", (areas, name)
            )
            conn.commit()

    def confirmations(self) -> list[tuple[str, str, str]]:
        """Stored confirmations: tier, who, note."""
        with db.connect(self.database) as conn:
            rows = conn.execute(
                "SELECT tier, principal, note FROM confirmation ORDER BY confirmed_at"
            ).fetchall()
        return [(str(a), str(b), str(c)) for a, b, c in rows]

"""Settings: what an operator may turn, each with its default and its reason.

Sources, the later ones winning: defaults here, a TOML file (``--config`` or
``GASMON_CONFIG``), environment (``GASMON_DATABASE__URL``), flags
(``--set database.url=…``). A setting that does not exist is an error, because a
mistyped limit that is silently ignored is worse than a refusal to start.
docs/operations.md lists them all; a test keeps that page complete.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from gasmon import domain
from gasmon.errors import ConfigError
from gasmon.settings_access import AccountSettings as AccountSettings
from gasmon.settings_access import ApiSettings as ApiSettings
from gasmon.settings_access import DrillSettings as DrillSettings
from gasmon.settings_access import DutySettings as DutySettings
from gasmon.settings_access import LedgerSettings as LedgerSettings
from gasmon.settings_access import Section as Section
from gasmon.settings_access import UpstreamSettings as UpstreamSettings
from gasmon.settings_disk import FileSettings as FileSettings
from gasmon.settings_disk import StorageSettings as StorageSettings

ENV_PREFIX = "GASMON_"
ENV_CONFIG = "GASMON_CONFIG"


class DatabaseSettings(Section):
    """Where readings and alarms are kept."""

    url: str = Field(
        "postgresql://gasmon@127.0.0.1:5432/gasmon",
        description="PostgreSQL connection string, without the password",
    )
    password_file: Path | None = Field(
        None, description="file that holds the password and nothing else"
    )
    pool_size: int = Field(8, ge=1, le=200, description="connections of the api")
    history_pool_size: int = Field(
        3,
        ge=1,
        le=50,
        description="more connections of the api, for queries of history alone: "
        "many curves keep nobody from confirming",
    )
    statement_timeout_s: float = Field(
        15.0, gt=0, description="longest query of the api [s]"
    )
    write_timeout_s: float = Field(
        10.0,
        gt=0,
        description="a write of ingest that takes longer is cut off and spooled [s]",
    )


class MqttSettings(Section):
    """The broker that mines publish to."""

    host: str = Field("127.0.0.1", description="broker's address")
    port: int = Field(1883, ge=1, le=65535, description="broker's port")
    username: str | None = Field(None, description="user at the broker")
    password_file: Path | None = Field(None, description="file with the password")
    tls_ca: Path | None = Field(
        None, description="certificate authority; set to speak TLS"
    )
    tls_cert: Path | None = Field(None, description="our certificate")
    tls_key: Path | None = Field(None, description="its key")
    client_id: str = Field(
        "gasmon-ingest",
        description="fixed: a changing one would lose the broker's queue for us",
    )
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto tries 5 first"
    )
    receive_window: int = Field(
        2000,
        ge=1,
        le=65535,
        description="frames the broker may send before we acknowledge one",
    )
    keepalive_s: int = Field(20, ge=5, description="MQTT keep-alive [s]")
    session_expiry_s: int = Field(
        604_800, ge=60, description="how long the broker keeps our queue [s]"
    )
    flood_per_minute: int = Field(
        3000,
        ge=60,
        description="a mine that sends more messages in a minute is named in log and "
        "metrics, after 5 min by an alarm: others wait behind it",
    )


class IngestSettings(Section):
    """From packets to batches."""

    areas: list[str] = Field(
        default_factory=list,
        description="areas of this process, by code or name; empty means all",
    )
    max_frame_bytes: int = Field(
        524_288,
        ge=1024,
        description="larger frames are refused by name; the broker's limit is higher",
    )
    linger_ms: float = Field(
        100.0,
        ge=0,
        le=1000,
        description="how long readings wait for others to be stored with them, while "
        "few do; alarms never wait [ms]",
    )
    inbox_limit: int = Field(
        2000,
        ge=1,
        description="packets held; not below mqtt.receive_window",
    )

    @field_validator("areas")
    @classmethod
    def _codes(cls, areas: list[str]) -> list[str]:
        """Names become codes; what is no area of ours is an error."""
        known = {
            name: area.code
            for area in domain.areas()
            for name in (area.code, area.slug)
        }
        for name in areas:
            if name not in known:
                raise ValueError(f"there is no area {name!r}")
        return [known[name] for name in areas]

    standby: bool = Field(
        False,
        description="wait while another process owns our areas, and take over when it "
        "is gone; false refuses to start",
    )
    spool_dir: Path | None = Field(
        None,
        description="folder for judged turns while the database is away; none means "
        "that frames wait at the broker and judging stops",
    )
    spool_limit_mb: int = Field(
        8192,
        ge=64,
        description="largest spool: a day of a city at one frame per 5 s [MB]",
    )
    start_without_database: bool = Field(
        True,
        description="with a spool folder: keep there what starting reads, and start "
        "from it while the database is away; false waits for the database",
    )
    definitions_per_minute: int = Field(
        30,
        ge=1,
        description="definitions of one mine, and as many births and wills, that are "
        "read; of more the newest waits",
    )
    gap_patience_s: float = Field(
        15.0,
        gt=0,
        description="a gap in a gateway's frames is asked for after this [s]",
    )
    max_batch_frames: int = Field(
        400, ge=1, description="frames judged and committed together at most"
    )
    failing_mines_limit: int = Field(
        3,
        ge=2,
        description="when packets of so many mines in a row cannot be judged, the "
        "fault is ours: ingest ends and the broker keeps them",
    )
    health_port: int = Field(
        0, ge=0, le=65535, description="port of /healthz of `gasmon ingest`; 0 = none"
    )


class EngineSettings(Section):
    """What the alarm engine is told besides its rules."""

    rules_file: Path | None = Field(
        None, description="rule file; none means the shipped default"
    )
    rules_poll_s: float = Field(
        5.0, gt=0, le=3600, description="how often the rule file is looked at [s]"
    )
    mark_interval_s: float = Field(
        1.0, gt=0, le=60, description="how often silence and delays are looked at [s]"
    )
    stale_after_s: float = Field(
        90.0, gt=0, description="a point is silent after this, its mine going on [s]"
    )
    mine_stale_after_s: float = Field(
        60.0, gt=0, description="a mine is silent after this [s]"
    )
    snapshot_interval_s: float = Field(
        120.0,
        gt=0,
        description="how often the engine's memory is stored; a restart judges again "
        "what came since [s]",
    )
    calibration_honoured_s: float = Field(
        1800.0,
        ge=0,
        description="how long an unplanned calibration bit hides the value [s]",
    )
    late_calm_s: float = Field(
        120.0,
        ge=0,
        description="what came late and is over is told when no more came for this [s]",
    )
    forecast_false_alarms_a_day: float = Field(
        1.0,
        ge=0,
        le=50,
        description="false pre-warnings that each mine may have a day; 0 says none",
    )


class LifeSettings(Section):
    """What people do with alarms."""

    closing_file: Path | None = Field(
        None, description="closing rules (TOML); none = the shipped ones"
    )
    longest_shelf_min: int = Field(
        480, ge=1, le=10_080, description="longest an alarm may be shelved [min]"
    )
    longest_plan_h: int = Field(
        24, ge=1, le=168, description="longest window of planned work [h]"
    )
    back_test_days: int = Field(
        90, ge=1, le=90, description="days that a change of limits is tested against"
    )


class EscalationSettings(Section):
    """Who must act when nobody answers."""

    rules_file: Path | None = Field(
        None, description="escalation rules (TOML); none = the shipped ones"
    )
    channels_file: Path | None = Field(
        None, description="channels besides page and streams (TOML); none = no others"
    )
    deliver_for_min: int = Field(
        30, ge=1, le=1440, description="how long a call that fails is tried again [min]"
    )


class Settings(Section):
    """Everything, by section."""

    mode: Literal["production", "test", "demo"] = Field(
        "production", description="production refuses what only drills may do"
    )
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    mqtt: MqttSettings = Field(default_factory=MqttSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    files: FileSettings = Field(default_factory=FileSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    api: ApiSettings = Field(default_factory=ApiSettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    duty: DutySettings = Field(default_factory=DutySettings)
    life: LifeSettings = Field(default_factory=LifeSettings)
    escalation: EscalationSettings = Field(default_factory=EscalationSettings)
    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    upstream: UpstreamSettings = Field(default_factory=UpstreamSettings)
    drills: DrillSettings = Field(default_factory=DrillSettings)


def _merge(into: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
        if not isinstance(into, dict):
            raise ConfigError(f"{'.'.join(path)}: {part} is a value, not a section")
    into[path[-1]] = value


def _merge_tree(into: dict[str, Any], tree: Mapping[str, Any]) -> None:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            below = into.setdefault(key, {})
            if isinstance(below, dict):
                _merge_tree(below, value)
                continue
        into[key] = value


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX) or name == ENV_CONFIG:
            continue
        path = name.removeprefix(ENV_PREFIX).lower().split("__")
        _merge(tree, path, _split_list(path, text))
    return tree


LISTS = ("ingest.areas", "api.allowed_origins", "upstream.areas", "upstream.kinds")


def _split_list(path: list[str], text: str) -> Any:
    """Lists are written with commas in the environment and in flags."""
    if ".".join(path) in LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def load(
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings from all their sources.

    Args:
        config: TOML file; without one, ``GASMON_CONFIG`` is looked at.
        overrides: dotted names to values, from ``--set`` and other flags.
        environ: the environment; None means this process's.

    Raises:
        ConfigError: unknown name, wrong value, unreadable file; names it.
    """
    env = os.environ if environ is None else environ
    path = config or (Path(env[ENV_CONFIG]) if env.get(ENV_CONFIG) else None)
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None
    _merge_tree(tree, _from_environment(env))
    for name, value in (overrides or {}).items():
        parts = name.split(".")
        if isinstance(value, str):
            value = _split_list(parts, value)
        _merge(tree, parts, value)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    if settings.ingest.inbox_limit < settings.mqtt.receive_window:
        raise ConfigError(
            f"ingest.inbox_limit ({settings.ingest.inbox_limit}) is below "
            f"mqtt.receive_window ({settings.mqtt.receive_window}): the broker may "
            "send more than the inbox holds"
        )
    return settings


def _explain(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            lines.append(f"unknown setting {name}")
        else:
            lines.append(f"{name} = {fault['input']!r}: {fault['msg']}")
    return "; ".join(lines)


def read_secret(path: Path | None) -> str | None:
    """The secret in a file, without its line end; None when there is no file set.

    Raises:
        ConfigError: the file cannot be read or is empty.
    """
    if path is None:
        return None
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"secret file {path}: {error.strerror}") from None
    if not secret:
        raise ConfigError(f"secret file {path} is empty")
    return secret

"""Settings of who comes in, what must reach them, drills, and the node above."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: frozen, and strict about names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(Section):
    """Pages, HTTP and streams."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8123, ge=0, le=65535, description="port to listen on")
    allowed_origins: list[str] = Field(
        default_factory=list, description="further origins of pages that may use it"
    )
    client_queue_frames: int = Field(
        1000, ge=10, description="frames waiting for one client before it is closed"
    )
    heartbeat_s: float = Field(5.0, gt=0, description="heartbeat of streams [s]")
    max_client_frame_bytes: int = Field(
        65_536, ge=1024, description="largest frame a client may send"
    )
    max_streams_per_principal: int = Field(
        8, ge=1, description="open alarm streams of a principal; the oldest is closed"
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+$",
        description="what people open, for one-time links; none = http://host:port",
    )
    cap_sender: str = Field(
        "gasmon.zhaotong",
        pattern=r"^[^\s,<&]{1,100}$",
        description="who we are in CAP messages; unique among those that one reads",
    )
    session_hours: float = Field(
        26.0,
        gt=0,
        description="longest life of a log-in: a duty of 24 h and both hand-overs [h]",
    )
    session_idle_hours: float = Field(
        4.0,
        gt=0,
        description="a log-in ends unused after this; an open page is use [h]",
    )
    secure_cookie: bool = Field(
        False, description="cookie over https only; required in production"
    )


class DutySettings(Section):
    """Timers and jobs."""

    interval_s: float = Field(5.0, gt=0, description="how often jobs are looked at [s]")
    health_port: int = Field(
        0, ge=0, le=65535, description="port of /healthz of duty and follow; 0 = none"
    )


class DrillSettings(Section):
    """What drills may take of a process that judges real data."""

    runs_limit: int = Field(
        4, ge=0, le=20, description="drills that may run at once; 0 takes none"
    )
    longest_h: int = Field(8, ge=1, le=72, description="longest drill [h]")
    points_limit: int = Field(
        20_000, ge=1, description="points of a drill; with more it is ended"
    )
    frames_per_s: float = Field(
        200.0, gt=0, description="frames of all drills judged in a second at most"
    )
    patience_s: float = Field(
        30.0,
        gt=0,
        description="a drill that waits for real data, or for the database, is ended "
        "after this [s]",
    )
    player_silence_s: float = Field(
        30.0,
        gt=0,
        description="a drill whose player, once heard, is silent so long is ended [s]",
    )


class AccountSettings(Section):
    """Passwords, one-time links and failed log-ins."""

    link_hours: float = Field(
        24.0, gt=0, le=168, description="life of a one-time link [h]"
    )
    argon2_memory_kib: int = Field(
        65_536,
        ge=19_456,
        le=1_048_576,
        description="memory for one password check (RFC 9106, 2nd choice) [KiB]",
    )
    argon2_passes: int = Field(
        3, ge=2, le=20, description="passes over it: about 0.1 s of one core"
    )
    argon2_lanes: int = Field(
        1, ge=1, le=8, description="cores for one check; the others are for alarms"
    )
    failures_per_name: int = Field(
        5, ge=1, description="failed log-ins of a name before each has to wait"
    )
    failures_per_address: int = Field(
        30, ge=1, description="the same of an address: an office may share one"
    )
    failure_forgotten_s: float = Field(
        10.0,
        gt=0,
        le=60,
        description="one failure is forgotten after this: the longest wait [s]",
    )


class LedgerSettings(Section):
    """How soon alarms must get where they belong, and which rooms can be woken."""

    stored_within_s: int = Field(
        30, ge=5, le=3600, description="to be sent to a platform and stored there [s]"
    )
    drawn_within_s: int = Field(
        30, ge=5, le=3600, description="to be drawn on a screen and to sound [s]"
    )
    confirmed_within_s: int = Field(
        300, ge=5, le=86_400, description="to be confirmed where that is promised [s]"
    )
    console_expected_h: int = Field(
        12,
        ge=1,
        le=168,
        description="a room without shifts is expected to hear for so long after its "
        "last console was heard of [h]",
    )
    sound_test_h: int = Field(
        24, ge=1, le=168, description="how long a test of the sound counts [h]"
    )
    retention_days: int = Field(
        365, ge=8, description="how long steps of deliveries are kept [d]"
    )


class UpstreamSettings(Section):
    """The node whose alarms this one follows; without an address it is nobody's."""

    url: str | None = Field(
        None,
        description="ws:// or wss:// address of the node above; none = alarms are "
        "judged here",
    )
    name: str = Field(
        "upstream", min_length=1, max_length=60, description="what people call it"
    )
    token_file: Path | None = Field(
        None, description="file with our token up there; read at each connection"
    )
    tls_ca: Path | None = Field(
        None, description="certificate authority of wss://; none = the system's"
    )
    areas: list[str] = Field(
        default_factory=list,
        description="areas to follow, by code or name; none = all of the token's",
    )
    kinds: list[str] = Field(
        default_factory=list, description="kinds of alarm to follow; none = all"
    )
    min_rank: int = Field(
        0, ge=0, le=4, description="least level: 4 red, 3 orange, 2 yellow, 1 blue"
    )

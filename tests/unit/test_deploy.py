"""The files in deploy/ and docker-compose.yml, as far as they can be tried here."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gasmon import cli
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import Child, free_port, wait_for
from gasmon.ingest import topics
from gasmon.ingest.connect import hang_up
from gasmon.settings import Settings, load
from simulators import cli as sim_cli
from tests.fix_found import mosquitto_program, require, timescaledb_bin_dir
from tests.fix_wait import wait_until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load(
    (ROOT / "docker-compose.yml").read_text("utf-8")
)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, s in SERVICES.items() if s["image"].startswith("gasmon:")]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MINE = "530627004499"
OTHER = "530627000001"
REFUSED = 128
"""MQTT 5 reason codes from here on are refusals; 16 is "nobody subscribed"."""


def parsed_by_real_parser(program: str, arguments: list[str]) -> None:
    """Let the real command line parser take the arguments; it exits on a fault."""
    if program == "gasmon":
        parser, _ = cli.build_parser()
        parser.parse_args(arguments)
    else:
        assert program == "gasmon-sim", program
        sim_cli._parser().parse_args(arguments)


def substituted(text: str) -> str:
    """Compose's ${NAME:-default} replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_compose_is_taken_by_the_real_parser(name: str) -> None:
    """A command or flag in docker-compose.yml that does not exist fails here."""
    service = SERVICES[name]
    program = service.get("entrypoint", ["gasmon"])[0]
    parsed_by_real_parser(program, service["command"])


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_compose_loads(name: str) -> None:
    """The environment of each service is what gasmon.settings accepts."""
    environment = {
        key: substituted(str(value))
        for key, value in SERVICES[name].get("environment", {}).items()
    }
    loaded = load(None, None, environ=environment)
    assert isinstance(loaded, Settings)
    assert loaded.mode == "production"


def secret_paths(value: Any) -> Iterator[str]:
    """Every name under /run/secrets in a value."""
    yield from re.findall(r"/run/secrets/(\w+)", str(value))


def files_it_reads(name: str) -> str:
    """The texts of our files that a service has mounted."""
    texts = ""
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./") and (ROOT / source).is_file():
            texts += (ROOT / source).read_text("utf-8")
    return texts


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_gets_the_secrets_that_it_names_and_no_other(name: str) -> None:
    """Least privilege: the list of secrets equals what its settings point to."""
    service = SERVICES[name]
    used = set(secret_paths([service.get("environment"), service.get("command")]))
    used |= set(secret_paths(files_it_reads(name)))
    assert set(service.get("secrets", [])) == used


def test_every_secret_is_a_file_that_make_secrets_makes(tmp_path: Path) -> None:
    """What compose mounts is what deploy/make-secrets leaves in its folder."""
    make_secrets(tmp_path / "secrets")
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"./deploy/secrets/{name}"
        assert (tmp_path / "secrets" / name).read_text("utf-8").strip()


def test_no_password_stands_in_the_files() -> None:
    """No service has a password in its environment, and no file in deploy/ one."""
    for name, service in SERVICES.items():
        for key in service.get("environment", {}):
            if re.search("PASSWORD|SECRET|TOKEN", key):
                assert key.endswith("_FILE"), f"{name}: {key}"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_confined(name: str) -> None:
    """Not root, no capabilities, read-only root file system, pinned image."""
    service = SERVICES[name]
    uid = int(service["user"].split(":")[0])
    assert uid > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.search(r":[0-9][^:]*$", service["image"])


def test_dependencies_wait_for_the_right_thing() -> None:
    """Services that run wait for health, and all of ours for the migrations."""
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "no"
    for name in ("ingest", "duty", "api"):
        assert "migrate" in SERVICES[name]["depends_on"]
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_volumes_and_networks_are_named() -> None:
    """Every volume and network in use is declared, and data is in a volume."""
    for name, service in SERVICES.items():
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {source}"


def test_nothing_is_published_to_the_world() -> None:
    """Without a site's own decision only this machine reaches pages and broker."""
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", ["ingest", "duty", "api"])
def test_a_health_check_asks_the_port_that_is_served(name: str) -> None:
    """The port in the check is the one in the environment."""
    test = SERVICES[name]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "/opt/gasmon/healthcheck.py"]
    key = "GASMON_API__PORT" if name == "api" else f"GASMON_{name.upper()}__HEALTH_PORT"
    assert test[3] == SERVICES[name]["environment"][key]


class _Ready(BaseHTTPRequestHandler):
    """Answers /readyz as a process of ours does, with the server's present status."""

    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(b'{"checks": {"broker": "not connected", "database": "ok"}}')

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def test_the_health_check_says_what_is_wrong() -> None:
    """Ready is exit 0; not ready is exit 1 with the failed checks by name."""

    def check() -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, DEPLOY / "healthcheck.py", str(port)],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    with HTTPServer(("127.0.0.1", 0), _Ready) as server:
        port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            server.status = 200  # type: ignore[attr-defined]
            assert check() == (0, "")
            server.status = 503  # type: ignore[attr-defined]
            assert check() == (1, "broker: not connected\n")
        finally:
            server.shutdown()
            thread.join()
    code, said = check()
    assert code == 1
    assert "refused" in said


def test_the_image_is_built_from_what_exists_and_runs_unprivileged() -> None:
    """Every COPY of the Dockerfile finds its source; the user is a number."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    final = text.rpartition("FROM ")[2]
    assert not re.search(r"build-essential|gcc|-dev\b", final)


def test_the_sample_settings_load() -> None:
    """deploy/gasmon.toml is accepted as it stands."""
    assert load(DEPLOY / "gasmon.toml", None, environ={}).api.secure_cookie


# systemd


def unit_of(path: Path) -> configparser.RawConfigParser:
    """A unit file; keys that repeat keep their last value."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, "utf-8")
    return parser


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_starts_a_real_command_with_real_settings(path: Path) -> None:
    """ExecStart is taken by the parser, and every GASMON_ name loads."""
    program, *arguments = unit_of(path)["Service"]["ExecStart"].split()
    parsed_by_real_parser(Path(program).name, arguments)
    text = path.read_text("utf-8")
    environment = dict(re.findall(r"^Environment=(GASMON_\w+)=(.*)$", text, re.M))
    load(DEPLOY / "gasmon.toml", None, environ=environment)
    credentials = re.findall(r"^LoadCredential=([\w-]+):", text, re.M)
    used = re.findall(r"%d/([\w-]+)", text)
    assert credentials == used
    for name in ("NoNewPrivileges", "ProtectSystem", "DynamicUser", "PrivateTmp"):
        assert unit_of(path)["Service"][name] in ("yes", "strict")


def test_systemd_itself_accepts_the_units(tmp_path: Path) -> None:
    """systemd-analyze finds no unknown key and no wrong value in the units."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed; the units were only parsed")
    for path in UNITS:
        text = path.read_text("utf-8")
        text = text.replace("/opt/gasmon/bin/gasmon", "/bin/true")
        (tmp_path / path.name).write_text(text, "utf-8")
    done = subprocess.run(
        [program, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    faults = [line for line in done.stderr.splitlines() if "gasmon-" in line]
    assert faults == []


# The database's first start


def test_the_first_start_makes_a_role_that_is_no_superuser(
    servers_dir: Path, tmp_path: Path
) -> None:
    """init-database.sh: role with the secret's password, database, extension."""
    bin_dir = timescaledb_bin_dir()
    psql = bin_dir / "psql" if bin_dir else None
    if psql is None or not psql.exists():
        require("PostgreSQL with TimescaleDB and psql")
    secret = tmp_path / "password"
    secret.write_text('it\'s a "secret"\n', "utf-8")
    with EmbeddedPostgres(
        servers_dir / "init",
        bin_dir=bin_dir,
        state_dir=servers_dir / "init-state",
        extra_settings={
            "shared_preload_libraries": "timescaledb",
            "timescaledb.max_background_workers": "0",
        },
    ) as server:
        # The embedded server's own role is called gasmon already.
        script = tmp_path / "init.sh"
        text = (DEPLOY / "init-database.sh").read_text("utf-8")
        script.write_text(re.sub(r"\bgasmon\b", "site", text), "utf-8")
        run_init(server, psql, secret, script)
        with psycopg.connect(server.dsn("site")) as conn:
            told = conn.execute(
                "SELECT rolsuper, rolpassword LIKE 'SCRAM%%' FROM pg_authid"
                " WHERE rolname = %s",
                ("site",),
            ).fetchone()
            assert told == (False, True)
            found = conn.execute("SELECT extname FROM pg_extension").fetchall()
            assert ("timescaledb",) in found


def run_init(server: EmbeddedPostgres, psql: Path, secret: Path, script: Path) -> None:
    """Run the script as the image does, against our server."""
    parts = psycopg.conninfo.conninfo_to_dict(server.dsn("postgres"))
    environment = {
        "PATH": f"{psql.parent}:{os.environ['PATH']}",
        "PGHOST": str(parts["host"]),
        "PGPORT": str(parts.get("port", "")),
        "POSTGRES_USER": str(parts["user"]),
        "GASMON_PASSWORD_FILE": str(secret),
    }
    if "password" in parts:
        environment["PGPASSWORD"] = str(parts["password"])
    done = subprocess.run(
        ["sh", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# The broker


def make_secrets(folder: Path, *arguments: str) -> None:
    """Run deploy/make-secrets."""
    done = subprocess.run(
        [sys.executable, DEPLOY / "make-secrets", "--dir", folder, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class _Site:
    """A real Mosquitto with our configuration, its paths moved to a test's folder."""

    def __init__(self, folder: Path) -> None:
        program = mosquitto_program()
        if program is None:
            require("Mosquitto")
        self.folder = folder
        self.secrets = folder / "secrets"
        self.port, self.tls_port = free_port(), free_port()
        self._program = program
        for name in ("data", "mosquitto.d", "tls"):
            (folder / name).mkdir()

    def write_config(self) -> Path:
        """Our file with the container's paths and ports replaced."""
        text = (DEPLOY / "mosquitto.conf").read_text("utf-8")
        moved = {
            "/mosquitto/data/": f"{self.folder}/data/",
            "/mosquitto/config/mosquitto.d": f"{self.folder}/mosquitto.d",
            "/run/secrets": str(self.secrets),
            "listener 1883": f"listener {self.port} 127.0.0.1",
        }
        for old, new in moved.items():
            assert old in text, old
            text = text.replace(old, new)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            text += "user root\n"
        path = self.folder / "mosquitto.conf"
        path.write_text(text, "utf-8")
        return path

    def write_tls(self) -> None:
        """The site's own listener, with a certificate made for the test."""
        text = (DEPLOY / "tls.conf.example").read_text("utf-8")
        text = text.replace("listener 8883", f"listener {self.tls_port} 127.0.0.1")
        text = text.replace("/run/tls", f"{self.folder}/tls")
        (self.folder / "mosquitto.d" / "tls.conf").write_text(text, "utf-8")
        tls = self.folder / "tls"
        program = shutil.which("openssl")
        if program is None:
            require("openssl")
        subprocess.run(
            [
                *(program, "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-keyout", tls / "server.key", "-out", tls / "server.crt"),
                *("-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            ],
            check=True,
            capture_output=True,
        )
        shutil.copy(tls / "server.crt", tls / "ca.crt")

    def start(self) -> Child:
        """Start it; returns once it listens."""
        child = Child(
            [self._program, "-c", str(self.write_config())],
            log_path=self.folder / "log",
            cwd=self.folder,
            env=os.environ,
        )

        def settled() -> bool:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                return not child.alive
            return True

        assert wait_for(settled, 20.0)
        assert child.alive, (self.folder / "log").read_text("utf-8")
        return child

    def client(self, user: str, *, tls: bool = False) -> _Client:
        """Log in with the password that make-secrets made."""
        name = user if user.startswith("mine-") else f"broker_{user}"
        password = (self.secrets / name).read_text("utf-8").strip()
        authority = self.folder / "tls" / "ca.crt" if tls else None
        port = self.tls_port if tls else self.port
        return _Client(user, password, port, authority)


class _Client:
    """An MQTT 5 client that remembers what it was told."""

    def __init__(
        self, user: str, password: str, port: int, authority: Path | None
    ) -> None:
        self.code: int | None = None
        self.received: list[str] = []
        self.answers: dict[int, int] = {}
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"test-{user}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        self.client.username_pw_set(user, password)
        if authority is not None:
            self.client.tls_set(str(authority))
        self.client.on_connect = self._connected
        self.client.on_message = lambda c, u, message: self.received.append(
            message.topic
        )
        self.client.on_publish = self._published
        self.client.on_subscribe = self._subscribed
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        wait_until(lambda: self.code is not None, what=f"{user} at the broker")

    def _connected(self, c: Any, u: Any, f: Any, reason: Any, p: Any) -> None:
        self.code = reason.value

    def _published(self, c: Any, u: Any, mid: int, reason: Any, p: Any) -> None:
        self.answers[mid] = reason.value

    def _subscribed(self, c: Any, u: Any, mid: int, reasons: Any, p: Any) -> None:
        self.answers[mid] = reasons[0].value

    def subscribe(self, topic: str) -> int:
        """Subscribe and return the broker's answer; from 128 on a refusal."""
        _, mid = self.client.subscribe(topic, 1)
        assert mid is not None
        wait_until(lambda: mid in self.answers, what=f"SUBACK of {topic}")
        return self.answers[mid]

    def publish(self, topic: str, *, retain: bool = False) -> int:
        """Publish at QoS 1 and return the broker's answer."""
        info = self.client.publish(topic, b"x", 1, retain=retain)
        wait_until(lambda: info.mid in self.answers, what=f"PUBACK of {topic}")
        return self.answers[info.mid]

    def close(self) -> None:
        """Say goodbye."""
        hang_up(self.client)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[_Site]:
    """A running Mosquitto with our configuration, access list and TLS listener."""
    made = _Site(tmp_path)
    make_secrets(made.secrets, "--simulator", "--mine", MINE, "--mine", OTHER)
    made.write_tls()
    child = made.start()
    yield made
    child.stop(((15, 20.0),))


@pytest.fixture
def log_in(site: _Site) -> Iterator[Callable[..., _Client]]:
    """A function that logs users in, and out again at the end."""
    clients: list[_Client] = []

    def client(user: str, **how: bool) -> _Client:
        clients.append(site.client(user, **how))
        assert clients[-1].code == 0, user
        return clients[-1]

    yield client
    for each in clients:
        each.close()


UPWARD = (
    topics.data_topic(MINE[:6], MINE),
    topics.backfill_topic(MINE[:6], MINE),
    topics.state_topic(MINE[:6], MINE),
    topics.points_topic(MINE[:6], MINE),
    topics.event_topic(MINE[:6], MINE),
    topics.file_topic(MINE[:6], MINE, "CDSS"),
    topics.cmd_res_topic(MINE[:6], MINE),
)
DOWNWARD = (
    topics.alarms_topic(MINE[:6], MINE),
    topics.cmd_req_topic(MINE[:6], MINE),
)


def test_a_mine_publishes_its_own_branch_and_nothing_else(
    log_in: Callable[..., _Client],
) -> None:
    """On a real Mosquitto: own channels pass, every other topic is refused."""
    gasmon, mine = log_in("gasmon"), log_in(f"mine-{MINE}")
    assert gasmon.subscribe("gasmon/v1/#") == 1
    for topic in UPWARD:
        assert mine.publish(topic) < REFUSED, topic
    refused = (
        *DOWNWARD,
        topics.data_topic(OTHER[:6], OTHER),
        f"gasmon/v1/530602/{MINE}/data",
        topics.data_topic(MINE[:6], MINE, run=1),
        topics.platform_state_topic(),
        "elsewhere",
    )
    for topic in refused:
        assert mine.publish(topic) >= REFUSED, topic
    wait_until(lambda: len(gasmon.received) >= len(UPWARD), what="the mine's topics")
    assert sorted(gasmon.received) == sorted(UPWARD)


def test_a_mine_hears_what_is_for_it_alone(log_in: Callable[..., _Client]) -> None:
    """Requests and the annunciator of its own branch arrive, a neighbour's do not."""
    gasmon, mine, other = (
        log_in("gasmon"),
        log_in(f"mine-{MINE}"),
        log_in(f"mine-{OTHER}"),
    )
    for topic in DOWNWARD:
        assert mine.subscribe(topic) == 1
        # Refused, or granted and never served: either way nothing may arrive.
        other.subscribe(topic)
    other.subscribe("gasmon/v1/#")
    own = topics.cmd_req_topic(OTHER[:6], OTHER)
    other.subscribe(own)
    for topic in (*DOWNWARD, own):
        assert gasmon.publish(topic) < REFUSED
    wait_until(lambda: len(mine.received) == len(DOWNWARD), what="what is for it")
    wait_until(lambda: own in other.received, what="what is for the other")
    assert set(other.received) == {own}


def test_relays_listen_and_the_simulator_sends(
    log_in: Callable[..., _Client],
) -> None:
    """The annunciator's user reads alarms and state alone; `mines` sends for all."""
    ours = (topics.platform_alarms_topic(), topics.platform_alarms_topic([MINE[:6]]))
    gasmon, relay, mines = log_in("gasmon"), log_in("annunciator"), log_in("mines")
    relay.subscribe(topics.alarms_topic(MINE[:6], MINE))
    relay.subscribe("gasmon/v1/state")
    for topic in ours:
        relay.subscribe(topic)
    relay.subscribe(topics.data_topic(MINE[:6], MINE))
    gasmon.subscribe("gasmon/v1/+/+/data")
    assert mines.publish(UPWARD[0]) < REFUSED
    assert mines.publish(topics.data_topic(MINE[:6], MINE, run=7)) < REFUSED
    assert mines.publish(topics.player_topic(7)) < REFUSED
    assert mines.publish(DOWNWARD[0]) >= REFUSED
    assert relay.publish(DOWNWARD[0]) >= REFUSED
    assert gasmon.publish(DOWNWARD[0], retain=True) < REFUSED
    assert gasmon.publish(topics.platform_state_topic(), retain=True) < REFUSED
    for topic in ours:
        assert gasmon.publish(topic, retain=True) < REFUSED
        assert mines.publish(topic) >= REFUSED
    wait_until(lambda: len(relay.received) == 4, what="alarms and state at the relay")
    wait_until(lambda: gasmon.received == [UPWARD[0]], what="the simulator's frame")
    assert set(relay.received) == {DOWNWARD[0], topics.platform_state_topic(), *ours}


def test_nobody_comes_in_without_the_right_password(site: _Site) -> None:
    """A wrong password and an unknown user are refused (135: not authorised)."""
    for user, password in (("gasmon", "wrong"), ("somebody", "x")):
        client = _Client(user, password, site.port, None)
        client.close()
        assert client.code in (134, 135)


def test_mines_come_in_over_tls(log_in: Callable[..., _Client]) -> None:
    """The listener of tls.conf.example serves a mine that checks its certificate."""
    mine = log_in(f"mine-{MINE}", tls=True)
    assert mine.publish(UPWARD[0]) < REFUSED


def test_make_secrets_adds_and_never_changes(tmp_path: Path) -> None:
    """A second run keeps every password and adds the new mine's user and branch."""
    folder = tmp_path / "secrets"
    make_secrets(folder)
    before = {p.name: p.read_text("utf-8") for p in folder.iterdir()}
    make_secrets(folder, "--mine", MINE)
    after = {p.name: p.read_text("utf-8") for p in folder.iterdir()}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"broker_users", "broker_acl", f"mine-{MINE}"}
    assert after["broker_users"].startswith(before["broker_users"])
    assert f"gasmon/v1/{MINE[:6]}/{MINE}/data" in after["broker_acl"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_queue_arithmetic_holds_for_a_city() -> None:
    """The numbers in mosquitto.conf are those that its comments promise."""
    conf = (DEPLOY / "mosquitto.conf").read_text("utf-8")
    values = dict(re.findall(r"^(\w+) (\S+)$", conf, re.MULTILINE))
    frames_per_s = 259 / 5
    assert int(values["max_queued_messages"]) / frames_per_s >= 12 * 3600
    assert int(values["max_queued_bytes"]) / (frames_per_s * 1200) >= 12 * 3600
    settings = Settings()
    assert int(values["max_inflight_messages"]) >= settings.mqtt.receive_window
    assert int(values["message_size_limit"]) > settings.ingest.max_frame_bytes
    days = int(values["persistent_client_expiration"].rstrip("d"))
    assert days * 86400 >= settings.mqtt.session_expiry_s

"""Settings: sources, what wins, and that nothing mistyped is ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.errors import ConfigError
from gasmon.settings import Section, Settings, load, read_secret


def test_defaults_need_nothing() -> None:
    """Without file, environment and flags."""
    settings = load(environ={})
    assert settings == Settings()
    assert settings.mode == "production"


def test_later_sources_win(tmp_path: Path) -> None:
    """File, then environment, then flags; sections are merged, not replaced."""
    file = tmp_path / "gasmon.toml"
    file.write_text('[api]\nport = 1\nhost = "a"\nheartbeat_s = 2.5\n', "utf-8")
    settings = load(
        file,
        overrides={"api.port": "3"},
        environ={"GASMON_API__PORT": "2", "GASMON_API__HOST": "b", "HOME": "/x"},
    )
    assert (settings.api.port, settings.api.host) == (3, "b")
    assert settings.api.heartbeat_s == 2.5


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    """A flag names another one."""
    one, two = tmp_path / "1.toml", tmp_path / "2.toml"
    one.write_text('mode = "test"\n', "utf-8")
    two.write_text('mode = "demo"\n', "utf-8")
    assert load(environ={"GASMON_CONFIG": str(one)}).mode == "test"
    assert load(two, environ={"GASMON_CONFIG": str(one)}).mode == "demo"


def test_the_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at when none is given."""
    monkeypatch.delenv("GASMON_CONFIG", raising=False)
    monkeypatch.setenv("GASMON_MODE", "demo")
    assert load().mode == "demo"


def test_lists_are_written_with_commas() -> None:
    """In the environment and in flags; a list in code is one already."""
    settings = load(
        environ={"GASMON_INGEST__AREAS": "530627, 530628,"},
        overrides={"api.allowed_origins": "https://a"},
    )
    assert settings.ingest.areas == ["530627", "530628"]
    assert settings.api.allowed_origins == ["https://a"]
    named = load(environ={}, overrides={"ingest.areas": ["zhenxiong"]})
    assert named.ingest.areas == ["530627"]


def test_an_area_that_does_not_exist_is_named() -> None:
    """A mistyped area would leave its mines to nobody."""
    with pytest.raises(ConfigError, match="there is no area 'zenxiong'"):
        load(environ={}, overrides={"ingest.areas": ["zenxiong"]})


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"api.prot": 1}, "unknown setting api.prot"),
        ({"apis": 1}, "unknown setting apis"),
        ({"api.port": "many"}, "api.port = 'many': "),
        ({"engine.mark_interval_s": 0}, "engine.mark_interval_s = 0: "),
        ({"mode": "fast"}, "mode = 'fast'"),
        ({"mode": "test", "mode.x": 1}, "mode.x: mode is a value, not a section"),
        ({"ingest.inbox_limit": 10}, "ingest.inbox_limit (10) is below"),
    ],
)
def test_what_is_wrong_is_named(overrides: dict[str, object], says: str) -> None:
    """With the setting and its value."""
    with pytest.raises(ConfigError) as refused:
        load(environ={}, overrides=overrides)
    assert says in str(refused.value)


def test_a_mistyped_variable_is_refused() -> None:
    """GASMON_API__PROT does not silently leave the port as it was."""
    with pytest.raises(ConfigError, match=r"unknown setting api\.prot"):
        load(environ={"GASMON_API__PROT": "1"})


def test_a_section_replaces_a_value_of_the_file(tmp_path: Path) -> None:
    """The later source decides what a name is; the check then names it."""
    file = tmp_path / "gasmon.toml"
    file.write_text("api = 3\n", "utf-8")
    settings = load(file, environ={"GASMON_API__PORT": "5"})
    assert settings.api.port == 5


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Missing, or no TOML: the path stands in the error."""
    missing = tmp_path / "no.toml"
    with pytest.raises(ConfigError, match=r"no\.toml: No such file"):
        load(missing, environ={})
    broken = tmp_path / "bad.toml"
    broken.write_text("x = \n", "utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml: "):
        load(broken, environ={})


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    """Without the line end; an empty or missing file is refused by name."""
    file = tmp_path / "password"
    file.write_text("geheim\n", "utf-8")
    assert read_secret(None) is None
    assert read_secret(file) == "geheim"
    file.write_text("\n", "utf-8")
    with pytest.raises(ConfigError, match="password is empty"):
        read_secret(file)
    with pytest.raises(ConfigError, match="none: No such file"):
        read_secret(tmp_path / "none")


def test_every_setting_is_described() -> None:
    """A name without a word about it helps no operator."""
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            for key, inner in section.model_fields.items():
                assert inner.description, f"{name}.{key}"


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it is."""
    with pytest.raises(ValueError, match="frozen"):
        load(environ={}).api.port = 5  # type: ignore[misc]

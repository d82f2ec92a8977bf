"""The channels' file: what it holds, and what is wrong in it, with the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gasmon.alarms.escalation_rules import default_escalation
from gasmon.duty.channel_file import Channel, check_names, load_channels
from gasmon.errors import ConfigError

HOOK = '[[channel]]\nname = "hook"\nkind = "webhook"\nurl = "https://x.cn/a"\n'
SMS = (
    '[[channel]]\nname = "phones"\nkind = "sms"\nurl = "http://x"\n'
    'to = ["13800000000"]\n'
)
MAIL = (
    '[[channel]]\nname = "post"\nkind = "mail"\nhost = "mail.cn"\n'
    'sender = "gas@x.cn"\nto = ["duty@x.cn"]\n'
)


def read(tmp_path: Path, text: str) -> tuple[Channel, ...]:
    """Channels of a file with this text."""
    file = tmp_path / "c.toml"
    file.write_text(text, "utf-8")
    return load_channels(file)


def test_channels_are_read_with_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file or the environment; no secret shows in what is printed."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", "utf-8")
    monkeypatch.setenv("SMS_PASSWORD", "h1dden")
    hook, phones, post = read(
        tmp_path,
        f'{HOOK}secret_file = "{secret}"\ntiers = ["city"]\n'
        f'{SMS}secret_env = "SMS_PASSWORD"\nareas = ["zhenxiong"]\n'
        f'[channel.fields]\nkey = "{{secret}}"\n{MAIL}tls = "tls"\n',
    )
    assert (hook.secret, hook.to, hook.tiers) == ("s3cret", ("x.cn",), {"city"})
    assert (phones.secret, phones.fields) == ("h1dden", {"key": "{secret}"})
    assert phones.areas == {"530627"}
    assert (post.port, post.to) == (465, ("duty@x.cn",))
    assert "s3cret" not in repr(hook)
    assert load_channels(None) == ()


def test_a_step_calls_channels_by_name_or_kind_tier_and_area() -> None:
    """No tiers and areas mean all; a prefecture's code means its counties."""
    phones = Channel("phones", "sms", frozenset({"city"}), frozenset({"530600"}))
    assert phones.is_called(["sms"], {"city"}, "530627")
    assert phones.is_called(["phones"], {"county", "city"}, "530627")
    assert not phones.is_called(["mail"], {"city"}, "530627")
    assert not phones.is_called(["sms"], {"county"}, "530627")
    assert not phones.is_called(["sms"], {"city"}, "110101")
    assert Channel("all", "sms").is_called(["sms"], {"mine"}, "110101")


def test_rules_may_only_call_channels_that_exist() -> None:
    """By name; kinds are always possible."""
    rules = default_escalation()
    check_names(rules, ())
    step = replace(rules.rows[-1].steps[0], channels=("phones",))
    own = replace(rules, rows=(replace(rules.rows[-1], steps=(step,)),))
    check_names(own, [Channel("phones", "sms")])
    with pytest.raises(ConfigError, match=r"rule graded: 'phones' is neither"):
        check_names(own, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = [", "channels_file"),
        ("\nx = 1", "c.toml:2: unknown section 'x'"),
        ("channel = 1", "not an array of tables"),
        ("channel = [1]", "1 is not a table"),
        ('[[channel]]\nname = "a"\nkind = "fax"\n', "c.toml:3: [[channel]] 1: kind ="),
        (HOOK + "to = 1\n", "c.toml:5: [[channel]] 1: unknown key 'to'"),
        (HOOK, "a webhook needs a secret"),
        (HOOK.replace("https", "ftp") + 'secret_env = "X"', "not set"),
        (SMS.replace("http:", "ftp:"), "url is no http"),
        (SMS.replace("phones", "sms"), "and no kind"),
        (SMS + SMS, "c.toml:7: there are two channels 'phones'"),
        (SMS + 'tiers = ["moon"]\n', "unknown tiers 'moon'"),
        (SMS + 'areas = ["moon"]\n', "unknown areas 'moon'"),
        (SMS + 'form = "xml"\n', "form = 'xml' is none of json, form"),
        (SMS + 'fields = { a = "{who}" }\n', "fields.a: {who} is none of"),
        (SMS + "fields = { a = 1 }\n", "fields.a = 1 is not a text"),
        (SMS + "headers = 1\n", "1 is not a table"),
        (SMS + 'ok_field = "a\\nb"\n', "is not one line"),
        (SMS.replace('["13800000000"]', "[]"), "0 to; 1 to 50 are possible"),
        (SMS.replace("13800000000", "1 3"), "'1 3' is no number or address"),
        (SMS + 'secret_env = "A"\nsecret_file = "B"\n', "one is enough"),
        (SMS + 'secret_file = "/nowhere/b"\n', "/nowhere/b"),
        (MAIL + "port = 0\n", "port = 0 is not 1 to 65535"),
        (MAIL + 'tls = "maybe"\n', "tls = 'maybe' is none of"),
        (MAIL.replace("mail.cn", ""), "host = '' is not a text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    """File, line, channel and value."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)

"""Which passwords are taken, and what their hashes are."""

from __future__ import annotations

import pytest

from gasmon.errors import BadRequest
from gasmon.settings import AccountSettings
from gasmon.store.password_rules import MAX_CHARS, check_password
from gasmon.store.passwords import Passwords

CHEAP = AccountSettings(argon2_memory_kib=19_456, argon2_passes=2)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "Kf7 wuzbq-Tno",
        "七里坪的桥下有三只白鹭飞过",
        "rT4!mvPq2#sWd9",
        "x" * 5 + "kwoptz" + "vb",
    ],
)
def test_long_and_uncommon_passwords_are_taken(password: str) -> None:
    """Sentences, other scripts and noise."""
    check_password(password, "wang")


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("short", "5 characters"),
        ("elevenchars", "11 characters"),
        ("x" * (MAX_CHARS + 1), "129 characters"),
        ("wanglijun-zhaotong", "user's name"),
        ("WANGLIJUN-ZHAOTONG", "user's name"),
        ("password1234", "common"),
        ("P@ssw0rd1234", "common"),
        ("Gasmon2026!!", "common"),
        ("123456789012", "common"),
        ("210987654321", "common"),
        ("qwertyuiop[]", "common"),
        ("1qaz2wsx3edc", "common"),
        ("aaaaaaaaaaaa", "common"),
        ("abababababab", "common"),
        ("wanglijun20261127", "common"),
        ("MeikuangWasi888", "common"),
        ("administrator1", "common"),
        ("昭通煤矿瓦斯监控管理员密码", "common"),
    ],
)
def test_short_and_common_passwords_are_refused(password: str, word: str) -> None:
    """The reason is named, the password is not."""
    with pytest.raises(BadRequest, match=word) as refused:
        check_password(password, "wanglijun-zhaotong")
    assert password not in str(refused.value)


def test_the_same_keys_are_the_same_password() -> None:
    """Full-width letters of a Chinese keyboard are the letters."""
    passwords = Passwords(CHEAP)
    stored = passwords.hash("correct horse battery")
    assert passwords.is_right(stored, "ｃorrect horse battery")
    assert not passwords.is_right(stored, "correct horse batterY")


def test_a_hash_says_its_parameters_and_when_they_are_old() -> None:
    """argon2id; another setting makes the hash stale and leaves it right."""
    stored = Passwords(CHEAP).hash("correct horse battery")
    stronger = Passwords(CHEAP.model_copy(update={"argon2_passes": 3}))
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not Passwords(CHEAP).is_stale(stored)
    assert stronger.is_stale(stored)
    assert stronger.is_right(stored, "correct horse battery")


def test_nobody_has_no_password_and_rubbish_is_none() -> None:
    """A name that nobody has is refused, whatever is said; so is a broken hash."""
    passwords = Passwords(CHEAP)
    assert not passwords.is_right(None, "correct horse battery")
    assert not passwords.is_right(None, "nobody's")
    assert not passwords.is_right("$argon2id$rubbish", "correct horse battery")

"""Which passwords are taken: long ones that no list of common ones leads to.

A rule that asks for digits and capitals gets ``Password123!`` from everybody; length
and a look for what is common ask more of a guesser and less of people (NIST SP
800-63B, 5.1.1.2 says both).
"""

import re
import unicodedata

from gasmon.errors import BadRequest

MIN_CHARS = 12
"""Shortest password. NIST asks for 8; ours, as no second factor stands beside it."""

MAX_CHARS = 128
"""Longest: room for a sentence, and a bound on what a stranger lets us hash."""

MIN_UNCOMMON_CHARS = 5
"""What must be left when all that is common is taken out. Ours: five characters
that follow from nothing are some ten million tries, each 0.1 s of a core, beside the
limit on failed log-ins."""

MIN_DISTINCT_CHARS = 5

COMMON = (
    "administrator", "admin", "root", "guest", "test", "user", "operator", "password",
    "passwort", "passwd", "pass", "secret", "login", "letmein", "welcome", "monkey",
    "dragon", "iloveyou", "sunshine", "princess", "football", "baseball", "superman",
    "master", "shadow", "changeme", "default", "qwerty", "qwertz", "asdf", "zxcv",
    "qazwsx", "woaini", "mima", "nihao", "zhongguo", "china", "beijing", "yunnan",
    "zhaotong", "meikuang", "meitan", "wasi", "anquan", "jiankong", "diaodu", "gasmon",
    "methane", "coal", "mine", "gas", "abc", "aaa", "520", "1314", "888", "666", "110",
    "密码", "管理员", "煤矿", "瓦斯", "监控", "安全", "调度", "昭通", "云南", "中国",
)  # fmt: skip
"""Words that many passwords are made of, in the world and in this trade. Ours."""

ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "!@#$%^&*()",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
)
"""Neighbours on a keyboard, in the alphabet and among the digits."""

RUN_CHARS = 3
"""So many neighbours in a row are a run."""

_LOOKS_LIKE = str.maketrans("@0135$7", "aoiesst")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?:(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01]))?")
_REPEATED = re.compile(r"(.{1,6}?)\1{2,}")


def normal_form(password: str) -> str:
    """The form that is hashed: the same keys give it on every system (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, name: str) -> None:
    """Refuse what is short or easily guessed.

    Args:
        name: of its user.

    Raises:
        BadRequest: says what is wrong with it; never repeats it.
    """
    given = normal_form(password)
    if len(given) < MIN_CHARS:
        raise BadRequest(
            f"the password has {len(given)} characters; {MIN_CHARS} or more are wanted"
        )
    if len(given) > MAX_CHARS:
        raise BadRequest(
            f"the password has {len(given)} characters; {MAX_CHARS} at most are taken"
        )
    plain, own = given.casefold(), normal_form(name).casefold()
    if plain == own:
        raise BadRequest("the password is the user's name")
    # "P@ssw0rd1234" is a common word once its figures are read as letters, and a run
    # as long as they are not.
    bare = _without_runs(_YEAR.sub(" ", plain))
    forms = (plain, plain.translate(_LOOKS_LIKE), bare.translate(_LOOKS_LIKE))
    left = min((_uncommon(form, own) for form in forms), key=len)
    if len(left) < MIN_UNCOMMON_CHARS or len(set(plain)) < MIN_DISTINCT_CHARS:
        raise BadRequest(
            "the password is too common: words that everybody takes, the user's name, "
            "years, repetitions and rows of keys do not count"
        )


def _uncommon(text: str, name: str) -> str:
    """What is left of a password without its common parts and without punctuation."""
    text = _YEAR.sub(" ", text)
    parts = [part for part in re.split(r"\W+|_", name) if len(part) >= 3]
    for word in sorted({*COMMON, *parts, name}, key=len, reverse=True):
        text = text.replace(word, " ") if word else text
    text = _REPEATED.sub(" ", _without_runs(text))
    return "".join(character for character in text if character.isalnum())


def _without_runs(text: str) -> str:
    """The text with runs of neighbours, in either direction, blanked."""
    kept = list(text)
    both = [*ROWS, *(row[::-1] for row in ROWS)]
    for at in range(len(text) - RUN_CHARS + 1):
        if any(text[at : at + RUN_CHARS] in row for row in both):
            kept[at : at + RUN_CHARS] = " " * RUN_CHARS
    return "".join(kept)

"""What the doctor says of one thing."""

from dataclasses import dataclass

OK = "ok"
WARNING = "warning"
WRONG = "wrong"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and its result.

    Attributes:
        check: ``database.fsync``, ``broker.window``; stable, for programs.
        level: ok, warning, wrong or unreachable.
        measured: the number or word that was found; None when there is none.
        todo_zh: what to do; empty when nothing is to be done.
    """

    check: str
    level: str
    zh: str
    en: str
    measured: float | int | str | bool | None = None
    todo_zh: str = ""
    todo_en: str = ""

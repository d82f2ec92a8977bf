"""In which line of a TOML file something stands.

The reader of TOML gives values without lines, so the text is read a second time, only
for headers and keys. Arrays of tables are counted as TOML counts them.
"""

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\- ]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*(?:\.|=)")
_LONG = re.compile(r'"""|\'\'\'')

Place = tuple[str, int, str]
"""Table or array of tables, which of them (0 for a table), key ("" for the header)."""


class RuleLines:
    """Lines of one file, by what stands in them."""

    def __init__(self, text: str) -> None:
        self._line: dict[Place, int] = {}
        self._n_of: dict[str, int] = {}
        table, number, prefix = "", 0, ""
        inside = ""  # the quotes of a text over several lines that is still open
        depth = 0  # of brackets: the lines of an array are not keys
        for at, line in enumerate(text.splitlines(), 1):
            if inside:
                inside = "" if line.count(inside) % 2 else inside
                continue
            header = _HEADER.match(line) if depth == 0 else None
            if header:
                table, number, prefix = self._enter(header, at)
                continue
            key = _KEY.match(line) if depth == 0 else None
            if key:
                self._line.setdefault((table, number, prefix + key[1]), at)
            long = _LONG.search(line)
            if long and line.count(long[0]) % 2:
                inside = long[0]
            bare = _bare(line)
            depth += sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")

    def _enter(self, header: re.Match[str], at: int) -> tuple[str, int, str]:
        name = header[2].replace(" ", "")
        if header[1] == "[[":
            self._n_of[name] = number = self._n_of.get(name, 0) + 1
            self._line[name, number, ""] = at
            return name, number, ""
        head, _, rest = name.partition(".")
        if head in self._n_of and rest:  # [rule.match] is of the newest [[rule]]
            number = self._n_of[head]
            self._line.setdefault((head, number, rest), at)
            return head, number, f"{rest}."
        self._line.setdefault((name, 0, ""), at)
        return name, 0, ""

    def of(self, table: str, number: int = 0, key: str = "") -> int:
        """The line of a key, else of its table, else of the array's own key.

        Args:
            table: name of the table or array of tables; "" is the top of the file.
            number: which of an array's tables, from 1; 0 for a table.
        """
        for place in ((table, number, key), (table, number, ""), ("", 0, table)):
            if place in self._line:
                return self._line[place]
        return self._line.get(("", 0, key), 1)


def _bare(line: str) -> str:
    """The line without quoted texts and without its comment."""
    return re.sub(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*', "", line)

"""The page's files: texts, browser floor, vendored libraries, contrast, no markup."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import gasmon.api

WEB = Path(gasmon.api.__file__).parent / "web"
OURS = sorted(path for path in WEB.glob("*") if path.suffix in (".js", ".css"))
SCRIPTS = [path for path in OURS if path.suffix == ".js"]
VENDOR = WEB / "vendor"
CJK = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")

# What Chromium 86 does not know, with the version that brought it.
BANNED_SCRIPT = {
    r"\.at\(": "Array.at, 92",
    r"Object\.hasOwn\b": "93",
    r"\bstructuredClone\b": "98",
    r"\.(findLast|findLastIndex|toSorted|toReversed|toSpliced|with)\(": "97 to 110",
    r"\bcrypto\.randomUUID\b": "92",
    r"\bAbortSignal\.(timeout|any)\b": "103",
    r"\bstatic\s*\{": "class static blocks, 94",
    r"#\w+ in \w": "private-in, 91",
    r"importmap": "89",
    r"^await ": "top-level await, 89",
    r"\bIntl\.(Segmenter|DurationFormat)\b": "87",
    r"\bcause:\s": "Error cause, 93",
    r"\.showPopover\b|\bpopover=": "114",
    r"/[a-z]*v[a-z]*\.test\(": "RegExp v flag, 112",
}
BANNED_STYLE = {
    r":has\(": "105",
    r"@container\b|container-type": "105",
    r"(?<![-\w])inset:": "87",
    r"aspect-ratio\s*:": "88",
    r":is\(|:where\(": "88",
    r"@layer\b": "99",
    r"color-mix\(|oklch\(": "111",
    r"\d(dvh|svh|lvh|dvw)\b": "108",
    r"accent-color": "93",
    r"scrollbar-gutter": "94",
    r"overflow:\s*clip": "90",
    r"(margin|padding)-(inline|block)\s*:": "87",
    r"@media[^{]*[<>]": "range syntax, 104",
    r"&\s*[.:#\w\[]": "nesting, 112",
    r"prefers-contrast": "96",
}


def texts(lang: str) -> dict[str, str]:
    """The texts of a language file: one JSON pair a line."""
    lines = (WEB / f"texts.{lang}.js").read_text("utf-8").splitlines()
    pairs = [line.strip().rstrip(",") for line in lines if line.startswith('  "')]
    found: dict[str, str] = json.loads("{" + ",".join(pairs) + "}")
    assert len(found) == len(pairs), "a key stands twice"
    return found


def html_literals(source: str) -> list[str]:
    """The literal parts of html`…` templates, with ${…} replaced by a NUL."""
    found: list[str] = []
    stack: list[list[str] | int] = []
    i = 0
    while i < len(source):
        top = stack[-1] if stack else None
        if isinstance(top, list):
            if source[i] == "`":
                found.append("".join(top))
                stack.pop()
            elif source.startswith("${", i):
                top.append("\0")
                stack.append(1)
                i += 1
            else:
                top.append(source[i])
        elif source.startswith("html`", i):
            stack.append([])
            i += 4
        elif isinstance(top, int):
            if source[i] == "{":
                stack[-1] = top + 1
            elif source[i] == "}":
                if top == 1:
                    stack.pop()
                else:
                    stack[-1] = top - 1
            elif source[i] == "`":
                i = source.index("`", i + 1)
        i += 1
    return found


def strip_comments(source: str) -> str:
    """Source without comments, good enough for our own style of writing."""
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    return re.sub(r"(^|\s)//.*$", "", source, flags=re.M)


def test_languages_have_the_same_keys() -> None:
    """Chinese and English have the same keys, none empty, same placeholders."""
    zh, en = texts("zh"), texts("en")
    assert zh.keys() == en.keys()
    for key in zh:
        assert zh[key].strip(), key
        assert en[key].strip(), key
        assert set(re.findall(r"\{\w+\}", zh[key])) == set(
            re.findall(r"\{\w+\}", en[key])
        ), key


def test_every_text_used_exists_and_every_text_is_used() -> None:
    """No key is missing on the screen, and none is left over in the files."""
    code = "\n".join(
        strip_comments(p.read_text("utf-8")) for p in SCRIPTS if "texts." not in p.name
    )
    whole = set(re.findall(r"\bt\(\s*\"([a-z_0-9.]+)\"", code))
    whole |= set(re.findall(r"\"([a-z]+\.[a-z_0-9.]+)\"", code)) & texts("zh").keys()
    prefixes = set(re.findall(r"\bt\(`([a-z_.]+\.)\$\{", code))
    prefixes |= {f"{p}." for p in re.findall(r"tCode\(\"(\w+)\"", code)}
    assert whole - texts("zh").keys() == set()
    unused = [
        key
        for key in texts("zh")
        if key not in whole and not any(key.startswith(p) for p in prefixes)
    ]
    assert unused == []


def test_no_text_stands_in_code() -> None:
    """People's words stand in the text files alone, in both languages."""
    for path in SCRIPTS:
        if path.name.startswith("texts."):
            continue
        source = strip_comments(path.read_text("utf-8"))
        assert not CJK.search(source), path.name
        for literal in html_literals(source):
            words = re.sub(r"<[^>]*>", " ", literal)
            assert not re.search(r"[A-Za-z]{2,}", words), (path.name, words)
            named = re.findall(
                r"(?:title|placeholder|aria-label)=\"([^\"]*)\"", literal
            )
            assert named == [], path.name


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_nothing_newer_than_the_browser_floor(path: Path) -> None:
    """Chromium 86 runs it: nothing that came later is used."""
    source = strip_comments(path.read_text("utf-8"))
    banned = BANNED_SCRIPT if path.suffix == ".js" else BANNED_STYLE
    for pattern, since in banned.items():
        found = re.search(pattern, source, re.M)
        assert not found, f"{path.name}: {found and found.group(0)!r} came with {since}"


@pytest.mark.parametrize("path", sorted(VENDOR.glob("*.js")), ids=lambda p: p.name)
def test_vendored_scripts_keep_to_the_floor(path: Path) -> None:
    """The libraries do not need a newer browser either."""
    source = path.read_text("utf-8")
    for pattern in (r"\.at\(", r"Object\.hasOwn\b", r"structuredClone", r"static\{"):
        assert not re.search(pattern, source), f"{path.name}: {pattern}"


def test_nothing_can_become_markup_or_inline_script() -> None:
    """The strict content policy is kept by construction, not by luck."""
    for path in SCRIPTS:
        source = strip_comments(path.read_text("utf-8"))
        for bad in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "dangerouslySetInnerHTML",
            "eval(",
            "new Function",
        ):
            assert bad not in source, f"{path.name}: {bad}"
    index = (WEB / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", index)
    assert not re.search(r"<style|\sstyle=|\son\w+=", index)


def test_no_other_host_is_asked() -> None:
    """On site there is no internet: everything comes from the server itself."""
    for path in [*OURS, WEB / "index.html"]:
        found = re.findall(r"https?://[^\s\"'`)]+", path.read_text("utf-8"))
        assert [a for a in found if "www.w3.org/2000/svg" not in a] == [], path.name


def test_imports_are_relative_and_lead_somewhere() -> None:
    """Without import maps every import names a file that is there."""
    for path in [*SCRIPTS, *VENDOR.glob("*.js")]:
        source = path.read_text("utf-8")
        for target in re.findall(
            r"(?:^|[;}])(?:im|ex)port\b[^;\"()]*?\bfrom\s*\"([^\"]+)\"", source, re.M
        ):
            assert target.startswith("./"), (path.name, target)
            assert (path.parent / target).is_file(), (path.name, target)


def test_vendored_files_are_what_the_lock_says() -> None:
    """Name, version and hash of every vendored file are written down."""
    listed = {}
    for line in (VENDOR / "vendor.lock").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, version, file, digest = line.split()
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        listed[file] = digest
    there = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "vendor.lock"
    }
    assert there == listed


def test_files_stay_readable() -> None:
    """No file of ours grows beyond what one reads in one go."""
    for path in OURS:
        if not path.name.startswith("texts."):
            assert len(path.read_text("utf-8").splitlines()) <= 400, path.name


def luminance(color: str) -> float:
    """Relative luminance of #RRGGBB (WCAG 2.2)."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    r, g, b = (linear(int(color[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2), 1 to 21."""
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def themes() -> dict[str, dict[str, str]]:
    """The colour tokens of both themes."""
    style = (WEB / "style.css").read_text("utf-8")
    found = {}
    for name, start in (("light", ":root {"), ("dark", ':root[data-theme="dark"] {')):
        block = style[style.index(start) :].split("}", 1)[0]
        found[name] = dict(re.findall(r"--([\w-]+):\s*([^;]+);", block))
    return found


def blended(color: str, ground: str) -> str:
    """A colour of a token, `#RRGGBB` or `rgba(…)`, as it looks on a ground."""
    if color.startswith("#"):
        return color
    *channels, alpha = (float(part) for part in re.findall(r"[\d.]+", color))
    below = [int(ground[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = (
        round(alpha * over + (1 - alpha) * under)
        for over, under in zip(channels, below, strict=True)
    )
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


GROUNDS = ("bg", "panel", "hover")
LEAST_CONTRAST = {
    **dict.fromkeys(("text", "muted", "red", "orange", "yellow", "blue"), 4.5),
    "device": 4.5,
    **dict.fromkeys(("line-alarm", "line-cut", "fill"), 3.0),
    # Nothing is told by these alone: frames, the empty part of a bar, hatching.
    **dict.fromkeys(("line", "band", "band-edge"), 1.25),
    **dict.fromkeys(("track", "hatch"), 1.1),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_token_stands_out_from_what_it_stands_on(theme: str) -> None:
    """No colour is without a contrast that somebody chose for its use."""
    tokens = themes()[theme]
    assert tokens.keys() - set(GROUNDS) == LEAST_CONTRAST.keys()
    for name, least in LEAST_CONTRAST.items():
        for ground in ("bg", "panel"):
            ratio = contrast(blended(tokens[name], tokens[ground]), tokens[ground])
            assert ratio >= least, f"{theme}: {name} on {ground} is {ratio:.2f}:1"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough_for_a_dark_room_and_a_bright_one(theme: str) -> None:
    """Text at least 4.5:1, symbols and lines at least 3:1, on every background."""
    tokens = themes()[theme]
    for ground in ("bg", "panel", "hover"):
        for name in ("text", "muted", "red", "orange", "yellow", "blue", "device"):
            ratio = contrast(tokens[name], tokens[ground])
            assert ratio >= 4.5, f"{theme}: {name} on {ground} is {ratio:.2f}:1"
    for name in ("line-alarm", "line-cut", "fill"):
        for ground in ("panel", "track"):
            ratio = contrast(tokens[name], tokens[ground])
            assert ratio >= (3.0 if ground == "panel" else 2.0), (theme, name, ratio)
    assert contrast(tokens["text"], tokens["bg"]) >= 7, "inverted bars"


def test_both_themes_have_the_same_tokens() -> None:
    """A token that only one theme has would show through from the other."""
    found = themes()
    assert found["light"].keys() == found["dark"].keys()

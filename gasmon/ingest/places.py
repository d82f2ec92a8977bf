"""The place class of a point, read from the free text of its location.

National point definitions have no field for the class that decides the legal limits
(AQ 1029-2019 table 1: T0, T1, T2 …): it stands in the location text, in the words of
whoever typed it. The rules below go from what names one class beyond doubt to what
only suggests one; the first that fits decides. Their words are those of AQ 1029, the
Coal Mine Safety Regulations and everyday mine speech (上隅角 for 回风隅角, 碛头 for the
face of a heading). What stays unclear stays unknown: a person decides.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

DECIDED = 0.6
"""Least confidence with which a class counts without a person. Ours: below it stand
the guesses that two readings of the text are possible for."""

_VARIANTS = str.maketrans(
    "風進採釆總囬迴礦倉場機區崛倔偶遇禺愚漕糟Т",
    "风进采采总回回矿仓场机区掘掘隅隅隅隅槽槽T",
)
"""Traditional forms, Cyrillic Т, and characters typed for one that looks or sounds
alike; none of the latter belongs into a location."""

_MISTYPED = (
    ("掘近", "掘进"),
    ("隅脚", "隅角"),
    ("工做面", "工作面"),
    ("作业面", "工作面"),
    ("回凤", "回风"),
    ("回封", "回风"),
    ("进凤", "进风"),
    ("顺巷", "顺槽"),
)
_SEPARATORS = re.compile(r"[^\w+%]|_")
_T_NUMBER = re.compile(r"(?<![A-Z])T[\s\-_]*([0-6OLI])(?![0-9A-Z])")
_UNIT = re.compile(
    r"(?<![0-9A-Z+.\-])"
    r"((?:[A-SU-Z]{1,2}|[0-9]{1,2}-|[东西南北])?[0-9]{3,6}(?:-[0-9])?)"
    r"(?![0-9.]|\s*(?:M(?![A-Z])|米|水平|标高|KV|V|年))"
)

_HEADING = re.compile("掘|迎头|碛头|掌子|开拓工作面|开拓面|当头|揭煤")
_FACE = re.compile("采煤|综采|综放|炮采|普采|回采|采面|采场|备采|放顶煤")
_NAMED_RETURN = re.compile("回风|回顺|上顺槽|(?<!进)风巷|上巷")
_INTAKE = re.compile(
    "进风|进顺|运顺|下顺槽|运输顺槽|皮带顺槽|胶带顺槽|机巷|下巷|运输巷|皮带巷|胶带巷"
)
_CORNER = re.compile("隅角|上尾角")
_DEVICE = re.compile(
    "开停|馈电|断电器|断电仪|风筒|风门|局扇|局部通风机|局部扇风机|局通|主扇|主通风机|"
    "主要通风机|风机|电源|供电|分站|水泵|变电所|配电|绞车|硐室|炸药库|火药库|车场|风硐"
)
_PIPE = re.compile("(?:抽采|抽放|瓦斯|负压|泵).*(?:管|孔口)|(?:主|支|干|汇流)管")
_DRAINING = re.compile("抽采|抽放|瓦斯泵|瓦斯抽|移动泵|泵站|瓦斯站")
_ROOM = re.compile("(?:抽采|抽放|瓦斯).{0,6}(?:泵房|泵站|站房|泵室|站)|瓦斯站")
_BELOW_GROUND = re.compile("井下|临时|移动|栅栏|下风侧")
_GALLERY = re.compile(
    "(?:皮带|胶带|带式|输送|输煤|运煤|机|地面).*(?:走廊|栈桥)|(?:走廊|栈桥).*(?:皮带|胶带)"
)
_SHEARER = re.compile("采煤机|割煤机|(?<!采)煤机(?![电巷])|滚筒")
_ROADHEADER = re.compile("掘进机(?![巷风电头])|综掘机|掘锚|钻车|凿岩台车|梭车")
_SERIES = re.compile("被串|串联|串通")
_WING = re.compile("[东西南北左右一两]翼|[一二]号翼")
_SECOND_RETURN = re.compile(
    "第二条?回风|第2条?回风|2条回风|尾巷|排瓦斯巷|瓦排巷|二回风"
)
_MINE_RETURN = re.compile("总回(?!采)|回风[立斜平主]?井|矿井回风")
_PANEL_RETURN = re.compile(
    "(?:采区|盘区|带区|区段|阶段).*(?:回风|总回)|回风[上下]山|专用回风|专回"
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a location text says.

    Attributes:
        place_class: Key into the table of legal limits; None when unknown.
        guess: The likeliest class where it takes a person to decide, else None.
        confidence: From 0 to 1, of the class or the guess.
        reason: The words and the rule that decided.
        unit: Number of the face or heading, for example `11121`; "" without one.
        unit_kind: `face`, `heading`, `return`, `drainage` or `other`.
    """

    place_class: str | None
    guess: str | None
    confidence: float
    reason: str
    unit: str
    unit_kind: str


@dataclass(frozen=True, slots=True)
class _Found:
    name: str | None
    confidence: float
    reason: str


def classify(text: str) -> Place:
    """Read a location text, of any spelling, width and order.

    Args:
        text: As it stands in a point definition.
    """
    spaced = unicodedata.normalize("NFKC", text).translate(_VARIANTS).upper()
    plain = _SEPARATORS.sub("", spaced)
    for wrong, right in _MISTYPED:
        plain = plain.replace(wrong, right)
    unit = _unit(spaced)
    found = _class(plain, _t_number(spaced), unit)
    kind = _unit_kind(found.name, plain)
    decided = found.name is not None and found.confidence >= DECIDED
    return Place(
        place_class=found.name if decided else None,
        guess=None if decided else found.name,
        confidence=found.confidence,
        reason=found.reason,
        unit=unit if kind in ("face", "heading", "other") else "",
        unit_kind=kind,
    )


def _unit(spaced: str) -> str:
    """Return the first number that names a face or heading."""
    without_t = _T_NUMBER.sub("T ", spaced)
    match = _UNIT.search(re.sub(r"T [\s\-]+", " ", without_t))
    return "" if match is None else match[1]


def _t_number(spaced: str) -> int | None:
    """Return the T-number, also with a letter typed for its digit."""
    match = _T_NUMBER.search(spaced)
    if match is None:
        return None
    return int({"O": "0", "L": "1", "I": "1"}.get(match[1], match[1]))


def _unit_kind(name: str | None, plain: str) -> str:
    if name is None:
        heading, face = _HEADING.search(plain), _FACE.search(plain)
        if (heading is None) != (face is None):
            return "heading" if heading else "face"
        return "drainage" if _DRAINING.search(plain) else "other"
    if name.startswith("FACE") or name == "SHEARER":
        return "face"
    if name.startswith(("HEADING", "ROADHEADER")):
        return "heading"
    if name.startswith("DRAINAGE"):
        return "drainage"
    return "return" if name.endswith("RETURN") else "other"


def _class(plain: str, t: int | None, unit: str) -> _Found:
    if not plain:
        return _Found(None, 0.0, "the text is empty")
    for rule in (_somewhere_special, _served_in_series):
        found = rule(plain)
        if found is not None:
            return found
    heading, face = _HEADING.search(plain), _FACE.search(plain)
    if "采掘" in plain:
        return _Found(None, 0.0, "采掘 is both a face and a heading")
    if heading:
        return _in_heading(plain, t)
    if face or _CORNER.search(plain) or t in (0, 5, 6):
        return _in_face(plain, t, 0.9 if face else 0.8)
    found = _return_of_many(plain)
    if found is not None:
        return found
    if _SECOND_RETURN.search(plain):
        return _in_face(plain, t, 0.7)
    return _by_unit(plain, t, unit)


def _somewhere_special(plain: str) -> _Found | None:
    """Places that one word names, and devices, which have no class."""
    if _SERIES.search(plain):
        return None
    device = _DEVICE.search(plain)
    if _PIPE.search(plain) and not device:
        return _Found("DRAINAGE_PIPE", 0.9, _words(_PIPE, plain))
    if _DRAINING.search(plain) and (not device or "泵" in device[0]):
        if _BELOW_GROUND.search(plain):
            return _Found("DRAINAGE_TEMP", 0.85, _words(_BELOW_GROUND, plain))
        if _ROOM.search(plain):
            return _Found("DRAINAGE_ROOM", 0.9, _words(_ROOM, plain))
    if device:
        return _Found(None, 0.0, f"{device[0]} is a device or room without a class")
    if "煤仓" in plain:
        if re.search("煤仓.{0,2}(?:下|底|放煤|给煤)", plain):
            return _Found(None, 0.0, "the class is above a bunker, not below")
        return _Found("COAL_BUNKER", 0.9, "煤仓")
    if _GALLERY.search(plain):
        return _Found("SURFACE_GALLERY", 0.85, _words(_GALLERY, plain))
    if "架线" in plain:
        return _Found("TROLLEY_HAULAGE", 0.9, "架线")
    if _SHEARER.search(plain):
        return _Found("SHEARER", 0.9, _words(_SHEARER, plain))
    if _ROADHEADER.search(plain):
        return _Found("ROADHEADER", 0.9, _words(_ROADHEADER, plain))
    if "分风口" in plain:
        return _Found("HEADING_T4", 0.8, "分风口")
    return None


def _served_in_series(plain: str) -> _Found | None:
    """被串: the air has passed another working."""
    words = _SERIES.search(plain)
    if words is None:
        return None
    heading = _HEADING.search(plain) or re.search("局扇|局部通风机|局通", plain)
    face = _FACE.search(plain)
    if bool(heading) == bool(face):
        return _Found(None, 0.0, f"{words[0]}, but of which working")
    name = "HEADING_T3" if heading else "FACE_T4"
    return _Found(name, 0.9, f"{words[0]}, {'heading' if heading else 'face'}")


def _in_heading(plain: str, t: int | None) -> _Found:
    """Classes of a heading; 回风巷 before 掘进 only names what is being driven."""
    # The last word of a heading: what stands behind it says where in the heading.
    *_, last = _HEADING.finditer(plain)
    behind = plain[last.end() :]
    flow = re.search("回风[流口侧处]|回流", plain)
    if flow or "回风" in behind or "巷口" in behind:
        by_words = _Found("HEADING_T2", 0.9, f"heading, {flow[0] if flow else '回风'}")
        if "中部" in behind:
            by_words = _Found("HEADING_RETURN_MID", 0.85, "heading, 回风, 中部")
    elif "中部" in behind:
        by_words = _Found("HEADING_RETURN_MID", 0.85, "heading, 中部")
    elif "进风" in behind:
        by_words = _Found(None, 0.0, "进风 of a heading is no class but 分风口")
    else:
        by_words = _Found("HEADING_T1", 0.85, f"heading, {last[0]}")
    return _with_t(by_words, "HEADING", t, range(1, 5))


def _in_face(plain: str, t: int | None, confidence: float) -> _Found:
    by_words = _Found("FACE_T1", confidence, "face, no word of a roadway")
    corner = _CORNER.search(plain)
    if corner and re.search("下隅角|进风.{0,2}隅角|下端", plain):
        by_words = _Found(None, 0.0, "下隅角 has no class")
    elif corner:
        by_words = _Found("FACE_T0", confidence, corner[0])
    elif words := _SECOND_RETURN.search(plain):
        name = "FACE_T6" if re.search("出口|口", plain) else "FACE_T5"
        by_words = _Found(name, confidence, words[0])
    elif words := _NAMED_RETURN.search(plain):
        name = "FACE_RETURN_MID" if re.search("中部|中段", plain) else "FACE_T2"
        by_words = _Found(name, confidence, f"face, {words[0]}")
    elif words := _INTAKE.search(plain):
        by_words = _Found("FACE_T3", confidence, f"face, {words[0]}")
    elif words := re.search("轨道顺槽|轨顺|材料巷|材料道|切眼|联络巷|煤壁外", plain):
        by_words = _Found(None, 0.0, f"{words[0]} may be intake or return")
    return _with_t(by_words, "FACE", t, range(7))


def _with_t(by_words: _Found, kind: str, t: int | None, known: range) -> _Found:
    """Let the T-number decide; where the words say something else, a person does."""
    if t is None:
        return by_words
    if t not in known:
        return _Found(by_words.name, 0.4, f"T{t} does not exist in a {kind.lower()}")
    name = f"{kind}_T{t}"
    if by_words.name == name:
        return _Found(name, 0.98, f"T{t} and {by_words.reason}")
    if by_words.name in (None, f"{kind}_T1"):
        # The words name no roadway, so they do not speak against the number.
        return _Found(name, 0.9, f"T{t}, {kind.lower()}")
    return _Found(name, 0.65, f"T{t}, though the words say {by_words.name}")


def _return_of_many(plain: str) -> _Found | None:
    """Airways that take the return of several workings."""
    # A panel lies in a wing, so its word is the narrower one.
    if _PANEL_RETURN.search(plain):
        return _Found("PANEL_RETURN", 0.85, _words(_PANEL_RETURN, plain))
    if _WING.search(plain) and re.search("回风|总回", plain):
        return _Found("WING_RETURN", 0.9, _words(_WING, plain))
    if _MINE_RETURN.search(plain):
        return _Found("TOTAL_RETURN", 0.85, _words(_MINE_RETURN, plain))
    if "回风大巷" in plain:
        return _Found("WING_RETURN", 0.4, "回风大巷: of a wing, or of the mine")
    return None


def _by_unit(plain: str, t: int | None, unit: str) -> _Found:
    """A number without 采 or 掘: gate roads belong to faces, the rest is unclear."""
    if not unit:
        reason = f"T{t} of what" if t is not None else "no word of a known place"
        return _Found(None, 0.0, reason)
    gate = _NAMED_RETURN.search(plain) or _INTAKE.search(plain)
    if gate or "工作面" in plain or re.search(r"\d面", plain):
        found = _in_face(plain, t, 0.65)
        # Even with a T-number it may be a heading that nobody called one.
        return _Found(found.name, min(found.confidence, 0.7), found.reason)
    if t is not None:
        return _Found(f"FACE_T{t}", 0.4, f"T{t} of {unit}: face or heading")
    return _Found(None, 0.0, f"{unit}, but no word of a known place")


def _words(pattern: re.Pattern[str], plain: str) -> str:
    match = pattern.search(plain)
    assert match is not None
    return match[0]

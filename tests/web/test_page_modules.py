"""The page's pure modules, run in the browser they are made for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.web.conftest import PATIENCE_MS, hear
from tests.web.fix_site import Site


@pytest.fixture(scope="module")
def tab(browser: Browser, site: Site) -> Iterator[tuple[Page, list[str]]]:
    """A tab, and what the browser complains about in it.

    One for all: a tab of its own costs each test a second, and what a module keeps
    ends with its document.
    """
    complaints: list[str] = []
    context = browser.new_context()
    context.add_init_script("localStorage.setItem('gasmon.lang', 'zh')")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)

    def complain(text: str) -> None:
        if "404" not in text:  # of an icon, which a page with nothing on it has not
            complaints.append(text)

    hear(page, complain)
    yield page, complaints
    context.close()


@pytest.fixture
def page(tab: tuple[Page, list[str]], site: Site) -> Iterator[Page]:
    """A new document of the site with nothing on it: no more than the modules that a
    test asks for is loaded, and nothing else runs."""
    page, complaints = tab
    page.goto(f"{site.url}/healthz")
    page.evaluate("localStorage.clear(); localStorage.setItem('gasmon.lang', 'zh')")
    complaints.clear()
    yield page
    assert complaints == []


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """Result of `body` with the module's exports as `m` and `argument` as `x`."""
    return page.evaluate(
        f"async (x) => {{ const m = await import('/static/{module}.js'); {body} }}",
        argument,
    )


def test_no_data_is_never_zero(page: Page) -> None:
    """A missing or broken value is a dash, a real zero is a zero."""
    found = run(
        page,
        "format",
        "return [m.number(null, '%'), m.number(NaN, '%'), m.number(undefined, '%'),"
        " m.number(0, '%'), m.number(1.239, '%'), m.number(23.6, 'ppm'),"
        " m.withUnit(null, '%')]",
    )
    assert found == ["——", "——", "——", "0.00", "1.24", "24", "——"]


def test_a_power_state_is_a_word_and_untold_is_one(page: Page) -> None:
    """Nobody can read 9.00; without a value it is a dash as everywhere."""
    found = run(
        page,
        "values",
        "const point = {quantity: 'POWER', value_kind: 'DT'};"
        "return [...x.map((v) => m.valueText(v, 'good', point)),"
        " m.valueText(null, 'none', point), m.valueText(9, 'good', {uom: '%'})]",
        [0, 1, 2, 9, 5],
    )
    assert found == ["无电", "交流", "电池", "未上报", "5", "——", "9.00"]


def test_times_are_beijing_times_and_ages_never_negative(page: Page) -> None:
    """Whatever the PC's zone is, times are Beijing's; an age does not go below 0."""
    found = run(
        page,
        "format",
        "const at = Date.UTC(2026, 10, 22, 18, 30, 5);"
        "return [m.clockTime(at), m.dayText(at), m.moment(at, at + 1000),"
        " m.moment(at, at + 86400e3), m.duration(-5000), m.duration(59999),"
        " m.duration(3723000), m.duration(200 * 3600e3), m.duration(NaN)]",
    )
    assert found == [
        *("02:30:05", "2026-11-23", "02:30:05", "11-23 02:30:05"),
        *("0 s", "59 s", "1:02:03", "8 d 08 h", "——"),
    ]


@pytest.mark.parametrize(
    ("value", "state", "age_s", "quality"),
    [
        (0.5, 0, 5, "good"),
        (0.5, 1, 5, "good"),
        (0.5, 4, 5, "marked"),
        (0.5, 5, 5, "marked"),
        (0.5, 128, 5, "bad"),
        (0.5, 32, 5, "bad"),
        (None, 0, 5, "bad"),
        (0.5, 0, 91, "stale"),
        (0.5, 4, 91, "stale"),
        (0.5, 0, 601, "none"),
        (0.5, 0, None, "none"),
    ],
)
def test_a_value_is_good_only_if_good_and_young(
    page: Page, value: float | None, state: int, age_s: float | None, quality: str
) -> None:
    """Quality bits and age both have to be right."""
    at = None if age_s is None else 1e12 - age_s * 1000
    found = run(
        page,
        "levels",
        "return m.qualityOf(x[0], x[1], x[2] === null ? NaN : x[2], 1e12)",
        [value, state, at],
    )
    assert found == quality


BODY = {
    "alarm_id": 7,
    "event": "raised",
    "kind": "over_limit",
    "subject": "point:530627000001-01-001A01",
    "mine": "530627000001",
    "rank": 3,
    "raised_at": "2026-11-23T10:00:00.000+08:00",
    "cleared_at": None,
}


def book(page: Page, events: list[dict[str, Any]], tier: str | None = "county") -> Any:
    """State, owed and rank of alarm 7 after these events; None when it left."""
    return run(
        page,
        "alarmbook",
        "const b = m.emptyBook(); for (const e of x[0]) m.enter(b, e, x[1]);"
        "const a = b.byId.get(7);"
        "return a ? [a.state, m.owes(a, x[1]), a.peak_rank] : null",
        [[{**BODY, **event} for event in events], tier],
    )


CONFIRMED = {"event": "confirmed", "tier": "county", "by": "a", "rank": 3}
CLEARED = {"event": "cleared", "cleared_at": "2026-11-23T10:05:00.000+08:00"}


@pytest.mark.parametrize(
    ("events", "after"),
    [
        ([{}], ["unconfirmed", True, 3]),
        ([{}, CONFIRMED], ["confirmed", False, 3]),
        # Another tier's confirmation does not clear our duty.
        ([{}, {**CONFIRMED, "tier": "city"}], ["unconfirmed", True, 3]),
        # A level above the confirmed one alarms again.
        ([{}, CONFIRMED, {"event": "level", "rank": 4}], ["unconfirmed", True, 4]),
        # A lower level does not take the latched severity back.
        ([{}, {"event": "level", "rank": 1}], ["unconfirmed", True, 3]),
        # Cleared unconfirmed stays, cleared and confirmed leaves, in either order.
        ([{}, CLEARED], ["cleared_unconfirmed", True, 3]),
        ([{}, CLEARED, {**CONFIRMED, **CLEARED, "event": "confirmed"}], None),
        ([{}, CONFIRMED, CLEARED], None),
        # Silence never clears.
        ([{}, {"event": "unknown"}], ["unconfirmed", True, 3]),
    ],
)
def test_alarm_states_follow_the_events(
    page: Page, events: list[dict[str, Any]], after: Any
) -> None:
    """The book derives what is owed as the server does."""
    assert book(page, events) == after


@pytest.mark.parametrize(
    ("wanted", "events", "is_over"),
    [
        ({}, [{}], False),
        ({}, [{}, CONFIRMED], False),
        # What is owed stays, whatever the list was asked for.
        ({}, [{}, CLEARED], False),
        ({}, [{}, CONFIRMED, CLEARED], True),
        ({"confirmed": "false"}, [{}, CONFIRMED], True),
        ({"confirmed": "false"}, [{}, CLEARED], False),
        # History loses nothing.
        ({"state": "all"}, [{}, CONFIRMED, CLEARED], False),
        # Nobody confirms a pre-warning: it goes with its end.
        ({"confirmed": "false"}, [{"kind": "high_pre_warning"}], False),
        ({}, [{**CLEARED, "kind": "high_pre_warning"}], True),
    ],
)
def test_rows_leave_a_list_when_nobody_owes_them(
    page: Page, wanted: dict[str, str], events: list[dict[str, Any]], *, is_over: bool
) -> None:
    """A list that is open for months does not hold every alarm that it ever had."""
    found = run(
        page,
        "listmodel",
        "const { merge } = await import('/static/alarmbook.js');"
        "const row = x[1].reduce((row, e) => merge(row, e, 'county'), null);"
        "return m.isOver(x[0], row, 'county');",
        [wanted, [{**BODY, **event} for event in events]],
    )
    assert found is is_over


def test_for_a_viewer_any_confirmation_counts(page: Page) -> None:
    """Who owes none sees whether anybody confirmed."""
    assert book(page, [{}, CONFIRMED], None) == ["confirmed", False, 3]


def test_an_api_row_is_read_like_the_events(page: Page) -> None:
    """A mark in an API row covers the present level, and only that."""
    row = {
        "event": None,
        "confirmations": {"mine": None, "county": {"by": "a"}, "city": None},
    }
    assert book(page, [row]) == ["confirmed", False, 3]
    assert book(page, [row, {"event": "level", "rank": 4}])[0] == "unconfirmed"


def sounds(page: Page, steps: list[Any]) -> Any:
    """Tones for a series of [owed alarms, time in s]."""
    return run(
        page,
        "sound",
        "const seen = { heard: new Map(), redAt: -Infinity, silencedUntil: 0 };"
        "return x.map(([owed, s]) => m.decide(seen, owed, s * 1000))",
        steps,
    )


def test_sound_tells_the_worst_new_alarm_once_and_red_again(page: Page) -> None:
    """New alarms sound by level, old ones are silent, unconfirmed red repeats."""
    red = {"alarm_id": 1, "rank": 4, "kind": "over_limit"}
    blue = {"alarm_id": 2, "rank": 1, "kind": "over_limit"}
    risen = {**blue, "rank": 2}
    link = {"alarm_id": 3, "rank": 0, "kind": "link_break"}
    assert sounds(
        page,
        [
            [[blue], 0],
            [[blue], 1],
            [[blue, link], 2],
            [[risen, link], 3],
            [[risen, link, red], 4],
            [[risen, link, red], 63],
            [[risen, link, red], 64],
            [[], 200],
        ],
    ) == ["1", None, "d", "2", "4", None, "4", None]


def test_planned_and_late_alarms_are_silent(page: Page) -> None:
    """Planned work wakes nobody; what was over when it was found neither."""
    planned = {"alarm_id": 1, "rank": 4, "kind": "over_limit", "planned": True}
    planned["quiet"] = "plan:3"
    late = {"alarm_id": 2, "rank": 4, "late": True, "cleared_at": "x", "kind": "o"}
    late_on = {"alarm_id": 3, "rank": 4, "late": True, "kind": "over_limit"}
    assert sounds(page, [[[planned, late], 0], [[late_on], 1]]) == [None, "4"]
    # What broke through its plan was planned, and is as loud as any other.
    loud = {**planned, "quiet": None}
    assert sounds(page, [[[planned], 0], [[loud], 1]]) == [None, "4"]


def test_holes_in_a_series_stay_holes(page: Page) -> None:
    """No line is drawn across missing time or across bad values."""
    rows = [[0, 1, 1, 1, 1, 0], [5000, 1, 2, 1.5, 1, 0], [60000, 1, 1, 1, 1, 0]]
    rows.append([65000, None, None, None, 1, 1])
    times, high, low, mean = run(page, "trend", "return m.columnsOf(x, 5000)", rows)
    assert times == [0, 5, 10, 60, 65]
    assert high == [1, 2, None, 1, None]
    assert low == [1, 1, None, 1, None]
    assert mean == [1, 1.5, None, 1, None]


def test_the_scale_is_fixed_until_a_value_leaves_it(page: Page) -> None:
    """Methane is drawn on 0 to 2 %; a peak above it is shown, not cut off."""
    body = (
        "return [0.8, 2.5, 9].map((hi) => m.chartScale('CH4', [0, 4], { lo: 0, hi }))"
    )
    assert run(page, "trend", body) == [
        {"lo": 0, "hi": 2, "grown": False},
        {"lo": 0, "hi": 4, "grown": True},
        {"lo": 0, "hi": 10, "grown": True},
    ]


def test_figures_weigh_readings_and_leave_bad_ones_out(page: Page) -> None:
    """Minimum, maximum and mean are those of the good readings."""
    rows = [[0, 1, 3, 2, 3, 0], [1, 5, 5, 5, 1, 0], [2, None, None, None, 0, 4]]
    rows.append([3, 1, 1, 1, 4, 9])
    found = run(page, "trend", "return m.figuresOf(x)", rows)
    assert found == {"lo": 1, "hi": 5, "hiAt": 1, "mean": 1.875, "n": 8, "bad": 13}


def test_a_gap_in_the_stream_is_answered_by_connecting_anew(page: Page) -> None:
    """A skipped or repeated delta, or one before the snapshot, drops the socket."""
    frames = """
      const said = [];
      const handlers = { onFrame: (f) => said.push(f.seq), onAlarm() {}, onClock() {},
        onPhase: (phase, reason) => said.push(reason || phase), onRefused() {} };
      const told = (list) => {
        const stream = new m.LiveStream('/x', handlers);
        stream.open = () => {};
        for (const [type, seq] of list) stream.take(JSON.stringify({ type, seq }));
        stream.stop();
        return said.splice(0);
      };
      return x.map(told);
    """
    assert run(
        page,
        "live",
        frames,
        [
            [["snapshot", 5], ["delta", 6], ["delta", 7]],
            [["snapshot", 5], ["delta", 7]],
            [["snapshot", 5], ["delta", 5]],
            [["delta", 1]],
        ],
    ) == [["open", 5, 6, 7], ["open", 5, "gap"], ["open", 5, "gap"], ["gap"]]


def test_the_address_filters_what_the_server_is_asked(page: Page) -> None:
    """Filters of the alarm page are the API's own parameters."""
    query = {"tab": "history", "area": "530627", "q": "坪", "from": "2026-11-01"}
    found = run(page, "alarms", "return m.filterOf(x)", query)
    assert found == {
        "state": "all",
        "area": "530627",
        "q": "坪",
        "from": "2026-11-01T00:00:00.000+08:00",
    }


@pytest.mark.parametrize(
    ("next_path", "went"),
    [
        ("/alarms?q=1", "/alarms?q=1"),
        ("//evil.example/x", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_signing_in_leads_to_our_own_pages_only(
    page: Page, next_path: str, went: str
) -> None:
    """`next` cannot lead to another site."""
    page.evaluate(
        "async (x) => { const m = await import('/static/router.js');"
        " m.go('/login?next=' + encodeURIComponent(x), true); }",
        next_path,
    )
    assert run(page, "login", "return m.nextPath()") == went


def test_a_new_stream_after_a_long_silence_has_time_to_answer(page: Page) -> None:
    """A slow link comes back: only what is silent since it was opened is given up."""
    kept, given_up = run(
        page,
        "live",
        "const s = new m.LiveStream('/nowhere', { onPhase() {} });"
        "s.stopped = true;"
        "const now = performance.now();"
        "s.heardAt = now - 10 * m.DEAD_MS;"
        "s.openedAt = now - m.DEAD_MS / 2;"
        "s.socket = { close() {} };"
        "s.check(); const kept = s.socket !== null;"
        "s.openedAt = now - 2 * m.DEAD_MS;"
        "s.check(); return [kept, s.socket === null];",
    )
    assert (kept, given_up) == (True, True)


def test_a_trend_knows_gaps_calibrations_and_faults(page: Page) -> None:
    """Holes of time, rows under calibration, rows without a good value; limits step."""
    rows = [[t, 0.4, 0.5, 0.45, 1, 0, 0] for t in range(0, 60_000, 5000)]
    rows[4:6] = [[t, None, None, None, 0, 1, 1] for t in (20_000, 25_000)]
    rows[8] = [40_000, None, None, None, 0, 1, 0]
    rows += [[300_000, 0.4, 0.4, 0.4, 1, 0, 0]]
    spans = run(page, "trendmarks", "return m.spansOf(x, 0, -20000, 305000)", rows)
    assert spans["gaps"] == [[-20_000, 0], [60_000, 300_000]]
    assert spans["calibrations"] == [[20_000, 30_000]]
    assert spans["faults"] == [[40_000, 45_000]]
    versions = [
        {"from": "1970-01-01T00:00:00Z", "limits": {"alarm_high": 1.0}},
        {"from": "1970-01-01T00:01:00Z", "limits": {"alarm_high": 0.8}},
    ]
    limits = run(
        page, "trendmarks", "return m.limitSteps(x, ['alarm_high'], 10, 9e4)", versions
    )
    assert limits["steps"]["alarm_high"] == [[10, 60_000, 1.0], [60_000, 90_000, 0.8]]
    assert limits["changes"] == [60_000]


def test_the_last_hour_keeps_extremes_and_forgets_the_rest(page: Page) -> None:
    """A ring of 60 minutes: least and greatest of each, holes where nothing came."""
    lines, empty = run(
        page,
        "spark",
        "const hour = new m.LastHour();"
        "hour.advance(100 * m.STEP_MS);"
        "for (const [minute, value] of x) hour.put(minute * m.STEP_MS, value);"
        "const path = m.sparkPath(hour, [0, 2]);"
        "hour.advance(161 * m.STEP_MS);"
        "return [path, m.sparkPath(hour, [0, 2])];",
        [[98, 0.5], [98, 1.5], [98, None], [100, 9], [41, 1], [40, 2], [101, 2]],
    )
    assert lines == (
        "M0 10.0H1L1 10.0H0ZM57 5.0H58L58 15.0H57ZM59 0.0H60L60 0.0H59Z"
    ), "clipped at the scale; what is older than an hour or of the future is left out"
    assert empty == ""


def test_walls_are_read_from_afar_and_show_the_abnormal_first(page: Page) -> None:
    """16 minutes of arc at 5 m on 55 inches of 1080 lines are 37 px."""
    px = run(page, "wall", "return m.readablePx(5, 55, Math.hypot(1920, 1080))")
    assert round(px) == 37
    states = [
        {"rank": -1, "device": 0, "quality": "good"},
        {"rank": 2, "device": 0, "quality": "good"},
        {"rank": -1, "device": 0, "quality": "stale"},
        {"rank": 4, "device": 0, "quality": "good"},
    ]
    order = run(page, "wall", "return m.wallOrder(x.map(m.abnormality))", states)
    assert order == [3, 1, 2, 0]
    short = run(
        page, "wall", "return m.shortPlace(x[0], x[1])", ["1回风T2", {"id": "1"}]
    )
    assert short == "回风T2"

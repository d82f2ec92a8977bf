// One mine: its units with their points, live, and its alarms.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { lang, pick, t } from "./i18n.js";
import { duration, toMs, unitSign } from "./format.js";
import { above, silentWord } from "./above.js";
import { tally } from "./alarmbook.js";
import { AlarmList } from "./alarmlist.js";
import { noteArrivals, takeAlarm } from "./hub.js";
import { scaleOf } from "./levels.js";
import { LiveStream } from "./live.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { alarmBook, areas, bookSeq, on, second, serverNow, setServerClock, tier } from "./state.js";
import { isSwitch, limitMarks, LiveValue, pointKey } from "./values.js";
import { Failure } from "./widgets.js";

export function MinePage({ code }) {
  const [mine, setMine] = useState(null);
  const [points, setPoints] = useState(null);
  const [error, setError] = useState(null);
  const [link, setLink] = useState({ online: undefined, arrivedMs: NaN });
  const load = () => {
    const path = `/mines/${encodeURIComponent(code)}`;
    Promise.all([get(path), get(`${path}/points`)]).then(([about, page]) => {
      setMine(about);
      setPoints(page.items);
      setLink({ online: about.online, arrivedMs: toMs(about.arrived_at) });
      setError(null);
    }, setError);
  };
  useEffect(load, []);
  areas.value;
  return html`<main class="mine">
    <h1 class="crumbs"><a href="/">${t("nav.overview")}</a>
      ${mine ? html`<a href=${`/area/${mine.area}`}>${areaName(mine.area)}</a>
        <span>${mine.name || code}</span> <span class="muted num">${code}</span>
        <${MineLink} link=${link} />` : html`<span>${code}</span>`}</h1>
    <${Failure} error=${error} retry=${load} />
    ${!mine && !error ? html`<p class="empty">${t("loading")}</p>` : null}
    ${mine && points ? html`<div class="split">
      <section class="alarms-of"><h2>${t("mine.alarms")}</h2>
        <${AlarmList} filter=${{ mine: code }} empty=${t("mine.no_alarms")} compact=${true} /></section>
      <${Units} code=${code} mine=${mine} points=${points} onLink=${setLink} /></div>` : null}
  </main>`;
}

function MineLink({ link }) {
  second.value;
  if (above.value) return html`<span class="cell">${silentWord()}</span>`;
  const age = serverNow() - link.arrivedMs;
  const off = link.online === false || !(age < 60000);
  const word = t(link.online === false ? "tile.offline" : off ? "tile.stale" : "mine.online");
  return html`<span class=${`cell ${off ? "stale" : ""}`}>${word} <b class="num age">${duration(age)}</b></span>`;
}

/** Groups points by their unit, in the mine's own order; the rest comes last. */
export function groupByUnit(units, points) {
  const groups = (units || []).map((unit) => ({ unit, points: [] }));
  const index = new Map(groups.map((group) => [group.unit.id, group]));
  const rest = { unit: null, points: [] };
  for (const point of points) (index.get(point.unit_id) || rest).points.push(point);
  const all = [...groups, rest].filter((group) => group.points.length);
  const order = (a, b) => !!a.retired_at - !!b.retired_at || a.no.localeCompare(b.no);
  for (const group of all) group.points.sort(order);
  return all;
}

function Units({ code, mine, points, onLink }) {
  const groups = useMemo(() => groupByUnit(mine.units, points), [mine, points]);
  const root = useRef(null);
  useEffect(() => {
    const live = collect(root.current, points);
    return follow(code, live, onLink);
  }, [points, lang.value]);
  if (!points.length) return html`<p class="empty">${t("mine.no_points")}</p>`;
  return html`<div class="units" ref=${root} key=${lang.value}>
    ${groups.map((group) => html`<${Unit} key=${group.unit ? group.unit.id : ""} group=${group} />`)}</div>`;
}

function Unit({ group }) {
  const { unit } = group;
  const title = unit ? unit.name || unit.id : t("mine.other_points");
  return html`<section class="unit">
    <h2>${title} ${unit ? html`<span class="muted num">${unit.id}</span>` : null}
      <span class="muted num">${t("mine.n_points", { n: group.points.filter((point) => !point.retired_at).length })}</span></h2>
    <table class="points"><thead><tr><th class="s"></th><th class="no">${t("col.point")}</th><th>${t("col.place_type")}</th>
      <th class="bar-col">${t("col.bar")}</th><th class="r v">${t("col.value")}</th><th class="u"></th>
      <th class="state">${t("col.state")}</th><th class="r a">${t("col.age")}</th></tr></thead>
    <tbody>${group.points.map((point) => html`<${PointRow} key=${point.point_id} point=${point} />`)}</tbody></table>
  </section>`;
}

function PointRow({ point }) {
  const known = pick(point.type_zh, point.type_en) || point.sensor_type || t("mine.undefined");
  const type = point.retired_at ? `${t("point.retired")} · ${known}` : known;
  const scale = isSwitch(point) ? null : scaleOf(point.quantity, point.range);
  return html`<tr data-point=${point.point_id}>
    <td class="s"></td>
    <td class="no num"><a href=${`/point/${point.point_id}`}>${point.no}</a></td>
    <td class="place" title=${`${point.place || ""} ${type}`}><span class="place-type">
      <span class="p"><bdi>${point.place || t("mine.no_place")}</bdi></span><span class="muted t">${type}</span></span></td>
    <td class="bar-col">${scale ? html`<span class="meter"><i class="fill"></i>
      ${limitMarks(point, scale).map(([name, share]) => html`<i class=${`mark-line ${name}`} style=${{ left: `${share * 100}%` }}></i>`)}</span>` : null}</td>
    <td class="r v num"></td><td class="u muted">${isSwitch(point) ? "" : unitSign(point.uom)}</td>
    <td class="state"></td><td class="r a num muted"></td></tr>`;
}

function collect(root, points) {
  const live = new Map();
  if (!root) return live;
  for (const point of points) {
    const row = root.querySelector(`tr[data-point="${Number(point.point_id)}"]`);
    if (!row) continue;
    const cell = (name) => row.querySelector(name);
    cell(".s").textContent = "";
    live.set(point.point_id, new LiveValue(point, {
      root: row, symbol: cell(".s"), value: cell("td.v"), state: cell("td.state"),
      age: cell("td.a"), fill: cell(".fill"),
    }));
  }
  return live;
}

/** Feeds the rows from the latest values, then from the mine's own stream. */
function follow(code, live, onLink) {
  const dirty = new Set();
  const take = (id, value, state, atMs) => {
    const row = live.get(id);
    if (!row) return;
    row.set(value, state, atMs);
    dirty.add(row);
  };
  const flush = () => {
    const now = serverNow();
    for (const row of dirty) row.draw(now);
    dirty.clear();
  };
  const drawAll = () => {
    for (const row of live.values()) dirty.add(row);
    flush();
  };
  const takeBook = () => {
    const table = tally(alarmBook(), "subject", tier.peek());
    for (const row of live.values()) row.alarm = table.get(`point:${pointKey(row.point)}`) || null;
    drawAll();
  };
  const cancel = new AbortController();
  get(`/mines/${encodeURIComponent(code)}/latest`, {}, cancel.signal).then((page) => {
    for (const item of page.items) take(item.point_id, item.value, item.state, toMs(item.at));
    drawAll();
  }, () => {});
  const stream = new LiveStream(`/api/v1/stream/live?mine=${encodeURIComponent(code)}`, {
    onFrame: (frame) => {
      noteArrivals(frame);
      for (const part of frame.mines) {
        if (part.mine !== code) continue;
        onLink({ online: part.online, arrivedMs: part.arrived_ms || NaN });
        for (const [id, value, state, atMs] of part.points || []) take(id, value, state, atMs);
      }
    },
    onAlarm: takeAlarm,
    onClock: setServerClock,
    onPhase: () => {},
    onRefused: () => {},
  }).start();
  const stops = [
    on("flush", flush),
    second.subscribe(() => { stream.check(); drawAll(); }),
    bookSeq.subscribe(takeBook),
    () => stream.stop(),
    () => cancel.abort(),
  ];
  return () => stops.forEach((stop) => stop());
}

// One point: its value now, its limits, its trend and its alarms.
import { html, useEffect, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { clockTime, duration, number, toMs, unitSign, withUnit } from "./format.js";
import { above, NotHere } from "./above.js";
import { AlarmList } from "./alarmlist.js";
import { useDrillView } from "./drillbook.js";
import { qualityOf } from "./levels.js";
import { Crossings } from "./crossings.js";
import { areaName } from "./overview.js";
import { PointTrend, LIMITS } from "./pointtrend.js";
import { ApiError, get } from "./requests.js";
import { areas, second, serverNow } from "./state.js";
import { isSwitch, pointKey, stateText, valueText } from "./values.js";
import { Failure, mineHref } from "./widgets.js";

const LATEST_MS = 2000;

export function PointPage({ id }) {
  const [point, setPoint] = useState(null);
  const [error, setError] = useState(null);
  const load = () => findPoint(id).then(
    (data) => { setPoint(data); setError(null); },
    setError,
  );
  useEffect(() => { load(); }, []);
  useDrillView(point && point.run ? point.run : null);
  areas.value;
  if (!point) {
    return html`<main><h1 class="crumbs"><a href="/">${t("nav.overview")}</a></h1>
      <${Failure} error=${error} retry=${load} />${error ? null : html`<p class="empty">${t("loading")}</p>`}</main>`;
  }
  const type = pick(point.type_zh, point.type_en) || point.sensor_type || t("mine.undefined");
  return html`<main class="point">
    <h1 class="crumbs"><a href="/">${t("nav.overview")}</a>
      ${point.area ? html`<a href=${`/area/${point.area}`}>${areaName(point.area)}</a>` : null}
      ${point.run ? html`<a class="mark" href=${`/drill/${point.run}`}>${t("mark.drill")} ${point.run}</a>` : null}
      <a href=${mineHref(point)}>${point.mine_name || point.mine}</a>
      <span>${point.place || t("mine.no_place")}</span> <span class="muted">${type}</span> <span class="muted num">${point.no}</span>
      ${point.retired_at ? html`<span class="muted">${t("point.retired")} <span class="num">${clockTime(toMs(point.retired_at))}</span></span>` : null}</h1>
    ${above.value ? html`<${NotHere} what="readings" />` : html`<div class="point-top"><${Now} point=${point} /><${Limits} point=${point} />
      ${point.run ? null : html`<a href=${`/changes?mine=${point.mine}&point=${point.system}-${encodeURIComponent(point.no)}`}>${t("changes.propose")}</a>`}</div>
    <${PointTrend} point=${point} />`}
    <section><h2>${t("point.alarms")}</h2>
      <${AlarmList} filter=${{ point: pointKey(point), state: "all", run: point.run || undefined }} empty=${t("point.no_alarms")} />
      ${point.run ? null : html`<${Crossings} point=${point} />`}</section>
  </main>`;
}

/** The point by its id, or by the key that events carry. */
async function findPoint(id) {
  const key = /^([0-9]{12})-([0-9]{2})-(.+)$/.exec(id);
  if (!key) return get(`/points/${encodeURIComponent(id)}`);
  const page = await get(`/mines/${key[1]}/points`);
  const found = page.items.find((point) => pointKey(point) === id);
  if (!found) throw new ApiError(404, id);
  return found;
}

/** The latest value; asked for every two seconds, and never better than its age. */
function Now({ point }) {
  const [now, setNow] = useState(null);
  useEffect(() => {
    const cancel = new AbortController();
    const path = point.run ? `/drills/${point.run}/mines/${point.mine}/latest` : `/mines/${point.mine}/latest`;
    const ask = () => get(path, {}, cancel.signal).then((page) => {
      const found = page.items.find((item) => item.point_id === point.point_id);
      if (found) setNow(found);
    }, () => {});
    ask();
    const timer = setInterval(ask, LATEST_MS);
    return () => { clearInterval(timer); cancel.abort(); };
  }, [point]);
  second.value;
  const atMs = now ? toMs(now.at) : NaN;
  const quality = now ? qualityOf(now.value, now.state, atMs, serverNow()) : "none";
  const uom = isSwitch(point) || quality === "none" ? "" : unitSign(point.uom);
  return html`<div class="now" data-quality=${quality}>
    <b class="num big">${valueText(now ? now.value : null, quality, point)}</b><span class="unit-sign">${uom}</span>
    <span class="state">${quality === "stale" || (now && quality === "none") ? t("tile.stale") : now ? stateText(now.state, isSwitch(point) ? null : now.value, point) : t("state.none")}</span>
    <span class="muted">${t("col.age")} <span class="num age">${duration(serverNow() - atMs)}</span> · <span class="num">${clockTime(atMs)}</span></span></div>`;
}

function Limits({ point }) {
  const limits = point.limits || {};
  const shown = LIMITS.filter((name) => typeof limits[name] === "number");
  if (!shown.length) return html`<p class="muted">${t("point.no_limits")}</p>`;
  return html`<dl class="limits">${shown.map((name) => html`<div><dt>${t(`limit.${name}`)}</dt>
    <dd class="num">${withUnit(limits[name], point.uom)}</dd></div>`)}
    ${point.range && typeof point.range[1] === "number" ? html`<div><dt>${t("limit.range")}</dt>
      <dd class="num">${number(point.range[0], point.uom)}–${withUnit(point.range[1], point.uom)}</dd></div>` : null}</dl>`;
}

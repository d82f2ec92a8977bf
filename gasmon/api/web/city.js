// Above the tiles of the city: the map, its counties compared, the live load of alarms.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { tally } from "./alarmbook.js";
import { CityMap } from "./citymap.js";
import { useLoaded } from "./doing.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { alarmBook, areas, bookSeq, escalation, second, tier } from "./state.js";
import { Failure, kindName, Sym } from "./widgets.js";

const LOAD_MS = 15 * 1000;
const CAUSES = 6;
const TIERS = ["mine", "county", "city"];
const ACCEPTED = 1;
const MOST = 2;

/**
 * Counties with their mines and what is wrong there, the worst first. Pure.
 *
 * `byMine` and `byArea` as from `tally`; `load` is `GET /load`, or null.
 */
export function cityRows(list, byMine, byArea, load) {
  const counties = new Map();
  for (const mine of list) {
    if (!counties.has(mine.area)) counties.set(mine.area, []);
    const known = byMine.get(mine.code) || { rank: -1, device: 0, owed: 0 };
    counties.get(mine.area).push({ code: mine.code, name: mine.name, online: mine.online, ...known });
  }
  const worse = (a, b) => b.rank - a.rank || b.owed - a.owed || a.online - b.online || a.code.localeCompare(b.code);
  const rows = [...counties].map(([code, mines]) => {
    const known = byArea.get(code) || { rank: -1, open: 0, owed: 0 };
    const late = (load ? load.areas : []).find((one) => one.area === code) || { n_10min: 0, overdue: 0 };
    return {
      code, mines: mines.sort(worse), online: mines.filter((mine) => mine.online).length,
      rank: known.rank, open: known.open, owed: known.owed, overdue: late.overdue, lately: late.n_10min,
    };
  });
  return rows.sort((a, b) => b.rank - a.rank || b.overdue - a.overdue || b.owed - a.owed || a.code.localeCompare(b.code));
}

/** Draws at most once a second: a flood of alarms is not a flood of drawings. */
function useBook() {
  const [seq, setSeq] = useState(bookSeq.peek());
  useEffect(() => second.subscribe(() => setSeq(bookSeq.peek())), []);
  return seq;
}

export function City({ list }) {
  const { found: load, error } = useLoaded(() => get("/load"), LOAD_MS);
  useBook();
  areas.value;
  const book = alarmBook();
  const rows = cityRows(list, tally(book, "mine", tier.value), tally(book, "area", tier.value), load);
  return html`<div class="city"><${CityMap} rows=${rows} /><${Compared} rows=${rows} />
    <div class="city-side"><${Failure} error=${error} /><${Escalations} />${load ? html`<${Load} load=${load} />` : null}</div></div>`;
}

function Compared({ rows }) {
  const right = ["owed", "overdue", "lately", "online", "rate"];
  return html`<section class="compared"><h2>${t("city.compared")}</h2>
    <table><thead><tr><th></th><th>${t("city.county")}</th>${right.map((name) => html`<th class="r">${t(`city.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.code} data-county=${row.code}>
      <td class="s">${row.rank >= 0 ? html`<span title=${t(`level.${row.rank}`)}><${Sym} k=${String(row.rank)} flash=${false} /></span>` : null}</td>
      <td><a href=${`/area/${row.code}`}>${areaName(row.code)}</a></td>
      <td class="r num"><a href=${`/alarms?area=${row.code}`}>${some(row.owed)}<span class="muted">/${row.open}</span></a></td>
      <td class="r num"><a href=${`/alarms?tab=overdue&area=${row.code}`}>${some(row.overdue)}</a></td>
      <td class="r num">${some(row.lately)}</td><td class="r num">${row.online}/${row.mines.length}</td>
      <td class="r num">${rateText(row)}</td></tr>`)}</tbody></table></section>`;
}

function some(n) {
  return n ? html`<b>${n}</b>` : html`<span class="muted">0</span>`;
}

function rateText({ online, mines }) {
  return `${((100 * online) / mines.length).toFixed(online === mines.length ? 0 : 1)} %`;
}

/** Who must act now, who soon, and rooms that nobody would wake. */
function Escalations() {
  const now = escalation.value;
  if (!now) return null;
  const rooms = now.rooms_not_ready.length;
  return html`<section class="escalations"><h2>${t("city.escalations")}</h2>
    <dl>${TIERS.map((name) => html`<div><dt>${t(`tier.${name}`)}</dt><dd class="num"><a href="/alarms?tab=overdue">${some(now.tiers[name].overdue)}</a>
      ${now.tiers[name].nearly_due ? html`<span class="muted">${t("banner.nearly_due", { n: now.tiers[name].nearly_due })}</span>` : null}</dd></div>`)}
      <div><dt>${t("city.rooms")}</dt><dd class="num"><a href="/consoles">${some(rooms)}</a></dd></div></dl></section>`;
}

/** The last hour against ISA-18.2, and which alarms make it. */
function Load({ load }) {
  return html`<section class="load"><h2>${t("city.load")} <span class=${`flag ${load.grade === "acceptable" ? "" : "strong"}`}>${t(load.flood ? "city.flood" : `load.${load.grade}`)}</span></h2>
    <p class="num"><b>${load.n_10min}</b> ${t("city.in_10min")} · <b>${load.n_60min}</b> ${t("city.in_60min")}</p>
    <p class="muted num">${t("city.ceiling", { mean: load.mean_per_10min.toFixed(1), accepted: ACCEPTED, most: MOST })}</p>
    ${load.stale ? html`<p class="muted">${t("city.stale", { n: load.stale })}</p>` : null}
    ${load.causes.length ? html`<table class="causes"><tbody>${load.causes.slice(0, CAUSES).map((cause) => html`<tr key=${`${cause.subject} ${cause.kind}`}>
      <td class="r num">${cause.n}×</td><td class="what"><a href=${hrefOf(cause)} title=${`${cause.mine_name || ""} ${cause.subject}`}>${cause.mine_name || areaName(cause.area)} · ${kindName(cause.kind)}</a></td>
      <td>${cause.chattering ? html`<span class="flag">${t("city.chattering")}</span>` : null}</td><td class="r num muted">${cause.share_pct.toFixed(0)} %</td></tr>`)}</tbody></table>`
      : html`<p class="muted">${t("city.no_load")}</p>`}</section>`;
}

function hrefOf({ point_id: point, mine, area }) {
  if (point) return `/point/${point}`;
  return mine ? `/mine/${mine}` : `/area/${area}`;
}

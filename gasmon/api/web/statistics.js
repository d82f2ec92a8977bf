// Statistics of a time by county, mine, point, kind or cause, and the daily reports.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { useLoaded } from "./doing.js";
import { dayText, duration, moment, NO_DATA, number } from "./format.js";
import { areaName } from "./overview.js";
import { get, queryText } from "./requests.js";
import { route, setQuery } from "./router.js";
import { areas, serverNow } from "./state.js";
import { MineDay, MineChoice } from "./mineday.js";
import { Failure, kindName, Sym } from "./widgets.js";

const REPORTS = { table: "/statistics", daily: "/statistics/daily", mine: "/statistics/mine" };
const PERIODS = ["day", "week", "month"];
const BY = ["area", "mine", "point", "kind", "cause", "all"];
const WITH_LINKS = ["area", "mine", "all"];
const SORTS = ["alarms", "over_limit", "over_s", "peak", "online", "planned", "name"];
const RANKS = [4, 3, 2, 1, 0];
const COLUMNS = ["alarms", "planned", "over_limit", "over_s", "longest", "peak", "online", "breaks", "confirmed_in_time", "handled_in_time"];

/** What the server is asked, from the address. */
export function asked(query, today) {
  const { report, period = "day", by = "area", sort = "alarms", day = today, area, mine } = query;
  if (report === "mine") return { mine, day };
  return report === "daily" ? { day, area, mine } : { period, day, by, sort, area, mine };
}

export function StatisticsPage() {
  const { query } = route.value;
  const wanted = asked(query, dayText(serverNow()));
  const report = query.report in REPORTS ? query.report : "table";
  const path = REPORTS[report];
  const address = path + queryText(wanted);
  const missing = report === "mine" && !wanted.mine;
  const { found: told, error, load } = useLoaded(() => (missing ? null : get(path, wanted)), 0, address);
  areas.value;
  return html`<main class="plans statistics"><h1>${t("title.statistics")}</h1>
    <div class="filters screen-only"><span class="tabs">${Object.keys(REPORTS).map((name) => html`<button aria-pressed=${name === report}
        onClick=${() => setQuery({ report: name })}>${t(`statistics.${name}`)}</button>`)}</span>
      ${report !== "table" ? null : html`<${Choice} name="period" values=${PERIODS} chosen=${wanted.period} />
        <${Choice} name="by" values=${BY} chosen=${wanted.by} /><${Choice} name="sort" values=${SORTS} chosen=${wanted.sort} />`}
      <label>${t("statistics.day")} <input type="date" name="day" value=${wanted.day} onChange=${(event) => setQuery({ day: event.target.value })} /></label>
      ${report === "mine" ? html`<${MineChoice} chosen=${wanted.mine} />` : wanted.mine ? html`<button onClick=${() => setQuery({ mine: "" })}>${t("filter.mine_only", { mine: wanted.mine })} ×</button>` : null}
      ${missing ? null : html`<a class="export" download href=${`/api/v1${path}/export${queryText(wanted)}`}>${t("statistics.export")}</a>`}
      <button onClick=${() => print()}>${t("statistics.print")}</button></div>
    <${Failure} error=${error} retry=${load} />
    ${told ? html`<p class="muted num">${moment(told.from, 0)} – ${moment(told.until, 0)}${told.before_from ? html` · ${t("statistics.compared", { from: moment(told.before_from, 0), to: moment(told.before_to, 0) })}` : null}</p>` : null}
    ${missing ? html`<p class="empty">${t("statistics.choose_mine")}</p>` : null}
    ${told && report === "mine" ? html`<${MineDay} told=${told} />` : null}
    ${told && report === "table" ? html`<${Table} rows=${told.items} by=${told.by} />` : null}
    ${told && report === "daily" ? html`<${Daily} told=${told} />` : null}</main>`;
}

function Choice({ name, values, chosen }) {
  return html`<label>${t(`statistics.${name}`)} <select name=${name} value=${chosen} onChange=${(event) => setQuery({ [name]: event.target.value })}>
    ${values.map((value) => html`<option value=${value} selected=${value === chosen}>${t(`statistics.${name}_${value}`)}</option>`)}</select></label>`;
}

function Daily({ told }) {
  const parts = [["total", "all", [told.total]], ["areas", "area", told.areas], ["mines", "mine", told.mines], ["points", "point", told.points], ["kinds", "kind", told.kinds], ["causes", "cause", told.causes]];
  return html`${parts.map(([name, by, rows]) => html`<section key=${name} data-part=${name}><h2>${t(`statistics.${name}`)}</h2><${Table} rows=${rows} by=${by} /></section>`)}
    <${Listed} name="over_limits" rows=${told.over_limits} all=${told.over_limits_all} />
    <${Listed} name="breaks_list" rows=${told.breaks} all=${told.breaks_all} />`;
}

function Table({ rows, by }) {
  if (!rows.length) return html`<p class="empty">${t("statistics.none")}</p>`;
  const linked = WITH_LINKS.includes(by);
  const columns = COLUMNS.filter((name) => linked || (name !== "online" && name !== "breaks"));
  return html`<div class="wide-table"><table><thead><tr><th>${t(`statistics.by_${by}`)}</th>
      <th class="r">${t("statistics.alarms")}</th>${RANKS.map((rank) => html`<th class="r" title=${t(`level.${rank}`)}><${Sym} k=${String(rank)} /></th>`)}
      ${columns.slice(1).map((name) => html`<th class="r">${t(`statistics.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.name} data-name=${row.name}><td>${nameOf(row, by)}</td>
      <td class="r num" data-cell="alarms">${row.alarms} <${Change} pct=${row.change_pct.alarms} /></td>
      ${RANKS.map((rank) => html`<td class="r num">${row.by_rank[rank]}</td>`)}
      ${columns.slice(1).map((name) => html`<td class="r num" data-cell=${name}>${cellOf(name, row)}</td>`)}</tr>`)}</tbody></table></div>`;
}

function cellOf(name, row) {
  const over = row.over_limit;
  if (name === "planned") return row.planned;
  if (name === "over_limit") return html`${over.n} <${Change} pct=${row.change_pct.over_limit} />`;
  if (name === "over_s") return html`${duration(over.s * 1000)} ${over.ongoing ? html`<span class="flag">${t("statistics.ongoing", { n: over.ongoing })}</span>` : null}`;
  if (name === "longest") return over.longest_s ? duration(over.longest_s * 1000) : NO_DATA;
  if (name === "peak") return row.peak ? html`<a href=${`/alarm/${row.peak.alarm_id}`} title=${`${row.peak.mine_name} ${row.peak.place} ${moment(row.peak.at, 0)}`}>${number(row.peak.value, "%")}</a>` : NO_DATA;
  if (name === "online") return html`${percent(row.online.pct, 2)} <span class="muted">${t("statistics.linked", row.online)}</span>`;
  if (name === "breaks") return row.online.breaks ? html`${row.online.breaks} · ${duration(row.online.break_s * 1000)}` : row.online.breaks;
  const what = name === "confirmed_in_time" ? "confirmed" : "handled";
  return ["mine", "county"].map((tier) => percent(row.handling[tier][what].pct, 0)).join(" / ");
}

function percent(value, digits) {
  return value === null ? NO_DATA : `${value.toFixed(digits)} %`;
}

/** Against the period before; nothing to compare with says nothing. */
function Change({ pct }) {
  if (pct === null) return null;
  return html`<span class="muted">${pct > 0 ? "+" : ""}${pct.toFixed(0)} %</span>`;
}

function nameOf(row, by) {
  if (by === "all") return t("statistics.by_all");
  if (by === "area") return areaName(row.name);
  if (by === "kind") return kindName(row.name);
  if (by === "cause") return t(`cause.${row.name}`);
  if (by === "mine") return html`<a href=${`/mine/${row.name}`}>${row.label || row.name}</a>`;
  return /^\d{12}-0[12]-/.test(row.name) ? html`<a href=${`/point/${encodeURIComponent(row.name)}`}>${row.label || row.name}</a>` : row.label || row.name;
}

function Listed({ name, rows, all }) {
  const now = serverNow();
  return html`<section data-part=${name}><h2>${t(`statistics.${name}`)} <span class="num">${all}</span></h2>
    ${rows.length ? html`<table><thead><tr>${["level", "mine", "place", "peak", "start"].map((one) => html`<th>${t(`col.${one}`)}</th>`)}<th>${t("statistics.end")}</th><th class="r">${t("col.lasting")}</th><th>${t("statistics.cause")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.alarm_id} data-alarm=${row.alarm_id}>
        <td><a href=${`/alarm/${row.alarm_id}`}><${Sym} k=${String(row.rank)} /> ${t(`level.${row.rank}`)}</a></td><td>${areaName(row.area)} ${row.mine_name || row.mine}</td>
        <td>${row.place || row.subject}</td><td class="num">${row.peak === null ? NO_DATA : `${number(row.peak, row.uom)} ${row.uom}`}</td>
        <td class="num">${moment(row.raised_at, 0)}</td><td class="num">${row.ongoing ? html`<span class="flag">${t("statistics.is_on")}</span>` : moment(row.cleared_at, 0)}</td>
        <td class="r num">${duration(row.ongoing ? now - Date.parse(row.raised_at) : row.lasted_s * 1000)}</td>
        <td>${row.planned ? html`<span class="flag">${t("statistics.planned")}</span> ` : null}${row.cause_code ? t(`cause.${row.cause_code}`) : ""}</td></tr>`)}</tbody></table>` : html`<p class="empty">${t("statistics.none")}</p>`}</section>`;
}

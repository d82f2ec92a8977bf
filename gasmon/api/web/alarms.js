// The alarm page: tabs and filters kept in the address, filtering done by the server.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { owes } from "./alarmbook.js";
import { AlarmList } from "./alarmlist.js";
import { Groups } from "./groups.js";
import { Incidents } from "./incidents.js";
import { KINDS, isDevice, RANKS } from "./levels.js";
import { areaName } from "./overview.js";
import { queryText } from "./requests.js";
import { route, setQuery } from "./router.js";
import { alarmBook, areas, bookSeq, tier } from "./state.js";
import { kindName } from "./widgets.js";

const TABS = {
  unconfirmed: { state: "open", confirmed: "false" },
  confirmed: { state: "open", confirmed: "true" },
  handling: { state: "all", work: "handling" },
  cleared: { state: "cleared", confirmed: "false" },
  open: { state: "open" },
  incidents: { state: "open" },
  quiet: { state: "open", work: "quiet" },
  groups: { state: "open" },
  overdue: { state: "all", overdue: "any" },
  device: { state: "open", kind: KINDS.filter(isDevice).join(",") },
  history: { state: "all" },
};
/** Where the worst come first unless somebody chose otherwise: in a flood nobody reads on. */
const ORDERED = { unconfirmed: "worst", cleared: "worst", overdue: "worst" };
const ORDERS = ["new", "worst"];
const TYPING_MS = 400;

/** What GET /alarms is asked for, from the address. */
export function filterOf(query) {
  const tab = TABS[query.tab] || TABS.unconfirmed;
  const filter = { ...tab };
  for (const name of ["area", "mine", "min_rank", "q"]) if (query[name]) filter[name] = query[name];
  if ((query.order || ORDERED[query.tab || "unconfirmed"]) === "worst") filter.order = "worst";
  if (query.kind && !tab.kind) filter.kind = query.kind;
  if (tab === TABS.history) {
    // A day in a field is a day in Beijing.
    if (query.from) filter.from = `${query.from}T00:00:00.000+08:00`;
    if (query.to) filter.to = `${query.to}T23:59:59.999+08:00`;
  }
  return filter;
}

export function AlarmsPage() {
  return html`<main class="alarms-page"><${AlarmConsole} /></main>`;
}

/** Tabs, filters and the list; `area` holds it to one county. */
export function AlarmConsole({ area }) {
  const query = area ? { ...route.value.query, area } : route.value.query;
  const tab = TABS[query.tab] ? query.tab : "unconfirmed";
  const search = useRef(null);
  areas.value;
  const keys = useMemo(() => {
    const table = { "/": () => search.current.focus() };
    for (const rank of ["1", "2", "3", "4"]) {
      table[rank] = () => setQuery({ min_rank: route.peek().query.min_rank === rank ? "" : rank });
    }
    return table;
  }, []);
  return html`<div class="filters">
      <span class="tabs">${Object.keys(TABS).map((name) => html`<button aria-pressed=${name === tab}
        onClick=${() => setQuery({ tab: name })}>${t(`tab.${name}`)}</button>`)}</span>
      ${area ? null : html`<${Choice} name="area" value=${query.area} options=${areas.value.map((one) => [one.code, areaName(one.code)])} />`}
      <${Choice} name="min_rank" value=${query.min_rank} options=${RANKS.filter(Boolean).map((rank) => [String(rank), t("filter.and_above", { level: t(`level.${rank}`) })])} />
      ${tab === "device" ? null : html`<${Choice} name="kind" value=${query.kind} options=${KINDS.map((kind) => [kind, kindName(kind)])} />`}
      ${tab === "incidents" || tab === "groups" ? null : html`<label><span class="muted">${t("filter.order")}</span>
        <select name="order" onChange=${(event) => setQuery({ order: event.target.value })}>${ORDERS.map((name) => html`
          <option value=${name} selected=${name === (query.order || ORDERED[tab] || "new")}>${t(`order.${name}`)}</option>`)}</select></label>`}
      ${tab === "history" ? html`<${Day} name="from" value=${query.from} /><${Day} name="to" value=${query.to} />` : null}
      ${query.mine ? html`<button onClick=${() => setQuery({ mine: "" })}>${t("filter.mine_only", { mine: query.mine })} ×</button>` : null}
      <${Search} value=${query.q || ""} field=${search} />
      <a class="export" href="/statistics">${t("nav.statistics")}</a>
      ${tab === "incidents" || tab === "groups" ? null : html`<a class="export" download href=${`/api/v1/alarms/export${queryText(filterOf(query))}`}>${t("alarms.export")}</a>`}
    </div>
    ${tab === "incidents" ? html`<${Incidents} area=${query.area} mine=${query.mine} />` : tab === "groups" ? html`<${Groups} area=${query.area} mine=${query.mine} />` : html`<${AlarmList} filter=${filterOf(query)} extraKeys=${keys} empty=${tab === "unconfirmed" ? html`<${NoneOwed} area=${query.area} />` : t("alarms.none")} />`}`;
}

/** Nothing that goes on is unconfirmed. What is over already may be, and is counted with it. */
function NoneOwed({ area }) {
  bookSeq.value;
  const over = [...alarmBook().byId.values()].filter((alarm) => alarm.cleared_at && [undefined, alarm.area, `${alarm.area.slice(0, 4)}00`].includes(area || undefined) && owes(alarm, tier.value)).length;
  return html`${t("alarms.none_unconfirmed")}${over ? html` <button class="to-over" onClick=${() => setQuery({ tab: "cleared" })}>${t("alarms.over_unconfirmed", { n: over })}</button>` : null}`;
}

function Choice({ name, value, options }) {
  return html`<label><span class="muted">${t(`filter.${name}`)}</span>
    <select name=${name} value=${value || ""} onChange=${(event) => setQuery({ [name]: event.target.value })}>
      <option value="">${t("filter.all")}</option>
      ${options.map(([code, text]) => html`<option value=${code} selected=${code === value}>${text}</option>`)}</select></label>`;
}

function Day({ name, value }) {
  return html`<label><span class="muted">${t(`filter.${name}`)}</span>
    <input type="date" name=${name} value=${value || ""} onChange=${(event) => setQuery({ [name]: event.target.value })} /></label>`;
}

/** Searches a moment after the last key, and never in the middle of a composition. */
function Search({ value, field }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onInput = (event) => {
    setText(event.target.value);
    clearTimeout(timer.current);
    if (event.isComposing) return;
    const next = event.target.value.trim();
    timer.current = setTimeout(() => setQuery({ q: next }), TYPING_MS);
  };
  return html`<label class="search"><span class="muted">${t("filter.q")}</span>
    <input type="search" name="q" ref=${field} value=${text} placeholder=${t("filter.q_hint")}
      onInput=${onInput} onCompositionEnd=${onInput}
      onKeyDown=${(event) => { if (event.key === "Escape") event.target.blur(); }} /></label>`;
}

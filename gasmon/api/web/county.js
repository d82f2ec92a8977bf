// A county's platform: its mines by state, its alarms, and everything its people owe,
// each behind one of the figures at the top.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { above } from "./above.js";
import { AlarmConsole } from "./alarms.js";
import { Lines } from "./deliveries.js";
import { useLoaded } from "./doing.js";
import { Rooms, Stations } from "./consoles.js";
import { byState, MineTable, onlineOf } from "./countymines.js";
import { areaName } from "./overview.js";
import { Plan } from "./plans.js";
import { get } from "./requests.js";
import { go, route, setQuery } from "./router.js";
import { Handovers, Posts } from "./shifts.js";
import { alarmBook, areas, bookSeq, escalation, me, second, serverNow, tier, unsigned } from "./state.js";
import { owes } from "./alarmbook.js";
import { Failure } from "./widgets.js";

const RELOAD_MS = 10 * 1000;
const PARTS = ["alarms", "mines", "plans", "ledger", "rooms", "shifts"];

/** The county of the address, else one's own; "" lets people choose. */
export function ownCounty(principal, known) {
  const counties = known.map((area) => area.code).filter((code) => !code.endsWith("00"));
  if (principal.areas && principal.areas.length === 1 && counties.includes(principal.areas[0])) return principal.areas[0];
  return counties.length === 1 ? counties[0] : "";
}

export function CountyPage({ id }) {
  const code = id || ownCounty(me.value.principal, areas.value);
  return html`<main class="county">
    <h1 class="crumbs"><a href="/">${t("nav.overview")}</a>
      ${code ? html`<a href=${`/area/${code}`}>${areaName(code)}</a>` : null}<span>${t("title.county")}</span><${Chooser} code=${code} /></h1>
    ${code ? html`<${County} key=${code} code=${code} />` : html`<p class="empty">${t("county.choose")}</p>`}</main>`;
}

function Chooser({ code }) {
  const counties = areas.value.filter((area) => !area.code.endsWith("00"));
  if (counties.length < 2) return null;
  return html`<select name="county" aria-label=${t("county.choose")} value=${code} onChange=${(event) => go(`/county/${event.target.value}`)}>
    ${code ? null : html`<option value="">${t("county.choose")}</option>`}
    ${counties.map((area) => html`<option key=${area.code} value=${area.code} selected=${area.code === code}>${areaName(area.code)}</option>`)}</select>`;
}

function askFor(code) {
  const hers = (row) => row.place === code || row.place.startsWith(code);
  return Promise.all([
    get("/mines", { area: code }), get("/plans", { area: code, current: "true", limit: 100 }),
    get("/deliveries", { area: code }), get("/consoles"), get("/shifts"), get("/handovers", { limit: 50 }),
  ]).then(([mines, plans, deliveries, consoles, shifts, handovers]) => ({
    mines: mines.items,
    plans: plans.items,
    lines: deliveries.items,
    rooms: consoles.rooms.filter(hers),
    consoles: consoles.consoles.filter((one) => one.tier !== "city" && (one.mines || one.areas || [code]).some((place) => place.startsWith(code))),
    posts: shifts.items.filter(hers),
    handovers: handovers.items.filter(hers),
  }));
}

function County({ code }) {
  const { found, error, load } = useLoaded(() => askFor(code), RELOAD_MS);
  const part = PARTS.includes(route.value.query.part) ? route.value.query.part : "alarms";
  return html`<${Failure} error=${error} retry=${load} />
    ${found ? html`<${Figures} code=${code} found=${found} part=${part} />
      <section class=${`part part-${part}`}><${Part} name=${part} code=${code} found=${found} load=${load} /></section>`
    : error ? null : html`<p class="empty">${t("loading")}</p>`}`;
}

/** What each part counts: [text, whether somebody should look]. */
function figuresOf(code, found) {
  const open = [...alarmBook().byId.values()].filter((alarm) => alarm.area === code);
  const owed = open.filter((alarm) => owes(alarm, tier.value)).length;
  const now = serverNow();
  const online = found.mines.filter((mine) => onlineOf(mine, now)).length;
  const waiting = found.plans.filter((plan) => plan.state === "filed").length;
  const lacking = found.lines.filter((line) => line.n_missing).length;
  const ready = found.rooms.filter((room) => room.ready).length;
  const late = found.handovers.filter((one) => one.unsigned).length;
  return {
    alarms: [t("county.n_alarms", { owed, open: open.length }), owed > 0],
    mines: above.value ? [t("county.n_mines", { all: found.mines.length }), false]
      : [t("county.n_online", { online, all: found.mines.length, share: found.mines.length ? Math.round((100 * online) / found.mines.length) : 0 }), online < found.mines.length],
    plans: [t("county.n_plans", { waiting, all: found.plans.length }), waiting > 0],
    ledger: [t("county.n_lacking", { lacking, all: found.lines.length }), lacking > 0],
    rooms: [t("county.n_ready", { ready, all: found.rooms.length }), ready < found.rooms.length],
    shifts: [t("county.n_unsigned", { late }), late > 0],
  };
}

function Figures({ code, found, part }) {
  second.value;
  bookSeq.value;
  const figures = figuresOf(code, found);
  return html`<div class="figure-tabs">${PARTS.map((name) => html`<button key=${name} data-part=${name} data-look=${String(figures[name][1])}
    aria-pressed=${name === part} onClick=${() => setQuery({ part: name, tab: "" })}><span>${t(`county.${name}`)}</span><b class="num">${figures[name][0]}</b></button>`)}</div>`;
}

function Part({ name, code, found, load }) {
  if (name === "alarms") return html`<${AlarmConsole} area=${code} />`;
  if (name === "mines") return html`<${Mines} rows=${found.mines} />`;
  if (name === "plans") return html`<${Plans} rows=${found.plans} load=${load} />`;
  if (name === "ledger") return found.lines.length ? html`<${Lines} rows=${found.lines} />` : html`<p class="empty">${t("county.no_deliveries")}</p>`;
  if (name === "rooms") return html`<${Readiness} found=${found} />`;
  return html`<${Duty} found=${found} load=${load} />`;
}

function Mines({ rows }) {
  bookSeq.value;
  return html`<${MineTable} groups=${byState(rows, alarmBook(), tier.value, serverNow())} />`;
}

/** What waits for somebody's approval comes first. */
function Plans({ rows, load }) {
  const waiting = rows.filter((plan) => plan.state === "filed");
  const others = rows.filter((plan) => plan.state !== "filed");
  return html`<div class="plans"><p><a href="/plans">${t("county.all_plans")}</a></p>
    ${rows.length ? null : html`<p class="empty">${t("county.no_plans")}</p>`}
    ${[...waiting, ...others].map((plan) => html`<${Plan} key=${plan.plan_id} plan=${plan} done=${load} />`)}</div>`;
}

function Readiness({ found }) {
  if (!found.rooms.length && !found.consoles.length) return html`<p class="empty">${t("consoles.none")}</p>`;
  return html`${found.rooms.length ? html`<h2>${t("consoles.rooms")}</h2><${Rooms} rows=${found.rooms} />` : null}
    ${found.consoles.length ? html`<h2>${t("consoles.stations")}</h2><${Stations} rows=${found.consoles} />` : null}`;
}

function Duty({ found, load }) {
  return html`<p><a href="/shifts">${t("title.shifts")}</a></p>
    ${found.posts.length ? html`<h2>${t("shifts.posts")}</h2><${Posts} posts=${found.posts} load=${load} />` : html`<p class="empty">${t("shifts.none")}</p>`}
    ${found.handovers.length ? html`<h2>${t("shifts.handovers")}</h2><${Handovers} rows=${found.handovers} />` : null}`;
}

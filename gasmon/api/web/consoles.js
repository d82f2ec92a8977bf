// Which rooms can be woken: a light for each, and why it is not on.
import { html, useEffect, useState } from "./html.js";
import { t, tCode } from "./i18n.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { postText } from "./shifts.js";
import { areas, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const RELOAD_MS = 3000; // a room that falls silent is to be seen within ten seconds

export function ConsolesPage() {
  const [seen, setSeen] = useState(null);
  const [error, setError] = useState(null);
  const load = () => get("/consoles").then((now) => { setSeen(now); setError(null); }, setError);
  useEffect(() => {
    load();
    const timer = setInterval(load, RELOAD_MS);
    return () => clearInterval(timer);
  }, []);
  areas.value;
  return html`<main class="shifts consoles"><h1>${t("title.consoles")}</h1>
    <p class="muted">${t("consoles.hint")}</p>
    <${Failure} error=${error} retry=${load} />
    ${seen && !seen.rooms.length && !seen.consoles.length ? html`<p class="empty">${t("consoles.none")}</p>` : null}
    ${seen && seen.rooms.length ? html`<section><h2>${t("consoles.rooms")}</h2><${Rooms} rows=${seen.rooms} /></section>` : null}
    ${seen && seen.consoles.length ? html`<section><h2>${t("consoles.stations")}</h2><${Stations} rows=${seen.consoles} /></section>` : null}</main>`;
}

function Light({ row }) {
  return row.ready ? html`<b class="ready">✓ ${t("consoles.ready")}</b>`
    : html`<b class="not-ready">✗ ${row.reasons.map((reason) => tCode("unready", reason)).join(" · ")}</b>`;
}

export function Rooms({ rows }) {
  return html`<table class="rooms"><thead><tr><th>${t("shifts.post")}</th><th>${t("consoles.state")}</th><th>${t("consoles.count")}</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${`${row.tier}/${row.place}`} data-room=${`${row.tier}/${row.place}`} data-ready=${String(row.ready)}>
      <td>${postText(row)}</td><td><${Light} row=${row} /></td><td class="num">${row.n_consoles}</td></tr>`)}</tbody></table>`;
}

export function Stations({ rows }) {
  const names = ["person", "places", "state", "sound", "tested", "heard", "clock"];
  return html`<table class="stations"><thead><tr>${names.map((name) => html`<th>${t(`consoles.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.console + row.person} data-person=${row.person} data-console=${row.console} data-ready=${String(row.ready)}>
      <td>${row.person} <span class="muted num">${row.console.slice(0, 6)}</span></td>
      <td>${t(`tier.${row.tier}`)} ${(row.mines || (row.areas || []).map(areaName)).join(" ") || t("consoles.all")}</td>
      <td><${Light} row=${row} /></td><td>${t(`sound.${row.sound}`)}</td>
      <td class="num">${row.tested_at ? moment(row.tested_at, serverNow()) : "–"}</td>
      <td class="num">${moment(row.heard_at, serverNow())}</td>
      <td class="num">${(row.clock_off_ms / 1000).toFixed(1)} s</td></tr>`)}</tbody></table>`;
}

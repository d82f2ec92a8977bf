// What drainage stations move: flow in the standard state, volumes with their gaps, the rate.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { NO_DATA } from "./format.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { route } from "./router.js";
import { areas } from "./state.js";
import { Failure } from "./widgets.js";

const SPANS = ["day", "month", "year"];
const NOW = [["flow_m3_min", 2], ["ch4_pct", 2], ["gauge_kpa", 1], ["temperature_c", 1], ["standard_m3_min", 2], ["pure_m3_min", 2]];
const EVERY_S = 15;
const FLOW = "m³/min";
const PRESSURE = "kPa";

export function DrainagePage() {
  const [items, setItems] = useState(null);
  const [error, setError] = useState(null);
  const { mine } = route.value.query;
  const load = () => get("/drainage", mine ? { mine } : {}).then((found) => { setItems(found.items); setError(null); }, setError);
  useEffect(() => {
    load();
    const timer = setInterval(load, EVERY_S * 1000);
    return () => clearInterval(timer);
  }, [mine]);
  areas.value;
  return html`<main class="plans drainage"><h1>${t("drainage.title")}</h1>
    <p class="muted">${t("drainage.about")}</p>
    <${Failure} error=${error} retry=${load} />
    ${items && !items.length ? html`<p class="empty">${t("drainage.none")}</p>` : null}
    ${(items || []).map((item) => html`<${Mine} key=${item.mine} item=${item} />`)}</main>`;
}

function Mine({ item }) {
  const short = item.rate_pct !== null && item.required_pct !== null && item.rate_pct < item.required_pct;
  return html`<section data-mine=${item.mine}><h2><a href=${`/mine/${item.mine}`}>${item.mine_name || item.mine}</a>${" "}
      <span class="muted">${areaName(item.area)}</span></h2>
    <p>${t("drainage.rate")} <b class=${`num ${short ? "flag" : ""}`} data-rate>${fixed(item.rate_pct, 1)}</b> %${" "}
      ${item.required_pct === null ? html`<span class="muted" data-why>${t(item.drained_m3_min === null ? "drainage.no_flow" : "drainage.no_air")}</span>`
    : html`<span class=${short ? "flag" : "muted"} data-met=${!short}>${t(short ? "drainage.not_met" : "drainage.met", { pct: item.required_pct })}</span>`}${" "}
      · ${t("drainage.drained")} <b class="num">${fixed(item.drained_m3_min, 2)}</b> ${FLOW}${" "}
      · ${t("drainage.ventilated")} <b class="num">${fixed(item.ventilated_m3_min, 2)}</b> ${FLOW}${" "}
      · ${t("drainage.atmosphere")} <b class="num">${fixed(item.atmosphere_kpa, 1)}</b> ${PRESSURE}</p>
    <div class="scroll"><table><thead><tr><th>${t("drainage.place")}</th>
      ${NOW.map(([name]) => html`<th class="r">${t(`drainage.${name}`)}</th>`)}</tr></thead>
      <tbody>${item.places.map((place) => html`<tr key=${place.point_id} data-point=${place.point}>
        <td><a href=${`/point/${place.point_id}`}>${place.place || place.point}</a>
          ${place.missing.length ? html`<span class="flag">${t("drainage.missing", { what: place.missing.map((name) => t(`drainage.lacks_${name}`)).join(t("drainage.comma")) })}</span>` : null}</td>
        ${NOW.map(([name, places]) => html`<td class="r num" data-now=${name}>${fixed(place.now[name], places)}</td>`)}</tr>`)}</tbody></table></div>
    <div class="scroll"><table><thead><tr><th>${t("drainage.volumes")}</th><th>${t("drainage.span")}</th>
      ${["mixed_m3", "pure_m3", "gap_h", "n_gaps"].map((name) => html`<th class="r">${t(`drainage.${name}`)}</th>`)}</tr></thead>
      <tbody>${item.places.map((place) => SPANS.map((span) => html`<${Volume} key=${place.point_id + span} place=${place} span=${span} />`))}</tbody></table></div>
  </section>`;
}

function Volume({ place, span }) {
  const told = place[span];
  return html`<tr data-volume=${`${place.point} ${span}`}><td>${place.place || place.point}</td><td>${t(`drainage.${span}`)}</td>
    <td class="r num">${told ? fixed(told.mixed_m3, 0) : NO_DATA}</td><td class="r num">${told ? fixed(told.pure_m3, 0) : NO_DATA}</td>
    <td class="r num">${told ? html`<${told.gap_h >= 1 ? "b" : "span"}>${fixed(told.gap_h, 2)}<//>` : NO_DATA}</td><td class="r num">${told ? told.n_gaps : NO_DATA}</td></tr>`;
}

function fixed(value, places) {
  return value === null || value === undefined ? NO_DATA : value.toFixed(places);
}

// A mine's daily monitoring report: each sensor's mean, maximum and alarms of a day.
import { html, useEffect, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { clockTime, dayText, duration, moment, NO_DATA, number, unitSign } from "./format.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { setQuery } from "./router.js";
import { me, serverNow } from "./state.js";

const COUNTED = ["alarms", "cut_offs", "feeds"];

/** Which mine; whoever has one alone is asked nothing. */
export function MineChoice({ chosen }) {
  const [mines, setMines] = useState([]);
  useEffect(() => { get("/mines").then((page) => setMines(page.items), () => setMines([])); }, []);
  const own = me.value && me.value.principal.mines;
  const only = own && own.length === 1 ? own[0] : null;
  useEffect(() => { if (only && !chosen) setQuery({ mine: only }); }, [only, chosen]);
  return html`<label>${t("statistics.by_mine")} <select name="mine" onChange=${(event) => setQuery({ mine: event.target.value })}>
    <option value="" selected=${!chosen}></option>
    ${mines.map((mine) => html`<option value=${mine.code} selected=${mine.code === chosen}>${areaName(mine.area)} ${mine.name || mine.code}</option>`)}</select></label>`;
}

export function MineDay({ told }) {
  return html`<h2>${areaName(told.area)} <a href=${`/mine/${told.mine}`}>${told.name || told.mine}</a> ${t("statistics.mine")}</h2>
    ${told.items.length ? html`<div class="wide-table"><table><thead><tr><th>${t("statistics.by_point")}</th><th>${t("col.place")}</th>
      <th>${t("mineday.type")}</th>${["limits", "mean", "max", "max_at", ...COUNTED, "planned", "coverage"].map((name) => html`<th class="r">${t(`mineday.${name}`)}</th>`)}</tr></thead>
    <tbody>${told.items.map((row) => html`<tr key=${row.subject} data-subject=${row.subject}>
      <td class="num">${row.quantity ? html`<a href=${`/point/${encodeURIComponent(row.subject)}`}>${row.subject.slice(13)}</a>` : row.subject.slice(13)}</td>
      <td>${row.place}</td><td>${row.quantity ? `${pick(row.type_zh, row.type_en) || row.quantity} ${unitSign(row.uom)}` : NO_DATA}</td>
      <td class="r num">${limitsOf(row)}</td>
      <td class="r num">${measured(row.mean, row.uom)}</td><td class="r num">${measured(row.max, row.uom)}</td>
      <td class="r num">${row.max_at ? row.max_at.slice(11, 19) : NO_DATA}</td>
      ${[...COUNTED, "planned"].map((name) => html`<td class="r num" data-cell=${name}><${Times} pair=${row[name]} /></td>`)}
      <td class="r num" title=${t("mineday.readings", row)}>${row.coverage_pct === null ? NO_DATA : `${row.coverage_pct.toFixed(1)} %`}</td></tr>`)}</tbody></table></div>`
    : html`<p class="empty">${t("statistics.none")}</p>`}
    <p class="paper-only">${t("mineday.signatures")}</p>
    <p class="paper-only muted">${t("handover.printed")} ${dayText(serverNow())} ${clockTime(serverNow())}</p>
    <p class="muted">${t("mineday.how", { until: moment(told.until, 0) })}</p>`;
}

/** Alarm / cut-off / restore, as the mine told them. */
function limitsOf(row) {
  const told = [row.alarm, row.cut_off, row.restore];
  return told.every((value) => value === null) ? NO_DATA : told.map((value) => measured(value, row.uom)).join(" / ");
}

function measured(value, uom) {
  return value === null ? NO_DATA : number(value, uom);
}

/** How often and how long; nothing is a dash, so that what was stands out. */
function Times({ pair }) {
  if (!pair.n && !pair.s) return html`<span class="muted">–</span>`;
  return html`${pair.n} · ${duration(pair.s * 1000)} ${pair.ongoing ? html`<span class="flag">${t("statistics.is_on")}</span>` : null}`;
}

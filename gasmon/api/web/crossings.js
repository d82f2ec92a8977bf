// Values of a point that went beyond a limit and began no alarm; nothing where there are none.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { clockTime, dayText, toMs, withUnit } from "./format.js";
import { get } from "./requests.js";
import { serverNow } from "./state.js";
import { kindName } from "./widgets.js";

const DAYS_MS = 7 * 86400000;
const MOST = 100;

export function Crossings({ point }) {
  const [items, setItems] = useState([]);
  useEffect(() => {
    const cancel = new AbortController();
    const to = serverNow();
    const asked = { from: iso(to - DAYS_MS), to: iso(to), limit: MOST };
    get(`/points/${point.point_id}/crossings`, asked, cancel.signal).then((page) => setItems(page.items), () => {});
    return () => cancel.abort();
  }, [point]);
  if (!items.length) return null;
  return html`<details class="crossings"><summary>${t("crossings.title", { n: items.length })}</summary>
    <p class="muted">${t("crossings.about")}</p>
    <table><thead><tr><th>${t("crossings.when")}</th><th>${t("col.kind")}</th><th class="r">${t("col.value")}</th>
      <th class="r">${t("crossings.limit")}</th><th>${t("crossings.held_by")}</th></tr></thead>
    <tbody>${items.map((item) => html`<tr key=${item.crossed_at + item.kind}>
      <td class="num">${dayText(toMs(item.crossed_at))} ${clockTime(toMs(item.crossed_at))}</td><td>${kindName(item.kind)}</td>
      <td class="r num">${withUnit(item.value, point.uom)}</td><td class="r num">${withUnit(item.limit, point.uom)}</td>
      <td>${t(`crossings.${item.held_by}`)}${item.late ? ` · ${t("crossings.late")}` : ""}</td></tr>`)}</tbody></table></details>`;
}

function iso(ms) {
  return new Date(ms).toISOString();
}

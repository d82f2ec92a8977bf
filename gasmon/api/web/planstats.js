// What planned work came to in a month, mine by mine: how much was quiet, and misuse.
import { html, useEffect } from "./html.js";
import { t } from "./i18n.js";
import { useLoaded } from "./doing.js";
import { dayText, NO_DATA } from "./format.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { areas, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const COUNTED = ["filed", "approved", "refused", "withdrawn", "alarms", "planned"];
const WHY = ["window_over", "level", "ceiling", "no_test_gas", "unknown_plan"];

/** Begin and end of a month `YYYY-MM` of Beijing time, as the server reads them. */
export function spanOf(month) {
  const [year, number] = month.split("-").map(Number);
  const next = number === 12 ? `${year + 1}-01` : `${year}-${String(number + 1).padStart(2, "0")}`;
  return { from: `${month}-01T00:00:00+08:00`, to: `${next}-01T00:00:00+08:00` };
}

/** `after` changes when a plan did: then the figures are asked for anew. */
export function PlanStatistics({ after }) {
  const month = route.value.query.month || dayText(serverNow()).slice(0, 7);
  const { found, error, load } = useLoaded(() => get("/plans/statistics", spanOf(month)), 0, month);
  useEffect(() => { if (after) load(); }, [after]);
  areas.value;
  const rows = found ? found.items.filter(hasAny) : null;
  return html`<section class="plan-statistics"><h2>${t("planstats.title")} <input type="month" aria-label=${t("planstats.month")} value=${month}
      onChange=${(event) => setQuery({ month: event.target.value })} /></h2>
    <${Failure} error=${error} retry=${load} />
    ${rows && !rows.length ? html`<p class="muted">${t("planstats.none")}</p>` : null}
    ${rows && rows.length ? html`<div class="wide-table"><table><thead><tr><th>${t("statistics.by_mine")}</th>
      <th class="r">${t("planstats.misused")}</th>${COUNTED.map((name) => html`<th class="r">${t(`planstats.${name}`)}</th>`)}
      <th class="r">${t("planstats.share")}</th><th>${t("planstats.broke_through")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.mine} data-mine=${row.mine}>
        <td>${areaName(row.area)} <a href=${`/mine/${row.mine}`}>${row.mine_name || row.mine}</a></td>
        <td class="r num" data-cell="misused">${row.misused_plans ? html`<span class="flag">${row.misused_plans}</span>` : 0}</td>
        ${COUNTED.map((name) => html`<td class="r num" data-cell=${name}>${row[name]}</td>`)}
        <td class="r num">${row.planned_share === null ? NO_DATA : `${(row.planned_share * 100).toFixed(0)} %`}</td>
        <td>${WHY.filter((why) => row.broke_through[why]).map((why) => `${t(`planstats.why_${why}`)} ${row.broke_through[why]}`).join(" · ")}</td></tr>`)}</tbody></table></div>` : null}</section>`;
}

/** A mine with alarms alone has nothing to say here. */
function hasAny(row) {
  return row.filed || row.planned || WHY.some((why) => row.broke_through[why]);
}

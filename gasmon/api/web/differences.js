// Where what mines tell of themselves and what they measured differ: a day's list.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { useLoaded } from "./doing.js";
import { clockTime, NO_DATA, number, toMs } from "./format.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { areas } from "./state.js";
import { Failure } from "./widgets.js";

export function DifferencesPage() {
  const { day, mine } = route.value.query;
  const asked = { ...(day ? { day } : {}), ...(mine ? { mine } : {}) };
  const { found, error, load } = useLoaded(() => get("/differences", asked), 0, JSON.stringify(asked));
  areas.value;
  return html`<main class="plans differences"><h1>${t("title.differences")}</h1>
    <p class="muted">${t("differences.about")}</p>
    <p><label>${t("differences.day")} <input type="date" name="day" value=${found ? found.day : day || ""}
      onChange=${(event) => setQuery({ day: event.target.value })} /></label></p>
    <${Failure} error=${error} retry=${load} />
    ${found && !found.items.length ? html`<p class="empty">${t("differences.none")}</p>` : null}
    ${found && found.items.length ? html`<div class="scroll"><table><thead><tr><th>${t("differences.at")}</th><th>${t("differences.mine")}</th>
      <th>${t("differences.point")}</th><th>${t("differences.what")}</th><th class="r">${t("differences.ours")}</th><th class="r">${t("differences.theirs")}</th></tr></thead>
      <tbody>${found.items.map((item) => html`<${Line} key=${item.mine + item.kind + item.point + item.at} item=${item} />`)}</tbody></table></div>` : null}</main>`;
}

function Line({ item }) {
  const times = [item.at, item.until].filter(Boolean).map((at) => clockTime(toMs(at)));
  return html`<tr data-kind=${item.kind} data-mine=${item.mine}><td class="num">${times.join(" – ")}</td>
    <td><a href=${`/mine/${item.mine}`}>${item.mine_name || item.mine}</a> <span class="muted">${areaName(item.area)}</span></td>
    <td>${item.point_id ? html`<a href=${`/point/${item.point_id}`}>${item.place || item.point}</a>` : item.point || t("differences.n_points", { n: item.n })}</td>
    <td>${t(`differences.${item.kind}`)}</td>
    <td class="r num">${item.ours === null ? NO_DATA : number(item.ours, item.uom)}</td>
    <td class="r num">${item.theirs === null ? NO_DATA : number(item.theirs, item.uom)}</td></tr>`;
}

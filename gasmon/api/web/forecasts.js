// What pre-warnings were worth: the forecast beside the two baselines it has to beat.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { useLoaded } from "./doing.js";
import { duration, NO_DATA, number } from "./format.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { areas } from "./state.js";
import { areaName } from "./overview.js";
import { Failure } from "./widgets.js";

export const MODELS = ["forecast", "ewma_1min", "last_value"];
const BY = ["all", "area", "mine", "point"];
const DAYS = ["7", "30", "90"];
const COUNTS = ["n_warned", "n_hits", "n_false", "n_unknown", "n_undecided", "n_onsets", "n_warned_of", "n_early"];

export function ForecastsPage() {
  const { by = "mine", days = "30" } = route.value.query;
  const { found: board, error, load } = useLoaded(() => get("/forecasts/score", { by, days }), 0, `${by} ${days}`);
  const { found: mines } = useLoaded(() => get("/mines"));
  const names = new Map((mines ? mines.items : []).map((mine) => [mine.code, mine.name]));
  areas.value;
  return html`<main class="plans forecasts"><h1>${t("forecasts.title")}</h1>
    <p><${Choice} name="by" values=${BY} chosen=${by} /> <${Choice} name="days" values=${DAYS} chosen=${days} /></p>
    <${Failure} error=${error} retry=${load} />
    ${board ? html`<p class="muted">${t("forecasts.searched", { days: number(board.days) })}</p>` : null}
    ${board && !board.items.length ? html`<p class="muted">${t("forecasts.none")}</p>` : null}
    ${board && board.items.length ? html`<${Board} board=${board} names=${names} />` : null}</main>`;
}

function Choice({ name, values, chosen }) {
  return html`<label>${t(`forecasts.${name}`)} <select name=${name} value=${chosen} onChange=${(event) => setQuery({ [name]: event.target.value })}>
    ${values.map((value) => html`<option value=${value} selected=${value === chosen}>${name === "days" ? value : t(`forecasts.by_${value}`)}</option>`)}</select></label>`;
}

function Board({ board, names }) {
  return html`<table><thead><tr><th>${t(`forecasts.by_${board.by}`)}</th><th>${t("forecasts.model")}</th>
    ${[...COUNTS, "lead", "false_per_day"].map((name) => html`<th class="r">${t(`forecasts.${name}`)}</th>`)}</tr></thead>
    <tbody>${board.items.map((item) => MODELS.map((model, n) => html`<tr key=${item.name + model} data-name=${item.name} data-model=${model}>
      ${n ? null : html`<td rowspan=${MODELS.length}>${nameOf(item, board.by, names)} ${item.advisory
        ? html`<span class="flag">${t("forecasts.advisory", { n: item.advisory })}</span>` : null}</td>`}
      <${Line} model=${model} line=${item[model]} /></tr>`))}</tbody></table>`;
}

function Line({ model, line }) {
  const lead = line.median_lead_s === null ? NO_DATA : duration(line.median_lead_s * 1000);
  return html`<td>${t(`forecasts.${model}`)}</td>${COUNTS.map((name) => html`<td class="r num" data-count=${name}>${line[name]}</td>`)}
    <td class="r num">${lead}</td><td class="r num">${number(line.false_per_day)}</td>`;
}

function nameOf(item, by, names) {
  if (by === "all") return t("forecasts.by_all");
  if (by === "area") return areaName(item.name);
  if (by === "point") return html`<a href=${`/point/${encodeURIComponent(item.name)}`}>${item.name}</a>`;
  return html`<a href=${`/mine/${item.name}`}>${names.get(item.name) || item.name}</a>`;
}

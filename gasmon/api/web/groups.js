// A flood of alarms: red ones by themselves, all gathered by mine and kind below.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { AlarmList } from "./alarmlist.js";
import { useLoaded } from "./doing.js";
import { moment, withUnit } from "./format.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { serverNow } from "./state.js";
import { Age, Failure, kindName, Sym } from "./widgets.js";

const RELOAD_MS = 10 * 1000;

export function Groups({ area, mine }) {
  const { found, error, load } = useLoaded(() => get("/alarms/groups", { area, mine }), RELOAD_MS, `${area} ${mine}`);
  const red = { state: "open", min_rank: "4" };
  if (area) red.area = area;
  if (mine) red.mine = mine;
  return html`<div class="groups"><section class="reds"><${AlarmList} filter=${red} compact=${true} empty=${t("groups.no_red")} /></section>
    <${Failure} error=${error} retry=${load} />
    ${found ? html`<section><p class="muted">${t("groups.of", found)}</p><div class="list-scroll"><table class="alarms"><thead><tr>${["level", "mine", "kind"].map((name) => html`<th>${t(`col.${name}`)}</th>`)}
        <th class="r">${t("groups.n")}</th><th class="r">${t("groups.unconfirmed")}</th><th>${t("groups.worst")}</th><th>${t("groups.last")}</th><th class="r">${t("groups.since")}</th></tr></thead>
      <tbody>${found.items.map((row) => html`<${Group} key=${`${row.mine}/${row.kind}/${row.area}`} row=${row} />`)}</tbody></table></div></section>` : null}</div>`;
}

function Group({ row }) {
  const worst = row.worst;
  const list = `/alarms?tab=open&kind=${row.kind}&area=${row.area}${row.mine ? `&mine=${row.mine}` : ""}`;
  return html`<tr class=${`edge-${row.worst_rank}`} data-group=${`${row.mine}/${row.kind}`}>
    <td><span class=${`level c-${row.worst_rank}`}><${Sym} k=${String(row.worst_rank)} flash=${row.unconfirmed > 0} /><span>${t(`level.${row.worst_rank}`)}</span></span></td>
    <td>${areaName(row.area)} ${row.mine ? html`<a href=${`/mine/${row.mine}`}>${row.mine_name || row.mine}</a>` : null}</td>
    <td><a href=${list}>${kindName(row.kind)}</a></td><td class="r num"><a href=${list}>${row.n}</a></td><td class="r num">${row.unconfirmed}</td>
    <td><a href=${`/alarm/${worst.alarm_id}`}>${worst.place}</a> <span class="num">${worst.value === null ? "" : withUnit(worst.value, worst.uom)}</span></td>
    <td class="num">${moment(row.last_at, serverNow())}</td><td class="r"><${Age} since=${row.first_at} /></td></tr>`;
}

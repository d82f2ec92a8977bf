// Incidents: what overlaps in time at one unit or subject, with its kinds as facts.
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { Refused, useDoing, useLoaded } from "./doing.js";
import { returnTo } from "./focus.js";
import { drillBook, drillSeq } from "./drillbook.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { get, post } from "./requests.js";
import { alarmBook, bookSeq, mayConfirm, on, serverNow, tier } from "./state.js";
import { owes } from "./alarmbook.js";
import { Age, Failure, kindName, mineHref, Sym } from "./widgets.js";

const RELOAD_MS = 15 * 1000;
const MOST_AT_ONCE = 200;

/** Open incidents, the worst first and then the oldest. */
export function Incidents({ area, mine, run }) {
  const ask = () => get("/incidents", { area, mine, run, limit: 200 });
  const { found, error, load } = useLoaded(ask, RELOAD_MS, `${area} ${mine} ${run}`);
  useEffect(() => on("alarm", (body) => { if (body.event === "raised" || body.event === "cleared") load(); }), []);
  bookSeq.value;
  drillSeq.value;
  const rows = found ? [...found.items].sort((a, b) => b.worst_rank - a.worst_rank || a.opened_at.localeCompare(b.opened_at)) : [];
  return html`<div class="alarm-list incidents"><${Failure} error=${error} retry=${load} />
    ${found && !rows.length ? html`<p class="empty">${t("alarms.none")}</p>` : null}
    ${rows.length ? html`<table class="alarms"><thead><tr>${["level", "mine", "place", "kind", "start", "lasting"].map((name) => html`<th>${t(`col.${name}`)}</th>`)}
      <th>${t("incidents.alarms")}</th>${mayConfirm.value ? html`<th>${t("col.action")}</th>` : null}</tr></thead>
      <tbody>${rows.map((row) => html`<${Incident} key=${row.incident_id} row=${row} run=${run} done=${load} />`)}</tbody></table>` : null}</div>`;
}

function Incident({ row, run, done }) {
  const owed = row.alarms.filter((id) => isOwed(run ? drillBook() : alarmBook(), id));
  const where = row.unit || row.subject.replace(/^[a-z]+:/, "");
  return html`<tr data-incident=${row.incident_id}>
    <td><span class=${`level c-${row.worst_rank}`}><${Sym} k=${String(row.worst_rank)} flash=${owed.length > 0} /><span>${t(`level.${row.worst_rank}`)}</span></span></td>
    <td>${areaName(row.area)} ${row.mine ? html`<a href=${mineHref({ run, mine: row.mine })}>${row.mine_name || row.mine}</a>` : null}</td><td>${where}</td>
    <td>${row.kinds.map((kind) => html`<span class="flag">${kindName(kind)}</span> `)}</td>
    <td class="num">${moment(row.opened_at, serverNow())}</td><td class="r"><${Age} since=${row.opened_at} /></td>
    <td>${row.alarms.map((id) => html`<a class="num" href=${`/alarm/${id}`}>#${id}</a> `)}</td>
    ${mayConfirm.value ? html`<td>${owed.length ? html`<${Confirm} incident=${row.incident_id} ids=${owed} done=${done} />` : null}</td>` : null}</tr>`;
}

/** Whether one's own tier owes an alarm its confirmation; what the book has not is over. */
function isOwed(book, id) {
  const alarm = book.byId.get(id);
  return alarm !== undefined && owes(alarm, tier.value);
}

/** All that is owed of an incident, confirmed with one note; what was refused is said. */
function Confirm({ incident, ids, done }) {
  const [open, setOpen] = useState(false);
  const field = useRef(null);
  const { busy, failure, run } = useDoing();
  if (!open) return html`<button class="confirm" onClick=${() => setOpen(true)}>${t("alarms.confirm_n", { n: ids.length })}</button>`;
  const close = () => {
    setOpen(false);
    returnTo(`[data-incident="${incident}"] .confirm`);
  };
  const onKeyDown = (event) => { if (event.key === "Escape" && !event.isComposing) close(); };
  const submit = (event) => {
    event.preventDefault();
    const text = event.target.elements.note.value.trim();
    run(async () => {
      const { items } = await post("/alarms/confirm", { alarm_ids: ids.slice(0, MOST_AT_ONCE), text });
      done();
      const refused = items.filter((item) => !item.ok);
      if (refused.length) throw new Error(refused.map((item) => item.detail).join(" · "));
      setOpen(false);
    });
  };
  return html`<form class="note-line" onSubmit=${submit} onKeyDown=${onKeyDown}><input name="note" ref=${(node) => { if (node && !field.current) node.focus(); field.current = node; }} maxlength="500" autocomplete="off" aria-label=${t("alarms.note")} placeholder=${t("alarms.note_hint")} />
    <button class="main" disabled=${busy}>${t("alarms.confirm_n", { n: ids.length })}</button>
    <button type="button" onClick=${close}>${t("alarms.cancel")}</button><${Refused} failure=${failure} /></form>`;
}

// What happened in a drill, the newest first: from its record, then from its stream.
import { html, useEffect, useState } from "./html.js";
import { pick, t, tCode } from "./i18n.js";
import { drillOpened } from "./drillbook.js";
import { moment, withUnit } from "./format.js";
import { get } from "./requests.js";
import { on, serverNow } from "./state.js";
import { Failure, kindName, Level } from "./widgets.js";

const MOST = 300;
const ALARMS = 50;

/** One line of the drill's own: it was declared, began, met a real alarm, ended. Pure. */
export function ownLines(drill) {
  const lines = [{ at: drill.declared_at, own: "declared_at", by: drill.declared_by }];
  if (drill.state !== "declared") lines.push({ at: drill.from, own: "began" });
  for (const one of drill.real_alarms) lines.push({ at: one.at, own: "real_alarm", alarm_id: one.alarm_id });
  if (drill.ended_at) lines.push({ at: drill.ended_at, own: "over", by: drill.ended_by, text: drill.end_text, note: drill.end_reason });
  return lines;
}

/** Lines of all records of a page of alarms. Pure. */
export function recordLines(alarms) {
  return alarms.flatMap((alarm) => alarm.records.map((row) => lineOf({ ...alarm, ...row, peak_rank: row.rank })));
}

function lineOf(body) {
  const id = body.event_id || body.id || `${body.alarm_id}/${body.event}/${body.happened_at}`;
  return { ...body, id, at: body.decided_at || body.happened_at };
}

export function Timeline({ drill }) {
  const [lines, setLines] = useState(null);
  const [error, setError] = useState(null);
  const load = () => get(`/drills/${drill.run}/record`, { limit: ALARMS }).then(
    (page) => { setLines(recordLines(page.alarms)); setError(null); }, setError,
  );
  useEffect(() => { load(); }, [drillOpened.value]);
  useEffect(() => on("alarm", (body) => {
    if (body.run === drill.run) setLines((before) => before && [lineOf({ ...body, peak_rank: body.rank }), ...before].slice(0, MOST));
  }), [drill.run]);
  if (!lines) return html`<${Failure} error=${error} retry=${load} />${error ? null : html`<p class="empty">${t("loading")}</p>`}`;
  const all = [...ownLines(drill), ...lines].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, MOST);
  const now = serverNow();
  return html`<div class="list-scroll"><table class="journal timeline"><thead><tr>${["at", "event", "alarm", "who", "text"].map((name) => html`<th>${t(name === "alarm" ? "title.alarms" : `life.${name}`)}</th>`)}</tr></thead>
    <tbody>${all.map((line) => html`<tr data-event=${line.own || line.event}><td class="num">${moment(line.at, now)}</td>
      ${line.own ? html`<td colspan="2"><b>${t(`drills.line_${line.own}`)}</b> ${line.alarm_id ? html`<a class="num" href=${`/alarm/${line.alarm_id}`}>#${line.alarm_id}</a>` : null}
          ${line.text ? pick(line.text.zh, line.text.en) : ""}</td>`
        : html`<td>${tCode("event", line.event)}</td><td><${Level} alarm=${line} owed=${false} />
          <a href=${`/alarm/${line.alarm_id}`}>${line.mine_name || line.mine} ${line.place || line.point} ${kindName(line.kind)}</a></td>`}
      <td>${line.tier ? t(`tier.${line.tier}`) : ""} ${line.by || ""}</td>
      <td class="said">${line.by || line.own ? line.note || "" : withUnit(line.value, line.uom)}</td></tr>`)}</tbody></table></div>`;
}

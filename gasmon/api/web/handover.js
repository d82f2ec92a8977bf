// One hand-over: what it tells, its notes, two signatures; made to be printed.
import { html, useState } from "./html.js";
import { t, tCode } from "./i18n.js";
import { Refused, useDoing, useLoaded, Wanting } from "./doing.js";
import { clockTime, dayText, moment } from "./format.js";
import { loadUnsigned } from "./hub.js";
import { areaName } from "./overview.js";
import { get, post } from "./requests.js";
import { postText, shiftText } from "./shifts.js";
import { areas, second, serverNow, tier, unsigned } from "./state.js";
import { Failure, kindName, Level } from "./widgets.js";

const RELOAD_MS = 30 * 1000;
const POSSIBLE = { open: ["note", "sign"], refused: ["note", "sign"], signed: ["accept", "refuse"], accepted: [] };
const WITH_TEXT = ["note", "refuse"];
const COUNTS = [
  "open", "unconfirmed", "overdue", "cleared_not_closed", "shelved", "planned", "drills", "silent_mines", "failing_channels",
];

export function HandoverPage({ id }) {
  const path = `/handovers/${encodeURIComponent(id)}`;
  const { found: seen, setFound: setSeen, error, load } = useLoaded(() => get(path), RELOAD_MS);
  areas.value;
  const crumbs = html`<a href="/shifts">${t("nav.shifts")}</a>`;
  if (!seen) {
    return html`<main><h1 class="crumbs">${crumbs}</h1>
      <${Failure} error=${error} retry=${load} />${error ? null : html`<p class="empty">${t("loading")}</p>`}</main>`;
  }
  const act = async (action, text) => {
    const next = await post(`${path}/${action}`, { text });
    setSeen(next);
    if (action === "accept") {
      unsigned.value = unsigned.value.filter((one) => one.handover_id !== next.handover_id);
      loadUnsigned();
    }
  };
  return html`<main class="handover" data-state=${seen.state}>
    <h1 class="crumbs"><span class="screen-only">${crumbs} </span><span>${t("title.handover")} · ${postText(seen)} · ${shiftText(seen.shift)}</span>
      <span class="flag">${t(`handover.${seen.state}`)}</span>${seen.unsigned ? html` <strong>${t("handover.unsigned")}</strong>` : null}
      <button class="print screen-only" onClick=${() => window.print()}>${t("handover.print")}</button></h1>
    <${Failure} error=${error} retry=${load} />
    <p class="muted">${t("handover.as_of", { at: seen.summary.at.slice(0, 19).replace("T", " ") })} · ${t("shifts.there")}: ${seen.on_duty.join(" ") || t("shifts.nobody")}</p>
    <${Figures} seen=${seen} />
    <${Alarms} rows=${seen.summary.alarms} />
    <${Shelves} rows=${seen.summary.shelved} />
    <${Plans} rows=${seen.summary.planned} />
    <${Drills} rows=${seen.summary.drills} />
    <${Broken} summary=${seen.summary} />
    <section><h2>${t("handover.notes")}</h2>${seen.notes.length ? html`<ul class="notes">${seen.notes.map((one) => html`
      <li><span class="muted">${one.by} ${moment(one.at, serverNow())}</span> ${one.text}</li>`)}</ul>` : html`<p class="muted">${t("handover.no_notes")}</p>`}</section>
    <${Signatures} seen=${seen} />
    ${tier.value === seen.tier && POSSIBLE[seen.state].length ? html`<${Actions} names=${POSSIBLE[seen.state]} act=${act} />` : null}
    <section class="screen-only"><h2>${t("handover.records")}</h2><${Records} rows=${seen.records} /></section>
    <${Printed} /></main>`;
}

function Figures({ seen }) {
  const { counts } = seen.summary;
  const { load } = seen;
  const byRank = [4, 3, 2, 1, 0].filter((rank) => counts.open_by_rank[rank])
    .map((rank) => `${t(`level.${rank}`)} ${counts.open_by_rank[rank]}`).join(" ");
  const grade = `${t(`load.${load.grade}`)}${load.flooded ? ` ${t("load.flooded")}` : ""}`;
  const loads = [
    ["alarms", load.alarms], ["mean", `${load.mean_per_10min.toFixed(2)} ${grade}`], ["peak", load.peak_10min],
    ["flood_share", `${load.flood_share_pct.toFixed(1)} %`], ["standing", load.standing], ["stale", load.stale],
  ];
  return html`<div class="facts"><dl class="figures">${COUNTS.map((name) => html`<div><dt>${t(`count.${name}`)}</dt>
      <dd data-count=${name}>${counts[name]}${name === "open" && byRank ? html` <span class="muted">${byRank}</span>` : null}</dd></div>`)}</dl>
    <h2>${t("load.title")}</h2>
    <dl class="figures">${loads.map(([name, text]) => html`<div><dt>${t(`load.${name}`)}</dt><dd data-load=${name}>${text}</dd></div>`)}</dl></div>`;
}

function Alarms({ rows }) {
  if (!rows.length) return null;
  return html`<section><h2>${t("handover.alarms")}</h2><table><thead><tr>${["col.level", "col.place", "col.kind", "col.start"].map((name) => html`<th>${t(name)}</th>`)}<th></th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.alarm_id} data-alarm=${row.alarm_id}>
      <td><${Level} alarm=${row} owed=${false} /></td>
      <td><a href=${`/alarm/${row.alarm_id}`}>${[areaName(row.area), row.mine_name || row.mine, row.place || row.subject_id].filter(Boolean).join(" ")}</a></td>
      <td>${kindName(row.kind)}</td><td class="num">${moment(row.raised_at, serverNow())}</td>
      <td>${["unconfirmed", "overdue", "planned", "cleared"].filter((name) => row[name]).map((name) => html`<span class="flag">${t(`mark.${name}`)}</span> `)}</td></tr>`)}</tbody></table></section>`;
}

function Shelves({ rows }) {
  if (!rows.length) return null;
  return html`<section><h2>${t("count.shelved")}</h2><ul>${rows.map((row) => html`<li key=${row.quiet_id}>
    ${row.subject_id} ${row.alarm_kind ? kindName(row.alarm_kind) : ""} ${row.reason} <span class="muted">${row.owner} ${t("life.until", { at: moment(row.until, serverNow()) })}</span></li>`)}</ul></section>`;
}

/** Planned work, a line for each plan with what it keeps quiet now. */
function Plans({ rows }) {
  if (!rows.length) return null;
  return html`<section><h2>${t("count.planned")}</h2><ul>${rows.map((row) => html`<li data-plan=${row.plan_id}>
    ${row.plan_id ? html`<a href="/plans">#${row.plan_id}</a> ${tCode("work", row.work)}` : null} ${row.subjects.join(" ")} ${row.reason}${" "}
    <span class="muted">${row.alarm_kinds.map(kindName).join(" · ")} ${[row.owner, row.approved_by].filter(Boolean).join(" / ")} ${t("life.until", { at: moment(row.until, serverNow()) })}</span>${" "}
    <span class="flag">${t("handover.quiet_alarms", { n: row.quiet_alarms })}</span></li>`)}</ul></section>`;
}

/** Alarms of drills, apart from all that is real. */
function Drills({ rows }) {
  if (!rows.length) return null;
  return html`<section><h2>${t("count.drills")}</h2><ul>${rows.map((row) => html`<li key=${row.alarm_id} data-drill=${row.run}>
    <span class="flag">${t("mark.drill")} ${row.run}</span> <a href=${`/alarm/${row.alarm_id}`}>${[row.mine_name || row.mine, row.place || row.subject_id].filter(Boolean).join(" ")}</a>
    ${kindName(row.kind)} <span class="muted">${moment(row.raised_at, serverNow())}</span></li>`)}</ul></section>`;
}

function Broken({ summary }) {
  const { silent_mines: mines, failing_channels: channels } = summary;
  if (!mines.length && !channels.length) return null;
  return html`<section><h2>${t("handover.broken")}</h2><ul>${mines.map((row) => html`<li key=${row.mine}>
      <a href=${`/mine/${row.mine}`}>${row.mine_name || row.mine}</a> <span class="muted">${row.heard_at ? t("handover.heard_at", { at: moment(row.heard_at, serverNow()) }) : t("handover.never_heard")}</span></li>`)}
    ${channels.map((name) => html`<li key=${name}>${t("handover.failing_channel", { name })}</li>`)}</ul></section>`;
}

function Signatures({ seen }) {
  return html`<section class="signatures">${["outgoing", "incoming"].map((side) => {
    const mark = seen[side];
    return html`<div data-side=${side}><h2>${t(`shifts.${side}`)}</h2>${mark
      ? html`<p><b>${mark.by}</b> <span class="num">${mark.at.slice(0, 19).replace("T", " ")}</span></p><p class="muted num" title=${mark.fingerprint}>${mark.fingerprint.slice(0, 16)}</p>`
      : html`<p class="line">${t("handover.not_signed")}</p>`}</div>`;
  })}</section>`;
}

function Actions({ names, act }) {
  const [text, setText] = useState("");
  const { busy, failure, run } = useDoing();
  const sign = (name) => run(async () => {
    if (WITH_TEXT.includes(name) && !text.trim()) throw new Wanting(t("handover.text_wanted"), "text");
    await act(name, text.trim());
    setText("");
  });
  return html`<section class="do screen-only"><h2>${t("life.actions")}</h2>
    <textarea name="text" rows="3" maxlength="1000" aria-label=${t("handover.text")} placeholder=${t("handover.text")} value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
    <div class="buttons">${names.map((name) => html`<button key=${name} data-action=${name} disabled=${busy} onClick=${() => sign(name)}>${t(`handover.do.${name}`)}</button>`)}</div>
    <${Refused} failure=${failure} /></section>`;
}

function Records({ rows }) {
  return html`<table class="journal"><tbody>${rows.map((row) => html`<tr data-event=${row.event}><td class="num">${moment(row.at, serverNow())}</td>
    <td>${tCode("record", row.event)}</td><td>${row.by}</td><td class="said">${row.note}</td></tr>`)}</tbody></table>`;
}

/** On paper: when it was printed. */
function Printed() {
  second.value;
  const now = serverNow();
  return html`<p class="paper-only muted">${t("handover.printed")} ${dayText(now)} ${clockTime(now)}</p>`;
}

// Drills: those that go on, are planned or over, and declaring a new one.
import { html, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { above, NotHere } from "./above.js";
import { Refused, newKey, useDoing, useLoaded } from "./doing.js";
import { loadDrills, useDrillView } from "./drillbook.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { listed } from "./plans.js";
import { get, post } from "./requests.js";
import { go } from "./router.js";
import { areas, me, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const RELOAD_MS = 10 * 1000;
const PAGE_ROWS = 50;
const BEIJING = "+08:00";
const COLUMNS = ["run", "what", "areas", "time", "by", "alarms", "score", "end"];
export const DRILL_STATES = ["running", "declared", "ended"];

/** What the server is asked, from the form; no begin means at once. */
export function drillOf(form, nowMs) {
  const fields = new FormData(form);
  const text = (name) => (fields.get(name) || "").trim();
  const from = text("from");
  const beginMs = from ? Date.parse(`${from}:00${BEIJING}`) : nowMs;
  return {
    scenario: text("scenario"),
    title: text("title"),
    areas: fields.getAll("area"),
    announced: fields.has("announced"),
    from: from ? `${from}:00${BEIJING}` : null,
    until: new Date(beginMs + Number(text("minutes")) * 60000).toISOString(),
    stop_on_real_alarm: fields.has("stop"),
    participants: listed(text("participants")),
    note: text("note"),
  };
}

/** Points and verdict of a score; nothing without one. */
export function scoreText(score) {
  return score ? t(score.passed ? "drills.score_passed" : "drills.score_failed", { points: rounded(score.points), of: rounded(score.of_points) }) : "";
}

function rounded(points) {
  return String(Math.round(points * 10) / 10);
}

/** Whether somebody may declare drills: a trainer of areas, not of single mines. */
function mayDeclare({ role, mines, may }) {
  return role === "trainer" && !mines && may !== "read";
}

export function DrillsPage() {
  const [before, setBefore] = useState([]);
  const { found, error, load } = useLoaded(() => get("/drills", { limit: PAGE_ROWS }), RELOAD_MS);
  const more = (cursor) => get("/drills", { limit: PAGE_ROWS, cursor }).then((page) => setBefore([...before, page]), () => {});
  useDrillView(0);
  areas.value;
  const pages = found ? [found, ...before] : [];
  const rows = pages.flatMap((page) => page.items);
  const following = pages.length ? pages[pages.length - 1].next : null;
  return html`<main class="plans drills"><h1>${t("nav.drills")}</h1>
    ${above.value ? html`<${NotHere} what="drills" />` : mayDeclare(me.value.principal) ? html`<section><h2>${t("drills.declare")}</h2><${Form} /></section>` : null}
    <${Failure} error=${error} retry=${load} />
    ${found && !rows.length ? html`<p class="empty">${t("drills.none")}</p>` : null}
    ${DRILL_STATES.map((state) => html`<${Drills} key=${state} state=${state} rows=${rows.filter((row) => row.state === state)} />`)}
    ${following ? html`<button class="more" onClick=${() => more(following)}>${t("alarms.more")}</button>` : null}</main>`;
}

function Drills({ state, rows }) {
  if (!rows.length) return null;
  const now = serverNow();
  return html`<section data-state=${state}><h2>${t(`drills.${state}`)} <span class="num muted">${rows.length}</span></h2>
    <table class="runs"><thead><tr>${COLUMNS.map((name) => html`<th>${t(`drills.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.run} data-run=${row.run}>
      <td class="num"><a href=${`/drill/${row.run}`}>${t("mark.drill")} ${row.run}</a></td>
      <td><a href=${`/drill/${row.run}`}>${row.title || row.scenario}</a> ${row.title ? html`<span class="muted">${row.scenario}</span>` : null}
        ${row.announced ? null : html` <span class="flag">${t("drills.unannounced")}</span>`}</td>
      <td>${row.areas.map(areaName).join(" ")}</td>
      <td class="num">${moment(row.from, now)} – ${moment(row.ended_at || row.until, now)}</td>
      <td>${row.declared_by}${row.participants.length ? html` <span class="muted">${row.participants.join(" ")}</span>` : null}</td>
      <td class="num">${t("drills.n_alarms", { open: row.open_alarms, all: row.alarms })}</td>
      <td class="num">${scoreText(row.score)}</td>
      <td>${row.end_text ? html`${pick(row.end_text.zh, row.end_text.en)} <span class="muted">${row.ended_by || ""}</span>` : null}</td></tr>`)}</tbody></table></section>`;
}

function Form() {
  const { busy, failure, run } = useDoing();
  // Sent again after a lost answer it is declared once; changed, it is another one.
  const [key, setKey] = useState(newKey);
  const own = areas.value.map((area) => area.code);
  const submit = (event) => {
    event.preventDefault();
    const form = event.target;
    run(async () => {
      const drill = await post("/drills", { ...drillOf(form, serverNow()), key });
      loadDrills();
      go(`/drill/${drill.run}`);
    });
  };
  const field = (name, more) => html`<label>${t(`drills.${name}`)} <input name=${name} autocomplete="off" ...${more} /></label>`;
  return html`<form class="action" onSubmit=${submit} onInput=${() => setKey(newKey())}>
    ${field("scenario", { required: true, maxlength: 100, placeholder: "outburst" })}
    ${field("title", { maxlength: 200 })}
    <fieldset><legend>${t("drills.areas")}</legend>${own.map((code) => html`<label key=${code}><input type="checkbox" name="area" value=${code}
      defaultChecked=${own.length === 1} /> ${areaName(code)}</label> `)}</fieldset>
    ${field("from", { type: "datetime-local", title: t("drills.from_hint") })}
    ${field("minutes", { type: "number", min: 1, max: 1440, step: 1, required: true, defaultValue: 60 })}
    ${field("participants", { maxlength: 1000, placeholder: t("drills.participants_hint") })}
    <label><input type="checkbox" name="announced" value="1" defaultChecked=${true} /> ${t("drills.announced")}</label>
    <label><input type="checkbox" name="stop" value="1" defaultChecked=${true} /> ${t("drills.stop")}</label>
    <label class="fill">${t("drills.note")} <input name="note" maxlength="1000" autocomplete="off" /></label>
    <button class="main" disabled=${busy}>${t("drills.send")}</button><${Refused} failure=${failure} />
    <p class="muted">${t("drills.hint")}</p></form>`;
}

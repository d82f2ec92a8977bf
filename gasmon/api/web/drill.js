// One drill: what it is, its alarms and incidents, what happened, and its mines, live.
import { html, useEffect, useState } from "./html.js";
import { pick, t } from "./i18n.js";
import { fieldsOf, Refused, useDoing } from "./doing.js";
import { drillOpened, loadDrills, useDrillView } from "./drillbook.js";
import { DrillMines } from "./drillmines.js";
import { Timeline } from "./drilltimeline.js";
import { AlarmList } from "./alarmlist.js";
import { duration, moment, toMs } from "./format.js";
import { Incidents } from "./incidents.js";
import { scoreText } from "./drills.js";
import { areaName } from "./overview.js";
import { get, post } from "./requests.js";
import { route, setQuery } from "./router.js";
import { areas, on, second, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const RELOAD_MS = 3000; // its end must be seen soon: nobody plays on alone
const PARTS = ["open", "incidents", "all", "timeline"];

export function DrillPage({ id }) {
  const [drill, setDrill] = useState(null);
  const [error, setError] = useState(null);
  const load = () => get(`/drills/${encodeURIComponent(id)}`).then((data) => { setDrill(data); setError(null); }, setError);
  const over = Boolean(drill && drill.state === "ended");
  useEffect(() => { load(); }, [drillOpened.value]);
  useEffect(() => {
    const timer = over ? 0 : setInterval(load, RELOAD_MS);
    return () => clearInterval(timer);
  }, [over]);
  // A real alarm may just have ended it.
  useEffect(() => on("alarm", (body) => { if (!body.run || body.event === "closed") load(); }), []);
  useDrillView(drill ? drill.run : null);
  areas.value;
  const crumbs = html`<a href="/drills">${t("nav.drills")}</a>`;
  if (!drill) {
    return html`<main><h1 class="crumbs">${crumbs}</h1>
      <${Failure} error=${error} retry=${load} />${error ? null : html`<p class="empty">${t("loading")}</p>`}</main>`;
  }
  return html`<main class="drill-page" data-run=${drill.run} data-state=${drill.state}>
    <h1 class="crumbs">${crumbs} <strong class="mark">${t("mark.drill")} ${drill.run}</strong> <span class="name">${drill.title || drill.scenario}</span>
      <b class="state">${t(`drills.${drill.state}`)}</b> <${Remaining} drill=${drill} /></h1>
    <${Failure} error=${error} retry=${load} />
    <${Facts} drill=${drill} />
    ${drill.may_end ? html`<${End} drill=${drill} done=${(data) => { setDrill(data); loadDrills(); }} />` : null}
    <${Alarms} drill=${drill} />
    <${DrillMines} drill=${drill} /></main>`;
}

/** How long until it begins or ends; the server's clock. */
function Remaining({ drill }) {
  second.value;
  if (drill.state === "ended") return null;
  const until = drill.state === "running" ? drill.until : drill.from;
  return html`<span class="muted">${t(`drills.until_${drill.state}`)} <b class="num">${duration(toMs(until) - serverNow())}</b></span>`;
}

function Facts({ drill }) {
  const now = serverNow();
  const facts = [
    ["scenario", drill.title ? drill.scenario : null],
    ["areas", drill.areas.map(areaName).join(" ")],
    ["time", `${moment(drill.from, now)} – ${moment(drill.ended_at || drill.until, now)}`],
    ["by", `${drill.declared_by} ${moment(drill.declared_at, now)}`],
    ["participants", drill.participants.join(" ")],
    ["announced", t(drill.announced ? "drills.yes" : "drills.no")],
    ["on_real", t(drill.stop_on_real_alarm ? "drills.on_real_stop" : "drills.on_real_go_on")],
    ["judged", drill.judged_by.map((judge) => judge.owner).join(" ") || (drill.state === "running" ? t("drills.judged_none") : "")],
    ["topics", drill.state === "ended" ? "" : `${drill.topic_root}/`],
    ["score", drill.score && `${scoreText(drill.score)} ${drill.score.sheet} ${drill.score.by}`],
    ["note", drill.note],
  ].filter((fact) => fact[1]);
  return html`<div class="facts">${drill.end_text ? html`<p class="ended"><b>${pick(drill.end_text.zh, drill.end_text.en)}</b>
      <span class="num">${moment(drill.ended_at, now)}</span> ${drill.ended_by || ""} <span class="muted">${drill.end_reason}</span></p>` : null}
    <dl class="figures">${facts.map(([name, text]) => html`<div><dt>${t(`drills.${name}`)}</dt><dd data-fact=${name}>${text}</dd></div>`)}</dl>
    ${drill.real_alarms.length ? html`<p class="real"><b>${t("drills.real_alarms")}</b>${drill.real_alarms.map((one) => html` <a class="num" key=${one.alarm_id}
      href=${`/alarm/${one.alarm_id}`}>#${one.alarm_id}</a> <span class="num muted">${moment(one.at, now)}</span>`)}</p>` : null}</div>`;
}

function End({ drill, done }) {
  const { busy, failure, run } = useDoing();
  const submit = (event) => {
    event.preventDefault();
    const { reason } = fieldsOf(event.target);
    run(async () => done(await post(`/drills/${drill.run}/end`, { reason: reason.trim() })));
  };
  return html`<form class="action end" onSubmit=${submit}><label class="fill">${t("decide.reason")}
      <input name="reason" required pattern=".*\\S.*" maxlength="1000" autocomplete="off" /></label>
    <button class="main" disabled=${busy}>${t("drills.end_now")}</button><${Refused} failure=${failure} /></form>`;
}

function Alarms({ drill }) {
  const { run } = drill;
  const part = PARTS.includes(route.value.query.part) ? route.value.query.part : drill.state === "ended" ? "all" : "open";
  return html`<section class="alarms-of"><div class="toolbar"><span class="tabs">${PARTS.map((name) => html`<button key=${name} data-part=${name}
      aria-pressed=${name === part} onClick=${() => setQuery({ part: name })}>${t(`drills.part_${name}`)}</button>`)}</span>
      <span class="muted">${t("drills.n_alarms", { open: drill.open_alarms, all: drill.alarms })}</span><span class="push"></span>
      <a class="export" download href=${`/api/v1/alarms/export?run=${run}&state=all`}>${t("alarms.export")}</a></div>
    ${part === "timeline" ? html`<${Timeline} drill=${drill} />`
      : part === "incidents" ? html`<${Incidents} run=${run} />`
        : html`<${AlarmList} filter=${{ run, state: part }} empty=${t("drills.no_alarms")} />`}</section>`;
}

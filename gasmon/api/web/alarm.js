// One alarm: how far each tier has come, its journal, and what may be done with it now.
import { html, useEffect, useRef, useState } from "./html.js";
import { pick, t, tCode } from "./i18n.js";
import { moment, number, withUnit } from "./format.js";
import { newKey, Refused } from "./doing.js";
import { keepPlace, returnTo, say } from "./focus.js";
import { ActionForm } from "./alarmform.js";
import { Ledger } from "./alarmledger.js";
import { Signatures } from "./signatures.js";
import { Steps } from "./alarmsteps.js";
import { Why } from "./alarmwhy.js";
import { Beside } from "./changes.js";
import { enterDrill, useDrillView } from "./drillbook.js";
import { areaName } from "./overview.js";
import { get, post } from "./requests.js";
import { areas, enterAlarm, on, serverNow } from "./state.js";
import { alarmHref, Failure, kindName, Level, mineHref } from "./widgets.js";

const TIERS = ["mine", "county", "city"];
const LEDGER_MS = 10 * 1000; // what is missing turns red while one looks

export function AlarmPage({ id }) {
  const [seen, setSeen] = useState(null);
  const [error, setError] = useState(null);
  const parts = ["", "/life", "/escalation", "/limit-changes", "/ledger"].map((part) => `/alarms/${id}${part}`);
  const load = () => Promise.all(parts.map((path) => get(path))).then(
    ([alarm, life, { steps }, { items: changes }, { events }]) => { setSeen({ alarm, life, steps, changes, events }); setError(null); },
    setError,
  );
  useEffect(() => { load(); }, []);
  // What anybody does with it, and what becomes of its value, comes by the stream.
  useEffect(() => on("alarm", (body) => { if (String(body.alarm_id) === id) load(); }), []);
  useEffect(() => {
    const timer = setInterval(() => get(`/alarms/${id}/ledger`).then(
      ({ events }) => setSeen((before) => before && { ...before, events }), () => {},
    ), LEDGER_MS);
    return () => clearInterval(timer);
  }, []);
  areas.value;
  useDrillView(seen && seen.alarm.run ? seen.alarm.run : null);
  const crumbs = html`<a href="/alarms">${t("nav.alarms")}</a>`;
  if (!seen) {
    return html`<main><h1 class="crumbs">${crumbs}</h1>
      <${Failure} error=${error} retry=${load} />${error ? null : html`<p class="empty">${t("loading")}</p>`}</main>`;
  }
  const { alarm, life, steps, changes, events } = seen;
  const act = async (action, body) => {
    const next = await post(`/alarms/${id}/actions/${action}`, body);
    setSeen({ ...seen, life: next });
    get(`/alarms/${id}`).then((row) => { setSeen({ ...seen, alarm: row, life: next }); (row.run ? enterDrill : enterAlarm)(row); }, setError);
  };
  return html`<main class="alarm" data-state=${life.state}>
    <h1 class="crumbs">${crumbs} <span>${areaName(alarm.area)}</span>
      ${alarm.mine ? html`<a href=${mineHref(alarm)}>${alarm.mine_name || alarm.mine}</a>` : null}
      <a href=${alarmHref(alarm)}>${alarm.place || alarm.point || alarm.subject}</a> <span class="muted num">#${alarm.alarm_id}</span>
      ${alarm.drill ? html`<a class="mark" href=${`/drill/${alarm.run}`}>${t("mark.drill")} ${alarm.run}</a>` : null}</h1>
    <${Failure} error=${error} retry=${load} />
    <${Facts} alarm=${alarm} life=${life} />
    <${Why} alarm=${alarm} />
    <${Signatures} id=${id} />
    <div class="life"><section><h2>${t("life.tiers")}</h2><${Tiers} life=${life} /></section>
      <section class="do"><h2>${t("life.actions")}</h2><${Actions} life=${life} act=${act} /></section></div>
    ${steps.length ? html`<section><h2>${t("life.steps")}</h2><${Steps} steps=${steps} /></section>` : null}
    ${changes.length ? html`<section><h2>${t("changes.beside")}</h2><${Beside} rows=${changes} uom=${alarm.uom} /></section>` : null}
    ${events.some((event) => event.recipients.length) ? html`<section><h2>${t("ledger.title")}</h2><${Ledger} events=${events} /></section>` : null}
    <section><h2>${t("life.journal")}</h2><${Journal} life=${life} uom=${alarm.uom} /></section>
  </main>`;
}

function Facts({ alarm, life }) {
  const now = serverNow();
  const facts = [
    ["life.state", tCode("astate", life.state)],
    ["col.value", withUnit(alarm.value, alarm.uom)],
    ["col.limit", withUnit(alarm.limit, alarm.uom)],
    ["col.peak", alarm.peak_at ? `${withUnit(alarm.peak, alarm.uom)} ${moment(alarm.peak_at, now)}` : null],
    ["col.start", moment(alarm.raised_at, now)],
    ["life.cleared_at", alarm.cleared_at && moment(alarm.cleared_at, now)],
    ["life.closed_at", life.closed_at && moment(life.closed_at, now)],
    ["life.shelved_until", life.shelved_until && moment(life.shelved_until, now)],
    ["life.reason", life.cause_code && tCode("cause", life.cause_code)],
    ["life.assigned_to", life.assigned_to],
    ["life.must_act", alarm.overdue.map((name) => t(`tier.${name}`)).join(" ")],
    ["life.next_step", alarm.next_step && `${t(`tier.${alarm.next_step.tier}`)} ${moment(alarm.next_step.at, now)}`],
  ].filter((fact) => fact[1]);
  return html`<div class="facts"><p><${Level} alarm=${alarm} owed=${false} /> <b>${kindName(alarm.kind)}</b>
      ${alarm.text ? html` <span class="muted">${pick(alarm.text.zh, alarm.text.en)}</span>` : null}</p>
    <dl class="figures">${facts.map(([name, text]) => html`<div><dt>${t(name)}</dt><dd data-fact=${name}>${text}</dd></div>`)}</dl></div>`;
}

function Tiers({ life }) {
  return html`<table class="tiers"><thead><tr>${["tier", "confirmed", "phase"].map((name) => html`<th>${t(`life.${name}`)}</th>`)}</tr></thead>
    <tbody>${TIERS.map((name) => {
      const { phase, owes_status: owes, confirmed } = life.tiers[name];
      return html`<tr data-tier=${name}><td>${t(`tier.${name}`)}${name === life.own_tier ? html` <span class="flag">${t("life.own")}</span>` : null}</td>
        <td>${confirmed ? `✓ ${confirmed.by} ${moment(confirmed.at, serverNow())}` : t("life.unconfirmed")}</td>
        <td>${t(`phase.${phase}`)}${owes ? html` <span class="flag">${t("life.owes_status")}</span>` : null}</td></tr>`;
    })}</tbody></table>`;
}

/** The buttons of this role; one that the state forbids is grey and says why. */
function Actions({ life, act }) {
  const [chosen, setChosen] = useState(null);
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  // Pressed twice, or sent again after a lost answer: the server does it once.
  const key = useRef("");
  const names = Object.keys(life.actions);
  if (!names.length) return html`<p class="muted">${t("life.no_actions")}</p>`;
  const [why, setWhy] = useState("");
  const choose = (name) => {
    const forbidden = life.actions[name];
    // Grey, yet within reach of the keyboard: else nobody without a mouse learns why.
    setWhy(forbidden ? pick(forbidden.zh, forbidden.en) : "");
    if (forbidden) return;
    key.current = newKey();
    setFailure(null);
    setChosen(name === chosen ? null : name);
    if (name === chosen) returnTo(`[data-action="${name}"]`);
  };
  const submit = async (body) => {
    const back = keepPlace();
    setBusy(true);
    try {
      await act(chosen, { ...body, key: key.current });
      setChosen(null);
      setFailure(null);
      say(t("said.done"));
    } catch (error) {
      setFailure(error);
    }
    setBusy(false);
    back();
  };
  return html`<div class="buttons">${names.map((name) => {
      const no = life.actions[name];
      return html`<button key=${name} data-action=${name} aria-pressed=${name === chosen} aria-disabled=${Boolean(no)}
        title=${no ? pick(no.zh, no.en) : ""} onClick=${() => choose(name)}>${t(`action.${name}`)}</button>`;
    })}</div>
    ${chosen ? html`<${ActionForm} key=${chosen} name=${chosen} life=${life} busy=${busy} submit=${submit} cancel=${() => choose(chosen)} />` : null}
    ${why ? html`<p class="muted" role="status" data-why-not>${why}</p>` : null}
    <${Refused} failure=${failure ? t("alarms.failed", { detail: failure.message || t("error.unreachable") }) : ""} />`;
}

function Journal({ life, uom }) {
  return html`<table class="journal"><thead><tr>${["at", "event", "who", "text"].map((name) => html`<th>${t(`life.${name}`)}</th>`)}</tr></thead>
    <tbody>${life.records.map((row) => html`<tr key=${row.record_id} class=${row.stands ? "" : "gone"} data-event=${row.event}>
      <td class="num" title=${row.happened_at}>${moment(row.happened_at, serverNow())}</td>
      <td>${tCode("event", row.event)} <span class="muted num">#${row.record_id}</span></td>
      <td>${row.by ? html`${row.tier ? t(`tier.${row.tier}`) : ""} ${row.by}` : html`<span class="muted">${t(`level.${row.rank}`)} ${number(row.value, uom)}</span>`}</td>
      <td class="said"><${Said} row=${row} /></td></tr>`)}</tbody></table>`;
}

function Said({ row }) {
  const { detail } = row;
  const parts = [];
  if (row.refers_to) parts.push(t("life.about", { id: row.refers_to }));
  if (row.cause_code) parts.push(tCode("cause", row.cause_code));
  if (detail.to) parts.push(`→ ${TIERS.includes(detail.to) ? t(`tier.${detail.to}`) : detail.to}`);
  if (detail.without) parts.push(t(`missing.${detail.without}`));
  if (detail.outcome && detail.outcome !== "called") parts.push(t(`outcome.${detail.outcome}`));
  if (detail.until) parts.push(t("life.until", { at: moment(detail.until, serverNow()) }));
  if (detail.rule) parts.push(t("life.by_rule", { rule: detail.rule }));
  return html`${parts.map((part) => html`<span class="flag">${part}</span> `)}${row.note}
    ${row.doubts.map((one) => html` <span class="flag doubt" data-doubt=${one.doubt}>${pick(one.zh, one.en)}</span>`)}
    ${row.stands ? null : html` <span class="flag">${t("life.gone")}</span>`}`;
}

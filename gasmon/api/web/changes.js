// Changes of limits: proposed, tested against the stored past, decided by somebody else.
import { html } from "./html.js";
import { pick, t, tCode } from "./i18n.js";
import { above, NotHere } from "./above.js";
import { AskForm, Deciding, Steps } from "./deciding.js";
import { useLoaded } from "./doing.js";
import { moment, number, withUnit } from "./format.js";
import { get } from "./requests.js";
import { route } from "./router.js";
import { me, serverNow } from "./state.js";
import { alarmHref, Failure, kindName } from "./widgets.js";

export const LIMITS = ["alarm_high", "clear_high", "cut_high", "restore_high", "alarm_low", "clear_low", "cut_low", "restore_low"];
const PROPOSING = ["mine_dispatcher", "county_officer", "city_officer"];
const SORTS = ["added", "removed", "other"];
const LISTED = 10;
const TEST_MS = 2000;

/** What the server is asked, from the fields of the form; empty limits are left out. */
export function changeOf(fields) {
  const limits = {};
  for (const name of LIMITS) {
    if ((fields[name] || "").trim() !== "") limits[name] = Number(fields[name]);
  }
  return {
    mine: fields.mine.trim(),
    point: fields.point.trim(),
    limits,
    place_class: (fields.place_class || "").trim(),
    retire: Boolean(fields.retire),
    from: fields.from ? `${fields.from}:00+08:00` : null,
    reason: fields.reason.trim(),
  };
}

export function ChangesPage() {
  const { found: page, error, load } = useLoaded(
    () => get("/limit-changes", { limit: 100 }),
    (found) => (found && found.items.some((change) => change.state === "proposed") ? TEST_MS : 0),
  );
  return html`<main class="plans changes"><h1>${t("nav.changes")}</h1>
    <p><a href="/places">${t("title.places")}</a></p>
    ${above.value ? html`<${NotHere} what="changes" />` : PROPOSING.includes(me.value.principal.role) ? html`<section><h2>${t("changes.propose")}</h2><${Form} done=${load} /></section>` : null}
    <${Failure} error=${error} retry=${load} />
    ${page && !page.items.length ? html`<p class="muted">${t("changes.none")}</p>` : null}
    ${page ? page.items.map((change) => html`<${Change} key=${change.change_id} change=${change} done=${load} />`) : null}</main>`;
}

function Form({ done }) {
  const asked = route.value.query;
  const { mines } = me.value.principal;
  const field = (name, more) => html`<label>${t(`changes.${name}`)} <input name=${name} autocomplete="off" ...${more} /></label>`;
  return html`<${AskForm} path="/limit-changes" bodyOf=${changeOf} done=${done} send=${t("changes.send")}>
    ${field("mine", { required: true, defaultValue: asked.mine || (mines && mines[0]) || "", pattern: "[0-9]{12}" })}
    ${field("point", { required: true, placeholder: "01-001A01", defaultValue: asked.point || "" })}
    ${LIMITS.map((name) => html`<label>${t(`limit.${name}`)} <input name=${name} class="number" type="number" step="any" /></label>`)}
    ${field("place_class", { pattern: "[A-Z0-9_]*", maxlength: 40 })}
    <label><input type="checkbox" name="retire" value="1" /> ${t("changes.retire")}</label>
    ${field("from", { type: "datetime-local" })}
    <p class="muted">${t("changes.hint")}</p><//>`;
}

function Change({ change, done }) {
  const now = serverNow();
  const asked = Object.keys(change.limits).map((name) => `${t(`limit.${name}`)} ${withUnit(change.limits[name], change.uom)}`);
  if (change.place_class) asked.push(`${t("attribute.place_class")} ${change.place_class}`);
  if (change.retire) asked.push(t("changes.retire"));
  return html`<section data-change=${change.change_id} data-state=${change.state}>
    <h2>#${change.change_id} <a href=${`/point/${change.point_id}`}>${change.place || change.point}</a>
      ${" "}<b class="state">${pick(change.state_text.zh, change.state_text.en)}</b>${" "}
      <span class="muted"><a href=${`/mine/${change.mine}`}>${change.mine_name || change.mine}</a> <span class="num">${change.point}</span></span></h2>
    <p>${asked.length ? asked.map((one) => html`<span class="flag">${one}</span> `) : t("changes.back")}
      <span class="num"> · ${change.from ? `${t("changes.counts")} ${moment(change.from, now)}` : t("changes.at_approval")}</span></p>
    <${BackTest} test=${change.back_test} uom=${change.uom} />
    <${Steps} rows=${change.records} word=${(event) => tCode("changed", event)} />
    <${Deciding} path=${`/limit-changes/${change.change_id}`} actions=${change.actions} word=${(name) => t(`changes.${name}`)} done=${done} /></section>`;
}

/** What the stored past says: limits before and after, alarms more and fewer. */
function BackTest({ test, uom }) {
  const { failure, progress, result } = test;
  if (failure) return html`<p class="failure">${t("changes.failure")} ${failure}</p>`;
  if (!result) return html`<p>${t("changes.testing", { days: test.days })} <progress max="1" value=${progress}></progress></p>`;
  const now = serverNow();
  const names = LIMITS.filter((name) => result.before[name] !== result.after[name]);
  return html`<p>${names.map((name) => html`<span class="flag">${t(`limit.${name}`)} ${number(result.before[name], uom)} → ${withUnit(result.after[name], uom)}</span> `)}
      ${result.place_class.before === result.place_class.after ? null : html`<span class="flag">${t("attribute.place_class")} ${result.place_class.before || "–"} → ${result.place_class.after}</span>`}</p>
    <p class="muted">${result.n_readings
      ? t("changes.tested", { n: result.n_readings, from: moment(result.first, now), to: moment(result.last, now), same: result.n_same })
      : t("changes.no_readings", { days: test.days })}</p>
    <dl class="figures">${SORTS.map((sort) => html`<div data-sort=${sort}><dt>${t(`changes.${sort}`)}</dt><dd class="num">${result[sort].n}</dd></div>`)}</dl>
    ${SORTS.filter((sort) => result[sort].n).map((sort) => html`<details><summary>${t(`changes.${sort}`)} ${result[sort].n}</summary>
      <${Tested} alarms=${result[sort].items.slice(0, LISTED)} uom=${uom} /></details>`)}`;
}

function Tested({ alarms, uom }) {
  const now = serverNow();
  return html`<table class="journal"><tbody>${alarms.map((alarm) => html`<tr>
    <td>${t(`level.${alarm.rank}`)}</td><td>${kindName(alarm.kind)}</td><td><a href=${alarmHref(alarm)}>${alarm.subject.replace(/^[a-z]+:/, "")}</a></td>
    <td class="num">${moment(alarm.raised_at, now)} – ${alarm.cleared_at ? moment(alarm.cleared_at, now) : ""}</td>
    <td class="num">${withUnit(alarm.peak, uom)}</td></tr>`)}</tbody></table>`;
}

/** Changes that stand beside an alarm, whoever made them. */
export function Beside({ rows, uom }) {
  const now = serverNow();
  const value = (row, text) => (text === null ? "–" : LIMITS.includes(row.attribute) ? withUnit(Number(text), uom) : text);
  return html`<table class="journal beside"><tbody>${rows.map((row) => html`<tr data-attribute=${row.attribute}>
    <td class="num">${moment(row.changed_at, now)}</td><td>${LIMITS.includes(row.attribute) ? t(`limit.${row.attribute}`) : tCode("attribute", row.attribute)}</td>
    <td class="num">${value(row, row.old)} → ${value(row, row.new)}</td>
    <td>${/^change:/.test(row.source) ? html`<a href="/changes">${t("nav.changes")} #${row.source.slice(7)}</a>` : t("changes.by_mine")}</td></tr>`)}</tbody></table>`;
}

// Calendars of shifts, for administrators: patterns, single days, who is to have duty.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { fieldsOf, Refused, useDoing } from "./doing.js";
import { areaName } from "./overview.js";
import { get, post, takeBack } from "./requests.js";
import { shiftText } from "./shifts.js";
import { areas, serverNow } from "./state.js";
import { localMinute } from "./plans.js";

const TIERS = ["county", "city", "mine"];
const DAYS = 7;
const DAY_MS = 24 * 3600 * 1000;

export function Calendars({ done }) {
  const [where, setWhere] = useState({ tier: "county", place: "" });
  const places = areas.value.filter(({ code }) => code.endsWith("00") === (where.tier === "city"));
  const chosen = where.place || (places.length && where.tier !== "mine" ? places[0].code : "");
  const choose = (change) => setWhere({ ...where, ...change });
  return html`<section class="calendar"><h2>${t("calendar.title")}</h2>
    <p class="action"><label>${t("calendar.tier")} <select name="tier" onChange=${(event) => setWhere({ tier: event.target.value, place: "" })}>
      ${TIERS.map((tier) => html`<option value=${tier} selected=${tier === where.tier}>${t(`tier.${tier}`)}</option>`)}</select></label>
      <label>${t("calendar.place")} ${where.tier === "mine"
        ? html`<input name="place" pattern="[0-9]{12}" maxlength="12" value=${where.place} onChange=${(event) => choose({ place: event.target.value.trim() })} />`
        : html`<select name="place" onChange=${(event) => choose({ place: event.target.value })}>
          ${places.map(({ code }) => html`<option value=${code} selected=${code === chosen}>${areaName(code)}</option>`)}</select>`}</label></p>
    ${chosen ? html`<${Calendar} key=${`${where.tier}/${chosen}`} path=${`/shifts/${where.tier}/${encodeURIComponent(chosen)}`} done=${done} />` : null}</section>`;
}

function Calendar({ path, done }) {
  const [seen, setSeen] = useState(null);
  const { busy, failure, run, setFailure } = useDoing();
  const load = () => get(`${path}/calendar`, { days: DAYS }).then(setSeen);
  // Not one of the things done: while it loads the forms take what is sent already.
  useEffect(() => { load().catch((error) => setFailure(error.message || t("error.unreachable"))); }, []);
  const change = (work) => run(() => work().then(load).then(done));
  const sent = (event, tail, bodyOf) => {
    event.preventDefault();
    const fields = fieldsOf(event.target);
    change(() => post(`${path}/${tail(fields)}`, bodyOf(fields)));
  };
  const tomorrow = localMinute(serverNow() + DAY_MS).slice(0, 10);
  const text = (name, more) => html`<label>${t(`calendar.${name}`)} <input name=${name} autocomplete="off" ...${more} /></label>`;
  return html`<ul class="notes">${seen ? seen.shifts.map((shift) => html`<li data-day=${shift.day}><span class="num">${shiftText(shift)}</span> ${shift.assigned.join(" ")}</li>`) : null}</ul>
    ${seen && !seen.shifts.length ? html`<p class="muted">${t("calendar.none")}</p>` : null}
    <form class="action" data-form="slots" onSubmit=${(event) => sent(event, (f) => (f.only ? "day" : "pattern"), slotsOf)}>
      ${text("shifts", { placeholder: "two-12h 08:00", size: 40 })}${text("from", { type: "date", required: true, defaultValue: tomorrow })}
      <label><input type="checkbox" name="only" value="1" /> ${t("calendar.only")}</label>${text("reason", {})}
      <button class="main" disabled=${busy}>${t("calendar.set")}</button></form>
    <form class="action" data-form="assign" onSubmit=${(event) => sent(event, () => "assignments", assignmentOf)}>
      ${text("name", { required: true })}${text("shift", { required: true })}${text("from", { type: "date", required: true, defaultValue: tomorrow })}
      ${text("until", { type: "date" })}${text("instead_of", {})}${text("reason", {})}
      <button class="main" disabled=${busy}>${t("calendar.assign")}</button></form>
    <${Refused} failure=${failure} />
    <table><tbody>${seen ? seen.assignments.map((row) => html`<tr key=${row.assignment_id} data-assignment=${row.assignment_id}>
      <td>${row.name}</td><td>${row.shift}</td><td class="num">${row.from_day} – ${row.until_day || ""}</td>
      <td>${row.instead_of ? t("calendar.for", { name: row.instead_of }) : ""}</td><td class="said">${row.reason}</td>
      <td><button disabled=${busy} onClick=${() => change(() => takeBack(`${path}/assignments/${row.assignment_id}`))}>${t("calendar.unassign")}</button></td></tr>`) : null}</tbody></table>`;
}

/** What is sent of the shifts of every day from one on, or of one day alone. */
function slotsOf(fields) {
  const shifts = fields.shifts.trim();
  return fields.only ? { shifts, day: fields.from, reason: fields.reason.trim() } : { shifts, from_day: fields.from };
}

function assignmentOf(fields) {
  return {
    name: fields.name.trim(),
    shift: fields.shift.trim(),
    from_day: fields.from,
    until_day: fields.until || null,
    instead_of: fields.instead_of.trim() || null,
    reason: fields.reason.trim(),
  };
}

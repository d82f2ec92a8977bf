// One alarm as a table row, and the line in which it is confirmed with a note.
import { html, useEffect, useRef } from "./html.js";
import { pick, t } from "./i18n.js";
import { moment, number, unitSign, withUnit } from "./format.js";
import { isPlanned, isShelved, owes } from "./alarmbook.js";
import { platformPart, symbolOf } from "./levels.js";
import { areaName } from "./overview.js";
import { serverNow, tier } from "./state.js";
import { Age, alarmHref, kindName, Level, mineHref } from "./widgets.js";

const TIERS = ["mine", "county", "city"];

export function AlarmRow({ alarm, model, can, compact, selected, checked, result }) {
  const owed = owes(alarm, tier.value);
  const id = alarm.alarm_id;
  const classes = [
    `edge-${symbolOf(alarm)}`,
    alarm.cleared_at ? "cleared" : "",
    owed ? "owed" : "done",
    isPlanned(alarm) ? "planned" : "",
    selected ? "selected" : "",
  ].join(" ");
  const choose = () => { model.selected = id; model.redraw(); };
  return html`<tr class=${classes} data-alarm=${id} data-state=${alarm.state} aria-selected=${selected} tabindex="-1" onClick=${choose}>
    ${can && !compact ? html`<td class="check">${owed ? html`<input type="checkbox" aria-label=${t("alarms.choose")}
      checked=${checked} onClick=${(event) => { event.stopPropagation(); model.toggle(id); }} />` : null}</td>` : null}
    <td class="h-level"><${Level} alarm=${alarm} owed=${owed} /></td>
    ${compact ? html`<${CompactCells} alarm=${alarm} />` : html`<${WideCells} alarm=${alarm} />`}
    <td class="h-marks"><${Marks} alarm=${alarm} /></td>
    ${can ? html`<td class="act"><${Action} alarm=${alarm} model=${model} owed=${owed} result=${result} /></td>` : null}
  </tr>`;
}

function placeText(alarm) {
  if (alarm.place) return alarm.place;
  const part = platformPart(alarm);
  if (part) return t(`platform.${part}`);
  return alarm.point || (alarm.subject || "").replace(/^[a-z]+:/, "") || alarm.mine || "";
}

function WideCells({ alarm }) {
  return html`
    <td class="h-mine"><span class="muted">${areaName(alarm.area)}</span> ${alarm.mine
      ? html`<a href=${mineHref(alarm)}>${alarm.mine_name || alarm.mine}</a>` : null}</td>
    <td class="h-place" title=${said(alarm)}><a href=${alarmHref(alarm)}>${placeText(alarm)}</a> <span class="muted num">${alarm.place ? alarm.point : ""}</span></td>
    <td class="h-kind">${kindName(alarm.kind)}${flags(alarm)}</td>
    <td class="r num h-value">${alarm.uom ? withUnit(alarm.value, alarm.uom) : number(alarm.value)}</td>
    <td class="r num h-peak">${number(alarm.peak, alarm.uom)}${alarm.peak_at ? html` <span class="muted">${moment(alarm.peak_at, serverNow())}</span>` : null}</td>
    <td class="r num h-limit">${number(alarm.limit, alarm.uom)}</td>
    <td class="num h-start"><a href=${`/alarm/${alarm.alarm_id}`}>${moment(alarm.raised_at, serverNow())}</a></td>
    <td class="r h-lasting"><${Age} since=${alarm.raised_at} until=${alarm.cleared_at} /></td>
    <td class="h-planned">${alarm.planned ? t("flag.planned") : ""}</td>`;
}

function CompactCells({ alarm }) {
  return html`
    <td class="h-place" title=${said(alarm)}><a href=${alarmHref(alarm)}>${placeText(alarm)}</a></td>
    <td class="h-kind"><a href=${`/alarm/${alarm.alarm_id}`}>${kindName(alarm.kind)}</a>${flags(alarm)}</td>
    <td class="r num h-value">${number(alarm.value, alarm.uom)}${typeof alarm.limit === "number"
      ? html` <span class="muted">/ ${number(alarm.limit, alarm.uom)}</span>` : null} <span class="muted">${unitSign(alarm.uom)}</span></td>
    <td class="r h-lasting" title=${moment(alarm.raised_at, serverNow())}><${Age} since=${alarm.raised_at} until=${alarm.cleared_at} /></td>`;
}

function said(alarm) {
  return alarm.text ? pick(alarm.text.zh, alarm.text.en) : "";
}

/** Words beside the kind: over already, value unknown now, found late. */
function flags(alarm) {
  const words = [];
  if (alarm.cleared_at) words.push(t("flag.cleared"));
  if (alarm.unknown) words.push(t("flag.unknown"));
  if (alarm.late) words.push(t("flag.late"));
  if (alarm.explain && alarm.explain.advisory) words.push(t("flag.advisory"));
  if (alarm.explain && alarm.explain.chattering) words.push(t("flag.chattering"));
  if (alarm.planned && !alarm.quiet) words.push(t("flag.broke_through"));
  if (isShelved(alarm)) words.push(t("flag.shelved"));
  return words.map((word) => html` <span class="flag">${word}</span>`);
}

function Marks({ alarm }) {
  return TIERS.map((name) => {
    const mark = alarm.confirmations[name];
    const title = mark ? `${t(`tier.${name}`)} ${mark.by || ""} ${moment(mark.at, serverNow())} ${mark.note || ""}` : t("alarms.not_yet", { tier: t(`tier.${name}`) });
    return html`<span class=${`tick ${mark ? "yes" : ""}`} data-tier=${name} title=${title}>${t(`tier.${name}.short`)}${mark ? "✓" : "·"}</span>`;
  });
}

function Action({ alarm, model, owed, result }) {
  if (result && result.phase === "busy") return html`<span class="muted">${t("alarms.busy")}</span>`;
  const failed = result && result.phase === "failed"
    ? html`<span class="failure-word" role="alert" title=${result.message}>${t(result.status === 409 ? "alarms.conflict" : "alarms.failed", { detail: result.message })}</span>` : null;
  return html`${owed ? html`<button class="confirm" onClick=${(event) => { event.stopPropagation(); model.edit(alarm.alarm_id); }}>${t("alarms.confirm")}</button>` : null}${failed}`;
}

/** The note and the button; Enter sends, but not while Chinese is being composed. */
export function RowEditor({ model }) {
  const input = useRef(null);
  useEffect(() => { input.current.focus(); }, []);
  const n = model.editing ? model.editing.length : 0;
  const submit = (event) => {
    event.preventDefault();
    const note = input.current.value.trim();
    input.current.blur();
    model.confirm(note);
  };
  const onKeyDown = (event) => {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      model.cancel();
    }
  };
  return html`<form class="note-line" onSubmit=${submit} onKeyDown=${onKeyDown} onClick=${(event) => event.stopPropagation()}>
    <label>${t("alarms.note")} <input ref=${input} name="note" maxlength="500" autocomplete="off" placeholder=${t("alarms.note_hint")} /></label>
    <button class="main">${n > 1 ? t("alarms.confirm_n", { n }) : t("alarms.confirm")}</button>
    <button type="button" onClick=${() => model.cancel()}>${t("alarms.cancel")}</button></form>`;
}

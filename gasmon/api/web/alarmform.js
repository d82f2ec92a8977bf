// The form of one action: only the fields that it takes.
import { html, useEffect, useRef } from "./html.js";
import { t, tCode } from "./i18n.js";
import { moment } from "./format.js";
import { serverNow } from "./state.js";

export const CAUSES = [
  "gas_accumulation", "gas_emission", "blasting", "cutting", "ventilation", "fan_stopped",
  "air_duct", "power_failure", "sensor_fault", "calibration", "interference", "communication",
  "maintenance", "sealing", "false_data", "other",
];
export const WITH_REASON = ["confirm", "verify", "handle", "correct"];
const WITH_TEXT = ["comment", "verify", "handle", "feed_back", "shelve", "withdraw", "correct"];
const SHELF_MINUTES = [30, 60, 120, 240, 480];
// The same lists as the server's: what a record must be to be corrected or withdrawn.
export const ABOUT = {
  correct: ["confirmed", "commented", "verified", "handled", "fed_back"],
  withdraw: ["commented", "assigned", "verified", "handled", "fed_back", "corrected"],
};
const BELOW = { county: ["mine"], city: ["mine", "county"] };

export function ActionForm({ name, life, busy, submit, cancel }) {
  const form = useRef(null);
  useEffect(() => { form.current.elements.text.focus(); }, []);
  const send = (event) => {
    event.preventDefault();
    const { text, reason, to, record, minutes } = form.current.elements;
    const body = { text: text.value.trim() };
    if (reason && reason.value) body.cause_code = reason.value;
    if (to) body.to = to.value.trim();
    if (record) body.refers_to = Number(record.value);
    if (minutes) body.minutes = Number(minutes.value);
    submit(body);
  };
  const records = ABOUT[name]
    ? life.records.filter((row) => row.stands && row.tier === life.own_tier && ABOUT[name].includes(row.event)) : [];
  return html`<form class="action" data-form=${name} ref=${form} onSubmit=${send}
    onKeyDown=${(event) => { if (event.key === "Escape" && !event.isComposing) { event.stopPropagation(); cancel(); } }}>
    ${ABOUT[name] ? html`<label>${t("life.record")} <select name="record" required>${records.map((row) => html`
      <option value=${row.record_id}>#${row.record_id} ${tCode("event", row.event)} ${moment(row.happened_at, serverNow())}</option>`)}</select></label>` : null}
    ${WITH_REASON.includes(name) ? html`<label>${t("life.reason")} <select name="reason"><option value="">${t("life.no_reason")}</option>
      ${CAUSES.map((code) => html`<option value=${code}>${t(`cause.${code}`)}</option>`)}</select></label>` : null}
    ${name === "assign" ? html`<label>${t("life.to")} <input name="to" required maxlength="100" autocomplete="off" /></label>` : null}
    ${name === "request_status" ? html`<label>${t("life.to")} <select name="to">${(BELOW[life.own_tier] || []).map((tier) => html`
      <option value=${tier}>${t(`tier.${tier}`)}</option>`)}</select></label>` : null}
    ${name === "shelve" ? html`<label>${t("life.how_long")} <select name="minutes">${SHELF_MINUTES.map((n) => html`
      <option value=${n}>${t("life.minutes", { n })}</option>`)}</select></label>` : null}
    <label class="fill">${t("life.text")} <input name="text" maxlength="1000" autocomplete="off" required=${WITH_TEXT.includes(name)} /></label>
    <button class="main" disabled=${busy}>${t(`action.${name}`)}</button>
    <button type="button" onClick=${cancel}>${t("alarms.cancel")}</button></form>`;
}

// How far each event of one alarm came at each recipient of the stream; what is missing is red.
import { html } from "./html.js";
import { t, tCode } from "./i18n.js";
import { moment } from "./format.js";
import { serverNow } from "./state.js";

export const STEPS = ["sent", "received", "stored", "drawn", "sounded", "confirmed"];

export function Ledger({ events }) {
  const rows = events.flatMap((event) => event.recipients.map((one) => ({ event, one })));
  return html`<table class="ledger"><thead><tr><th>${t("life.event")}</th><th>${t("ledger.recipient")}</th>
      ${STEPS.map((step) => html`<th>${t(`ledger.${step}`)}</th>`)}</tr></thead>
    <tbody>${rows.map(({ event, one }) => html`<tr key=${event.event_id + one.recipient} data-recipient=${one.recipient}>
      <td title=${event.committed_at}>${tCode("event", event.event)} <span class="muted num">${moment(event.committed_at, serverNow())}</span></td>
      <td>${one.recipient}${one.subscribed_at ? null : html` <span class="flag">${t("ledger.never")}</span>`}</td>
      ${STEPS.map((step) => html`<${Step} key=${step} name=${step} one=${one} />`)}</tr>`)}</tbody></table>`;
}

function Step({ name, one }) {
  const at = one.steps[name];
  const missing = one.missing.includes(name);
  return html`<td class=${missing ? "num missing" : "num"} data-step=${name}>${at ? moment(at, serverNow()) : missing ? t("ledger.missing") : "–"}</td>`;
}

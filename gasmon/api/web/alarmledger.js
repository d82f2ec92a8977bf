// How far each event of one alarm came at each platform and room; what is missing is red.
import { html } from "./html.js";
import { t, tCode } from "./i18n.js";
import { moment } from "./format.js";
import { postText } from "./shifts.js";
import { serverNow } from "./state.js";

export const STEPS = ["sent", "received", "stored", "drawn", "sounded", "confirmed"];

export function Ledger({ events }) {
  const rows = events.flatMap((event) => event.recipients.map((one) => ({ event, one })));
  return html`<table class="ledger"><thead><tr><th>${t("life.event")}</th><th>${t("ledger.recipient")}</th>
      ${STEPS.map((step) => html`<th>${t(`ledger.${step}`)}</th>`)}</tr></thead>
    <tbody>${rows.map(({ event, one }) => html`<tr key=${event.event_id + one.recipient} data-recipient=${one.recipient} data-told=${event.event}>
      <td title=${event.committed_at}>${tCode("event", event.event)} <span class="muted num">${moment(event.committed_at, serverNow())}</span></td>
      <td><${Name} one=${one} /></td>
      ${STEPS.map((step) => html`<${Step} key=${step} name=${step} one=${one} />`)}</tr>`)}</tbody></table>`;
}

/** A platform by its name; a room by its post, with who showed it there. */
function Name({ one }) {
  if (one.role !== "room") return html`${one.recipient}${one.subscribed_at ? null : html` <span class="flag">${t("ledger.never")}</span>`}`;
  const [tier, place] = one.recipient.split("/");
  return html`${postText({ tier, place })}${one.consoles.map((console) => html`<span class="where muted">${console.person} <span class="num">${console.console.slice(0, 6)}</span></span>`)}`;
}

function Step({ name, one }) {
  const at = one.steps[name];
  const missing = one.missing.includes(name);
  const blocked = name === "sounded" && !at && one.consoles.some((console) => console.steps.blocked);
  const none = blocked ? t("ledger.blocked") : missing ? t("ledger.missing") : "–";
  return html`<td class=${missing ? "num missing" : "num"} data-step=${name}>${at ? moment(at, serverNow()) : none}</td>`;
}

// What escalation did about one alarm: each step, whom it called, and how that went.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { moment } from "./format.js";
import { serverNow } from "./state.js";

export function Steps({ steps }) {
  return html`<table class="steps"><thead><tr>${["at", "event", "tier", "sent"].map((name) => html`<th>${t(`life.${name}`)}</th>`)}</tr></thead>
    <tbody>${inOrder(steps).map((row) => html`<tr key=${row.escalation_id} data-step=${row.step}>
      <td class="num" title=${row.due_at}>${moment(row.due_at, serverNow())}</td>
      <td>${t(`missing.${row.step.split("/")[0]}`)} · ${t(`level.${row.rank}`)}</td>
      <td>${t(`tier.${row.tier}`)}${row.tier === row.of_tier ? null : html` <span class="flag">${t("life.stands_for", { tier: t(`tier.${row.of_tier}`) })}</span>`}</td>
      <td>${row.outcome === "called" ? row.deliveries.map((one) => html`<${Delivery} key=${one.channel + one.recipient} one=${one} />`) : t(`outcome.${row.outcome}`)}</td></tr>`)}</tbody></table>`;
}

/** As their times came, however late each was recorded. */
function inOrder(steps) {
  return steps.slice().sort((a, b) => Date.parse(a.due_at) - Date.parse(b.due_at));
}

function Delivery({ one }) {
  return html`<span class="flag" data-state=${one.state} title=${one.last_error || ""}>${one.channel} ${one.recipient} ${t(`delivery.${one.state}`)}${one.sent_at ? ` ${moment(one.sent_at, serverNow())}` : ""}</span> `;
}

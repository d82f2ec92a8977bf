// Whom the alarms of the last hours reached: a line for each platform, node and room.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { moment } from "./format.js";
import { postText } from "./shifts.js";
import { serverNow } from "./state.js";

export function Lines({ rows }) {
  const names = ["recipient", "events", "lacks", "steps", "since", "alarms"];
  return html`<table class="ledger reached"><thead><tr>${names.map((name) => html`<th class=${name === "events" || name === "lacks" ? "r" : ""}>${t(`lines.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.role + row.recipient} data-recipient=${row.recipient}>
      <td>${nameOf(row)}${row.role !== "room" && !row.subscribed_at ? html` <span class="flag">${t("ledger.never")}</span>` : null}</td>
      <td class="r num">${row.n_events}</td><td class=${`r num ${row.n_missing ? "missing" : ""}`}>${row.n_missing}</td>
      <td>${row.missing.map((step) => t(`ledger.${step}`)).join(" · ")}</td>
      <td class="num">${row.oldest_at ? moment(row.oldest_at, serverNow()) : ""}</td>
      <td>${row.alarms.map((id) => html`<a class="num" href=${`/alarm/${id}`}>#${id}</a> `)}</td></tr>`)}</tbody></table>`;
}

function nameOf({ role, recipient }) {
  if (role !== "room") return recipient;
  const [tier, place] = recipient.split("/");
  return postText({ tier, place });
}

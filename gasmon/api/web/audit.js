// The audit trail, for administrators: who did what, when, to whom, from where.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { moment } from "./format.js";
import { fieldsOf } from "./doing.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const TEXTS = ["principal", "action", "subject"];
const OUTCOMES = ["", "done", "refused"];
const ROWS = 100;

/** What the server is asked; a day is one of Beijing, and the last one is included. */
export function auditQuery(fields) {
  const asked = { limit: ROWS };
  for (const name of [...TEXTS, "outcome"]) {
    if (fields[name] && fields[name].trim()) asked[name] = fields[name].trim();
  }
  if (fields.from) asked.from = `${fields.from}T00:00:00+08:00`;
  if (fields.to) asked.to = new Date(Date.parse(`${fields.to}T00:00:00+08:00`) + 24 * 3600 * 1000).toISOString();
  return asked;
}

export function AuditPage() {
  const { query } = route.value;
  const [rows, setRows] = useState([]);
  const [next, setNext] = useState(null);
  const [error, setError] = useState(null);
  const load = (cursor) => get("/audit", { ...auditQuery(query), cursor }).then((page) => {
    setRows((before) => (cursor ? [...before, ...page.items] : page.items));
    setNext(page.next);
    setError(null);
  }, setError);
  const asked = JSON.stringify(query);
  useEffect(() => { load(null); }, [asked]);
  const submit = (event) => {
    event.preventDefault();
    const fields = fieldsOf(event.target);
    if (JSON.stringify(auditQuery(fields)) === JSON.stringify(auditQuery(query))) load(null);
    setQuery(fields);
  };
  return html`<main class="audit"><h1 class="crumbs"><a href="/account">${t("title.account")}</a> <span>${t("title.audit")}</span></h1>
    <form class="action" onSubmit=${submit}>
      ${TEXTS.map((name) => html`<label>${t(`audit.${name}`)} <input name=${name} defaultValue=${query[name] || ""} autocomplete="off" /></label>`)}
      <label>${t("audit.outcome")} <select name="outcome">${OUTCOMES.map((one) => html`
        <option value=${one} selected=${one === (query.outcome || "")}>${t(`audit.${one || "any"}`)}</option>`)}</select></label>
      ${["from", "to"].map((name) => html`<label>${t(`audit.${name}`)} <input name=${name} type="date" defaultValue=${query[name] || ""} /></label>`)}
      <button class="main">${t("audit.show")}</button></form>
    <${Failure} error=${error} retry=${() => load(null)} />
    <${Trail} rows=${rows} />
    ${next ? html`<button class="more" onClick=${() => load(next)}>${t("audit.more")}</button>` : null}</main>`;
}

function Trail({ rows }) {
  const now = serverNow();
  if (!rows.length) return html`<p class="empty">${t("audit.none")}</p>`;
  return html`<table class="journal"><thead><tr>${["at", ...TEXTS, "outcome", "detail"].map((name) => html`<th>${t(`audit.${name}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.audit_id} data-audit=${row.audit_id}><td class="num">${moment(row.recorded_at, now)}</td>
      <td>${row.principal || t("audit.stranger")}</td><td>${row.action}</td><td>${row.subject}</td>
      <td>${row.outcome === "refused" ? html`<strong>${t("audit.refused")}</strong>` : t("audit.done")}</td><td class="said">${told(row.detail)}</td></tr>`)}</tbody></table>`;
}

/** The rest of a row, one member after the other. */
function told(detail) {
  return Object.entries(detail).map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · ");
}

// One's own account: who one is, where one is logged in, a new password, logging out.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { moment } from "./format.js";
import { changePassword, get, signOut } from "./requests.js";
import { areaName } from "./overview.js";
import { areas as known, me, serverNow } from "./state.js";
import { NewPassword, passwordFault, refuse } from "./password.js";
import { signInFailure } from "./login.js";
import { Failure } from "./widgets.js";

export function AccountPage() {
  const [opened, setOpened] = useState([]);
  const [error, setError] = useState(null);
  const load = () => get("/sessions").then((page) => { setOpened(page.items); setError(null); }, setError);
  useEffect(() => { load(); }, []);
  known.value;
  const { name, role, areas, mines } = me.value.principal;
  const leave = (everywhere) => signOut(everywhere).catch(() => {});
  return html`<main class="account"><h1>${name} <span class="muted">${t(`role.${role}`)} · ${
    (mines || (areas && areas.map(areaName)) || [t("account.everything")]).join(" ")}</span></h1>
    <p class="row"><button class="main" onClick=${() => leave(false)}>${t("account.out")}</button>
      <button class="everywhere" onClick=${() => leave(true)}>${t("account.out_everywhere")}</button></p>
    <p class="row">${role === "administrator" ? html`<a href="/users">${t("title.users")}</a> <a href="/audit">${t("title.audit")}</a> <a href="/shifts">${t("calendar.title")}</a> ` : null}<a href="/rules">${t("title.rules")}</a></p>
    <${Failure} error=${error} retry=${load} />
    <section><h2>${t("account.log_ins")}</h2><${Opened} rows=${opened} /></section>
    <section><h2>${t("account.password")}</h2><${ChangePassword} done=${load} /></section></main>`;
}

function Opened({ rows }) {
  const now = serverNow();
  return html`<table><thead><tr>${["since", "seen", "from", "by", "agent"].map((one) => html`<th>${t(`account.${one}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.session_id}><td class="num">${moment(row.created_at, now)}</td>
      <td>${row.current ? t("account.current") : html`<span class="num">${moment(row.last_seen_at, now)}</span>`}</td>
      <td class="num">${row.address}</td><td>${t(row.by === "token" ? "login.token" : "login.password")}</td>
      <td class="muted">${row.agent}</td></tr>`)}</tbody></table>`;
}

function ChangePassword({ done }) {
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    const { before, password } = form.elements;
    const isSame = before.value === password.value;
    const fault = isSame ? t("account.same") : passwordFault(form.elements);
    setSaid(fault);
    if (isSame) refuse(password);
    if (fault || busy) return;
    setBusy(true);
    try {
      await changePassword(before.value, password.value);
      form.reset();
      setSaid(t("account.changed"));
      done();
    } catch (error) {
      const words = { 403: "account.wrong", 422: "password.common" }[error.status];
      setSaid(words ? t(words) : signInFailure(error));
      if (words) refuse(error.status === 403 ? before : password);
    }
    setBusy(false);
  };
  return html`<form class="change" onSubmit=${submit}>
    <label>${t("account.before")} <input name="before" type="password" required autocomplete="current-password" /></label>
    <${NewPassword} />
    ${said ? html`<p class="failure" role="status" id="form-said">${said}</p>` : null}
    <button class="main" disabled=${busy}>${t("account.change")}</button></form>`;
}

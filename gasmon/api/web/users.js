// Accounts of people, for administrators: made, changed, reset, retired; never deleted.
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { Refused, useDoing, useLoaded } from "./doing.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { listed } from "./plans.js";
import { get, post, takeBack } from "./requests.js";
import { areas, me, serverNow } from "./state.js";
import { Tokens } from "./tokens.js";
import { Failure } from "./widgets.js";

const ROLES = ["viewer", "mine_dispatcher", "county_officer", "city_officer", "trainer", "administrator"];
const COLUMNS = ["name", "role", "sees", "state", "last_log_in", "open"];

/** What the server is asked, from the fields of the form; nothing chosen means all. */
export function rightsOf(form) {
  const fields = new FormData(form);
  const codes = fields.getAll("area");
  const mines = listed(fields.get("mines"));
  return { role: fields.get("role"), areas: codes.length ? codes : null, mines: mines.length ? mines : null };
}

export function UsersPage() {
  const { found, error, load } = useLoaded(() => get("/users"));
  const [link, setLink] = useState(null);
  areas.value;
  return html`<main class="users"><h1 class="crumbs"><a href="/account">${t("title.account")}</a> <span>${t("title.users")}</span></h1>
    <${Failure} error=${error} retry=${load} />
    <${Link} link=${link} />
    <section><h2>${t("users.add")}</h2><${NewUser} told=${setLink} done=${load} /></section>
    ${found ? html`<section><h2>${t("users.all")} <span class="num">${found.items.length}</span></h2>
      <table><thead><tr>${COLUMNS.map((name) => html`<th>${t(`users.${name}`)}</th>`)}<th></th></tr></thead>
      <tbody>${found.items.map((user) => html`<${User} key=${user.name} user=${user} told=${setLink} done=${load} />`)}</tbody></table></section>
      <${Tokens} />` : null}</main>`;
}

/** A one-time link: shown this once, to be given to its owner. */
function Link({ link }) {
  const field = useRef(null);
  useEffect(() => { if (link) field.current.focus(); }, [link]);
  if (!link) return null;
  return html`<section class="link" role="status"><p>${t("users.link", { name: link.name, at: moment(link.expires_at, serverNow()) })}</p>
    <input class="fill" ref=${field} readonly value=${link.link} aria-label=${t("users.link_label")} onFocus=${(event) => event.target.select()} /></section>`;
}

function Rights({ user }) {
  const sees = user || { role: "county_officer", areas: [], mines: [] };
  return html`<label>${t("users.role")} <select name="role" defaultValue=${sees.role}>${ROLES.map((role) => html`
      <option value=${role} selected=${role === sees.role}>${t(`role.${role}`)}</option>`)}</select></label>
    <fieldset><legend>${t("users.areas")}</legend>${areas.value.map((area) => html`<label><input type="checkbox" name="area"
      value=${area.code} defaultChecked=${(sees.areas || []).includes(area.code)} /> ${areaName(area.code)}</label> `)}</fieldset>
    <label class="fill">${t("users.mines")} <input name="mines" autocomplete="off" defaultValue=${(sees.mines || []).join(" ")} /></label>`;
}

function NewUser({ told, done }) {
  const { busy, failure, run } = useDoing();
  const submit = (event) => {
    event.preventDefault();
    const form = event.target;
    run(async () => {
      told(await post("/users", { name: form.elements.user.value.trim(), ...rightsOf(form) }));
      form.reset();
      done();
    });
  };
  return html`<form class="action" onSubmit=${submit}>
    <label>${t("users.name")} <input name="user" required maxlength="100" autocomplete="off" /></label><${Rights} />
    <button class="main" disabled=${busy}>${t("users.add")}</button><${Refused} failure=${failure} /></form>`;
}

function User({ user, told, done }) {
  const now = serverNow();
  const all = t("account.everything");
  return html`<tr data-user=${user.name} class=${user.retired_at ? "gone" : ""}>
    <td>${user.name}</td><td>${t(`role.${user.role}`)}</td>
    <td>${(user.mines || (user.areas && user.areas.map(areaName)) || [all]).join(" ")}</td><td>${stateOf(user, now)}</td>
    <td class="num">${user.last_log_in ? moment(user.last_log_in, now) : ""}</td>
    <td class="num">${t("users.counts", { sessions: user.sessions, tokens: user.tokens })}</td>
    <td>${user.retired_at ? null : html`<${Administer} user=${user} told=${told} done=${done} />`}</td></tr>`;
}

function stateOf(user, now) {
  if (user.retired_at) return t("users.retired", { at: moment(user.retired_at, now) });
  if (user.link_until) return t("users.invited", { at: moment(user.link_until, now) });
  return t(user.password_set_at ? "users.active" : "users.no_password");
}

/** What can be done with one user; it opens, so that nobody is retired by a slip. */
function Administer({ user, told, done }) {
  const { busy, failure, run } = useDoing();
  const path = `/users/${encodeURIComponent(user.name)}`;
  const self = user.name === me.value.principal.name;
  const change = (event) => {
    event.preventDefault();
    const rights = rightsOf(event.target);
    run(() => post(`${path}/role`, rights).then(done));
  };
  return html`<details><summary>${t("users.manage")}</summary>
    <form class="action" onSubmit=${change}><${Rights} user=${user} /><button data-do="role" disabled=${busy}>${t("users.set_role")}</button></form>
    <p class="buttons">
      <button data-do="reset" disabled=${busy} onClick=${() => run(async () => { told(await post(`${path}/reset`)); done(); })}>${t("users.reset")}</button>
      <button data-do="end" disabled=${busy} onClick=${() => run(() => takeBack(`${path}/sessions`).then(done))}>${t("users.end")}</button>
      <button data-do="retire" disabled=${busy || self} onClick=${() => run(() => post(`${path}/retire`).then(done))}>${t("users.retire")}</button></p>
    <${Refused} failure=${failure} /></details>`;
}

// Tokens of people and programs, for administrators: given, shown once, ended.
import { html, useEffect, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { Refused, useDoing, useLoaded } from "./doing.js";
import { moment } from "./format.js";
import { areaName } from "./overview.js";
import { get, post, takeBack } from "./requests.js";
import { areas, serverNow } from "./state.js";
import { Failure } from "./widgets.js";

const MAY = ["read", "act", "administer"];
const DAYS = ["30", "90", "365"];
const COLUMNS = ["name", "role", "may", "state", "used"];

/** What the server is asked, from the fields of the form. */
export function tokenOf(form) {
  const fields = new FormData(form);
  const asked = { name: fields.get("name").trim(), may: fields.get("may"), days: Number(fields.get("days")) };
  if (!fields.get("program")) return asked;
  const codes = fields.getAll("area");
  return { ...asked, program: true, areas: codes.length ? codes : null };
}

export function Tokens() {
  const { found, error, load } = useLoaded(() => get("/tokens"));
  const [given, setGiven] = useState(null);
  const field = useRef(null);
  useEffect(() => { if (given) field.current.focus(); }, [given]);
  areas.value;
  return html`<section class="tokens"><h2>${t("tokens.title")} <span class="num">${found ? found.items.length : ""}</span></h2>
    <${NewToken} told=${setGiven} done=${load} />
    ${given ? html`<div class="link" role="status"><p>${t("tokens.given", { name: given.name })}</p>
      <input class="fill" ref=${field} readonly value=${given.token} aria-label=${t("tokens.title")} onFocus=${(event) => event.target.select()} /></div>` : null}
    <${Failure} error=${error} retry=${load} />
    ${found ? html`<table><thead><tr>${COLUMNS.map((name) => html`<th>${t(`tokens.${name}`)}</th>`)}<th></th></tr></thead>
      <tbody>${found.items.map((row) => html`<${Token} key=${row.id} row=${row} done=${load} />`)}</tbody></table>` : null}</section>`;
}

function NewToken({ told, done }) {
  const { busy, failure, run } = useDoing();
  const [program, setProgram] = useState(false);
  const submit = (event) => {
    event.preventDefault();
    const form = event.target;
    run(async () => {
      told(await post("/tokens", tokenOf(form)));
      form.reset();
      setProgram(false);
      done();
    });
  };
  const choice = (name, values) => html`<label>${t(`tokens.${name}`)} <select name=${name}>${values.map((value) => html`<option value=${value}>${name === "days" ? value : t(`tokens.may_${value}`)}</option>`)}</select></label>`;
  return html`<form class="action" data-form="token" onSubmit=${submit}>
    <label>${t("tokens.name")} <input name="name" required maxlength="100" autocomplete="off" /></label>
    ${choice("may", MAY)}${choice("days", DAYS)}
    <label><input type="checkbox" name="program" checked=${program} onChange=${(event) => setProgram(event.target.checked)} /> ${t("tokens.program")}</label>
    ${program ? html`<fieldset><legend>${t("users.areas")}</legend>${areas.value.map((area) => html`<label><input type="checkbox" name="area" value=${area.code} /> ${areaName(area.code)}</label> `)}</fieldset>` : null}
    <button class="main" disabled=${busy}>${t("tokens.give")}</button><${Refused} failure=${failure} /></form>`;
}

function Token({ row, done }) {
  const { busy, failure, run } = useDoing();
  const now = serverNow();
  return html`<tr data-token=${row.id}><td>${row.name}</td><td>${t(`role.${row.role}`)}</td><td>${t(`tokens.may_${row.may}`)}</td>
    <td>${t(`tokens.${row.state}`)} ${row.expires_at ? html`<span class="muted num">${t("tokens.until", { at: moment(row.expires_at, now) })}</span>` : null}</td>
    <td class="num">${row.last_used_at ? moment(row.last_used_at, now) : ""}</td>
    <td><button data-do="revoke" disabled=${busy} onClick=${() => run(() => takeBack(`/tokens/${row.id}`).then(done))}>${t("tokens.revoke")}</button><${Refused} failure=${failure} /></td></tr>`;
}

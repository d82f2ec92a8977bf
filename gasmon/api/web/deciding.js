// What plans and changes share: one asks, another decides, and each step is a record.
import { html, useState } from "./html.js";
import { t } from "./i18n.js";
import { moment } from "./format.js";
import { fieldsOf, Refused, useDoing, Wanting } from "./doing.js";
import { post } from "./requests.js";
import { serverNow } from "./state.js";

const WITH_REASON = ["refuse", "withdraw"];

/** A form that asks for something at `path`; `bodyOf` makes what is sent of its fields. */
export function AskForm({ path, bodyOf, done, send, children }) {
  const { busy, failure, run } = useDoing();
  const submit = (event) => {
    event.preventDefault();
    const form = event.target;
    run(async () => {
      await post(path, bodyOf(fieldsOf(form)));
      form.reset();
      await done();
    });
  };
  return html`<form class="action" onSubmit=${submit}>${children}
    <label class="fill">${t("decide.reason")} <input name="reason" required maxlength="1000" autocomplete="off" /></label>
    <button class="main" disabled=${busy}>${send}</button><${Refused} failure=${failure} /></form>`;
}

/** What happened to it: when, what in the `word` of its event, who, why. */
export function Steps({ rows, word }) {
  const now = serverNow();
  return html`<table class="journal"><tbody>${rows.map((row) => html`<tr><td class="num">${moment(row.at, now)}</td>
    <td>${word(row.event)}</td><td>${row.by} <span class="muted">${t(`role.${row.role}`)}</span></td><td class="said">${row.reason}</td></tr>`)}</tbody></table>`;
}

/** The buttons of what is possible now, each by its `word`; one field holds the reason. */
export function Deciding({ path, actions, word, done }) {
  const [reason, setReason] = useState("");
  const { busy, failure, run } = useDoing();
  const names = Object.keys(actions).filter((name) => actions[name] === null);
  if (!names.length) return null;
  const act = (name) => run(async () => {
    if (WITH_REASON.includes(name) && !reason.trim()) throw new Wanting(t("decide.reason_wanted"), "why");
    await post(`${path}/actions/${name}`, { reason: reason.trim() });
    // The keyboard finds its place among what is there afterwards.
    await done();
  });
  return html`<div class="action"><label class="fill">${t("decide.why")} <input name="why" maxlength="1000" value=${reason}
      autocomplete="off" onInput=${(event) => setReason(event.target.value)} /></label>
    ${names.map((name) => html`<button data-action=${name} disabled=${busy}
      onClick=${() => act(name)}>${word(name)}</button>`)}
    <${Refused} failure=${failure} /></div>`;
}

// The two fields of a new password, and what is wrong with them.
import { html } from "./html.js";
import { t } from "./i18n.js";

// The server's own rule decides; this one only spares a round trip.
const MIN_CHARS = 12;

/** What is wrong with the fields, in words; empty when nothing is. */
export function passwordFault({ password, again }) {
  if ([...password.value].length < MIN_CHARS) return t("password.short", { n: MIN_CHARS });
  return password.value === again.value ? "" : t("password.differ");
}

export function NewPassword({ focus }) {
  return html`<label>${t("password.new")}
    <input name="password" type="password" required maxlength="128" autocomplete="new-password" autofocus=${focus} /></label>
    <label>${t("password.again")}
    <input name="again" type="password" required maxlength="128" autocomplete="new-password" /></label>
    <p class="muted">${t("password.rule", { n: MIN_CHARS })}</p>`;
}

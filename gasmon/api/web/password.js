// The two fields of a new password, and what is wrong with them.
import { html, useEffect, useRef } from "./html.js";
import { t } from "./i18n.js";
import { mark } from "./focus.js";

// The server's own rule decides; this one only spares a round trip.
const MIN_CHARS = 12;

/** What is wrong with the fields, in words; empty when nothing is. The one that is wrong
 *  is marked and has the keyboard. */
export function passwordFault({ password, again }) {
  const isShort = [...password.value].length < MIN_CHARS;
  if (!isShort && password.value === again.value) return "";
  refuse(isShort ? password : again);
  return isShort ? t("password.short", { n: MIN_CHARS }) : t("password.differ");
}

/** Marks a field that was refused; the words are in the form's `said`. */
export function refuse(field) {
  mark(field);
  field.setAttribute("aria-describedby", "form-said");
  field.focus();
}

export function NewPassword({ focus }) {
  const first = useRef(null);
  useEffect(() => { if (focus) first.current.focus(); }, []);
  return html`<label>${t("password.new")}
    <input name="password" ref=${first} type="password" required maxlength="128" autocomplete="new-password" /></label>
    <label>${t("password.again")}
    <input name="again" type="password" required maxlength="128" autocomplete="new-password" /></label>
    <p class="muted">${t("password.rule", { n: MIN_CHARS })}</p>`;
}

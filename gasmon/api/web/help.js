// The list of keys: a panel at the edge, not a dialog over the alarms.
import { html, signal } from "./html.js";
import { t } from "./i18n.js";

const open = signal(false);
const KEYS = ["jk", "enter", "x", "xall", "a", "levels", "search", "s", "esc", "help"];

export function toggleHelp() {
  open.value = !open.value;
}

export function Help() {
  if (!open.value) return null;
  return html`<aside class="help"><h2>${t("help.title")}</h2><dl>
    ${KEYS.map((key) => html`<dt>${t(`help.${key}.key`)}</dt><dd>${t(`help.${key}`)}</dd>`)}
  </dl><button onClick=${toggleHelp}>${t("help.close")}</button></aside>`;
}

// The list of keys: a panel at the edge, not a dialog over the alarms.
import { html, signal, useEffect, useRef } from "./html.js";
import { t } from "./i18n.js";
import { focusOn } from "./focus.js";
import { bindKeys } from "./keys.js";

const open = signal(false);
const KEYS = ["tab", "jk", "enter", "x", "xall", "a", "levels", "search", "s", "esc", "help"];

export function toggleHelp() {
  open.value = !open.value;
}

export function Help() {
  return open.value ? html`<${Panel} />` : null;
}

/** The keyboard goes to it, and back to where it was. */
function Panel() {
  const close = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    close.current.focus();
    const unbind = bindKeys({ Escape: toggleHelp });
    return () => {
      unbind();
      if (before && before !== document.body && before.isConnected) focusOn(before);
    };
  }, []);
  return html`<aside class="help" aria-labelledby="help-title"><h2 id="help-title">${t("help.title")}</h2><dl>
    ${KEYS.map((key) => html`<dt>${t(`help.${key}.key`)}</dt><dd>${t(`help.${key}`)}</dd>`)}
  </dl><button ref=${close} onClick=${toggleHelp}>${t("help.close")}</button></aside>`;
}

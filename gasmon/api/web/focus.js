// Where the keyboard stands: on the page that was opened, and after an action where it was
// before. And what is told to whoever does not see the screen.
import { html, signal } from "./html.js";
import { t } from "./i18n.js";

const PARTS = "form, .action, tr, section, main";
const WITH_FIELDS = "form, .action, .do";
const WRITING = "input, select, textarea";
const said = signal({ text: "", n: 0 });

/** After what was changed is drawn: a frame to draw it, and one to see it drawn. */
function drawn(then) {
  requestAnimationFrame(() => requestAnimationFrame(then));
}

/** Puts the keyboard on anything; what cannot hold it by itself can from now on. */
export function focusOn(node) {
  if (node.tabIndex < 0 && !node.hasAttribute("tabindex")) node.setAttribute("tabindex", "-1");
  node.focus({ preventScroll: node.matches("main, section") });
}

/** The keyboard to the page's own part, past the banner. */
export function toMain() {
  const main = document.querySelector("main");
  if (main) focusOn(main);
}

/** Another page was opened: its beginning, unless it has put the keyboard somewhere. */
export function toNewPage() {
  const main = document.querySelector("main");
  const at = document.activeElement;
  if (main && !(main.contains(at) && (at === main || at.matches(WRITING)))) focusOn(main);
}

/** Whether the keyboard is nowhere: what had it is gone. */
function isNowhere() {
  return !document.activeElement || document.activeElement === document.body;
}

/**
 * Remembers where the keyboard is; the answer puts it back there, else on the nearest part
 * around that is still there. Named fields that were refused get it first, and are marked.
 */
export function keepPlace() {
  const from = document.activeElement;
  const around = [];
  for (let one = from; one && one !== document.body; one = one.parentElement) {
    if (one === from || one.matches(PARTS)) around.push(one);
  }
  return (refused = []) => drawn(() => {
    const form = around.find((one) => one.matches(WITH_FIELDS));
    const field = form && refused.map((name) => form.querySelector(`[name="${name}"]`)).find(Boolean);
    const to = field || (isNowhere() ? around.find((one) => one.isConnected && !one.disabled) : null);
    if (field) mark(field);
    const why = around.map((one) => one.querySelector(".failure[id]")).find(Boolean);
    if (why && (to || from)) (to || from).setAttribute("aria-describedby", why.id);
    if (to) focusOn(to);
    else if (around.length && isNowhere()) toMain();
  });
}

/** A field that was refused says so until it is changed. */
export function mark(field) {
  field.setAttribute("aria-invalid", "true");
  field.addEventListener("input", () => field.removeAttribute("aria-invalid"), { once: true });
}

/** Puts the keyboard on what stands under a selector once it is drawn, if it is nowhere. */
export function returnTo(selector) {
  drawn(() => {
    const node = isNowhere() && document.querySelector(selector);
    if (node) focusOn(node);
  });
}

/** Tells it to screen readers; the same words again are told again. */
export function say(text) {
  said.value = { text, n: said.value.n + 1 };
}

export function Said() {
  const { text, n } = said.value;
  return html`<p class="unseen" role="status" aria-live="polite"><span key=${n}>${text}</span></p>`;
}

/** The first thing Tab reaches on each page. */
export function Skip() {
  return html`<button class="skip" onClick=${toMain}>${t("nav.skip")}</button>`;
}

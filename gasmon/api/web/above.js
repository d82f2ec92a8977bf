// The node above, if this one follows another: up to when alarms are complete, and what
// waits. Values do not come from there, so nothing here may pass for a silent sensor.
import { html, signal } from "./html.js";
import { t } from "./i18n.js";
import { clockTime, toMs } from "./format.js";
import { get } from "./requests.js";

const ASK_MS = 5000;

/** `GET /upstream`: `{name, cut_off, stands_still, complete_to, waiting, refused}`; null:
 *  judged here. */
export const above = signal(null);

let timer = null;

/** Asks at once, and goes on asking only where there is a node above. */
export function startAbove() {
  stopAbove();
  const ask = () => get("/upstream").then((now) => {
    above.value = now.upstream;
    if (!now.upstream) stopAbove();
  }, () => {});
  timer = setInterval(ask, ASK_MS);
  ask();
}

export function stopAbove() {
  clearInterval(timer);
  timer = null;
}

/** What stands where a value would be: a sensor is silent only where values come. */
export function silentWord() {
  return t(above.value ? "tile.no_values" : "tile.stale");
}

/** In place of what a node that judges nothing does not have; its key says what. */
export function NotHere({ what }) {
  return html`<p class="empty not-here" data-what=${what}>${t(`above.not_here.${what}`, { name: above.value.name })}</p>`;
}

/** In the banner, in place of the age of values. */
export function AboveAge() {
  const { name, cut_off: cutOff, stands_still: still, complete_to: completeTo } = above.value;
  return html`<span class=${`cell above ${cutOff || still ? "stale" : ""}`} title=${t("above.hint", { name })}>
    <span class="muted">${t("above.complete_to")}</span>
    <b class="num">${clockTime(toMs(completeTo))}</b>
    <span>${t(cutOff ? "link.lost" : still ? "above.still" : "link.open")}</span></span>`;
}

/** Being cut off, and records that stand here alone, must not be overlooked. */
export function AboveBars() {
  const now = above.value;
  if (!now) return null;
  const at = clockTime(toMs(now.complete_to));
  return html`
    ${now.cut_off ? html`<div class="wide lost-bar above-bar" role="alert">${t("above.cut_off", { name: now.name, at, n: now.waiting })}</div>` : null}
    ${now.stands_still ? html`<div class="wide lost-bar still-bar" role="alert">${t("above.stands_still", { name: now.name, at })}</div>` : null}
    ${now.refused ? html`<div class="wide lost-bar refused-bar" role="alert">${t("above.refused", { name: now.name, n: now.refused })}</div>` : null}`;
}

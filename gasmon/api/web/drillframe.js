// What makes a drill's page unmistakable: frame and watermark that nobody can take away,
// and the way from real operation to the drills.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { drills, drillView } from "./drillbook.js";
import { role } from "./state.js";

const WATERMARKS = 72; // over the largest screens; what does not fit is cut off
const LEADERS = ["trainer", "county_officer", "city_officer", "administrator"];

export function DrillFrame() {
  if (!(drillView.value > 0)) return null;
  const words = Array.from({ length: WATERMARKS }, () => html`<span>${t("mark.drill")}</span>`);
  return html`<div class="drill-watermark" aria-hidden="true">${words}</div><div class="drill-frame" aria-hidden="true"></div>`;
}

/** In the banner: for those who may lead or end drills, and for all while one goes on. */
export function DrillLink({ current }) {
  const running = drills.value.filter((one) => one.state === "running");
  if (!running.length && !LEADERS.includes(role.value)) return null;
  return html`<span class="to-drills"><a href="/drills" aria-current=${current ? "page" : undefined}>${t("nav.drills")}</a>
    ${running.map((one) => html`<a class="flag strong" key=${one.run} data-run=${one.run} href=${`/drill/${one.run}`}
      title=${one.title || one.scenario}>${t("drills.going_on", { run: one.run, open: one.open_alarms })}</a>`)}</span>`;
}

/** On real pages: whoever is tested must hear of alarms that a drill asks him to confirm.
 *  Without sound, which there belongs to real ones. */
export function DrillBars() {
  if (drillView.value !== null) return null;
  return drills.value.filter((one) => one.state === "running" && one.owed).map((one) => html`<a class="wide lost-bar drill-bar" key=${one.run}
    href=${`/drill/${one.run}`}>${t("bar.drill", { run: one.run, n: one.owed })}</a>`);
}

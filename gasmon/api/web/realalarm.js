// A real alarm while a drill is on show: over everything, in words, until it is confirmed.
// Seen, it becomes a bar that stays; the next one stands over everything again.
import { html, signal, useEffect, useRef } from "./html.js";
import { t } from "./i18n.js";
import { owes, isPlanned, isShelved } from "./alarmbook.js";
import { drillView } from "./drillbook.js";
import { withUnit } from "./format.js";
import { isDevice, worstRank } from "./levels.js";
import { areaName } from "./overview.js";
import { alarmBook, areas, bookSeq, tier } from "./state.js";
import { Age, kindName, Level } from "./widgets.js";

const LISTED = 3;

/** Alarms that somebody here has seen, with their level. */
const seen = signal(new Map());

/** Real gas alarms that are owed and loud, the worst first, then the newest. Pure. */
export function realOnes(book, ownTier) {
  const loud = (alarm) => owes(alarm, ownTier) && !isPlanned(alarm) && !isShelved(alarm)
    && !isDevice(alarm.kind) && worstRank(alarm) > 0 && !(alarm.late && alarm.cleared_at);
  return [...book.byId.values()].filter(loud)
    .sort((a, b) => worstRank(b) - worstRank(a) || Date.parse(b.raised_at) - Date.parse(a.raised_at));
}

export function RealAlarm() {
  bookSeq.value;
  areas.value;
  if (drillView.value === null) return null;
  const real = realOnes(alarmBook(), tier.value);
  if (!real.length) return null;
  const isNew = real.some((alarm) => !(seen.value.get(alarm.alarm_id) >= worstRank(alarm)));
  return html`<${Shown} key=${isNew} real=${real} isNew=${isNew} />`;
}

function Shown({ real, isNew }) {
  const way = useRef(null);
  // The keyboard goes to the way to it, but not out of a word that is being written.
  useEffect(() => {
    if (isNew && !document.activeElement.matches("input, select, textarea")) way.current.focus();
  }, []);
  const see = () => { seen.value = new Map(real.map((alarm) => [alarm.alarm_id, worstRank(alarm)])); };
  return html`<aside class=${`real-alarm edge-${worstRank(real[0])} ${isNew ? "new" : ""}`} role="alert">
    <p class="what"><strong>${t("real.title")}</strong> <span>${t("real.no_drill", { n: real.length })}</span></p>
    <ul>${real.slice(0, isNew ? LISTED : 1).map((alarm) => html`<li key=${alarm.alarm_id}><${Level} alarm=${alarm} owed=${true} />
      <a href=${`/alarm/${alarm.alarm_id}`}>${areaName(alarm.area)} ${alarm.mine_name || alarm.mine || ""} ${alarm.place || alarm.point || ""}</a>
      <b>${kindName(alarm.kind)}</b> <span class="num">${typeof alarm.value === "number" ? withUnit(alarm.value, alarm.uom) : ""}</span> <${Age} since=${alarm.raised_at} /></li>`)}</ul>
    <p class="go"><a class="button" ref=${way} href="/alarms?tab=unconfirmed">${t("real.go")}</a>
      ${isNew ? html`<button onClick=${see}>${t("real.seen")}</button>` : null}</p></aside>`;
}

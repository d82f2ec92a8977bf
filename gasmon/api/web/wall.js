// The dispatch room's wall: every point as a line that is read from the room's far end,
// the abnormal ones first. Nothing opens over it, and nothing on it has to be scrolled.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { t } from "./i18n.js";
import { toMs, unitSign, withUnit } from "./format.js";
import { owes } from "./alarmbook.js";
import { worstRank } from "./levels.js";
import { collect, follow, groupByUnit } from "./room.js";
import { alarmBook, applyLook, bookSeq, second, tier } from "./state.js";
import { recall, remember } from "./storage.js";
import { isSwitch } from "./values.js";
import { Age, kindName, Level } from "./widgets.js";

const ARC_MINUTES = 16;
const MM_PER_INCH = 25.4;
const SORT_SECONDS = 5;
const MOST_ALARMS = 5;
const LINES_OF_ALARM = 9; // of so many lines of the screen one may be an alarm in words

/**
 * Least height of text in css px that is read at `distanceM` on a screen of `inches`:
 * 16 minutes of arc. `screenPx` is the screen's diagonal in css px.
 */
export function readablePx(distanceM, inches, screenPx) {
  const mm = 2 * distanceM * 1000 * Math.tan((ARC_MINUTES / 60 / 2) * (Math.PI / 180));
  return (mm * screenPx) / (inches * MM_PER_INCH);
}

/** How far from normal a point is: its alarm's level, else a fault or old value. Pure. */
export function abnormality({ rank, quality, device }) {
  return rank >= 0 ? 10 + rank : device || quality !== "good" ? 1 : 0;
}

/** Indices of units with the worst first; among equals the mine's own order stays. */
export function wallOrder(weights) {
  return weights.map((_, index) => index).sort((a, b) => weights[b] - weights[a] || a - b);
}

/** A place without the name of its unit, which stands above it. */
export function shortPlace(place, unit) {
  const name = unit ? unit.name || unit.id : "";
  return name && place.startsWith(name) && place.length > name.length ? place.slice(name.length) : place;
}

/** How many alarms stand above the points: fewer where text must be so large that they
 *  would leave no room for these. Pure. */
export function mostAlarms(screenPx, textPx) {
  return Math.max(1, Math.min(MOST_ALARMS, Math.floor(screenPx / textPx / LINES_OF_ALARM)));
}

function diagonalPx() {
  return Math.hypot(window.screen.width, window.screen.height);
}

export function WallRoom({ code, mine, points, onLink }) {
  const root = useRef(null);
  const [hidden, setHidden] = useState({ all: 0, abnormal: 0 });
  const [distance, setDistance] = useState(recall("wall.distance", "3"));
  const [inches, setInches] = useState(recall("wall.inches", "55"));
  const most = mostAlarms(window.innerHeight, readablePx(Number(distance), Number(inches), diagonalPx()) || 1);
  const groups = useMemo(() => groupByUnit(mine.units, points.filter((point) => !point.retired_at)), [mine, points]);
  const shown = useMemo(() => groups.flatMap((group) => group.points), [groups]);
  useEffect(() => {
    const px = readablePx(Number(distance), Number(inches), diagonalPx());
    const page = document.documentElement;
    if (px > 0) page.style.fontSize = `${Math.max(12, px).toFixed(1)}px`;
    page.classList.add("on-wall");
    return () => { page.classList.remove("on-wall"); applyLook(); };
  }, [distance, inches]);
  useEffect(() => {
    const live = collect(root.current, shown);
    const sort = () => setHidden(arrange(root.current, live));
    let seconds = 0;
    const stops = [
      follow(code, live, onLink, sort),
      second.subscribe(() => { seconds += 1; if (seconds % SORT_SECONDS === 0) sort(); }),
    ];
    window.addEventListener("resize", sort);
    return () => { stops.forEach((stop) => stop()); window.removeEventListener("resize", sort); };
  }, [shown, distance, inches]);
  // With each key: the wall is drawn anew all the time, and would take half a number back.
  const choose = (name, set) => (event) => {
    set(event.target.value);
    remember(`wall.${name}`, event.target.value);
  };
  return html`<${WallAlarms} code=${code} most=${most} />
    <div class="wall-points" ref=${root}>${groups.map((group, index) => html`<section class="wall-unit" data-order=${index} key=${group.unit ? group.unit.id : ""}>
      <h2>${group.unit ? group.unit.name || group.unit.id : t("mine.other_points")}</h2>
      ${group.points.map((point) => html`<${Cell} key=${point.point_id} point=${point} unit=${group.unit} />`)}</section>`)}</div>
    <p class="wall-foot"><span>${hidden.all ? t(hidden.abnormal ? "wall.hidden_abnormal" : "wall.hidden", { n: hidden.all, m: hidden.abnormal }) : t("wall.all_shown", { n: shown.length })}</span>
      <span class="push"></span>
      <label>${t("wall.distance")} <input type="number" min="1" max="15" step="0.5" value=${distance} onInput=${choose("distance", setDistance)} /></label>
      <label>${t("wall.inches")} <input type="number" min="15" max="200" step="1" value=${inches} onInput=${choose("inches", setInches)} /></label></p>`;
}

function Cell({ point, unit }) {
  return html`<a class="wall-cell" data-point=${point.point_id} href=${`/point/${point.point_id}`}>
    <span class="s"></span><span class="place"><bdi>${shortPlace(point.place, unit) || point.no}</bdi></span>
    <span class="state"></span><span class="num a"></span><span class="spark-cell"></span>
    <b class="num v"></b><span class="u muted">${isSwitch(point) ? "" : unitSign(point.uom)}</span></a>`;
}

/** Puts the worst units first; tells how many points do not fit, and how many of those
 *  are not normal. */
function arrange(root, live) {
  if (!root) return { all: 0, abnormal: 0 };
  const weights = new Map();
  for (const { alarm, cells } of live.values()) {
    const { rank, device } = alarm || { rank: -1, device: 0 };
    weights.set(cells.root, abnormality({ rank, device, quality: cells.root.dataset.quality }));
  }
  const units = [...root.children].sort((a, b) => a.dataset.order - b.dataset.order);
  const cellsOf = (unit) => [...unit.querySelectorAll(".wall-cell")];
  const order = wallOrder(units.map((unit) => Math.max(...cellsOf(unit).map((cell) => weights.get(cell)))));
  order.forEach((index, at) => {
    if (root.children[at] !== units[index]) root.insertBefore(units[index], root.children[at]);
  });
  // What does not fit stands in columns beyond the right edge.
  const cut = [...weights.keys()].filter((cell) => cell.offsetLeft >= root.clientWidth);
  return { all: cut.length, abnormal: cut.filter((cell) => weights.get(cell) > 0).length };
}

/** The worst open alarms of the mine, in words. */
function WallAlarms({ code, most }) {
  bookSeq.value;
  const mine = [...alarmBook().byId.values()].filter((alarm) => alarm.mine === code)
    .sort((a, b) => worstRank(b) - worstRank(a) || toMs(a.raised_at) - toMs(b.raised_at));
  if (!mine.length) return html`<p class="wall-quiet muted">${t("mine.no_alarms")}</p>`;
  return html`<table class="wall-alarms"><tbody>${mine.slice(0, most).map((alarm) => html`<tr key=${alarm.alarm_id}>
    <td><${Level} alarm=${alarm} owed=${owes(alarm, tier.value)} /></td><td class="place">${alarm.place || alarm.point || alarm.unit}</td>
    <td>${kindName(alarm.kind)}</td><td class="r num">${typeof alarm.value === "number" ? withUnit(alarm.value, alarm.uom) : ""}</td>
    <td class="r"><${Age} since=${alarm.raised_at} until=${alarm.cleared_at} /></td>
    <td>${owes(alarm, tier.value) ? t("mark.unconfirmed") : ""}</td></tr>`)}</tbody></table>
    ${mine.length > most ? html`<p class="muted">${t("wall.more_alarms", { n: mine.length - most })}</p>` : null}`;
}

// Live values of one mine's points: rows made once, values written by plain DOM.
import { above } from "./above.js";
import { t } from "./i18n.js";
import { clockTime, duration, NO_DATA, number } from "./format.js";
import { isBad, qualityOf, scaleOf, stateBits } from "./levels.js";
import { makeSymbol } from "./tiles.js";

/** The words of a state: a switch's own words, or the set bits, or normal. */
export function stateText(state, value, point) {
  const words = stateBits(state).map((bit) => t(`state.${bit}`));
  if (isSwitch(point) && typeof value === "number" && !isBad(state)) {
    words.unshift(switchWord(value, point));
  }
  return words.length ? words.join(" ") : t("state.0");
}

/** `530627004499-01-001A01`: how events and other programs name a point. */
export function pointKey(point) {
  return `${point.mine}-${point.system}-${point.no}`;
}

export function isSwitch(point) {
  return point.value_kind === "KG";
}

function switchWord(value, point) {
  if (value === 0) return point.state_0 || "0";
  return value === 1 ? point.state_1 || "1" : String(value);
}

/** How something is fed; 9 is a mine that never tells it, and no number to be read. */
function powerWord(value) {
  return [0, 1, 2, 9].includes(value) ? t(`power.${value}`) : String(value);
}

/** The value as text: a number, a switch's or a power state's word, or `——`. */
export function valueText(value, quality, point) {
  if (quality === "none" || typeof value !== "number") return NO_DATA;
  if (point.quantity === "POWER") return powerWord(value);
  return isSwitch(point) ? switchWord(value, point) : number(value, point.uom);
}

/** Where the limits lie on a bar, as `[class, share 0..1]`. */
export function limitMarks(point, scale) {
  const limits = point.limits || {};
  const marks = [];
  for (const [name, className] of [
    ["alarm_high", "at-alarm"], ["cut_high", "at-cut"],
    ["alarm_low", "at-alarm"], ["cut_low", "at-cut"],
  ]) {
    const limit = limits[name];
    if (typeof limit !== "number" || !scale) continue;
    const share = (limit - scale[0]) / (scale[1] - scale[0]);
    if (share >= 0 && share <= 1) marks.push([className, share]);
  }
  return marks;
}

/** One point's changing cells; `cells` are the elements to write to. */
export class LiveValue {
  constructor(point, cells) {
    this.point = point;
    this.cells = cells;
    this.scale = isSwitch(point) ? null : scaleOf(point.quantity, point.range);
    this.setSymbol = makeSymbol(cells.symbol);
    this.value = null;
    this.state = 0;
    this.atMs = NaN;
    this.alarm = null;
  }

  set(value, state, atMs) {
    // A late reading must not take the place of a newer one.
    if (Number.isFinite(this.atMs) && atMs < this.atMs) return;
    this.value = value;
    this.state = state;
    this.atMs = atMs;
  }

  draw(nowMs) {
    const { point, cells } = this;
    const quality = qualityOf(this.value, this.state, this.atMs, nowMs);
    const known = Number.isFinite(this.atMs);
    const shown = valueText(this.value, quality, point);
    if (cells.value.textContent !== shown) cells.value.textContent = shown;
    // An old "normal" is not normal: the state is told only while it is young.
    const words = above.peek() ? t("above.no_value") : quality === "stale" || (known && quality === "none") ? t("tile.stale") : known ? stateText(this.state, isSwitch(point) ? null : this.value, point) : t("state.none");
    if (cells.state.textContent !== words) cells.state.textContent = words;
    cells.root.classList.toggle("plain", words === t("state.0"));
    const age = known ? duration(nowMs - this.atMs) : NO_DATA;
    if (cells.age.textContent !== age) cells.age.textContent = age;
    cells.age.title = known ? clockTime(this.atMs) : "";
    if (cells.root.dataset.quality !== quality) cells.root.dataset.quality = quality;
    this.drawSymbol();
    if (cells.fill) this.drawBar(quality);
  }

  drawSymbol() {
    const { alarm } = this;
    const key = alarm ? (alarm.rank >= 0 ? String(alarm.rank) : "d") : "";
    this.setSymbol(key, Boolean(alarm && alarm.owed));
    this.cells.root.classList.toggle("alarmed", Boolean(alarm && alarm.rank >= 0));
  }

  drawBar(quality) {
    const none = quality === "none" || typeof this.value !== "number";
    const [lo, hi] = this.scale;
    const share = none ? 0 : Math.max(0, Math.min(1, (this.value - lo) / (hi - lo)));
    this.cells.fill.style.transform = `scaleX(${share.toFixed(3)})`;
  }
}

// The last hour of a point as a small curve: a ring of minutes, and an SVG path.
import { limitMarks } from "./values.js";

export const BUCKETS = 60;
export const STEP_MS = 60 * 1000;
const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 20;

/** Least and greatest value of each of the last 60 minutes; never grows. Pure. */
export class LastHour {
  constructor() {
    this.lo = new Float64Array(BUCKETS).fill(NaN);
    this.hi = new Float64Array(BUCKETS).fill(NaN);
    this.newest = -1;
  }

  /** Lets time pass: minutes without a value are empty. */
  advance(nowMs) {
    const minute = Math.floor(nowMs / STEP_MS);
    for (let n = Math.max(this.newest + 1, minute - BUCKETS + 1); n <= minute; n += 1) {
      this.lo[n % BUCKETS] = NaN;
      this.hi[n % BUCKETS] = NaN;
    }
    this.newest = Math.max(this.newest, minute);
  }

  /** Takes a value; what is older than an hour, or of the future, is not shown. */
  put(atMs, value) {
    const minute = Math.floor(atMs / STEP_MS);
    if (typeof value !== "number" || minute > this.newest || minute <= this.newest - BUCKETS) return;
    const i = minute % BUCKETS;
    if (!(this.lo[i] <= value)) this.lo[i] = value;
    if (!(this.hi[i] >= value)) this.hi[i] = value;
  }

  /** Oldest first: `[low, high]`, NaN where there is no value. */
  minute(index) {
    const i = (this.newest - BUCKETS + 1 + index) % BUCKETS;
    return [this.lo[i], this.hi[i]];
  }
}

/** The curve between least and greatest values; a minute without one is a hole. */
export function sparkPath(hour, [low, high]) {
  if (hour.newest < BUCKETS) return "";
  const y = (value) => (HEIGHT * (1 - Math.min(1, Math.max(0, (value - low) / (high - low))))).toFixed(1);
  const parts = [];
  for (let i = 0; i < BUCKETS; i += 1) {
    if (Number.isNaN(hour.minute(i)[0])) continue;
    const begin = i;
    while (i + 1 < BUCKETS && !Number.isNaN(hour.minute(i + 1)[0])) i += 1;
    const top = [];
    const back = [];
    for (let k = begin; k <= i; k += 1) {
      const [lo, hi] = hour.minute(k);
      top.push(`${k} ${y(hi)}H${k + 1}`);
      back.unshift(`${k + 1} ${y(lo)}H${k}`);
    }
    parts.push(`M${top.join("L")}L${back.join("L")}Z`);
  }
  return parts.join("");
}

function shape(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

/** The curve in `parent`, with the lines of its limits. */
export class Spark {
  constructor(parent, point, scale) {
    this.hour = new LastHour();
    this.scale = scale;
    parent.textContent = "";
    const svg = shape("svg", { class: "spark", viewBox: `0 0 ${BUCKETS} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, parent);
    for (const [name, share] of limitMarks(point, scale)) {
      const y = (HEIGHT * (1 - share)).toFixed(1);
      shape("line", { class: name, x1: 0, x2: BUCKETS, y1: y, y2: y }, svg);
    }
    this.path = shape("path", {}, svg);
    this.shown = "";
  }

  draw(nowMs) {
    this.hour.advance(nowMs);
    const path = sparkPath(this.hour, this.scale);
    if (path === this.shown) return;
    this.shown = path;
    this.path.setAttribute("d", path);
  }
}

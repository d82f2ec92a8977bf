// A point's trend: band of minimum and maximum, mean line, limit lines, fixed scale.
import uPlot from "./vendor/uplot.js";
import { clockTime, dayText, decimals } from "./format.js";
import { scaleOf } from "./levels.js";
import { drawBehind, drawLanes, drawLimits, LANES_PX, limitSteps, markAt, spansOf, usualStep } from "./trendmarks.js";

const HOUR_MS = 3600 * 1000;
// When a value leaves the fixed scale the next step is taken: a clipped peak lies.
const STEPS = [1, 2, 5, 10, 20, 50];

const LINES = ["alarm_high", "cut_high", "alarm_low", "cut_low"];

export const WINDOWS = {
  "1h": HOUR_MS, "8h": 8 * HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS,
  "30d": 720 * HOUR_MS, "90d": 2160 * HOUR_MS, "1y": 8760 * HOUR_MS,
};

/**
 * Columns for the chart from API rows `[t_ms, min, max, mean, n, n_bad, n_calibration]`.
 *
 * Rows without a good value and holes in time become gaps (null), never a line.
 * `stepMs` is the server's bucket; for raw rows the usual distance is measured.
 */
export function columnsOf(rows, stepMs) {
  const step = stepMs || usualStep(rows, HOUR_MS);
  const out = [[], [], [], []];
  const push = (ms, lo, hi, mean) => {
    out[0].push(ms / 1000);
    out[1].push(hi);
    out[2].push(lo);
    out[3].push(mean);
  };
  let before = NaN;
  for (const [ms, lo, hi, mean] of rows) {
    if (ms - before > 2.5 * step) push(before + step, null, null, null);
    push(ms, lo, hi, mean);
    before = ms;
  }
  return out;
}

/** Least, greatest and mean over the window; the mean counts every reading once. */
export function figuresOf(rows) {
  let lo = null;
  let hi = null;
  let hiAt = NaN;
  let sum = 0;
  let n = 0;
  let bad = 0;
  for (const [ms, min, max, mean, count, countBad] of rows) {
    bad += countBad || 0;
    if (typeof mean !== "number") continue;
    sum += mean * count;
    n += count;
    if (lo === null || min < lo) lo = min;
    if (hi === null || max > hi) {
      hi = max;
      hiAt = ms;
    }
  }
  return { lo, hi, hiAt, mean: n ? sum / n : null, n, bad };
}

/** The drawn scale `[lo, hi]`, and whether it had to leave the fixed one. */
export function chartScale(quantity, range, figures, isSwitch) {
  if (isSwitch) return { lo: -0.2, hi: 1.2, grown: false };
  const fixed = scaleOf(quantity, range);
  if (!fixed) {
    if (figures.lo === null) return { lo: 0, hi: 1, grown: false };
    const pad = (figures.hi - figures.lo) * 0.1 || Math.abs(figures.hi) * 0.1 || 1;
    return { lo: figures.lo - pad, hi: figures.hi + pad, grown: false };
  }
  let [lo, hi] = fixed;
  const grown = figures.lo !== null && (figures.hi > hi || figures.lo < lo);
  if (figures.lo !== null && figures.hi > hi) {
    hi = STEPS.map((step) => step * fixed[1]).find((top) => top >= figures.hi) || figures.hi;
  }
  if (figures.lo !== null && figures.lo < lo) lo = figures.lo;
  return { lo, hi, grown };
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// uPlot places its time ticks by the local fields of a Date: this one's are Beijing's.
function beijingDate(seconds) {
  const offset = new Date(seconds * 1000).getTimezoneOffset();
  return new Date(seconds * 1000 + (480 + offset) * 60000);
}

function tickText(seconds, span) {
  const ms = seconds * 1000;
  const time = clockTime(ms).slice(0, 5);
  if (span > 20 * 24 * 3600) return dayText(ms).slice(span > 200 * 24 * 3600 ? 2 : 5);
  if (span > 48 * 3600) return `${dayText(ms).slice(5)} ${time}`;
  return time;
}

/**
 * Draws a chart into `root`; returns `{set(rows, stepMs, fromMs, untilMs, marks), resize(), destroy()}`.
 *
 * `words` names the limits and the lanes and, in `states`, a switch's two states;
 * `point` gives unit, limits and scale; `marks` are alarms and limits over time.
 */
export function makeTrend(root, point, words, onHover) {
  let scale = { lo: 0, hi: 1 };
  let span = [0, 1];
  let shown = null;
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") }, font: "12px sans-serif" };
  const edge = { stroke: color("--band-edge"), width: 1, spanGaps: false, points: { show: false } };
  // A switch does not pass through the values between its states.
  const paths = words.states ? uPlot.paths.stepped({ align: 1 }) : undefined;
  const chart = new uPlot({
    ...sizeOf(root),
    tzDate: beijingDate,
    legend: { show: false },
    padding: [LANES_PX, 12, 0, 0],
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true, range: () => span }, y: { range: () => [scale.lo, scale.hi] } },
    axes: [
      { ...axis, space: 70, values: (_, ticks) => ticks.map((tick) => tickText(tick, span[1] - span[0])) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (words.states ? words.states[tick] || "" : tick.toFixed(decimals(point.uom)))),
        ...(words.states ? { splits: () => [0, 1] } : {}) },
    ],
    series: [{}, { ...edge }, { ...edge }, { stroke: color("--text"), width: 1.5, spanGaps: false, points: { show: false }, paths }],
    bands: [{ series: [1, 2], fill: color("--band") }],
    hooks: {
      drawClear: [(self) => { if (shown) drawBehind(self, shown); }],
      draw: [(self) => {
        if (!shown) return;
        drawLimits(self, shown.limits, words);
        drawLanes(self, shown, words);
      }],
      setCursor: [(self) => hover(self, shown, onHover)],
    },
  }, [[], [], [], []], root);
  return {
    set(rows, stepMs, fromMs, untilMs, marks) {
      const figures = figuresOf(rows);
      const spans = spansOf(rows, stepMs, fromMs, untilMs);
      scale = chartScale(point.quantity, point.range, figures, words.states);
      span = [fromMs / 1000, untilMs / 1000];
      shown = { spans, alarms: marks.alarms, untilMs, limits: limitSteps(marks.limits, LINES, fromMs, untilMs) };
      chart.setData(columnsOf(rows, stepMs));
      return { figures, scale, spans };
    },
    resize() {
      chart.setSize(sizeOf(root));
    },
    destroy() {
      chart.destroy();
    },
  };
}

function sizeOf(root) {
  const box = root.getBoundingClientRect();
  return { width: Math.max(320, Math.floor(box.width)), height: Math.max(220, Math.floor(box.height)) };
}

function hover(chart, shown, onHover) {
  const index = chart.cursor.idx;
  if (!shown || index === null || index === undefined || chart.data[0][index] === undefined) {
    onHover(null);
    return;
  }
  const [times, hi, lo, mean] = chart.data;
  const ms = times[index] * 1000;
  onHover({ ms, lo: lo[index], hi: hi[index], mean: mean[index], mark: markAt(shown.spans, ms) });
}

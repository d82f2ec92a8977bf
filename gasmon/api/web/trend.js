// A point's trend: band of minimum and maximum, mean line, limit lines, fixed scale.
import uPlot from "./vendor/uplot.js";
import { clockTime, dayText, decimals, NO_DATA } from "./format.js";
import { scaleOf } from "./levels.js";

const HOUR_MS = 3600 * 1000;
// When a value leaves the fixed scale the next step is taken: a clipped peak lies.
const STEPS = [1, 2, 5, 10, 20, 50];

export const WINDOWS = { "1h": HOUR_MS, "8h": 8 * HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS };

/**
 * Columns for the chart from API rows `[t_ms, min, max, mean, n, n_bad]`.
 *
 * Rows without a good value and holes in time become gaps (null), never a line.
 * `stepMs` is the server's bucket; for raw rows the usual distance is measured.
 */
export function columnsOf(rows, stepMs) {
  const step = stepMs || usualStep(rows);
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

function usualStep(rows) {
  const gaps = [];
  for (let i = 1; i < rows.length; i += 1) gaps.push(rows[i][0] - rows[i - 1][0]);
  gaps.sort((a, b) => a - b);
  return gaps.length ? Math.max(gaps[Math.floor(gaps.length / 2)], 1000) : HOUR_MS;
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
    const good = Math.max(1, (count || 1) - (countBad || 0));
    sum += mean * good;
    n += good;
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
  if (span > 48 * 3600) return `${dayText(ms).slice(5)} ${time}`;
  return time;
}

function drawLimits(chart, limits, words) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.font = `${Math.round(12 * devicePixelRatio)}px sans-serif`;
  ctx.lineWidth = devicePixelRatio;
  for (const [name, token, dash] of [
    ["alarm_high", "--line-alarm", []], ["alarm_low", "--line-alarm", []],
    ["cut_high", "--line-cut", [6, 4]], ["cut_low", "--line-cut", [6, 4]],
  ]) {
    const limit = limits[name];
    if (typeof limit !== "number") continue;
    const y = Math.round(chart.valToPos(limit, "y", true));
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = color(token);
    ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    // Alarm and cut-off limits are often equal: their words stand at different ends.
    const right = name.startsWith("cut");
    ctx.textAlign = right ? "right" : "left";
    const x = right ? bbox.left + bbox.width - 6 : bbox.left + 6;
    const label = `${words[name]} ${limit}`;
    const width = ctx.measureText(label).width;
    ctx.fillStyle = color("--panel");
    ctx.fillRect(right ? x - width : x, y - 17 * devicePixelRatio, width, 15 * devicePixelRatio);
    ctx.fillStyle = color(token);
    ctx.fillText(label, x, y - 5 * devicePixelRatio);
  }
  ctx.restore();
}

/**
 * Draws a chart into `root`; returns `{set(rows, stepMs, fromMs, toMs), destroy()}`.
 *
 * `words` names the limits and, in `states`, a switch's two states; `point` gives unit, limits and scale.
 */
export function makeTrend(root, point, words, onHover) {
  let scale = { lo: 0, hi: 1 };
  let span = [0, 1];
  let chart = null;
  const build = (data) => {
    if (chart) chart.destroy();
    const box = root.getBoundingClientRect();
    // A switch does not pass through the values between its states.
    const paths = words.states ? uPlot.paths.stepped({ align: 1 }) : undefined;
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") }, font: "12px sans-serif" };
    chart = new uPlot({
      width: Math.max(320, Math.floor(box.width)),
      height: Math.max(220, Math.floor(box.height)),
      tzDate: beijingDate,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: true, range: () => span }, y: { range: () => [scale.lo, scale.hi] } },
      axes: [
        { ...axis, space: 70, values: (_, ticks) => ticks.map((tick) => tickText(tick, span[1] - span[0])) },
        { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (words.states ? words.states[tick] || "" : tick.toFixed(decimals(point.uom)))),
          ...(words.states ? { splits: () => [0, 1] } : {}) },
      ],
      series: [
        {},
        { stroke: color("--band-edge"), width: 1, spanGaps: false, points: { show: false } },
        { stroke: color("--band-edge"), width: 1, spanGaps: false, points: { show: false } },
        { stroke: color("--text"), width: 1.5, spanGaps: false, points: { show: false }, paths },
      ],
      bands: [{ series: [1, 2], fill: color("--band") }],
      hooks: {
        draw: [(self) => drawLimits(self, point.limits || {}, words)],
        setCursor: [(self) => hover(self, onHover)],
      },
    }, data, root);
  };
  return {
    set(rows, stepMs, fromMs, toMs) {
      const figures = figuresOf(rows);
      scale = chartScale(point.quantity, point.range, figures, words.states);
      span = [fromMs / 1000, toMs / 1000];
      build(columnsOf(rows, stepMs));
      return { figures, scale };
    },
    destroy() {
      if (chart) chart.destroy();
      chart = null;
    },
  };
}

function hover(chart, onHover) {
  const index = chart.cursor.idx;
  if (index === null || index === undefined) {
    onHover(null);
    return;
  }
  const [times, hi, lo, mean] = chart.data;
  onHover({ ms: times[index] * 1000, lo: lo[index], hi: hi[index], mean: mean[index], none: NO_DATA });
}

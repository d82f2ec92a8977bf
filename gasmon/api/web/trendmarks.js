// What is drawn into a trend beside the values: alarms, calibrations, faults, gaps, and
// the limits as they were at each time. The first half is pure.
import { toMs } from "./format.js";
import { symbolOf } from "./levels.js";

const GAP_STEPS = 2.5;
const SILENT_MS = 90 * 1000;
const LANE_PX = 8;
const LANES_END_PX = 8;
const LABEL_PX = 70;
const TOKENS = { 4: "--red", 3: "--orange", 2: "--yellow", 1: "--blue", 0: "--text", d: "--device" };

/** Room above the plot for the two lanes, css px. */
export const LANES_PX = 2 * LANE_PX + LANES_END_PX + 8;

/** The usual distance of raw rows, ms; what is much longer is a gap. */
export function usualStep(rows, otherwise) {
  const gaps = [];
  for (let i = 1; i < rows.length; i += 1) gaps.push(rows[i][0] - rows[i - 1][0]);
  gaps.sort((a, b) => a - b);
  return gaps.length ? Math.max(gaps[Math.floor(gaps.length / 2)], 1000) : otherwise;
}

/**
 * Spans `[from, to]` in ms without data, under calibration, and without a good value.
 *
 * `rows` as from the server, `[t_ms, min, max, mean, n, n_bad, n_calibration]`.
 */
export function spansOf(rows, stepMs, fromMs, untilMs) {
  const step = stepMs || usualStep(rows, SILENT_MS);
  const gaps = [];
  const calibrations = [];
  const faults = [];
  let end = fromMs;
  for (const [ms, , , , n, bad, tested] of rows) {
    if (ms - end > (GAP_STEPS - 1) * step) gaps.push([end, ms]);
    end = ms + step;
    if (tested) extend(calibrations, ms, end, step);
    else if (!n && bad) extend(faults, ms, end, step);
  }
  if (untilMs - end > Math.max((GAP_STEPS - 1) * step, SILENT_MS)) gaps.push([end, untilMs]);
  return { gaps, calibrations, faults };
}

function extend(spans, from, to, step) {
  const last = spans[spans.length - 1];
  if (last && from - last[1] <= GAP_STEPS * step) last[1] = to;
  else spans.push([from, to]);
}

/** How long spans last together, ms. */
export function lasting(spans) {
  return spans.reduce((sum, [from, to]) => sum + to - from, 0);
}

/** Limits over time: `{steps: {name: [[from, to, value]]}, changes: [ms]}`. */
export function limitSteps(versions, names, fromMs, untilMs) {
  const steps = {};
  for (const name of names) steps[name] = [];
  const starts = versions.map((version) => Math.max(fromMs, toMs(version.from)));
  versions.forEach((version, i) => {
    const end = i + 1 < versions.length ? starts[i + 1] : untilMs;
    for (const name of names) {
      const value = version.limits[name];
      if (typeof value !== "number" || end <= starts[i]) continue;
      const last = steps[name][steps[name].length - 1];
      if (last && last[1] === starts[i] && last[2] === value) last[1] = end;
      else steps[name].push([starts[i], end, value]);
    }
  });
  return { steps, changes: starts.slice(1) };
}

/** What is known of a moment: words of calibration, fault or gap, else "". */
export function markAt(spans, ms) {
  const inside = ([from, to]) => ms >= from && ms <= to;
  if (spans.calibrations.some(inside)) return "calibration";
  if (spans.faults.some(inside)) return "fault";
  return spans.gaps.some(inside) ? "gap" : "";
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function across(chart, from, to) {
  const { left, width } = chart.bbox;
  const x = (ms) => Math.min(left + width, Math.max(left, chart.valToPos(ms / 1000, "x", true)));
  const begin = x(from);
  // An alarm of seconds must be seen in a year.
  return [begin, Math.max(x(to) - begin, 2 * devicePixelRatio)];
}

/** Behind the values: gaps and alarms over the whole height. */
export function drawBehind(chart, shown) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.fillStyle = color("--hatch");
  for (const [from, to] of shown.spans.gaps) fill(ctx, across(chart, from, to), bbox.top, bbox.height);
  ctx.globalAlpha = 0.12;
  for (const alarm of shown.alarms) {
    ctx.fillStyle = color(TOKENS[symbolOf(alarm)]);
    fill(ctx, across(chart, toMs(alarm.from), alarm.to ? toMs(alarm.to) : shown.untilMs), bbox.top, bbox.height);
  }
  ctx.restore();
}

function fill(ctx, [x, width], y, height) {
  ctx.fillRect(x, y, width, height);
}

/** Above the plot: a lane of alarms, and one of calibrations, faults and gaps. */
export function drawLanes(chart, shown, words) {
  const { ctx, bbox } = chart;
  const px = devicePixelRatio;
  const height = LANE_PX * px;
  const alarmsY = bbox.top - (2 * LANE_PX + LANES_END_PX + 3) * px;
  const dataY = bbox.top - (LANE_PX + LANES_END_PX) * px;
  ctx.save();
  ctx.fillStyle = color("--track");
  for (const y of [alarmsY, dataY]) ctx.fillRect(bbox.left, y, bbox.width, height);
  for (const alarm of shown.alarms) {
    const box = across(chart, toMs(alarm.from), alarm.to ? toMs(alarm.to) : shown.untilMs);
    ctx.fillStyle = color(TOKENS[symbolOf(alarm)]);
    // Planned work stays a line: counted, and not as heavy as the rest.
    if (alarm.planned) fill(ctx, box, alarmsY + height / 2, height / 2);
    else fill(ctx, box, alarmsY, height);
  }
  ctx.fillStyle = color("--muted");
  for (const [from, to] of shown.spans.gaps) fill(ctx, across(chart, from, to), dataY + height / 2 - px, 2 * px);
  ctx.fillStyle = color("--device");
  for (const [from, to] of shown.spans.calibrations) fill(ctx, across(chart, from, to), dataY, height);
  for (const [from, to] of shown.spans.faults) fill(ctx, across(chart, from, to), dataY + height / 2, height / 2);
  ctx.fillStyle = color("--muted");
  ctx.font = `${11 * px}px sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.fillText(words.lane_alarms, bbox.left - 6 * px, alarmsY + height / 2);
  ctx.fillText(words.lane_data, bbox.left - 6 * px, dataY + height / 2);
  ctx.restore();
}

/** Limits as lines that step where they were changed, with their words at the end. */
export function drawLimits(chart, limits, words) {
  const { ctx, bbox } = chart;
  const px = devicePixelRatio;
  const y = (value) => Math.round(chart.valToPos(value, "y", true));
  const seen = (value) => y(value) >= bbox.top && y(value) <= bbox.top + bbox.height;
  ctx.save();
  ctx.font = `${Math.round(12 * px)}px sans-serif`;
  ctx.lineWidth = px;
  ctx.strokeStyle = color("--muted");
  for (const ms of limits.changes) {
    const [x] = across(chart, ms, ms);
    ctx.setLineDash([2 * px, 3 * px]);
    line(ctx, x, bbox.top, x, bbox.top + bbox.height);
  }
  for (const [name, token, dash] of [
    ["alarm_high", "--line-alarm", []], ["alarm_low", "--line-alarm", []],
    ["cut_high", "--line-cut", [6, 4]], ["cut_low", "--line-cut", [6, 4]],
  ]) {
    ctx.strokeStyle = color(token);
    ctx.setLineDash(dash.map((length) => length * px));
    for (const [from, to, value] of limits.steps[name].filter(([, , level]) => seen(level))) {
      const [x, width] = across(chart, from, to);
      line(ctx, x, y(value), x + width, y(value));
      if (width > LABEL_PX * px) label(ctx, [x, width], y(value), name.startsWith("cut"), `${words[name]} ${value}`, token);
    }
  }
  ctx.restore();
}

function line(ctx, x, y, toX, toY) {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(toX, toY);
  ctx.stroke();
}

// Alarm and cut-off limits are often equal: their words stand at different ends.
function label(ctx, [begin, length], y, right, text, token) {
  const px = devicePixelRatio;
  const { width } = ctx.measureText(text);
  const x = right ? begin + length - width - 6 * px : begin + 6 * px;
  ctx.textAlign = "left";
  ctx.fillStyle = color("--panel");
  ctx.fillRect(x, y - 17 * px, width, 15 * px);
  ctx.fillStyle = color(token);
  ctx.fillText(text, x, y - 5 * px);
}

// Numbers, times and ages as text. Pure: the present is an argument.

const BEIJING_MS = 8 * 3600 * 1000;
const DECIMALS = { "%": 2, ppm: 0, C: 1, "m/s": 2, Pa: 0, kPa: 2, "m3/min": 1 };
const SIGNS = { C: "°C", "m3/min": "m³/min", "mg/m3": "mg/m³" };

export const NO_DATA = "——";

/** Fixed decimals of a unit, so that a column stays aligned. */
export function decimals(uom) {
  const n = DECIMALS[uom];
  return n === undefined ? 2 : n;
}

export function unitSign(uom) {
  return SIGNS[uom] || uom || "";
}

/** A value without unit; `——` when there is none, never 0.00. */
export function number(value, uom) {
  if (typeof value !== "number" || !Number.isFinite(value)) return NO_DATA;
  return value.toFixed(decimals(uom));
}

export function withUnit(value, uom) {
  const text = number(value, uom);
  return text === NO_DATA || !uom ? text : `${text} ${unitSign(uom)}`;
}

/** ISO text or milliseconds to milliseconds; NaN when it is neither. */
export function toMs(at) {
  if (typeof at === "number") return at;
  return typeof at === "string" ? Date.parse(at) : NaN;
}

function two(n) {
  return n < 10 ? `0${n}` : String(n);
}

// The PC's own time zone is never used: a wrongly set PC must not move an alarm.
function beijing(ms) {
  return new Date(ms + BEIJING_MS);
}

export function clockTime(ms) {
  if (!Number.isFinite(ms)) return NO_DATA;
  const d = beijing(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

export function dayText(ms) {
  if (!Number.isFinite(ms)) return NO_DATA;
  const d = beijing(ms);
  return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
}

/** Time of day, with the day in front when it is not today in Beijing. */
export function moment(at, nowMs) {
  const ms = toMs(at);
  if (!Number.isFinite(ms)) return NO_DATA;
  const day = dayText(ms);
  const time = clockTime(ms);
  return day === dayText(nowMs) ? time : `${day.slice(5)} ${time}`;
}

/** `7 s`, `4:05`, `2:03:11`, `3 d 04 h`: short, and never negative. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return NO_DATA;
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
  if (hours) return `${hours}:${two(minutes)}:${two(s % 60)}`;
  return `${minutes}:${two(s % 60)}`;
}

// Levels, kinds and state bits as the screen shows them. Pure.

export const RANKS = [4, 3, 2, 1, 0];

// Device faults, breaks and calibration are not gas alarms: own hue, list and sound.
const DEVICE_KINDS = new Set([
  "over_range",
  "sensor_break",
  "substation_not_reachable",
  "substation_break",
  "calibration",
  "no_data",
  "suspicious_data",
  "substation_power_loss",
  "link_break",
  "clock_wrong",
  "definitions_missing",
  "message_flood",
]);

export const KINDS = [
  "over_limit", "cut_off", "low_limit", "low_cut_off", "over_range", "sensor_break",
  "substation_not_reachable", "calibration", "no_data", "substation_break", "link_break",
  "evasion", "rapid_rise", "high_pre_warning", "low_pre_warning", "suspicious_data",
  "local_fan_stopped", "main_fan_stopped", "smoke", "air_reversed", "on_off_alarm",
  "feed_lost", "breaker_open", "substation_power_loss",
  "clock_wrong", "definitions_missing", "our_clock", "spool_filling",
  "limits_looser", "limits_changed", "message_flood",
  "extent_over_limit", "door_pair_open", "duct_without_air", "main_fans_stopped",
  "mine_without_power", "feed_abnormal", "downstream_below_upstream",
  "fan_without_wind", "producing_but_flat", "pump_stopped", "suction_lost",
  "pipe_co_rising", "pipe_temperature_rising",
  "forecast", "forecast_advisory",
];

const MINE_ONLY_KINDS = new Set([
  "forecast", "forecast_advisory", "high_pre_warning", "low_pre_warning",
  "feed_lost", "breaker_open",
]);

/** A pre-warning or information: on the mine's own page, owed to nobody, never heard. */
export function isForecast(kind) {
  return MINE_ONLY_KINDS.has(kind);
}

const STATE_BITS = [1, 2, 4, 8, 16, 32, 64, 128];
const BAD_BITS = 8 | 16 | 32 | 64 | 128;

/** Where a value's bar ends: fixed per quantity, so that lengths compare. */
const SCALES = {
  CH4: [0, 2], CH4_PIPE: [0, 100], CO: [0, 100], PIPE_CO: [0, 100], O2: [0, 25],
  CO2: [0, 3], H2S: [0, 20], TEMP: [0, 50], TEMP_CHAMBER: [0, 50],
  AIR_VELOCITY: [0, 15], PIPE_TEMP: [0, 50],
};

export function isDevice(kind) {
  return DEVICE_KINDS.has(kind);
}

/** Which part of gasmon itself an alarm is about: `database`, `clock`, or "". */
export function platformPart(alarm) {
  const found = /^link:platform-(database|clock)(@|$)/.exec(alarm.subject || "");
  return found ? found[1] : "";
}

/** Symbol and colour class of an alarm: `4`…`0`, or `d` for a device fault. */
export function symbolOf(alarm) {
  return isDevice(alarm.kind) ? "d" : String(alarm.peak_rank || alarm.rank || 0);
}

/** Latched severity: the highest level seen since it was raised. */
export function worstRank(alarm) {
  return Math.max(alarm.rank || 0, alarm.peak_rank || 0);
}

/** The set bits of a state as a list; normal is an empty list. */
export function stateBits(state) {
  return STATE_BITS.filter((bit) => (state & bit) !== 0);
}

export function isBad(state) {
  return (state & BAD_BITS) !== 0;
}

export function scaleOf(quantity, range) {
  const fixed = SCALES[quantity];
  if (fixed) return fixed;
  if (range && Number.isFinite(range[0]) && range[1] > range[0]) return range;
  return null;
}

// A point may be silent this long before its value is not shown as good any more:
// the server's own default for a stale point.
export const STALE_MS = 90 * 1000;
// After this the old value itself is taken off the screen.
export const GONE_MS = 10 * 60 * 1000;

/** `good`, `marked` (calibration), `stale`, `bad` or `none`, of one value. */
export function qualityOf(value, state, atMs, nowMs) {
  if (!Number.isFinite(atMs)) return "none";
  const age = nowMs - atMs;
  if (age > GONE_MS) return "none";
  if (typeof value !== "number" || isBad(state)) return age > STALE_MS ? "stale" : "bad";
  if (age > STALE_MS) return "stale";
  return state & 4 ? "marked" : "good";
}

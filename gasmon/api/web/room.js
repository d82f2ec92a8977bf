// Live values of one mine: feeds rows or cells that were made once, on desk and wall.
import { toMs } from "./format.js";
import { tally } from "./alarmbook.js";
import { drillBook, drillSeq } from "./drillbook.js";
import { noteArrivals, takeAlarm } from "./hub.js";
import { isBad, scaleOf } from "./levels.js";
import { LiveStream } from "./live.js";
import { get } from "./requests.js";
import { Spark } from "./spark.js";
import { alarmBook, bookSeq, on, second, serverNow, setServerClock, tier } from "./state.js";
import { isSwitch, LiveValue, pointKey } from "./values.js";

const SWITCH_SCALE = [-0.3, 1.3];
const SPARK_SECONDS = 5;
const RELOAD_SECONDS = 600;
const RUN_MS = 2000;

/** Groups points by their unit, in the mine's own order; the rest comes last. */
export function groupByUnit(units, points) {
  const groups = (units || []).map((unit) => ({ unit, points: [] }));
  const index = new Map(groups.map((group) => [group.unit.id, group]));
  const rest = { unit: null, points: [] };
  for (const point of points) (index.get(point.unit_id) || rest).points.push(point);
  const all = [...groups, rest].filter((group) => group.points.length);
  const order = (a, b) => !!a.retired_at - !!b.retired_at || a.no.localeCompare(b.no);
  for (const group of all) group.points.sort(order);
  return all;
}

/** The changing cells of every point below `root`, by the point's id. */
export function collect(root, points) {
  const live = new Map();
  if (!root) return live;
  for (const point of points) {
    const row = root.querySelector(`[data-point="${Number(point.point_id)}"]`);
    if (!row) continue;
    const cell = (name) => row.querySelector(name);
    cell(".s").textContent = "";
    const value = new LiveValue(point, {
      root: row, symbol: cell(".s"), value: cell(".v"), state: cell(".state"),
      age: cell(".a"), fill: cell(".fill"),
    });
    const scale = isSwitch(point) ? SWITCH_SCALE : scaleOf(point.quantity, point.range);
    value.spark = scale && !point.retired_at ? new Spark(cell(".spark-cell"), point, scale) : null;
    live.set(point.point_id, value);
  }
  return live;
}

/** What both kinds of feeding share: values into rows, rows onto the screen. */
function feeding(live) {
  const dirty = new Set();
  const take = (id, value, state, atMs) => {
    const row = live.get(id);
    if (!row) return;
    row.set(value, state, atMs);
    if (row.spark && !isBad(state) && !(state & 4)) row.spark.hour.put(atMs, value);
    dirty.add(row);
  };
  const flush = () => {
    const now = serverNow();
    for (const row of dirty) row.draw(now);
    dirty.clear();
  };
  const drawAll = () => {
    for (const row of live.values()) dirty.add(row);
    flush();
  };
  const takeBook = (book) => {
    const table = tally(book, "subject", tier.peek());
    for (const row of live.values()) row.alarm = table.get(`point:${pointKey(row.point)}`) || null;
    drawAll();
  };
  return { take, flush, drawAll, takeBook };
}

/** Feeds `live` from the latest values, then from the mine's own stream; returns how
 *  to stop. `onLink` hears of the mine's link, `onBook` when its alarms changed. */
export function follow(code, live, onLink, onBook) {
  const { take, flush, drawAll, takeBook } = feeding(live);
  const cancel = new AbortController();
  const path = `/mines/${encodeURIComponent(code)}`;
  get(`${path}/latest`, {}, cancel.signal).then((page) => {
    for (const item of page.items) take(item.point_id, item.value, item.state, toMs(item.at));
    drawAll();
  }, () => {});
  const sparks = followSparks(path, {}, live, cancel.signal);
  const stream = new LiveStream(`/api/v1/stream/live?mine=${encodeURIComponent(code)}`, {
    onFrame: (frame) => {
      noteArrivals(frame);
      for (const part of frame.mines) {
        if (part.mine !== code) continue;
        onLink({ online: part.online, arrivedMs: part.arrived_ms || NaN });
        for (const [id, value, state, atMs] of part.points || []) take(id, value, state, atMs);
      }
    },
    onAlarm: takeAlarm,
    onClock: setServerClock,
    onPhase: () => {},
    onRefused: () => {},
  }).start();
  const stops = [
    on("flush", flush),
    second.subscribe(() => { stream.check(); drawAll(); sparks(); }),
    bookSeq.subscribe(() => { takeBook(alarmBook()); if (onBook) onBook(); }),
    () => stream.stop(),
    () => cancel.abort(),
  ];
  return () => stops.forEach((stop) => stop());
}

/** The same for a mine as a drill plays it: asked for every two seconds, because only
 *  those who look at this drill need it; its alarms are the drill's. */
export function followRun(run, code, live, onLink) {
  const { take, flush, drawAll, takeBook } = feeding(live);
  const cancel = new AbortController();
  const ask = () => get(`/drills/${run}/mines/${code}/latest`, {}, cancel.signal).then((page) => {
    let arrivedMs = NaN;
    for (const item of page.items) {
      take(item.point_id, item.value, item.state, toMs(item.at));
      const ms = toMs(item.arrived_at);
      if (!(arrivedMs >= ms)) arrivedMs = ms;
    }
    onLink({ online: page.online, arrivedMs });
    flush();
  }, () => {});
  ask();
  const sparks = followSparks(`/mines/${code}`, { run }, live, cancel.signal);
  const timer = setInterval(ask, RUN_MS);
  const stops = [
    second.subscribe(() => { drawAll(); sparks(); }),
    drillSeq.subscribe(() => takeBook(drillBook())),
    () => clearInterval(timer),
    () => cancel.abort(),
  ];
  return () => stops.forEach((stop) => stop());
}

/** Loads the curves now and then; between, they grow by the live values. Returns what
 *  is to be called each second. */
function followSparks(path, query, live, signal) {
  let seconds = 0;
  const draw = () => {
    const now = serverNow();
    for (const row of live.values()) if (row.spark) row.spark.draw(now);
  };
  const load = () => get(`${path}/sparklines`, query, signal).then((page) => {
    draw();
    for (const { point_id: id, rows } of page.items) {
      const row = live.get(id);
      if (!row || !row.spark) continue;
      for (const [ms, lo, hi] of rows) {
        row.spark.hour.put(ms, lo);
        row.spark.hour.put(ms, hi);
      }
    }
    draw();
  }, () => {});
  load();
  return () => {
    seconds += 1;
    if (seconds % RELOAD_SECONDS === 0) load();
    else if (seconds % SPARK_SECONDS === 0) draw();
  };
}

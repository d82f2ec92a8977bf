// Wires the page's own stream to the state: link, clock, alarm book, age of the data.
import { startAbove, stopAbove } from "./above.js";
import { LiveStream, DEAD_MS } from "./live.js";
import { get, whoAmI } from "./requests.js";
import {
  bookKnown, dataAtMs, emit, enterAlarm, escalation, link, proof, resetBook, setServerClock, tier, unsigned,
} from "./state.js";
import { BOOK_LIMIT } from "./alarmbook.js";
import { forgetDrills, loadDrills } from "./drillbook.js";
import { beaten, counted, joined, NO_PROOF } from "./proof.js";
import { leaveRoom, startShown, tickShown } from "./shown.js";

const PAGE_ROWS = 200;
const RELOAD_BOOK_MS = 60 * 1000;
const ESCALATION_MS = 15 * 1000;
const ASK_AGAIN_MS = 5000;
const FLUSH_MS = 300; // tiles and values are written about three times a second

let stream = null;
let timers = [];
let loading = null;
let unsignedAsked = 0;
let since = [];

/** Connects after sign-in: one stream for tiles and alarms, kept while browsing. */
export function startHub() {
  if (stream) return;
  stream = new LiveStream("/api/v1/stream/live?points=0", {
    onFrame: takeFrame,
    onAlarm: countAlarm,
    onBeat: (frame) => { proof.value = beaten(proof.value, frame); },
    onClock: setServerClock,
    onPhase: takePhase,
    onRefused: refused,
  }).start();
  timers = [
    setInterval(checkStream, 1000),
    setInterval(() => emit("flush"), FLUSH_MS),
    // Frames keep the book right; the reload mends whatever was missed anyway.
    setInterval(loadBook, RELOAD_BOOK_MS),
    setInterval(loadEscalation, ESCALATION_MS),
    setInterval(loadUnsigned, RELOAD_BOOK_MS),
    setInterval(loadDrills, ESCALATION_MS),
  ];
}

export function stopHub() {
  if (!stream) return;
  leaveRoom();
  stream.stop();
  stopAbove();
  stream = null;
  timers.forEach(clearInterval);
  timers = [];
  resetBook([], false, []);
  bookKnown.value = false;
  dataAtMs.value = NaN;
  proof.value = NO_PROOF;
  escalation.value = null;
  unsigned.value = [];
  forgetDrills();
  link.value = { phase: "connecting", reason: "", dead: false };
  document.documentElement.classList.remove("dead");
}

/** 4401 may mean that our rights changed, not that the session is over: ask. */
async function refused(code) {
  link.value = { phase: "lost", reason: String(code), dead: true };
  if (code !== 4401) return;
  const mine = stream;
  try {
    if ((await whoAmI()) && mine && mine === stream) mine.resume();
  } catch (_) {
    setTimeout(() => { if (mine && mine === stream) refused(code); }, ASK_AGAIN_MS);
  }
}

function checkStream() {
  stream.check();
  const dead = stream.silentMs() > DEAD_MS || stream.stopped;
  if (dead !== link.value.dead) link.value = { ...link.value, dead };
  document.documentElement.classList.toggle("dead", dead);
  tickShown();
}

function takePhase(phase, reason) {
  const came = phase === "open" && link.value.phase !== "open";
  link.value = { phase, reason, dead: phase === "open" ? false : link.value.dead };
  if (phase === "open") document.documentElement.classList.remove("dead");
  if (came) {
    startShown((frame) => stream !== null && stream.say(frame));
    loadBook();
    loadEscalation();
    loadUnsigned();
    loadDrills();
    startAbove();
  }
}

function takeFrame(frame) {
  if (frame.type === "snapshot") proof.value = joined(proof.value, frame);
  noteArrivals(frame);
  emit("frame", frame);
}

/** Keeps the newest arrival seen in a frame as the age of the data. */
export function noteArrivals(frame) {
  let newest = dataAtMs.peek();
  for (const mine of frame.mines || []) {
    if (!(newest >= mine.arrived_ms) && mine.arrived_ms) newest = mine.arrived_ms;
  }
  if (newest !== dataAtMs.peek()) dataAtMs.value = newest;
}

/** An alarm of the page's own stream: counted, as part of what is complete. */
function countAlarm(body) {
  proof.value = counted(proof.value);
  takeAlarm(body);
}

/** An alarm frame: the book, the lists and the sound hear of it at once. */
export function takeAlarm(body) {
  if (loading) since.push(body);
  enterAlarm(body);
  emit("alarm", body);
  if (body.event === "escalated") loadEscalation();
}

/** Counters and channels; without the server the last ones stay under the grey screen. */
function loadEscalation() {
  if (link.peek().phase !== "open") return;
  get("/escalation").then((now) => { if (stream) escalation.value = now; }, () => {});
}

/** Whoever has duty is reminded of what was not handed over; only the newest answer counts. */
export function loadUnsigned() {
  if (link.peek().phase !== "open" || !tier.peek()) return;
  const mine = unsignedAsked += 1;
  get("/handovers", { unsigned: "true", tier: tier.peek(), limit: 20 })
    .then((page) => { if (stream && mine === unsignedAsked) unsigned.value = page.items; }, () => {});
}

/** Loads what is open or cleared but unconfirmed; events meanwhile are kept. */
export async function loadBook() {
  if (loading) return;
  since = [];
  loading = (async () => {
    const rows = [];
    let more = false;
    for (const query of [{ state: "open" }, { state: "cleared", confirmed: "false" }]) {
      more = (await loadPages(query, rows)) || more;
    }
    resetBook(rows, more, since);
    bookKnown.value = true;
  })();
  try {
    await loading;
  } catch (error) {
    if (error.status !== 401) link.value = { ...link.value, reason: error.message };
  } finally {
    loading = null;
  }
}

async function loadPages(query, rows) {
  let cursor = "";
  for (;;) {
    const page = await get("/alarms", { ...query, cursor, limit: PAGE_ROWS });
    rows.push(...page.items);
    cursor = page.next;
    if (!cursor) return false;
    if (rows.length >= BOOK_LIMIT) return true;
  }
}

// Tells the server what this workstation is, and what it really drew and sounded: the
// last steps of an alarm's way. Only of people who must act.
import { bookSeq, alarmBook, link, owedBy, serverNow, tier } from "./state.js";
import { isPlanned } from "./alarmbook.js";
import { drillBook, drillOwed, drillSeq } from "./drillbook.js";
import { isForecast, worstRank } from "./levels.js";
import { hasSounded, sound, soundTestedMs } from "./sound.js";
import { recall, remember } from "./storage.js";

const SAY_MS = 5000; // as often as the server beats
const MOST = 400; // alarms of one frame

const page = token();
const told = { drawn: new Map(), sounded: new Map(), blocked: new Map() };
let say = null;
let last = "";
let saidAt = -Infinity;
let painting = false;

function token() {
  const parts = crypto.getRandomValues(new Uint32Array(2));
  return Array.from(parts, (part) => part.toString(16).padStart(8, "0")).join("");
}

/** The workstation: all tabs of one browser. */
function consoleId() {
  let id = recall("console", "");
  if (!/^[0-9a-f]{8,32}$/.test(id)) {
    id = token();
    remember("console", id);
  }
  return id;
}

/** Begins on a stream that is open: all that is shown is told anew. `send` says a frame. */
export function startShown(send) {
  say = send;
  last = "";
  Object.values(told).forEach((map) => map.clear());
  tickShown();
}

/** Somebody signs out: this room is not expected to hear any more. */
export function leaveRoom() {
  if (say && tier.peek()) say({ type: "leave" });
  say = null;
}

/** Called each second, and when the book changed. */
export function tickShown() {
  if (!say || !tier.peek() || link.peek().phase !== "open") return;
  sayState();
  saySounds();
  paint();
}

bookSeq.subscribe(() => paint());
drillSeq.subscribe(() => paint());
document.addEventListener("visibilitychange", () => tickShown());

function sayState() {
  const state = {
    type: "console",
    page,
    console: consoleId(),
    visible: document.visibilityState === "visible",
    sound: sound.peek().state === "on" && sound.peek().elsewhere ? "elsewhere" : sound.peek().state,
    tested_at_ms: soundTestedMs(),
  };
  const text = JSON.stringify(state);
  const now = performance.now();
  if (text === last && now - saidAt < SAY_MS) return;
  last = text;
  saidAt = now;
  say({ ...state, clock_off_ms: Math.round(Date.now() - serverNow()) });
}

// Frames of animation come in a tab that is seen, and only there. The first one comes
// before the change is on the screen, the second after it.
function paint() {
  if (painting || !say || document.visibilityState !== "visible") return;
  painting = true;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    painting = false;
    if (!say || link.peek().dead || document.visibilityState !== "visible") return;
    if (!document.querySelector(".banner .counts")) return;
    sayShown("drawn", Array.from(alarmBook().byId.values()));
    if (document.querySelector(".drill-page")) sayShown("drawn", Array.from(drillBook().byId.values()));
  }));
}

function saySounds() {
  const { state, elsewhere } = sound.peek();
  if (state === "on" && elsewhere) return; // the page that speaks tells it
  // A drill's alarms are told of as real ones are: rooms are measured by it.
  const owed = owedBy(tier.peek()).concat(drillOwed() || []);
  const loud = owed.filter((alarm) => !isPlanned(alarm) && !(alarm.late && alarm.cleared_at));
  if (state === "on") sayShown("sounded", loud.filter((alarm) => hasSounded(alarm.alarm_id, worstRank(alarm))));
  else sayShown("blocked", loud);
}

function sayShown(step, alarms) {
  const known = told[step];
  const [real, drill] = [alarmBook().byId, drillBook().byId];
  for (const id of known.keys()) if (!real.has(id) && !drill.has(id)) known.delete(id);
  const fresh = alarms.filter((alarm) => !isForecast(alarm.kind)
    && !(known.get(alarm.alarm_id) >= worstRank(alarm)));
  for (let at = 0; at < fresh.length; at += MOST) {
    const pairs = fresh.slice(at, at + MOST).map((alarm) => [alarm.alarm_id, worstRank(alarm)]);
    if (!say({ type: "shown", step, alarms: pairs, at_ms: Math.round(serverNow()) })) return;
    pairs.forEach(([id, rank]) => known.set(id, rank));
  }
}

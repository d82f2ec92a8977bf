// The acoustic side of an alarm. Three states that everybody can see: blocked by the
// browser, off (timed), on. A page is never the only sounder of a room.
import { signal } from "./html.js";
import { isPlanned } from "./alarmbook.js";
import { isDevice, worstRank } from "./levels.js";
import { recall, remember } from "./storage.js";

export const REPEAT_MS = 60 * 1000; // unconfirmed red sounds again
export const OFF_MS = 30 * 60 * 1000; // "off" ends by itself: a forgotten mute is a mute room
export const SILENCE_MS = 5 * 60 * 1000;
export const ASK_MS = 30 * 1000; // after a test: "did you hear it?"

/** `[frequency in Hz, start in s, length in s]` per level; worst has the most going on. */
const TONES = {
  4: [[960, 0, 0.25], [770, 0.25, 0.25], [960, 0.5, 0.25], [770, 0.75, 0.25], [960, 1, 0.25], [770, 1.25, 0.25]],
  3: [[700, 0, 0.2], [700, 0.3, 0.2], [700, 0.6, 0.2]],
  2: [[600, 0, 0.25], [600, 0.4, 0.25]],
  1: [[520, 0, 0.3]],
  0: [[460, 0, 0.3]],
  d: [[330, 0, 0.12], [330, 0.2, 0.12]],
};

export const sound = signal({ state: "blocked", offUntil: 0, played: 0, elsewhere: false, askUntil: 0 });

let context = null;
let speaking = null;
const drilled = { heard: new Map(), redAt: -Infinity, silencedUntil: 0 };
const memory = { heard: new Map(), redAt: -Infinity, silencedUntil: 0, endedAt: -Infinity };

/**
 * What should sound now. Pure in its arguments except `memory`, which it advances.
 *
 * `owed` are the unconfirmed alarms. Planned work and alarms found
 * late that are over stay silent; device faults have their own tone. What is `insistent`
 * repeats at every level as red does: a real alarm while people look at a drill.
 * Returns a key of the tones or null.
 */
export function decide(seen, owed, nowMs, insistent) {
  let fresh = null;
  let again = null;
  const ids = new Set();
  for (const alarm of owed) {
    if (isPlanned(alarm) || (alarm.late && alarm.cleared_at)) continue;
    const rank = worstRank(alarm);
    ids.add(alarm.alarm_id);
    const before = seen.heard.get(alarm.alarm_id);
    if (before === undefined || before < rank) {
      fresh = worse(fresh, isDevice(alarm.kind) ? "d" : String(rank));
    }
    seen.heard.set(alarm.alarm_id, rank);
    if ((rank === 4 || insistent) && !isDevice(alarm.kind)) again = worse(again, String(rank));
  }
  for (const id of seen.heard.keys()) if (!ids.has(id)) seen.heard.delete(id);
  const repeat = again !== null && nowMs - seen.redAt >= REPEAT_MS && nowMs >= seen.silencedUntil;
  const tone = repeat ? worse(fresh, again) : fresh;
  if (tone !== null && (repeat || tone === "4" || insistent)) seen.redAt = nowMs;
  return tone;
}

/** Whether an alarm that is still owed has sounded here at a level. */
export function hasSounded(id, rank) {
  return memory.heard.get(id) >= rank || drilled.heard.get(id) >= rank;
}

function worse(a, b) {
  if (a === null) return b;
  const order = "d01234";
  return order.indexOf(b) > order.indexOf(a) ? b : a;
}

function show() {
  const now = performance.now();
  const off = now < sound.value.offUntil;
  const running = context !== null && context.state === "running";
  const state = off ? "off" : running ? "on" : "blocked";
  if (state !== sound.value.state) sound.value = { ...sound.value, state };
  if (state === "on") claimVoice();
  else giveUpVoice();
  return state;
}

// One page speaks per workstation. The lock is held only while this page can really
// be heard; where the browser has no locks (plain http by address) every page speaks.
function claimVoice() {
  if (speaking || !navigator.locks) return;
  speaking = { release: null };
  const mine = speaking;
  sound.value = { ...sound.value, elsewhere: true };
  navigator.locks.request("gasmon-sound", () => {
    if (speaking !== mine) return undefined;
    sound.value = { ...sound.value, elsewhere: false };
    return new Promise((resolve) => { mine.release = resolve; });
  }).catch(() => {});
}

function giveUpVoice() {
  if (speaking && speaking.release) speaking.release();
  speaking = null;
}

/** Makes the audio context; the browser lets it run only after a gesture. */
export function startSound() {
  const Context = window.AudioContext || window.webkitAudioContext;
  if (!Context || context) return;
  context = new Context();
  context.onstatechange = show;
  const unlock = () => {
    if (context.state !== "running") context.resume().then(show, show);
  };
  // Not when the button goes down: the bar that told of it vanishes then, the page moves up,
  // and the click would be let go over something else and be lost.
  for (const kind of ["pointerup", "keydown"]) document.addEventListener(kind, unlock);
  show();
}

/** Called each second and at each alarm with what is unconfirmed, and with what is of
 *  the drill that is on show; null: none is. A real alarm goes first. */
export function tickSound(owed, ofDrill) {
  // While blocked or off nothing counts as heard: it sounds once sound is back.
  if (show() !== "on" || sound.value.elsewhere) return;
  const now = performance.now();
  const tone = decide(memory, owed, now, ofDrill !== null);
  const played = tone === null && ofDrill ? decide(drilled, ofDrill, now, false) : tone;
  if (played !== null) play(played);
}

function play(key) {
  if (!context || context.state !== "running") return;
  const start = context.currentTime + 0.02;
  for (const [hertz, at, length] of TONES[key]) {
    const source = context.createOscillator();
    const gain = context.createGain();
    source.type = "square";
    source.frequency.value = hertz;
    gain.gain.setValueAtTime(0.12, start + at);
    gain.gain.linearRampToValueAtTime(0, start + at + length);
    source.connect(gain).connect(context.destination);
    source.start(start + at);
    source.stop(start + at + length);
  }
  sound.value = { ...sound.value, played: sound.value.played + 1 };
}

/** Called each second while the session is over and nobody has noticed. */
export function tickEnded() {
  const now = performance.now();
  if (show() !== "on" || now - memory.endedAt < REPEAT_MS) return;
  memory.endedAt = now;
  play("d");
}

export function testSound() {
  if (!context) return;
  context.resume().then(() => {
    show();
    play("4");
    sound.value = { ...sound.value, askUntil: performance.now() + ASK_MS };
  }, show);
}

/** Somebody says that he heard the test; `atMs` is the server's time. */
export function confirmHeard(atMs) {
  remember("sound_tested", String(Math.round(atMs)));
  sound.value = { ...sound.value, askUntil: 0 };
}

/** When somebody last heard the test on this workstation, by the server's clock; or null. */
export function soundTestedMs() {
  const ms = Number(recall("sound_tested", ""));
  return ms > 1e12 ? ms : null;
}

/** Silence on this workstation: the repeats rest; anything new sounds again. */
export function silence() {
  memory.silencedUntil = performance.now() + SILENCE_MS;
  drilled.silencedUntil = memory.silencedUntil;
}

/** Off for half an hour, or on again. */
export function toggleSound() {
  const now = performance.now();
  const offUntil = now < sound.value.offUntil ? 0 : now + OFF_MS;
  sound.value = { ...sound.value, offUntil };
  if (context && !offUntil) context.resume().then(show, show);
  show();
}

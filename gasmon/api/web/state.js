// What the whole page knows. Signals for what changes rarely; the live values go to
// listeners directly, because a thousand tiles must not pass through a virtual tree.
import { batch, computed, signal } from "./html.js";
import { emptyBook, enter, isShelved, owes, summary } from "./alarmbook.js";
import { NO_PROOF } from "./proof.js";
import { recall, remember } from "./storage.js";

/** `{principal, csrf}` once signed in, null when not, undefined before it is known. */
export const me = signal(undefined);

/** A session that ended by itself: nobody left, yet nothing is shown or sounded. */
export const ended = signal(false);
export const areas = signal([]);
export const version = signal(null);

/** `{phase: connecting|open|lost, reason, dead}` of the page's own stream. */
export const link = signal({ phase: "connecting", reason: "", dead: false });

/** Newest arrival of any reading on this page, ms; NaN before the first. */
export const dataAtMs = signal(NaN);

/** Since when every alarm event came to this page; see `proof.js`. */
export const proof = signal(NO_PROOF);

/** Who must act now and how channels fare (`GET /escalation`); null before it is known. */
export const escalation = signal(null);

/** Shifts of one's own tier that are over without two signatures. */
export const unsigned = signal([]);

/** Counts up each second: components that show an age read it. */
export const second = signal(0);

export const theme = signal(recall("theme", prefersDark() ? "dark" : "light"));
export const size = signal(recall("size", "100"));

const TIER_OF_ROLE = { mine_dispatcher: "mine", county_officer: "county", city_officer: "city" };

export const role = computed(() => (me.value && me.value.principal ? me.value.principal.role : ""));
export const tier = computed(() => TIER_OF_ROLE[role.value] || null);
/** The room of whoever has one mine only: an overview would be a single tile. */
export const ownRoom = computed(() => {
  const mines = (me.value && me.value.principal && me.value.principal.mines) || [];
  return mines.length === 1 ? `/mine/${encodeURIComponent(mines[0])}` : null;
});
export const mayConfirm = computed(() => tier.value !== null);

function prefersDark() {
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Applies theme and wall size; both are remembered for this workstation. */
export function setLook(nextTheme, nextSize) {
  batch(() => {
    theme.value = nextTheme;
    size.value = nextSize;
  });
  remember("theme", nextTheme);
  remember("size", nextSize);
  applyLook();
}

export function applyLook() {
  const root = document.documentElement;
  root.dataset.theme = theme.value === "dark" ? "dark" : "light";
  root.style.fontSize = `${14 * (Number(size.value) || 100) / 100}px`;
}

// The server's clock, carried on by the monotonic one: setting the PC's clock
// changes neither ages nor times on the screen.
const clock = { serverMs: Date.now(), at: performance.now() };

export function setServerClock(ms) {
  if (!Number.isFinite(ms)) return;
  clock.serverMs = ms;
  clock.at = performance.now();
}

export function serverNow() {
  return clock.serverMs + (performance.now() - clock.at);
}

let book = emptyBook();

/** Whether the book was read at all: before, no count is known, and 0 would be a lie. */
export const bookKnown = signal(false);

/** Counts up whenever the book changed. */
export const bookSeq = signal(0);
export const bookSummary = computed(() => {
  bookSeq.value;
  return summary(book, tier.value);
});

export function alarmBook() {
  return book;
}

/** Replaces the book by API rows (after a connect); frames seen since win. */
export function resetBook(rows, more, since) {
  const next = emptyBook();
  for (const row of rows) enter(next, row, tier.value);
  for (const body of since) enter(next, body, tier.value);
  next.more = next.more || more;
  book = next;
  bookSeq.value += 1;
}

export function enterAlarm(body) {
  if (enter(book, body, tier.value)) bookSeq.value += 1;
}

/** Alarms that a tier still has to answer for; the shelved ones rest. */
export function owedBy(name) {
  const owed = [];
  for (const alarm of book.byId.values()) if (owes(alarm, name) && !isShelved(alarm)) owed.push(alarm);
  return owed;
}

/** Those of this workstation. */
export function owedAlarms() {
  return owedBy(tier.value);
}

const listeners = { frame: new Set(), alarm: new Set(), flush: new Set() };

/** Subscribes to `frame`, `alarm` or `flush`; returns how to stop. */
export function on(name, listener) {
  listeners[name].add(listener);
  return () => listeners[name].delete(listener);
}

export function emit(name, value) {
  for (const listener of listeners[name]) listener(value);
}

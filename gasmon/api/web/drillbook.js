// What this page knows of drills: which go on, and the alarms of the one that is shown.
// Apart from the book of real alarms: nothing of a drill is counted or owed there.
import { effect, signal, useEffect } from "./html.js";
import { BOOK_LIMIT, emptyBook, enter, isShelved, owes } from "./alarmbook.js";
import { LiveStream } from "./live.js";
import { get } from "./requests.js";
import { emit, link, second, setServerClock, tier } from "./state.js";

const PAGE_ROWS = 200;
const LEAVE_MS = 2000;
const ASK_AGAIN_MS = 5000;

/** Drills that are not over, as far as they are this person's to know. */
export const drills = signal([]);

/** What is on show: the number of a drill, 0 for the list of them, null for neither. */
export const drillView = signal(null);

/** Counts up whenever the shown drill's alarms changed. */
export const drillSeq = signal(0);

/** Counts up whenever its stream opened: what came before has to be read. */
export const drillOpened = signal(0);

let book = emptyBook();
let since = null;
let followed = null;
let leaving = 0;

export function drillBook() {
  return book;
}

/** What one's tier owes in the shown drill; null when none is shown. */
export function drillOwed() {
  if (!(drillView.peek() > 0)) return null;
  return [...book.byId.values()].filter((alarm) => owes(alarm, tier.peek()) && !isShelved(alarm));
}

/** What goes on, and how much of it one's own tier owes a confirmation. */
export async function loadDrills() {
  if (link.peek().phase !== "open") return;
  try {
    const { items } = await get("/drills", { current: "true", limit: 20 });
    drills.value = await Promise.all(items.map(async (one) => ({ ...one, owed: await owedIn(one) })));
  } catch (_) {
    // The next look comes by itself; a dead line is told by the banner.
  }
}

async function owedIn({ run, open_alarms: open }) {
  if (!tier.peek() || !open) return 0;
  return (await get("/alarms", { run, state: "open", confirmed: "false", limit: 1 })).total;
}

/** Somebody signed out. */
export function forgetDrills() {
  drills.value = [];
  leave();
}

/** An alarm of the drill that is followed, from its stream or from what was done here. */
export function enterDrill(body) {
  if (!followed || body.run !== followed.run) return;
  if (since) since.push(body);
  if (enter(book, body, tier.peek())) drillSeq.value += 1;
}

/** Shows a drill as long as the component lives: frame, sound and alarms follow it. */
export function useDrillView(run) {
  useEffect(() => {
    drillView.value = run;
    if (run === null) return undefined;
    if (run > 0) watch(run);
    return () => { leaveSoon(); drillView.value = null; };
  }, [run]);
}

/** One stream for all pages of a drill: whoever goes from one to the next keeps it. */
function watch(run) {
  clearTimeout(leaving);
  if (followed && followed.run === run) return;
  leave();
  const stream = new LiveStream(`/api/v1/stream/live?points=0&run=${run}`, {
    onFrame: () => {},
    onAlarm: (body) => { enterDrill(body); emit("alarm", body); },
    onClock: setServerClock,
    onPhase: (phase) => { if (phase === "open") opened(run); },
    onRefused: () => {},
  }).start();
  const stopChecks = second.subscribe(() => stream.check());
  followed = { run, stop: () => { stopChecks(); stream.stop(); } };
}

function leaveSoon() {
  clearTimeout(leaving);
  leaving = setTimeout(leave, LEAVE_MS);
}

function leave() {
  if (!followed) return;
  followed.stop();
  followed = null;
  replace(emptyBook());
}

function opened(run) {
  load(run);
  drillOpened.value += 1;
}

async function load(run) {
  const meanwhile = [];
  since = meanwhile;
  const next = emptyBook();
  try {
    for (const query of [{ state: "open" }, { state: "cleared", confirmed: "false" }]) {
      await loadPages({ ...query, run }, next);
    }
  } catch (_) {
    // Where the line is dead the page says so; it may also have been one lost answer.
    if (since === meanwhile) since = null;
    setTimeout(() => { if (followed && followed.run === run) load(run); }, ASK_AGAIN_MS);
    return;
  }
  if (since !== meanwhile || !followed || followed.run !== run) return;
  since = null;
  for (const body of meanwhile) enter(next, body, tier.peek());
  replace(next);
}

async function loadPages(query, next) {
  let cursor = "";
  do {
    const page = await get("/alarms", { ...query, cursor, limit: PAGE_ROWS });
    for (const row of page.items) enter(next, row, tier.peek());
    cursor = page.next;
  } while (cursor && next.byId.size < BOOK_LIMIT);
}

function replace(next) {
  book = next;
  drillSeq.value += 1;
}

// The frame stands as long as anything of a drill is shown; paper has it too.
effect(() => document.documentElement.classList.toggle("drill", drillView.value > 0));

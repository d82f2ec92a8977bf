// What forms and buttons share: one thing at a time, why it failed, and loading anew.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";
import { keepPlace, say } from "./focus.js";

/** A field must be filled before something is asked for at all. */
export class Wanting extends Error {
  constructor(text, field) {
    super(text);
    this.fields = [field];
  }
}

/** Runs one thing at a time; `failure` says why the last one was refused. Its end is told
 *  to screen readers unless it is `quiet`, and the keyboard stays where it was. */
export function useDoing() {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const [turn] = useState({ busy: false });
  const run = async (work, quiet = false) => {
    if (turn.busy) return;
    turn.busy = true;
    const back = keepPlace();
    let refused = [];
    setBusy(true);
    try {
      await work();
      setFailure("");
      if (!quiet) say(t("said.done"));
    } catch (error) {
      setFailure(error.message || t("error.unreachable"));
      refused = error.fields || [];
    }
    turn.busy = false;
    setBusy(false);
    back(refused);
  };
  return { busy, failure, run, setFailure };
}

let refusals = 0;

/** Why something was refused, in the server's words. What has the keyboard refers to it. */
export function Refused({ failure }) {
  const [id] = useState(() => `refused-${refusals += 1}`);
  return failure ? html`<p class="failure" role="alert" id=${id}>${failure}</p>` : null;
}

/** The named fields of a form, as texts. */
export function fieldsOf(form) {
  return Object.fromEntries(new FormData(form));
}

/** For something that is done once, however often it is sent. */
export function newKey() {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (part) => part.toString(16)).join("-");
}

/** Loads at once, and again each `every` ms; a function of what is there may say how
 *  often. Zero: only when `load` is called.
 *
 *  `key` tells one question from another: with a new one it is asked at once, and what
 *  was read for the one before is not shown any more, however late its answer comes. A
 *  question that is not complete yet (`ask` returns null) is not asked. */
export function useLoaded(ask, every, key = "") {
  const [seen, setSeen] = useState({ key, found: null, error: null });
  // What is wanted now: answers and timers look here, whenever they come.
  const [turn] = useState({ asked: 0, shown: 0 });
  Object.assign(turn, { ask, key });
  const { found, error } = seen.key === key ? seen : { found: null, error: null };
  const everyMs = (typeof every === "function" ? every(found) : every) || 0;
  const load = () => {
    const mine = turn.asked += 1;
    const wanted = turn.key;
    // Answers may overtake each other; what was asked for later stays.
    const show = (answer) => {
      if (wanted !== turn.key || mine < turn.shown) return;
      turn.shown = mine;
      setSeen((before) => ({ key: wanted, found: before.key === wanted ? before.found : null, error: null, ...answer }));
    };
    const answer = turn.ask();
    if (!answer) {
      show({ found: null });
      return Promise.resolve();
    }
    return answer.then((data) => show({ found: data }), (problem) => show({ error: problem }));
  };
  useEffect(() => { load(); }, [key]);
  useEffect(() => {
    if (!everyMs) return undefined;
    const timer = setInterval(load, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  const setFound = (data) => {
    // It is newer than all that was asked for so far.
    turn.shown = turn.asked + 1;
    setSeen({ key: turn.key, found: data, error: null });
  };
  return { found, setFound, error, load };
}

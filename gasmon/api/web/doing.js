// What forms and buttons share: one thing at a time, why it failed, and loading anew.
import { html, useEffect, useState } from "./html.js";
import { t } from "./i18n.js";

/** Runs one thing at a time; `failure` says why the last one was refused. */
export function useDoing() {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const run = async (work) => {
    if (busy) return;
    setBusy(true);
    try {
      await work();
      setFailure("");
    } catch (error) {
      setFailure(error.message || t("error.unreachable"));
    }
    setBusy(false);
  };
  return { busy, failure, run, setFailure };
}

/** Why something was refused, in the server's words. */
export function Refused({ failure }) {
  return failure ? html`<p class="failure" role="alert">${failure}</p>` : null;
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
 *  often. Zero: only when `load` is called. */
export function useLoaded(ask, every) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const everyMs = (typeof every === "function" ? every(found) : every) || 0;
  const [turn] = useState({ asked: 0, shown: 0 });
  const load = () => {
    const mine = turn.asked += 1;
    return ask().then((data) => {
      // Answers may overtake each other; what was asked for later stays.
      if (mine < turn.shown) return;
      turn.shown = mine;
      setFound(data);
      setError(null);
    }, setError);
  };
  useEffect(() => { load(); }, []);
  useEffect(() => {
    if (!everyMs) return undefined;
    const timer = setInterval(load, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return { found, setFound, error, load };
}

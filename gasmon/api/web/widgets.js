// Small pieces used by several pages: symbols, ages, errors.
import { html, useEffect, useRef } from "./html.js";
import { t, tCode } from "./i18n.js";
import { duration, toMs } from "./format.js";
import { symbolOf, worstRank, isDevice } from "./levels.js";
import { second, serverNow } from "./state.js";

/** Shape of a level; colour and shape say the same, and a word stands beside it. */
export function Sym({ k, flash }) {
  const speed = flash ? (k === "4" ? " flash fast" : " flash") : "";
  return html`<svg class=${`sym c-${k}${speed}`} aria-hidden="true"><use href=${`#sym-${k}`} /></svg>`;
}

/** Symbol and word of an alarm's latched level. */
export function Level({ alarm, owed }) {
  const k = symbolOf(alarm);
  const word = isDevice(alarm.kind) ? t("level.d") : t(`level.${worstRank(alarm)}`);
  return html`<span class=${`level c-${k}`}><${Sym} k=${k} flash=${owed} /><span>${word}</span></span>`;
}

/** A running age: only the text of one node changes, once a second. */
export function Age({ since, until }) {
  const ref = useRef(null);
  useEffect(() => {
    const write = () => {
      const end = until ? toMs(until) : serverNow();
      ref.current.textContent = duration(end - toMs(since));
    };
    write();
    return until ? undefined : second.subscribe(write);
  }, [since, until]);
  return html`<span class="num" ref=${ref}></span>`;
}

/** A failed load, told in words with a way to try again. */
export function Failure({ error, retry }) {
  if (!error) return null;
  const text = error.status === 0
    ? t("error.unreachable")
    : error.status === 404 ? t("error.not_found") : t("error.other", { status: error.status });
  return html`<p class="failure" role="alert">${text}
    ${error.message ? html`<span class="muted">${error.message}</span>` : null}
    ${retry ? html`<button onClick=${retry}>${t("error.retry")}</button>` : null}</p>`;
}

/** Where an alarm's link leads: its point, else its mine. Events name a point by its
 *  key (mine-system-number), which the point page understands as well as an id. */
export function alarmHref(alarm) {
  if (alarm.point_id) return `/point/${alarm.point_id}`;
  // A key means the live point: one of a drill is found by its id alone.
  if (alarm.run) return mineHref(alarm);
  const subject = /^point:(.+)$/.exec(alarm.subject || "");
  if (subject) return `/point/${encodeURIComponent(subject[1])}`;
  return alarm.mine ? `/mine/${alarm.mine}` : "/alarms";
}

/** Where a mine's name leads: within a drill to the mine as it is played there. */
export function mineHref({ run, mine }) {
  return run ? `/drill/${run}?mine=${mine || ""}` : `/mine/${mine}`;
}

export function kindName(kind) {
  return tCode("kind", kind);
}

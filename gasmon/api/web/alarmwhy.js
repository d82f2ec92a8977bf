// Why an alarm spoke: its rule's words, where its numbers come from, which readings.
import { html } from "./html.js";
import { pick, t, tCode } from "./i18n.js";
import { duration, moment, NO_DATA, number } from "./format.js";
import { isForecast } from "./levels.js";
import { serverNow } from "./state.js";

/** Parts of an explanation that are shown elsewhere on the page, or not as a number. */
export const ELSEWHERE = ["value", "state", "quantity", "place_class", "limits", "since", "lasting_s", "text", "advisory", "ahead_s"];
const MOMENTS = ["still_since", "newest_good_at", "heard_last"];
const COLUMNS = ["no", "role", "place", "value", "at"];

export function Why({ alarm }) {
  const explain = alarm.explain || {};
  const points = Array.isArray(explain.points) ? explain.points : [];
  const facts = Object.keys(explain)
    .filter((name) => !ELSEWHERE.includes(name) && !(name === "points" && points.length))
    .map((name) => [name, shown(name, explain[name])])
    .filter((fact) => fact[1] !== "");
  const words = explain.text && pick(explain.text.zh, explain.text.en);
  const subject = ruledSubject(alarm);
  if (!words && !facts.length && !points.length && !subject) return null;
  return html`<section class="why"><h2>${t("life.why")}</h2>${words ? html`<p data-why="text">${words}</p>` : null}
    <dl class="figures">${facts.map(([name, text]) => html`<div><dt>${tCode("why", name)}</dt><dd data-why=${name}>${text}</dd></div>`)}</dl>
    ${points.length ? html`<${Points} points=${points} />` : null}
    ${subject ? html`<p><a data-why="rules" href=${`/rules?subject=${encodeURIComponent(subject)}`}>${t("life.rules")}</a></p>` : null}
    ${isForecast(alarm.kind) ? html`<p><a href="/forecasts">${t("forecasts.title")}</a></p>` : null}</section>`;
}

/** What `/rules` explains: a live point, unit or mine; null for what has no rules there. */
export function ruledSubject({ run, subject }) {
  const found = /^(?:point|unit|mine):([0-9]{12}.*)$/.exec(subject || "");
  return found && !run ? found[1] : null;
}

function Points({ points }) {
  return html`<table><thead><tr>${COLUMNS.map((name) => html`<th>${t(`why.${name}`)}</th>`)}</tr></thead>
    <tbody>${points.map((point) => html`<tr data-role=${point.role}><td class="num">${point.no}</td><td>${tCode("role", point.role)}</td>
      <td>${point.place}</td><td class="r num">${typeof point.value === "number" ? point.value : NO_DATA}</td>
      <td class="num">${moment(point.at, serverNow())}</td></tr>`)}</tbody></table>`;
}

/** One part as people read it; empty text where there is nothing to say. */
export function shown(name, value) {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value === "boolean") return t(value ? "why.yes" : "why.no_");
  if (name === "limits_from") return origin(value);
  if (name === "broke_through") return `${tCode("planstats", `why_${value.why}`)} ${String(value.plan).replace("plan:", "#")}`;
  if (name === "level_rule") return t("why.number", { n: value });
  if (MOMENTS.includes(name)) return moment(value, serverNow());
  if (name === "crossed_at") return value.map((one) => moment(one, serverNow())).join(" · ");
  if (name.endsWith("_s") && name !== "least_m_s") return duration(value * 1000);
  if (Array.isArray(value)) return value.map((one) => tCode("because", one)).join(" ");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : number(value);
  // What is nested is for programs.
  return typeof value === "string" ? tCode("because", value) : "";
}

/** `law:FACE_T1` in words; a name that a site gave stays as it is. */
function origin(text) {
  const [from, ...rest] = text.split(":");
  return `${tCode("from", from)} ${rest.join(":")}`.trim();
}

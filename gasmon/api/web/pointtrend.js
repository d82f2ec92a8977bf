// The trend of a point: window and end in the address, figures, marks, and the file.
import { html, useEffect, useRef, useState } from "./html.js";
import { lang, t } from "./i18n.js";
import { clockTime, dayText, duration, moment, number, NO_DATA, withUnit } from "./format.js";
import { get } from "./requests.js";
import { route, setQuery } from "./router.js";
import { serverNow, theme } from "./state.js";
import { makeTrend, WINDOWS } from "./trend.js";
import { lasting } from "./trendmarks.js";
import { isSwitch } from "./values.js";
import { Failure } from "./widgets.js";

const MIN_MS = 60 * 1000;
const REFRESH_MS = { "1h": 10000, "8h": 30000, "24h": 60000, "7d": 120000 };
const LONG_REFRESH_MS = 10 * MIN_MS;
const MARKS = ["alarm", "calibration", "fault", "gap", "change"];

export const LIMITS = ["alarm_high", "clear_high", "cut_high", "restore_high", "alarm_low", "clear_low", "cut_low", "restore_low"];

/** Window and end of the address: `{name, span, until}`, `until` null for now. */
function askedWindow({ window: name, until }) {
  const known = WINDOWS[name] ? name : "1h";
  const end = until ? Date.parse(until) : NaN;
  return { name: known, span: WINDOWS[known], until: Number.isFinite(end) ? end : null };
}

function wordsOf(point) {
  const words = { states: isSwitch(point) ? [point.state_0 || "0", point.state_1 || "1"] : null };
  for (const name of LIMITS) words[name] = t(`limit.${name}`);
  words.lane_alarms = t("point.lane_alarms");
  words.lane_data = t("point.lane_data");
  return words;
}

export function PointTrend({ point }) {
  const { name, span, until } = askedWindow(route.value.query);
  const root = useRef(null);
  const [said, setSaid] = useState(null);
  const [error, setError] = useState(null);
  const [hovered, setHovered] = useState(null);
  useEffect(() => {
    const trend = makeTrend(root.current, point, wordsOf(point), setHovered);
    const cancel = new AbortController();
    const ask = async () => {
      const to = until || serverNow();
      const range = { from: iso(to - span), to: iso(to) };
      const width = Math.min(2000, Math.max(200, Math.floor(root.current.clientWidth)));
      const path = `/points/${point.point_id}`;
      try {
        const [page, marks] = await Promise.all([
          get(`${path}/readings`, { ...range, max_points: width }, cancel.signal),
          get(`${path}/marks`, range, cancel.signal),
        ]);
        setSaid({ ...trend.set(page.rows, page.step_ms, to - span, to, marks), at: serverNow(), range, more: marks.more });
        setError(null);
      } catch (failure) {
        if (failure.name !== "AbortError") setError(failure);
      }
    };
    ask();
    const timer = until ? 0 : setInterval(ask, REFRESH_MS[name] || LONG_REFRESH_MS);
    const resize = () => trend.resize();
    window.addEventListener("resize", resize);
    return () => {
      clearInterval(timer);
      cancel.abort();
      window.removeEventListener("resize", resize);
      trend.destroy();
    };
  }, [point, span, until, theme.value, lang.value]);
  return html`<section class="trend"><div class="trend-head">
      <span class="tabs windows">${Object.keys(WINDOWS).map((one) => html`<button aria-pressed=${one === name}
        onClick=${() => setQuery({ window: one })}>${t(`window.${one}`)}</button>`)}</span>
      <${Travel} span=${span} until=${until} />
      <span class="push"></span>
      ${said ? html`<a class="button export" download href=${exportHref(point, said.range)}>${t("point.export")}</a>` : null}</div>
    <${Failure} error=${error} />
    <${Figures} said=${said} uom=${point.uom} plain=${isSwitch(point)} />
    <div class="chart-box">
      <div class="chart" ref=${root}></div>
      ${said && said.figures.n === 0 ? html`<p class="chart-empty">${t("point.no_readings")}</p>` : null}</div>
    <div class="chart-foot"><span class="legend muted">${MARKS.map((mark) => html`<span><i class=${`swatch ${mark}`}></i>${t(`trend.${mark}`)}</span>`)}
      ${said && said.more ? html`<span>${t("point.more_marks")}</span>` : null}</span>
      <${Hovered} mark=${hovered} uom=${point.uom} /></div>
  </section>`;
}

function iso(ms) {
  return new Date(ms).toISOString();
}

function exportHref(point, { from, to }) {
  return `/api/v1/points/${point.point_id}/readings.csv?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`;
}

/** A window back, a window on, and back to the present. */
function Travel({ span, until }) {
  const move = (by) => {
    const next = (until || serverNow()) + by;
    setQuery({ until: next >= serverNow() ? "" : iso(Math.floor(next / MIN_MS) * MIN_MS) });
  };
  return html`<span class="tabs travel"><button title=${t("point.earlier")} onClick=${() => move(-span)}>‹</button>
    <button title=${t("point.later")} disabled=${!until} onClick=${() => move(span)}>›</button>
    <button disabled=${!until} onClick=${() => setQuery({ until: "" })}>${t("point.now")}</button></span>`;
}

function Figures({ said, uom, plain }) {
  if (!said) return html`<dl class="figures"><div class="muted">${t("loading")}</div></dl>`;
  const { figures, scale, spans } = said;
  const one = (name, text, after) => html`<div><dt>${t(`figure.${name}`)}</dt><dd class="num" data-figure=${name}>${text}${after ? html` <span class="muted">${after}</span>` : null}</dd></div>`;
  return html`<dl class="figures">
    ${plain ? null : html`${one("min", withUnit(figures.lo, uom))}
      ${one("max", withUnit(figures.hi, uom), figures.hi === null ? "" : moment(figures.hiAt, said.at))}
      ${one("mean", withUnit(figures.mean, uom))}`}
    ${one("n", figures.n, figures.bad ? t("figure.bad", { n: figures.bad }) : "")}
    ${spans.gaps.length ? one("gaps", duration(lasting(spans.gaps)), t("figure.times", { n: spans.gaps.length })) : null}
    ${spans.calibrations.length ? one("calibrations", duration(lasting(spans.calibrations)), t("figure.times", { n: spans.calibrations.length })) : null}
    ${scale.grown ? html`<div class="note">${t("figure.grown", { lo: number(scale.lo, uom), hi: withUnit(scale.hi, uom) })}</div>` : null}</dl>`;
}

/** What stands under the pointer; its place is kept so that nothing moves. */
function Hovered({ mark, uom }) {
  if (!mark) return html`<span class="hover"></span>`;
  const at = `${dayText(mark.ms)} ${clockTime(mark.ms)}`;
  const values = typeof mark.mean === "number" ? `${number(mark.lo, uom)} / ${number(mark.mean, uom)} / ${number(mark.hi, uom)}` : NO_DATA;
  return html`<span class="hover num">${at}  ${values}${mark.mark ? `  ${t(`trend.${mark.mark}`)}` : ""}</span>`;
}

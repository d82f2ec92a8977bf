// One mine: its units with their points, live, and its alarms.
import { html, useEffect, useMemo, useRef, useState } from "./html.js";
import { lang, pick, t } from "./i18n.js";
import { duration, toMs, unitSign } from "./format.js";
import { above, NotHere, silentWord } from "./above.js";
import { AlarmList } from "./alarmlist.js";
import { scaleOf } from "./levels.js";
import { areaName } from "./overview.js";
import { get } from "./requests.js";
import { collect, follow, followRun, groupByUnit } from "./room.js";
import { route, setQuery } from "./router.js";
import { areas, second, serverNow } from "./state.js";
import { Suspicion } from "./suspicion.js";
import { isSwitch, limitMarks } from "./values.js";
import { WallRoom } from "./wall.js";
import { Failure } from "./widgets.js";

export function MinePage({ code }) {
  const [mine, setMine] = useState(null);
  const [points, setPoints] = useState(null);
  const [error, setError] = useState(null);
  const [link, setLink] = useState({ online: undefined, arrivedMs: NaN });
  const load = () => {
    const path = `/mines/${encodeURIComponent(code)}`;
    Promise.all([get(path), get(`${path}/points`)]).then(([about, page]) => {
      setMine(about);
      setPoints(page.items);
      setLink({ online: about.online, arrivedMs: toMs(about.arrived_at) });
      setError(null);
    }, setError);
  };
  useEffect(load, []);
  areas.value;
  const wall = route.value.query.mode === "wall";
  return html`<main class=${wall ? "mine wall-room" : "mine"}>
    <h1 class="crumbs"><a href="/">${t("nav.overview")}</a>
      ${mine ? html`<a href=${`/area/${mine.area}`}>${areaName(mine.area)}</a>
        <span>${mine.name || code}</span> <span class="muted num">${code}</span>
        <${MineLink} link=${link} />` : html`<span>${code}</span>`}
      <span class="push"></span><span class="tabs modes">${["desk", "wall"].map((name) => html`<button aria-pressed=${wall === (name === "wall")}
        onClick=${() => setQuery({ mode: name === "wall" ? name : "" })}>${t(`mine.${name}`)}</button>`)}</span></h1>
    <${Failure} error=${error} retry=${load} />
    ${!mine && !error ? html`<p class="empty">${t("loading")}</p>` : null}
    ${mine && above.value ? html`<${NotHere} what="points" />` : null}
    ${mine && points && wall ? html`<${WallRoom} key=${lang.value} code=${code} mine=${mine} points=${points} onLink=${setLink} />` : null}
    ${mine && points && !wall ? html`<div class="split">
      <section class="alarms-of"><h2>${t("mine.alarms")} <a class="muted" href=${`/differences?mine=${code}`}>${t("title.differences")}</a> <a class="muted" href=${`/places?mine=${code}`}>${t("title.places")}</a> <a class="muted" href=${`/statistics?report=mine&mine=${code}`}>${t("statistics.mine")}</a></h2>
        <${AlarmList} filter=${{ mine: code, state: "standing" }} empty=${t("mine.no_alarms")} compact=${true} />
        <${Suspicion} code=${code} /></section>
      <${Units} code=${code} mine=${mine} points=${points} onLink=${setLink} /></div>` : null}
  </main>`;
}

export function MineLink({ link }) {
  second.value;
  if (above.value) return html`<span class="cell">${silentWord()}</span>`;
  const age = serverNow() - link.arrivedMs;
  const off = link.online === false || !(age < 60000);
  const word = t(link.online === false ? "tile.offline" : off ? "tile.stale" : "mine.online");
  return html`<span class=${`cell ${off ? "stale" : ""}`}>${word} <b class="num age">${duration(age)}</b></span>`;
}

/** A mine's points by unit, live; of a drill where `run` is one. */
export function Units({ code, mine, points, onLink, run }) {
  const groups = useMemo(() => groupByUnit(mine.units, points), [mine, points]);
  const root = useRef(null);
  useEffect(() => {
    const live = collect(root.current, points);
    return run ? followRun(run, code, live, onLink) : follow(code, live, onLink);
  }, [points, lang.value]);
  if (!points.length) return above.value ? null : html`<p class="empty">${t("mine.no_points")}</p>`;
  return html`<div class="units" ref=${root} key=${lang.value}>
    ${groups.map((group) => html`<${Unit} key=${group.unit ? group.unit.id : ""} group=${group} run=${run} />`)}</div>`;
}

function Unit({ group, run }) {
  const { unit } = group;
  const title = unit ? unit.name || unit.id : t("mine.other_points");
  return html`<section class="unit">
    <h2>${title} ${unit ? html`<span class="muted num">${unit.id}</span>` : null}
      <span class="muted num">${t("mine.n_points", { n: group.points.filter((point) => !point.retired_at).length })}</span>
      ${unit && unit.kind === "drainage" && !run ? html`<a href=${`/drainage?mine=${group.points[0].mine}`}>${t("title.drainage")}</a>` : null}</h2>
    <table class="points"><thead><tr><th class="s"></th><th class="no">${t("col.point")}</th><th>${t("col.place_type")}</th>
      <th class="bar-col">${t("col.bar")}</th><th class="spark-cell">${t("col.spark")}</th><th class="r v">${t("col.value")}</th><th class="u"></th>
      <th class="state">${t("col.state")}</th><th class="r a">${t("col.age")}</th></tr></thead>
    <tbody>${group.points.map((point) => html`<${PointRow} key=${point.point_id} point=${point} />`)}</tbody></table>
  </section>`;
}

function PointRow({ point }) {
  const known = pick(point.type_zh, point.type_en) || point.sensor_type || t("mine.undefined");
  const type = point.retired_at ? `${t("point.retired")} · ${known}` : known;
  const scale = isSwitch(point) ? null : scaleOf(point.quantity, point.range);
  return html`<tr data-point=${point.point_id}>
    <td class="s"></td>
    <td class="no num"><a href=${`/point/${point.point_id}`}>${point.no}</a></td>
    <td class="place" title=${`${point.place || ""} ${type}`}><span class="place-type">
      <span class="p"><bdi>${point.place || t("mine.no_place")}</bdi></span><span class="muted t">${type}</span></span></td>
    <td class="bar-col">${scale ? html`<span class="meter"><i class="fill"></i>
      ${limitMarks(point, scale).map(([name, share]) => html`<i class=${`mark-line ${name}`} style=${{ left: `${share * 100}%` }}></i>`)}</span>` : null}</td>
    <td class="spark-cell"></td>
    <td class="r v num"></td><td class="u muted">${isSwitch(point) ? "" : unitSign(point.uom)}</td>
    <td class="state"></td><td class="r a num muted"></td></tr>`;
}

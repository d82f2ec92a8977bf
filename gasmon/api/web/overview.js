// Overview of the city or of one area: every mine as a tile, worst first.
import { html, useEffect, useRef, useState } from "./html.js";
import { lang, pick, t } from "./i18n.js";
import { toMs } from "./format.js";
import { tally } from "./alarmbook.js";
import { get } from "./requests.js";
import { alarmBook, areas, bookSeq, on, serverNow, second, tier } from "./state.js";
import { City } from "./city.js";
import { Search } from "./search.js";
import { TileWall } from "./tiles.js";
import { Failure } from "./widgets.js";
import { noteArrivals } from "./hub.js";

const RELOAD_MS = 30 * 1000;
const PLACES_LIMIT = 5000;

/** An area's name in the language of the page; whoever draws it follows changes. */
export function areaName(code) {
  const found = areas.value.find((area) => area.code === code);
  return found ? pick(found.name_zh, found.name_en) : code;
}

export function Overview({ area }) {
  const [list, setList] = useState(null);
  const [error, setError] = useState(null);
  const load = () => get("/mines", { area }).then(
    (page) => { setList(page.items); setError(null); },
    setError,
  );
  useEffect(() => {
    load();
    const timer = setInterval(load, RELOAD_MS);
    return () => clearInterval(timer);
  }, []);
  const names = areas.value;
  return html`<main class="overview">
    <h1 class="crumbs">${area ? html`<a href="/">${t("nav.overview")}</a> <span>${names.length ? areaName(area) : area}</span>` : html`<span>${t("nav.overview")}</span>`}
      <span class="push"></span><${Search} /></h1>
    <${Failure} error=${error} retry=${load} />
    ${list && !list.length ? html`<p class="empty">${t("tile.no_mines")}</p>` : null}
    ${!list && !error ? html`<p class="empty">${t("loading")}</p>` : null}
    ${!area && list && new Set(list.map((mine) => mine.area)).size > 1 ? html`<${City} list=${list} />` : null}
    <${Wall} list=${list || []} single=${Boolean(area)} />
  </main>`;
}

function Wall({ list, single }) {
  const ref = useRef(null);
  const wall = useRef(null);
  const places = useRef(new Map());
  useEffect(() => {
    wall.current = new TileWall(ref.current);
    const flush = (all, urgent) => wall.current.flush(serverNow(), all, urgent);
    const stops = [
      on("frame", (frame) => takeFrame(wall.current, places.current, frame)),
      on("flush", () => flush(false)),
      bookSeq.subscribe(() => { takeBook(wall.current); flush(false, true); }),
      second.subscribe(() => flush(true)),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);
  useEffect(() => {
    wall.current.setMines(list, areaName, single);
    for (const mine of list) takeRow(wall.current, places.current, mine);
    takeBook(wall.current);
    wall.current.flush(serverNow(), true);
  }, [list, areas.value, lang.value]);
  return html`<div class="wall" ref=${ref}></div>`;
}

function takeRow(wall, places, mine) {
  const top = mine.top_ch4;
  const arrivedMs = toMs(mine.arrived_at);
  if (top) {
    if (places.size > PLACES_LIMIT) places.clear();
    places.set(top.point_id, top.place || top.no);
  }
  const known = wall.state(mine.code);
  // A row read over HTTP may be older than what the stream brought meanwhile.
  if (known && known.arrivedMs > arrivedMs) return;
  noteArrivals({ mines: [{ arrived_ms: arrivedMs }] });
  wall.patch(mine.code, {
    online: mine.online,
    arrivedMs,
    value: top ? top.value : null,
    atMs: top ? toMs(top.at) : NaN,
    place: top ? top.place || top.no : "",
  });
}

function takeFrame(wall, places, frame) {
  for (const mine of frame.mines) {
    const patch = { online: mine.online, arrivedMs: mine.arrived_ms || NaN };
    if (mine.top) {
      patch.value = mine.top.value;
      patch.atMs = mine.top.at_ms;
      patch.place = places.get(mine.top.point_id) || mine.top.place || "";
    } else if (mine.top === null) {
      patch.value = null;
      patch.atMs = NaN;
      patch.place = "";
    }
    wall.patch(mine.mine, patch);
  }
}

function takeBook(wall) {
  const table = tally(alarmBook(), "mine", tier.peek());
  for (const code of wall.tiles.keys()) wall.patch(code, { tally: table.get(code) || null });
}

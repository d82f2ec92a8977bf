// A schematic map: counties about where they lie, each mine a small sign in its county,
// the worst first. The places are our own drawing and no survey.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { areaName } from "./overview.js";
import { Sym } from "./widgets.js";

// Column, row, columns, rows; counties that are not named here follow by themselves.
const CELLS = {
  530626: [2, 1, 1, 1], 530681: [3, 1, 1, 1],
  530625: [1, 2, 1, 1], 530623: [2, 2, 2, 1], 530629: [4, 2, 1, 2],
  530624: [2, 3, 1, 1], 530628: [3, 3, 1, 1],
  530602: [2, 4, 1, 1], 530627: [3, 4, 2, 1],
  530621: [2, 5, 1, 1], 530622: [1, 5, 1, 1],
};

function place(code) {
  const cell = CELLS[code];
  return cell ? { gridColumn: `${cell[0]} / span ${cell[2]}`, gridRow: `${cell[1]} / span ${cell[3]}` } : {};
}

/** `rows` of `cityRows`. */
export function CityMap({ rows }) {
  return html`<section class="city-map" aria-label=${t("city.map")}>
    ${[...rows].sort((a, b) => a.code.localeCompare(b.code)).map((row) => html`
      <div class=${`county ${row.rank >= 0 ? "abnormal" : ""}`} key=${row.code} data-county=${row.code} style=${place(row.code)}>
        <a class="county-head" href=${`/area/${row.code}`}><span>${areaName(row.code)}</span><span class="muted num">${row.online}/${row.mines.length}</span></a>
        <div class="county-mines">${row.mines.map((mine) => html`<${MineSign} key=${mine.code} mine=${mine} />`)}</div></div>`)}
  </section>`;
}

function MineSign({ mine }) {
  const title = `${mine.name || mine.code}${mine.online ? "" : ` · ${t("tile.offline")}`}`;
  const key = mine.rank >= 0 ? String(mine.rank) : mine.device ? "d" : "";
  return html`<a href=${`/mine/${mine.code}`} title=${title} class=${`mine-sign ${mine.online ? "" : "off"}`}>
    ${key ? html`<${Sym} k=${key} flash=${mine.owed > 0} />` : html`<i></i>`}</a>`;
}
